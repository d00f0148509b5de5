//! A bound on log lines that strangers can cause.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;

/// Lets so many lines a second through. The others are counted, and the next line says how many.
#[derive(Debug)]
pub struct LineBudget {
    per_second: u32,
    since: Instant,
    // Above 32 bits the second, below how many lines it has had.
    spent: AtomicU64,
    left_out: AtomicU64,
}

impl LineBudget {
    /// A budget of so many lines a second; none at all with zero.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second,
            since: Instant::now(),
            spent: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether a line may be written now, and how many were left out since the last one.
    pub fn admit(&self) -> Option<u64> {
        let second = self.since.elapsed().as_secs() << 32;
        let spend = |spent: u64| {
            let is_same = spent >> 32 == second >> 32;
            // Of a second that had its share, no further one is counted here.
            let lines = if is_same { spent & 0xffff_ffff } else { 0 };
            (lines < u64::from(self.per_second)).then_some(second | (lines + 1))
        };
        if self.spent.fetch_update(Relaxed, Relaxed, spend).is_ok() {
            return Some(self.left_out.swap(0, Relaxed));
        }
        self.left_out.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    // O22
    #[tokio::test(start_paused = true)]
    async fn a_second_has_so_many_lines_and_the_next_says_what_was_left_out() {
        let budget = LineBudget::new(2);

        assert_eq!(budget.admit(), Some(0));
        assert_eq!(budget.admit(), Some(0));
        for _ in 0..50_000 {
            assert_eq!(budget.admit(), None);
        }
        advance(Duration::from_secs(1)).await;
        assert_eq!(budget.admit(), Some(50_000));
        assert_eq!(budget.admit(), Some(0));
        assert_eq!(budget.admit(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_of_nothing_lets_nothing_through() {
        assert_eq!(LineBudget::new(0).admit(), None);
    }
}
