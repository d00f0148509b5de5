//! The room's door for tokens: [`Verifier`], a cheap handle that every worker holds.
//!
//! A caller that is known costs one hash and one look-up, on the worker's own thread: an actor hop
//! would add 5 µs and a wake-up to every request and decide nothing. Only an unknown token is taken to
//! the [`Examiner`], with a place in the waiting room; without one, or
//! without an answer in time, the caller is told to come back.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::{Addr, Arbiter, MailboxError};
use tokio::sync::Semaphore;
use tracing::error;

use super::{
    Audiences, AuthError, BearerToken, Config, Counters, Principal, Verification,
    cache::{Digest, Remembered, Verdicts},
    examiner::{Examine, Examiner, Needs},
    trusted_issuer::TrustedIssuer,
};
use crate::{fetch::Fetcher, metadata::Discovery, time::Clock};

/// Finds out who sent a token. Clones share everything.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    needs: Needs,
    counters: Arc<Counters>,
    waiting_room: Arc<Semaphore>,
    config: Config,
    arbiter: Arbiter,
    examiner: Mutex<Addr<Examiner>>,
}

/// How the room is doing, for `/readyz` and the home page.
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

/// How much is remembered and asked at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Verified callers remembered.
    pub entries: usize,
    /// Memory they hold, in bytes.
    pub bytes: u64,
    /// Refusals remembered.
    pub refusals: usize,
    /// Callers waiting for a verdict.
    pub waiting: usize,
}

/// Beyond the deadline that flights keep themselves: only a dead or stuck arbiter takes longer.
const GRACE: Duration = Duration::from_millis(100);

impl Verifier {
    /// Starts the actor on an arbiter of its own; it fetches metadata and keys at once, and again
    /// until it has them. The issuer need not be up.
    ///
    /// # Panics
    /// Outside an actix `System`, where there can be no arbiter.
    #[must_use]
    pub fn start(config: Config, fetcher: Fetcher, clock: Clock) -> Self {
        let counters = Arc::new(Counters::default());
        let issuer = Arc::new(TrustedIssuer::new(
            config.issuer.clone(),
            &config.limits,
            fetcher,
            clock.clone(),
            Arc::clone(&counters),
        ));
        let leeway = config.issuer.leeway.get();
        let needs = Needs {
            issuer,
            verdicts: Arc::new(Verdicts::new(config.cache.clone(), leeway)),
            clock,
            verdict_within: config.limits.verdict_within,
        };
        let arbiter = Arbiter::new();
        let examiner = Examiner::start_on(&arbiter.handle(), needs.clone());
        Self {
            inner: Arc::new(Inner {
                needs,
                counters,
                waiting_room: Arc::new(Semaphore::new(config.limits.waiters_max.max(1))),
                config,
                arbiter,
                examiner: Mutex::new(examiner),
            }),
        }
    }

    /// Who sent this token. Identity only: what it is good for is [`judge`](super::judge())'s to say.
    ///
    /// # Errors
    /// [`AuthError::Refused`] for a definite no; [`AuthError::Unavailable`] where the authorization
    /// server could not be asked or too many are waiting.
    pub async fn verify(&self, token: &BearerToken) -> Result<Principal, AuthError> {
        let inner = &*self.inner;
        let digest = inner.needs.verdicts.digest(token);
        let verdict = match inner.needs.verdicts.look_up(&digest, inner.needs.present()) {
            Remembered::Verified(principal) => {
                inner.counters.count_hit();
                return Ok(principal);
            }
            Remembered::Refused(reason) => {
                inner.counters.count_refusal_hit();
                Err(reason.into())
            }
            Remembered::Nothing => {
                inner.counters.count_miss();
                inner.ask(digest, token.clone()).await
            }
        };
        if let Err(AuthError::Refused(reason)) = &verdict {
            inner.counters.count_refusal(*reason);
        }
        verdict
    }

    /// Whether a token could be verified now: the issuer's metadata is there, and its keys where they
    /// are needed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let issuer = &self.inner.needs.issuer;
        // Asked for regularly, so it is here that a dead actor is noticed while all callers are known.
        let _ = self.inner.examiner();
        issuer.discovery().current().is_some()
            && (!issuer.needs_keys() || issuer.keys().count().is_some())
    }

    /// How the room is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let issuer = &self.inner.needs.issuer;
        let key_trouble = || {
            let trouble = issuer.keys().failure()?;
            Some(format!("could not fetch the issuer's keys: {trouble}"))
        };
        Status {
            issuer: issuer.config().issuer.to_string(),
            verification: issuer.config().verification,
            discovered: issuer.discovery().current().is_some(),
            keys: issuer.keys().count(),
            trouble: issuer.discovery().failure().or_else(key_trouble),
        }
    }

    /// The authorization server's metadata, kept fresh by this room.
    #[must_use]
    pub fn discovery(&self) -> &Discovery {
        self.inner.needs.issuer.discovery()
    }

    /// The audiences to [`judge`](super::judge()) by: `accepted`, with what the issuer's settings say
    /// about tokens that name none.
    #[must_use]
    pub fn audiences(&self, accepted: impl IntoIterator<Item = String>) -> Audiences {
        let issuer = &self.inner.config.issuer;
        Audiences::new(accepted).or_none_by_introspection(issuer.introspection_without_audience)
    }

    /// What was counted since start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// How much is remembered and asked at this moment.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let Inner {
            needs,
            config,
            waiting_room,
            ..
        } = &*self.inner;
        let places = config.limits.waiters_max.max(1);
        Usage {
            entries: needs.verdicts.len(),
            bytes: needs.verdicts.bytes(),
            refusals: needs.verdicts.refusals(),
            waiting: places.saturating_sub(waiting_room.available_permits()),
        }
    }

    /// Forgets every verdict: each caller is verified anew at its next request.
    pub fn forget_all(&self) {
        self.inner.needs.verdicts.clear();
    }

    #[cfg(test)]
    pub(super) fn arbiter(&self) -> actix::ArbiterHandle {
        self.inner.arbiter.handle()
    }

    #[cfg(test)]
    pub(super) fn crash(&self) -> impl Future<Output = ()> + use<> {
        let examiner = self.inner.examiner();
        async move {
            let _ = examiner.send(super::examiner::Crash).await;
        }
    }
}

impl Inner {
    async fn ask(&self, digest: Digest, token: BearerToken) -> Result<Principal, AuthError> {
        let Ok(place) = Arc::clone(&self.waiting_room).try_acquire_owned() else {
            self.counters.count_turned_away();
            return Err(AuthError::unavailable());
        };
        let question = Examine {
            digest,
            token,
            place,
        };
        let deadline = self.config.limits.verdict_within.get() + GRACE;
        match self.examiner().send(question).timeout(deadline).await {
            Ok(verdict) => verdict,
            Err(MailboxError::Closed | MailboxError::Timeout) => Err(AuthError::unavailable()),
        }
    }

    /// The actor, built anew if it has died. Never decides anything itself: with no actor to ask,
    /// nobody gets in.
    fn examiner(&self) -> Addr<Examiner> {
        let mut examiner = self.examiner.lock().unwrap_or_else(PoisonError::into_inner);
        if !examiner.connected() {
            error!("the examiner has died; starting another");
            self.counters.count_examiner_restart();
            *examiner = Examiner::start_on(&self.arbiter.handle(), self.needs.clone());
        }
        examiner.clone()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.arbiter.stop();
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
