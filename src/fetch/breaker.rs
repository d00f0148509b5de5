//! Whether it is worth asking somebody who has not answered lately.
//!
//! After [`FAILURES_MAX`] failures in a row, or at once where the other side names a time to come
//! back, nobody is asked any more but one *probe* a second; its success lets everybody through again.
//! So whoever would have waited for a deadline is told at once, and the other side is not met by a
//! crowd when it comes back. Whoever holds a [`Breaker`] decides what counts as a failure.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Failures in a row that are taken for an outage.
pub const FAILURES_MAX: u32 = 5;

/// Least time between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Longest time to stay away, whatever the other side says: "in an hour" must not keep our own clients
/// away for that long.
pub const STAY_AWAY_MAX: Duration = Duration::from_secs(60);

/// Keeps us from asking in vain. One for each thing that can fail by itself.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// All is well, but for so many failures in a row.
    Closed { failures: u32 },
    /// Nobody is to ask before this moment, and then only one.
    Open { until: Instant },
    /// That one is asking.
    Probing,
}

/// Leave to ask once. Dropped without a word, it was a failure: whoever waited has given up.
#[derive(Debug)]
#[must_use = "what comes of the question has to be told"]
pub struct Attempt<'b> {
    breaker: &'b Breaker,
    is_probe: bool,
    told: bool,
}

/// Not now. Come back after so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resting(pub Duration);

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl State {
    fn resting(self) -> Option<Resting> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { until } => {
                let left = until.saturating_duration_since(Instant::now());
                (!left.is_zero()).then_some(Resting(left))
            }
            Self::Probing => Some(Resting(PROBE_EVERY)),
        }
    }
}

impl Breaker {
    /// Leave to ask, if it is worth it now.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub fn attempt(&self) -> Result<Attempt<'_>, Resting> {
        let mut state = self.lock();
        if let Some(resting) = state.resting() {
            return Err(resting);
        }
        let is_probe = matches!(*state, State::Open { .. });
        if is_probe {
            *state = State::Probing;
        }
        Ok(Attempt {
            breaker: self,
            is_probe,
            told: false,
        })
    }

    /// How long it is not worth asking from now, without taking leave to; `None` if it is.
    #[must_use]
    pub fn resting(&self) -> Option<Resting> {
        self.lock().resting()
    }

    /// Whether nobody but a probe gets through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(*self.lock(), State::Closed { .. })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// There was an answer, whatever it says.
    pub fn succeeded(mut self) {
        self.told = true;
        // That of a straggler, who set out before the outage, is as good as a probe's.
        *self.breaker.lock() = State::default();
    }

    /// There was none, or one that says to come back then.
    pub fn failed(mut self, stay_away: Option<Duration>) {
        self.told = true;
        self.fail(stay_away);
    }

    fn fail(&self, stay_away: Option<Duration>) {
        let mut state = self.breaker.lock();
        let stay_away = stay_away.map(|said| said.clamp(PROBE_EVERY, STAY_AWAY_MAX));
        let open_for = match (*state, stay_away) {
            (State::Closed { .. }, Some(said)) => said,
            (State::Closed { failures }, None) if failures + 1 >= FAILURES_MAX => PROBE_EVERY,
            (State::Closed { failures }, None) => {
                *state = State::Closed {
                    failures: failures + 1,
                };
                return;
            }
            (State::Probing, said) if self.is_probe => said.unwrap_or(PROBE_EVERY),
            // Stragglers of an outage that is known already.
            (State::Probing | State::Open { .. }, _) => return,
        };
        *state = State::Open {
            until: Instant::now() + open_for,
        };
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.fail(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.attempt().unwrap().failed(None);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_an_answer_in_between_starts_the_row_anew() {
        let breaker = Breaker::default();
        fail(&breaker, FAILURES_MAX - 1);
        breaker.attempt().unwrap().succeeded();
        fail(&breaker, FAILURES_MAX - 1);
        assert!(!breaker.is_open());

        fail(&breaker, 1);

        assert!(breaker.is_open());
        assert_eq!(breaker.attempt().unwrap_err(), Resting(SECOND));
    }

    // F01
    #[tokio::test(start_paused = true)]
    async fn an_open_one_lets_one_probe_through_each_second() {
        let breaker = Breaker::default();
        fail(&breaker, FAILURES_MAX);
        let mut probes = 0;

        for _ in 0..100 {
            advance(SECOND / 10).await;
            for _ in 0..50 {
                if let Ok(probe) = breaker.attempt() {
                    assert!(breaker.attempt().is_err(), "one at a time");
                    probes += 1;
                    probe.failed(None);
                }
            }
        }

        assert_eq!(probes, 10);
        advance(SECOND).await;
        breaker.attempt().unwrap().succeeded();
        assert!(!breaker.is_open());
        assert!(breaker.attempt().is_ok());
    }

    // F05
    #[tokio::test(start_paused = true)]
    async fn a_time_to_come_back_is_kept_to_within_bounds() {
        for (said, kept) in [(30, 30), (0, 1), (86_400, 60)] {
            let breaker = Breaker::default();
            let told = Some(Duration::from_secs(said));
            breaker.attempt().unwrap().failed(told);

            advance(Duration::from_millis(kept * 1_000 - 500)).await;
            assert!(breaker.attempt().is_err(), "{said}");
            advance(SECOND).await;
            breaker.attempt().unwrap().failed(told);
            assert!(breaker.is_open());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stragglers_neither_prolong_an_outage_nor_count_as_its_probe() {
        let breaker = Breaker::default();
        let stragglers: Vec<_> = (0..20).map(|_| breaker.attempt().unwrap()).collect();
        fail(&breaker, FAILURES_MAX);
        advance(SECOND).await;
        let probe = breaker.attempt().unwrap();

        for straggler in stragglers {
            straggler.failed(Some(Duration::from_secs(60)));
        }

        assert!(breaker.attempt().is_err(), "the probe is still out");
        probe.succeeded();
        assert!(breaker.attempt().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_makes_room_for_the_next() {
        let breaker = Breaker::default();
        fail(&breaker, FAILURES_MAX);
        advance(SECOND).await;

        drop(breaker.attempt().unwrap());

        assert!(breaker.attempt().is_err());
        advance(SECOND).await;
        assert!(breaker.attempt().is_ok());
    }
}
