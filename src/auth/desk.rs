//! Where one issuer's tokens are taken to: its memory, its places to wait, its actor and its thread.
//!
//! [`Verifier`](super::Verifier) has one desk for each issuer and leads a token to the right one. Two
//! desks share nothing that can be used up: an issuer that hangs fills its own waiting room, one that
//! signs a million tokens its own memory, and one whose keys are slow its own thread.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::{Addr, Arbiter, MailboxError};
use tokio::sync::Semaphore;
use tracing::{Span, error};

use super::{
    AuthError, BearerToken, Config, Counters, CutOffs, IssuerConfig, Principal, Status, Usage,
    cache::{Remembered, Verdicts},
    digest::Digest,
    examiner::{Examine, Examiner, Needs, Place},
    questions::{Asker, without_reserve},
    trusted_issuer::TrustedIssuer,
};
use crate::{fetch::Fetcher, time::Clock, units::HumanDuration};

/// Beyond the deadline that flights keep themselves: only a dead or stuck arbiter takes longer.
const GRACE: Duration = Duration::from_millis(100);

/// One issuer's desk.
pub(super) struct Desk {
    needs: Needs,
    waiting_room: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    places: usize,
    verdict_within: HumanDuration,
    arbiter: Arbiter,
    examiner: Mutex<Addr<Examiner>>,
}

impl Desk {
    /// Starts the actor on an arbiter of its own. `rules` is one of `config`'s issuers.
    pub(super) fn open(
        rules: &IssuerConfig,
        config: &Config,
        fetcher: Fetcher,
        clock: Clock,
        counters: Arc<Counters>,
        cut_offs: CutOffs,
    ) -> Self {
        let limits = &config.limits;
        let issuer = TrustedIssuer::new(
            rules.clone(),
            limits,
            fetcher,
            clock.clone(),
            Arc::clone(&counters),
        );
        let cache = config.cache.share(config.issuers().count());
        let needs = Needs {
            issuer: Arc::new(issuer),
            verdicts: Arc::new(Verdicts::new(cache, rules.leeway.get())),
            clock,
            verdict_within: limits.verdict_within,
            tokens_max: limits.tokens_max.max(1),
            counters,
            cut_offs,
        };
        let arbiter = Arbiter::new();
        let examiner = Examiner::start_on(&arbiter.handle(), needs.clone());
        let places = limits.waiters_max.max(1);
        Self {
            needs,
            waiting_room: Arc::new(Semaphore::new(places)),
            strangers: Arc::new(Semaphore::new(without_reserve(places))),
            places,
            verdict_within: limits.verdict_within,
            arbiter,
            examiner: Mutex::new(examiner),
        }
    }

    pub(super) fn issuer(&self) -> &TrustedIssuer {
        &self.needs.issuer
    }

    /// What is remembered of a token: one look-up.
    pub(super) fn look_up(&self, digest: &Digest) -> Remembered {
        self.needs.verdicts.look_up(digest, self.needs.present())
    }

    /// Has a token examined, with a place in the waiting room.
    pub(super) async fn ask(
        &self,
        digest: Digest,
        token: &BearerToken<'_>,
        asker: Asker,
    ) -> Result<Principal, AuthError> {
        let verdict = self.verdict(digest, token, asker).await;
        match (&verdict, asker) {
            (Err(AuthError::Unavailable { .. }), Asker::Known) => self.rely_on(&digest),
            _ => verdict,
        }
    }

    async fn verdict(
        &self,
        digest: Digest,
        token: &BearerToken<'_>,
        asker: Asker,
    ) -> Result<Principal, AuthError> {
        let Some(place) = self.place(asker) else {
            self.needs.counters.count_turned_away();
            return Err(AuthError::unavailable());
        };
        let question = Examine {
            digest,
            token: token.to_static(),
            span: Span::current(),
            place,
        };
        let deadline = self.verdict_within.get() + GRACE;
        match self.examiner().send(question).timeout(deadline).await {
            Ok(verdict) => verdict,
            Err(MailboxError::Closed | MailboxError::Timeout) => Err(AuthError::unavailable()),
        }
    }

    /// A caller verified before, where nobody could be asked again. Looked up anew: while it waited its
    /// time may have run out.
    fn rely_on(&self, digest: &Digest) -> Result<Principal, AuthError> {
        match self.look_up(digest) {
            Remembered::Verified(principal) | Remembered::Stale(principal) => {
                self.needs.counters.count_stale_hit();
                Ok(principal)
            }
            Remembered::Refused(reason) => Err(reason.into()),
            Remembered::Nothing => Err(AuthError::unavailable()),
        }
    }

    fn place(&self, asker: Asker) -> Option<Place> {
        let place = |room: &Arc<Semaphore>| Arc::clone(room).try_acquire_owned().ok();
        let of_strangers = match asker {
            Asker::Stranger => Some(place(&self.strangers)?),
            Asker::Known => None,
        };
        Some(Place {
            _of_strangers: of_strangers,
            _of_all: place(&self.waiting_room)?,
        })
    }

    /// Whether a token of this issuer could be verified now.
    pub(super) fn is_ready(&self) -> bool {
        // Asked for regularly, so it is here that a dead actor is noticed while all callers are known.
        let _ = self.examiner();
        let issuer = self.issuer();
        issuer.discovery().current().is_some()
            && (!issuer.needs_keys() || issuer.keys().count().is_some())
    }

    pub(super) fn status(&self) -> Status {
        let issuer = self.issuer();
        Status {
            issuer: issuer.config().issuer.to_string(),
            verification: issuer.config().verification,
            discovered: issuer.discovery().current().is_some(),
            keys: issuer.keys().count(),
            trouble: issuer.trouble(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let verdicts = &self.needs.verdicts;
        Usage {
            entries: verdicts.len(),
            bytes: verdicts.bytes(),
            refusals: verdicts.refusals(),
            resting: self.issuer().questions().are_resting(),
            waiting: self
                .places
                .saturating_sub(self.waiting_room.available_permits()),
        }
    }

    pub(super) fn forget_all(&self) {
        self.needs.verdicts.clear();
        self.issuer().keys().look_again();
    }

    #[cfg(test)]
    pub(super) fn arbiter(&self) -> actix::ArbiterHandle {
        self.arbiter.handle()
    }

    /// The actor, built anew if it has died. Never decides anything itself: with no actor to ask,
    /// nobody gets in.
    pub(super) fn examiner(&self) -> Addr<Examiner> {
        let mut examiner = self.examiner.lock().unwrap_or_else(PoisonError::into_inner);
        if !examiner.connected() {
            error!(issuer = %self.issuer().config().issuer, "the examiner has died; starting another");
            self.needs.counters.count_examiner_restart();
            *examiner = Examiner::start_on(&self.arbiter.handle(), self.needs.clone());
        }
        examiner.clone()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.arbiter.stop();
    }
}
