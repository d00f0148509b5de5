//! The room's door for tokens: [`Verifier`], a cheap handle that every worker holds.
//!
//! A caller that is known costs one hash and one look-up for each issuer, on the worker's own thread:
//! an actor hop would add 5 µs and a wake-up to every request and decide nothing. Only an unknown
//! token is taken to a [`Desk`]; without a place there, or without an answer in time, the caller is
//! told to come back.
//!
//! With several issuers a JWT goes to the one that its `iss` names. Nobody has verified that name,
//! and it decides nothing but whose rules and keys the token is then held against, all of it. A token
//! that names nobody goes to the one issuer that takes such tokens; it is shown to no other.

use std::{fmt, sync::Arc};

use super::{
    Audiences, AuthError, BearerToken, Config, Counters, CutOffs, Inspection, Principal, Reason,
    Verification, cache::Remembered, desk::Desk, digest::Digester, jwt, principal::Question,
    questions::Asker, trusted_issuer::TrustedIssuer,
};
use crate::{fetch::Fetcher, metadata::Discovery, scope::Scopes, time::Clock};

/// Finds out who sent a token. Clones share everything.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    /// One for each issuer, the first of them first.
    desks: Box<[Desk]>,
    /// Which of them takes tokens that name no issuer.
    opaque: Option<usize>,
    digester: Digester,
    counters: Arc<Counters>,
    cut_offs: CutOffs,
    config: Config,
}

/// How a caller stands whose token keeps something open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing speaks against it.
    Good,
    /// Its issuer is to be asked about it again.
    Due,
    /// Nobody can say any more: its issuer has been out of reach for so long that its keys were given up.
    Unknown,
    /// It would be refused now.
    Refused(Reason),
}

/// How one issuer is doing, for `/readyz` and the home page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The issuer whose tokens are taken.
    pub issuer: String,
    /// How they are verified.
    pub verification: Verification,
    /// Whether its metadata is there.
    pub discovered: bool,
    /// How many of its keys are there; `None` before any were, or where none are needed.
    pub keys: Option<usize>,
    /// What last went wrong and has not gone right since, in a sentence for operators.
    pub trouble: Option<String>,
}

/// How much is remembered of one issuer's tokens, and asked about them, at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Verified callers remembered.
    pub entries: usize,
    /// Memory they hold, in bytes.
    pub bytes: u64,
    /// Refusals remembered.
    pub refusals: usize,
    /// Callers waiting for a verdict.
    pub waiting: usize,
    /// Whether the issuer has not answered lately, and is asked once a second only.
    pub resting: bool,
}

impl Verifier {
    /// Starts an actor for each issuer, on an arbiter of its own; it fetches metadata and keys at
    /// once, and again until it has them. No issuer need be up.
    ///
    /// # Panics
    /// Outside an actix `System`, where there can be no arbiter.
    #[must_use]
    pub fn start(config: Config, fetcher: &Fetcher, clock: &Clock) -> Self {
        let counters = Arc::new(Counters::default());
        let cut_offs = CutOffs::new(config.cut_offs.clone(), clock.clone());
        let desks = config.issuers().map(|rules| {
            let (fetcher, clock) = (fetcher.clone(), clock.clone());
            let (counters, cut_offs) = (Arc::clone(&counters), cut_offs.clone());
            Desk::open(rules, &config, fetcher, clock, counters, cut_offs)
        });
        Self {
            inner: Arc::new(Inner {
                desks: desks.collect(),
                opaque: config.opaque_issuer(),
                digester: Digester::new(),
                counters,
                cut_offs,
                config,
            }),
        }
    }

