//! So many questions a second and no more, however many there are.
//!
//! What strangers make us ask others is bounded in rate as well as in number at once: against a
//! provider that answers in 5 ms, 64 at once would be 12,800 a second.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Hands out turns, evenly after a burst of one second's worth.
#[derive(Debug)]
pub struct Budget {
    every: Duration,
    burst: Duration,
    /// When the last turn was or will be; none yet.
    last: Mutex<Option<Instant>>,
}

impl Budget {
    /// So many turns a second, at least one.
    #[must_use]
    pub fn per_second(turns: u32) -> Self {
        let burst = Duration::from_secs(1);
        Self {
            every: burst / turns.max(1),
            burst,
            last: Mutex::new(None),
        }
    }

    /// Waits for a turn. Whoever gives up waiting has used one up all the same.
    pub async fn turn(&self) {
        let turn = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let saved_since = now.checked_sub(self.burst).unwrap_or(now);
            let turn = last.map_or(saved_since, |last| last.max(saved_since)) + self.every;
            *last = Some(turn);
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_gets_a_seconds_worth_at_once_and_the_rest_in_turn() {
        let budget = Budget::per_second(50);
        let start = Instant::now();

        join_all((0..50).map(|_| budget.turn())).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        join_all((0..100).map(|_| budget.turn())).await;

        assert_eq!(start.elapsed().as_millis(), 2_000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_is_saved_for_a_second_and_no_longer() {
        let budget = Budget::per_second(10);
        join_all((0..20).map(|_| budget.turn())).await;
        let start = Instant::now();
        tokio::time::advance(Duration::from_millis(500)).await;

        join_all((0..5).map(|_| budget.turn())).await;
        assert_eq!(start.elapsed().as_millis(), 500);
        budget.turn().await;

        assert!(start.elapsed().as_millis() >= 600);
    }
}
