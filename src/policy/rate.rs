//! How often a caller may: so many calls in a time, in a table of bounded size.
//!
//! The generic cell rate algorithm (ITU-T I.371): of each bucket only the moment is kept at which it is
//! as good as new. A bucket past that moment is forgotten without anybody gaining by it, and no other
//! ever is; so nobody resets a limit by making more buckets. Where the table is full of live ones,
//! newcomers share one bucket a limit until there is room again.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use dashmap::DashMap;
use tokio::time::Instant;

use crate::auth::Owner;

/// So many calls in a time, as `30/min`. All of them may come at once; then the next is free after an
/// equal share of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    calls: u32,
    per: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

/// A text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rate; write 10/s, 30/min, 500/h or 1000/d")]
pub struct RateError(String);

/// Which limit a call counts for: that of all calls, or a rule's, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// All calls of one caller.
    Caller,
    /// Those a rule is about.
    Rule(usize),
}

/// Who has called how often. The place where a store that several nodes share would be.
#[derive(Debug)]
pub struct Limiter {
    since: Instant,
    buckets_max: usize,
    /// Nanoseconds since `since`; nobody in particular is who finds no room.
    good_as_new: DashMap<(Bucket, Option<Owner>), u64>,
    swept: AtomicU64,
}

/// A call came too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSoon {
    /// After this long it would not.
    pub retry_after: Duration,
    /// Whether the table is full, and the limit was shared with others.
    pub is_shared: bool,
}

/// Least time between two looks for buckets that are as good as new.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

impl Limiter {
    /// An empty table of so many buckets at most.
    #[must_use]
    pub fn new(buckets_max: usize) -> Self {
        Self {
            since: Instant::now(),
            buckets_max,
            good_as_new: DashMap::new(),
            swept: AtomicU64::new(0),
        }
    }

    /// Counts a call of `owner`.
    ///
    /// # Errors
    /// [`TooSoon`]; then it is not counted.
    pub fn count(&self, bucket: Bucket, owner: Owner, rate: Rate) -> Result<(), TooSoon> {
        let now = nanoseconds(self.since.elapsed());
        let own = (bucket, Some(owner));
        if let Some(mut until) = self.good_as_new.get_mut(&own) {
            return rate.spend(&mut until, now, false);
        }
        // No guard is held here: to count the table is to look at all of it.
        let has_room = self.good_as_new.len() < self.buckets_max || self.sweep(now);
        let key = if has_room { own } else { (bucket, None) };
        let mut until = self.good_as_new.entry(key).or_insert(now);
        rate.spend(&mut until, now, !has_room)
    }

    /// Forgets what is as good as new; whether there is room now.
    fn sweep(&self, now: u64) -> bool {
        let pause = nanoseconds(SWEEP_PAUSE);
        let due = |swept: u64| (now >= swept.saturating_add(pause)).then_some(now);
        if self.swept.fetch_update(Relaxed, Relaxed, due).is_err() {
            return false;
        }
        self.good_as_new.retain(|_, until| *until > now);
        self.good_as_new.len() < self.buckets_max
    }
}

impl Rate {
    fn spend(self, until: &mut u64, now: u64, is_shared: bool) -> Result<(), TooSoon> {
        let per = nanoseconds(self.per.duration());
        let share = per / u64::from(self.calls.max(1));
        let spent = until.saturating_sub(now).saturating_add(share);
        if spent > per {
            return Err(TooSoon {
                retry_after: Duration::from_nanos(spent - per),
                is_shared,
            });
        }
        *until = now.saturating_add(spent);
        Ok(())
    }
}

impl Unit {
    const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }

    const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.calls, self.per.as_str())
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (calls, per) = text.split_once('/')?;
            let calls = calls.trim().parse().ok().filter(|calls| *calls > 0)?;
            let mut units = Unit::ALL.into_iter();
            let per = units.find(|unit| unit.as_str() == per.trim())?;
            Some(Self { calls, per })
        };
        read().ok_or_else(|| RateError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::auth::{Identity, Method, Principal};

    fn owner(subject: &str) -> Owner {
        Principal::new(Identity {
            issuer: "https://issuer".to_owned(),
            subject: subject.to_owned(),
            client_id: None,
            audiences: Vec::new(),
            scopes: crate::scope::Scopes::none(),
            expires_at: None,
            verified_by: Method::Jwt,
            claims: serde_json::Map::new(),
        })
        .owner()
    }

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn a_rate_is_read_as_it_is_shown() {
        for text in ["10/s", "30/min", "500/h", "1/d"] {
            assert_eq!(rate(text).to_string(), text);
        }
        for text in ["", "0/s", "10", "10/week", "-1/s", "1/m", "4294967296/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_calls_may_come_and_the_next_after_its_share_of_the_time() {
        let limiter = Limiter::new(10);
        let call = || limiter.count(Bucket::Caller, owner("alice"), rate("3/min"));

        for _ in 0..3 {
            call().unwrap();
        }
        let too_soon = call().unwrap_err();
        assert_eq!(too_soon.retry_after, Duration::from_secs(20));
        advance(Duration::from_secs(20)).await;
        call().unwrap();
        assert!(call().is_err());
        advance(Duration::from_secs(60)).await;
        for _ in 0..3 {
            call().unwrap();
        }
        assert!(call().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn callers_and_rules_have_buckets_of_their_own() {
        let limiter = Limiter::new(10);
        let call = |bucket, subject| limiter.count(bucket, owner(subject), rate("1/h"));

        call(Bucket::Caller, "alice").unwrap();
        call(Bucket::Caller, "bob").unwrap();
        call(Bucket::Rule(0), "alice").unwrap();
        call(Bucket::Rule(1), "alice").unwrap();
        assert!(call(Bucket::Rule(1), "alice").is_err());
    }

    // Whoever comes under many names pushes out nobody, itself included.
    #[tokio::test(start_paused = true)]
    async fn a_full_table_forgets_nobody_who_has_called() {
        let limiter = Limiter::new(3);
        let call = |subject: &str| limiter.count(Bucket::Caller, owner(subject), rate("2/min"));
        call("alice").unwrap();
        call("alice").unwrap();
        for name in ["a", "b"] {
            call(name).unwrap();
        }

        for _ in 0..2 {
            call("c").unwrap();
        }
        // The names that found no room have one limit together.
        assert!(call("d").unwrap_err().is_shared);
        assert!(!call("alice").unwrap_err().is_shared);
        assert_eq!(limiter.good_as_new.len(), 4);

        advance(Duration::from_secs(61)).await;
        call("e").unwrap();
        assert_eq!(limiter.good_as_new.len(), 1);
    }
}