    /// Who sent this token. Identity only: what it is good for is [`judge`](super::judge())'s to say.
    ///
    /// # Errors
    /// [`AuthError::Refused`] for a definite no; [`AuthError::Unavailable`] where the authorization
    /// server could not be asked or too many are waiting.
    pub async fn verify(&self, token: &BearerToken<'_>) -> Result<Principal, AuthError> {
        let verdict = self.inner.verdict(token).await.and_then(|principal| {
            // Judged here and never remembered, so that it counts for known callers at once.
            if self.inner.cut_offs.concern(&principal) {
                return Err(Reason::CutOff.into());
            }
            Ok(principal)
        });
        if let Err(AuthError::Refused(reason)) = &verdict {
            self.inner.counters.count_refusal(*reason);
        }
        verdict
    }

    /// Looks at a token through every check there is, as if it had never been seen; for people who
    /// wonder why it is refused. `audiences` and `required` are those of every request.
    pub async fn inspect(
        &self,
        token: &BearerToken<'_>,
        audiences: &Audiences,
        required: &Scopes,
    ) -> Inspection {
        let token = token.expose();
        let within = self.inner.config.limits.verdict_within.get();
        match self.inner.desk_for(token) {
            Ok(desk) => Inspection::of(desk.issuer(), token, within, audiences, required).await,
            Err(reason) => Inspection::of_nobodys(reason, jwt::unverified_issuer(token).as_deref()),
        }
    }

    /// How a caller stands whose token keeps something open, as far as is known without asking.
    #[must_use]
    pub fn standing(&self, caller: &Principal) -> Standing {
        if self.inner.cut_offs.concern(caller) {
            return Standing::Refused(Reason::CutOff);
        }
        let Some((desk, question)) = self.inner.question_about(caller) else {
            return self.inner.standing_of_key(caller);
        };
        match desk.look_up(&question.digest) {
            Remembered::Verified(_) => Standing::Good,
            Remembered::Refused(reason) => Standing::Refused(reason),
            Remembered::Stale(_) | Remembered::Nothing => Standing::Due,
        }
    }

    /// Asks about a caller's token again, as if it had come with a request: once, however many ask.
    /// Returns who it stands for now; nobody where that could not be asked, for a time that is borne.
    ///
    /// # Errors
    /// [`AuthError::Refused`] for a definite no; [`AuthError::Unavailable`] where nobody could be asked
    /// for longer than [`CacheConfig::stale_if_error`](super::CacheConfig::stale_if_error) allows.
    pub async fn ask_again(&self, caller: &Principal) -> Result<Option<Principal>, AuthError> {
        let Some((desk, question)) = self.inner.question_about(caller) else {
            return Ok(None);
        };
        self.inner.counters.count_recheck();
        let token = BearerToken::again(&question.token);
        match desk.ask(question.digest, &token, Asker::Known).await {
            Ok(renewed) => Ok(Some(renewed)),
            Err(AuthError::Unavailable { .. })
                if question.answered_at.elapsed() < self.inner.config.cache.relied_on_for() =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Questions of [`Verifier::ask_again`] that may be under way.
    #[must_use]
    pub fn rechecks_max(&self) -> usize {
        self.inner.config.limits.rechecks_max.max(1)
    }

    /// Whether a token of any issuer could be verified now: its metadata is there, and its keys where
    /// they are needed. One issuer that is down must not take the callers of the others with it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        // All are looked at, none is left out: `any` would stop at the first.
        let ready = self.inner.desks.iter().filter(|desk| desk.is_ready());
        ready.count() > 0
    }

    /// How each issuer is doing, the first of them first.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        self.inner.desks.iter().map(Desk::status).collect()
    }

    /// The metadata of the first authorization server, kept fresh by this room.
    #[must_use]
    pub fn discovery(&self) -> &Discovery {
        self.inner.desks[0].issuer().discovery()
    }

    /// The audiences to [`judge`](super::judge()) by: `accepted` for every issuer, and what each
    /// issuer's settings say about its own tokens.
    #[must_use]
    pub fn audiences(&self, accepted: impl IntoIterator<Item = String>) -> Audiences {
        let issuers = self.inner.config.issuers();
        issuers.fold(Audiences::new(accepted), Audiences::with_issuer)
    }

