//! The time, as a parameter.
//!
//! Rooms that compare a token's `exp` or `nbf` with the present take a [`Clock`]; tests hand in one
//! they move by hand. Deadlines and life spans inside the process (caches, idleness) use tokio's
//! monotonic clock instead, so that a step of the wall clock neither revives nor kills them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

/// Whole seconds since 1970-01-01T00:00:00Z, a JWT `NumericDate` without its fraction (RFC 7519 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A moment given in whole seconds since the epoch.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_unix_seconds(self) -> u64 {
        self.0
    }

    /// This moment and `later` more; the far end of time rather than an overflow.
    #[must_use]
    pub const fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later.as_secs()))
    }

    /// As `2026-07-28T09:30:00Z` (RFC 3339 §5.6).
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        // Counted from 1 March of the year 0 on, a leap day is the last of its year, and every 400
        // years are alike.
        let days = days + 719_468;
        let (four_centuries, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        let year = four_centuries * 400 + year + next;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// How long from `earlier` until this moment; zero if it lies behind.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// Where the present is read. Cheap to clone; clones of a manual clock move together.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's wall clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(start.0))))
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp(system_seconds()),
            Source::Manual(seconds) => Timestamp(seconds.load(Ordering::Relaxed)),
        }
    }

    /// Sets a manual clock, as an operator corrects a machine's. A system clock is not ours to set.
    pub fn set(&self, now: Timestamp) {
        if let Source::Manual(seconds) = &self.0 {
            seconds.store(now.0, Ordering::Relaxed);
        }
    }

    /// Moves a manual clock forward. A system clock is not ours to move: nothing happens.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(seconds) = &self.0 {
            seconds.fetch_add(by.as_secs(), Ordering::Relaxed);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn system_seconds() -> u64 {
    // A wall clock before 1970 is a broken one; every token is then refused as not yet valid.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(Timestamp::from_unix_seconds(100));
        let other = clock.clone();

        clock.advance(Duration::from_secs(5));

        assert_eq!(other.now(), Timestamp::from_unix_seconds(105));
    }

    #[test]
    fn a_moment_is_written_as_its_day_and_time() {
        for (seconds, written) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_785_229_200, "2026-07-28T09:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_rfc3339(), written);
        }
        assert!(Timestamp(u64::MAX).to_rfc3339().ends_with('Z'));
    }

    #[test]
    fn the_far_end_of_time_does_not_overflow() {
        let end = Timestamp::from_unix_seconds(u64::MAX);

        assert_eq!(end.plus(Duration::from_secs(60)), end);
    }
}
