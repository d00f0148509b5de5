//! Asking one issuer about tokens: how much at once, how often, and whether it is worth it now.
//!
//! A question passes three gates, in this order: a turn in the budget and a place among the strangers
//! (only for tokens never verified before), a place among all, and the [`Breaker`]. So a flood of
//! made-up tokens neither becomes a flood at the issuer nor keeps us from asking about the callers we
//! know, whose revocation would go unnoticed; and while the issuer does not answer nobody waits for it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{info, warn};

use super::{AuthError, Counters, claims::Claims, config::LimitsConfig, upstream::Trouble};
use crate::{
    fetch::{Breaker, Budget, Resting},
    metadata::Issuer,
};

/// Whose token a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// Of somebody never verified before, or forgotten.
    Stranger,
    /// Of a caller verified before, whose answer has aged.
    Known,
}

/// The gates of one issuer.
#[derive(Debug)]
pub(super) struct Questions {
    issuer: Issuer,
    all: Semaphore,
    strangers: Semaphore,
    budget: Budget,
    breaker: Breaker,
    /// Whether the last question had no answer, so that an outage is logged once.
    is_silent: AtomicBool,
    counters: Arc<Counters>,
}

impl Questions {
    pub(super) fn new(issuer: Issuer, limits: &LimitsConfig, counters: Arc<Counters>) -> Self {
        let all = limits.upstream_max.max(1);
        Self {
            issuer,
            all: Semaphore::new(all),
            strangers: Semaphore::new(without_reserve(all)),
            budget: Budget::per_second(limits.upstream_per_second),
            breaker: Breaker::default(),
            is_silent: AtomicBool::new(false),
            counters,
        }
    }

    /// Whether the issuer is known not to answer.
    pub(super) fn are_resting(&self) -> bool {
        self.breaker.is_open()
    }

    /// Waits for leave to ask, asks, and keeps a verdict apart from silence. The examiner sets the
    /// deadline.
    pub(super) async fn ask(
        &self,
        asker: Asker,
        question: impl Future<Output = Result<Claims, Trouble>>,
    ) -> Result<Claims, AuthError> {
        if let Some(resting) = self.breaker.resting() {
            return Err(self.spared(resting));
        }
        let _stranger = match asker {
            Asker::Stranger => {
                let place = place(&self.strangers).await?;
                self.budget.turn().await;
                Some(place)
            }
            Asker::Known => None,
        };
        let _place = place(&self.all).await?;
        // Much may have happened while this one waited.
        let attempt = self.breaker.attempt();
        let attempt = attempt.map_err(|resting| self.spared(resting))?;
        self.counters.count_question();
        match question.await {
            Err(Trouble::NoAnswer {
                why,
                stay_away,
                is_outage,
            }) => {
                if is_outage {
                    attempt.failed(stay_away);
                } else {
                    attempt.succeeded();
                }
                self.silent(&why);
                Err(AuthError::unavailable_for(stay_away))
            }
            Err(Trouble::No(reason)) => {
                self.heard();
                attempt.succeeded();
                Err(reason.into())
            }
            Ok(claims) => {
                self.heard();
                attempt.succeeded();
                Ok(claims)
            }
        }
    }

    /// Logs where silence begins.
    pub(super) fn silent(&self, why: &str) {
        if !self.is_silent.swap(true, Ordering::Relaxed) {
            warn!(issuer = %self.issuer, error = why, "could not ask the authorization server about a token");
        }
    }

    fn heard(&self) {
        if self.is_silent.swap(false, Ordering::Relaxed) {
            info!(issuer = %self.issuer, "authorization server answers again");
        }
    }

    fn spared(&self, resting: Resting) -> AuthError {
        let Resting(retry_after) = resting;
        self.counters.count_question_spared();
        AuthError::unavailable_for(Some(retry_after))
    }
}

/// The part of so many places that strangers may take: a quarter is kept for callers we know.
pub(super) const fn without_reserve(places: usize) -> usize {
    places - places / 4
}

async fn place(places: &Semaphore) -> Result<SemaphorePermit<'_>, AuthError> {
    let place = places.acquire().await;
    place.map_err(|_closed| AuthError::unavailable())
}