    /// What was counted since start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// How much is remembered and asked at this moment, with the issuer it is about.
    pub fn usage_by_issuer(&self) -> impl Iterator<Item = (&str, Usage)> {
        let desks = self.inner.desks.iter();
        desks.map(|desk| (desk.issuer().config().issuer.as_str(), desk.usage()))
    }

    /// The same, of all issuers together.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let all = self.usage_by_issuer().map(|(_, usage)| usage);
        all.fold(Usage::default(), |sum, one| Usage {
            entries: sum.entries + one.entries,
            bytes: sum.bytes + one.bytes,
            refusals: sum.refusals + one.refusals,
            waiting: sum.waiting + one.waiting,
            resting: sum.resting || one.resting,
        })
    }

    pub(super) fn trusted_issuers(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.inner.desks.iter().map(Desk::issuer)
    }

    /// Who is shut out although its tokens live.
    #[must_use]
    pub fn cut_offs(&self) -> &CutOffs {
        &self.inner.cut_offs
    }

    /// Forgets every verdict, and fetches keys anew: each caller is verified at its next request as if
    /// it was the first (F26).
    pub fn forget_all(&self) {
        self.inner.cut_offs.forget_first_sights();
        for desk in &self.inner.desks {
            desk.forget_all();
        }
    }

    #[cfg(test)]
    pub(super) fn desks(&self) -> &[Desk] {
        &self.inner.desks
    }
}

impl Inner {
    async fn verdict(&self, token: &BearerToken<'_>) -> Result<Principal, AuthError> {
        let digest = self.digester.digest(token);
        for desk in &self.desks {
            match desk.look_up(&digest) {
                Remembered::Verified(principal) => {
                    self.counters.count_hit();
                    return Ok(principal);
                }
                Remembered::Refused(reason) => {
                    self.counters.count_refusal_hit();
                    return Err(reason.into());
                }
                Remembered::Stale(_) => {
                    self.counters.count_miss();
                    return desk.ask(digest, token, Asker::Known).await;
                }
                Remembered::Nothing => {}
            }
        }
        self.counters.count_miss();
        let desk = self.desk_for(token.expose())?;
        desk.ask(digest, token, Asker::Stranger).await
    }

    /// What it takes to ask about a caller's token again, and where; nothing where nobody is asked.
    fn question_about<'p>(&self, caller: &'p Principal) -> Option<(&Desk, &'p Question)> {
        Some((self.desk_of(caller)?, caller.question()?))
    }

    /// How a caller stands by the key that has signed its token.
    fn standing_of_key(&self, caller: &Principal) -> Standing {
        let (Some(key), Some(desk)) = (caller.key(), self.desk_of(caller)) else {
            return Standing::Good;
        };
        match desk.issuer().keys().at_hand() {
            Some(edition) if edition.keys.has(key) => Standing::Good,
            Some(_) => Standing::Refused(Reason::UnknownKey),
            None => Standing::Unknown,
        }
    }

    fn desk_of(&self, caller: &Principal) -> Option<&Desk> {
        let mut desks = self.desks.iter();
        desks.find(|desk| desk.issuer().is(caller.issuer()))
    }

    /// Whose rules a token is held against.
    fn desk_for(&self, token: &str) -> Result<&Desk, Reason> {
        // Of one issuer there is nothing to choose, and nothing to read before it is its turn.
        if let [only] = &*self.desks {
            return Ok(only);
        }
        let found = match jwt::unverified_issuer(token) {
            Some(named) => self.desks.iter().find(|desk| desk.issuer().is(&named)),
            None => self.opaque.and_then(|place| self.desks.get(place)),
        };
        found.ok_or_else(|| {
            if jwt::is_jwt(token) {
                Reason::WrongIssuer
            } else {
                Reason::Opaque
            }
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Verifier")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
