//! What this room counts: plain numbers that only grow, read by `telemetry` when it is asked.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Method, Reason};

/// The room's counters since start. Read them one by one: they are not taken at one moment.
#[derive(Debug, Default)]
pub struct Counters {
    hits: AtomicU64,
    refusal_hits: AtomicU64,
    misses: AtomicU64,
    turned_away: AtomicU64,
    examiner_restarts: AtomicU64,
    key_fetches: AtomicU64,
    key_fetch_failures: AtomicU64,
    stale_key_sets: AtomicU64,
    stale_hits: AtomicU64,
    questions: AtomicU64,
    questions_spared: AtomicU64,
    rechecks: AtomicU64,
    clock_skews: AtomicU64,
    swept: AtomicU64,
    refusals: [AtomicU64; Reason::ALL.len()],
    verdicts: [[AtomicU64; Outcome::ALL.len()]; METHODS.len()],
}

/// How asking about a token ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The token is good.
    Verified,
    /// The token is not.
    Refused,
    /// Nobody could be asked.
    Unavailable,
}

const METHODS: [Method; 3] = [Method::Jwt, Method::Introspection, Method::Userinfo];

impl Outcome {
    const ALL: [Self; 3] = [Self::Verified, Self::Refused, Self::Unavailable];

    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

macro_rules! totals {
    ($($(#[$doc:meta])* $name:ident, $count:ident;)+) => {
        impl Counters {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> u64 {
                    self.$name.load(Ordering::Relaxed)
                }

                pub(super) fn $count(&self) {
                    self.$name.fetch_add(1, Ordering::Relaxed);
                }
            )+
        }
    };
}

totals! {
    /// Callers recognised without asking anybody.
    hits, count_hit;
    /// Callers refused from memory.
    refusal_hits, count_refusal_hit;
    /// Callers neither known nor refused from memory.
    misses, count_miss;
    /// Callers sent away since too many were waiting.
    turned_away, count_turned_away;
    /// Times the examiner had to be built anew after a panic.
    examiner_restarts, count_examiner_restart;
    /// Times the issuer's keys were asked for.
    key_fetches, count_key_fetch;
    /// Times they could not be had.
    key_fetch_failures, count_key_fetch_failure;
    /// Times an issuer served keys that it had replaced already.
    stale_key_sets, count_stale_key_set;
    /// Callers verified before who were let in though nobody could be asked about them again.
    stale_hits, count_stale_hit;
    /// Questions about tokens that were sent to an issuer.
    questions, count_question;
    /// Questions that were not, since the issuer has not answered lately.
    questions_spared, count_question_spared;
    /// Times a token was asked about again since it keeps something open.
    rechecks, count_recheck;
    /// Tokens with a good signature that were refused as of the future: somebody's clock is wrong.
    clock_skews, count_clock_skew;
}

impl Counters {
    /// Entries that had ended and were cleared away.
    #[must_use]
    pub fn swept(&self) -> u64 {
        self.swept.load(Ordering::Relaxed)
    }

    pub(super) fn count_swept(&self, entries: usize) {
        self.swept.fetch_add(entries as u64, Ordering::Relaxed);
    }

    /// How often tokens were refused for each reason, from memory or anew.
    pub fn refusals(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL
            .iter()
            .zip(&self.refusals)
            .map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)))
    }

    /// How often each method came to each outcome. For introspection and userinfo that is how often
    /// the issuer was asked.
    pub fn verdicts(&self) -> impl Iterator<Item = (Method, Outcome, u64)> {
        METHODS
            .iter()
            .zip(&self.verdicts)
            .flat_map(|(method, row)| {
                Outcome::ALL
                    .iter()
                    .zip(row)
                    .map(|(outcome, count)| (*method, *outcome, count.load(Ordering::Relaxed)))
            })
    }

    /// How often `method` came to `outcome`.
    #[must_use]
    pub fn verdicts_of(&self, method: Method, outcome: Outcome) -> u64 {
        self.verdicts[method as usize][outcome as usize].load(Ordering::Relaxed)
    }

    /// Counts a refusal. Those of [`judge`](super::judge()) are counted by whoever called it.
    pub fn count_refusal(&self, reason: Reason) {
        self.refusals[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_verdict(&self, method: Method, outcome: Outcome) {
        self.verdicts[method as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_method_and_outcome_has_a_counter_of_its_own() {
        let counters = Counters::default();
        for reason in Reason::ALL {
            counters.count_refusal(*reason);
        }
        for method in METHODS {
            for outcome in Outcome::ALL {
                counters.count_verdict(method, outcome);
            }
        }

        assert!(counters.refusals().all(|(_, count)| count == 1));
        assert_eq!(counters.verdicts().count(), 9);
        assert!(counters.verdicts().all(|(_, _, count)| count == 1));
    }
}
