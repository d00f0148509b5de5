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

    /// Reads what [`Timestamp::to_rfc3339`] writes, with or without a fraction of a second, which is cut
    /// off. Other time zones than UTC are not read.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let time = match time.split_once('.') {
            Some((time, fraction)) => {
                let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
                (digits && !fraction.is_empty()).then_some(time)?
            }
            None => time,
        };
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        // The year begins on 1 March, so that a leap day is its last.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let days = 365 * year + year / 4 - year / 100 + year / 400;
        let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
        Some(Self(days * 86_400 + hour * 3_600 + minute * 60 + second))
    }

    /// How long from `earlier` until this moment; zero if it lies behind.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut read = [0; 3];
    for (number, digits) in read.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        *number = is_number.then(|| part.parse().ok()).flatten()?;
    }
    parts.next().is_none().then_some(read)
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
            assert_eq!(Timestamp::from_rfc3339(written), Some(Timestamp(seconds)));
        }
        let with_fraction = Timestamp::from_rfc3339("1970-01-01T00:00:01.999Z");
        assert_eq!(with_fraction, Some(Timestamp(1)));
        for no_moment in [
            "",
            "Z",
            "1970-01-01T00:00:01",
            "1970-01-01T00:00:01.Z",
            "1970-01-01T00:00:01+01:00",
            "1970-13-01T00:00:01Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T24:00:00Z",
            "+970-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::from_rfc3339(no_moment), None, "{no_moment}");
        }
        assert!(Timestamp(u64::MAX).to_rfc3339().ends_with('Z'));
    }

    #[test]
    fn the_far_end_of_time_does_not_overflow() {
        let end = Timestamp::from_unix_seconds(u64::MAX);

        assert_eq!(end.plus(Duration::from_secs(60)), end);
    }
}
