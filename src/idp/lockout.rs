//! Wrong passwords, counted: for each account, and for all together (NIST 800-63B §5.2.2).
//!
//! A locked account answers as a wrong password does, so that nobody learns that it exists or that
//! a guess was right. Unknown user names count only in all, so the memory needed is that of the
//! users configured.

use std::collections::HashMap;

use super::config::{Lifetimes, Limits};
use crate::{time::Timestamp, units::HumanDuration};

/// Failures of the present window.
#[derive(Debug)]
pub(super) struct Lockout {
    per_account: u32,
    overall: u32,
    window: HumanDuration,
    accounts: HashMap<String, Failures>,
    all: Failures,
}

/// How many since when.
#[derive(Debug, Default)]
struct Failures {
    since: Option<Timestamp>,
    count: u32,
}

impl Lockout {
    pub(super) fn new(limits: &Limits, lifetimes: &Lifetimes) -> Self {
        Self {
            per_account: limits.wrong_passwords_per_account,
            overall: limits.wrong_passwords_overall,
            window: lifetimes.lockout,
            accounts: HashMap::new(),
            all: Failures::default(),
        }
    }

    /// Seconds until any password is taken again; `None` if one is taken now.
    pub(super) fn closed_for(&self, now: Timestamp) -> Option<u64> {
        let since = self.all.since?;
        let left = self
            .window
            .get()
            .as_secs()
            .checked_sub(now.since(since).as_secs())?;
        (self.all.count >= self.overall && left > 0).then_some(left)
    }

    /// Whether this account takes no password, not even the right one.
    pub(super) fn is_locked(&self, now: Timestamp, subject: &str) -> bool {
        self.accounts
            .get(subject)
            .is_some_and(|failures| failures.count_at(now, self.window) >= self.per_account)
    }

    /// Counts a wrong password; `subject` is that of the account meant, if there is one. Tries at a
    /// locked account count only in all, so that nobody can keep it locked for ever.
    pub(super) fn failed(&mut self, now: Timestamp, subject: Option<&str>) {
        self.all.add(now, self.window);
        if let Some(subject) = subject
            && !self.is_locked(now, subject)
        {
            self.accounts
                .entry(subject.to_owned())
                .or_default()
                .add(now, self.window);
        }
    }

    /// Forgets the account's wrong passwords after a right one.
    pub(super) fn succeeded(&mut self, subject: &str) {
        self.accounts.remove(subject);
    }
}

impl Failures {
    fn count_at(&self, now: Timestamp, window: HumanDuration) -> u32 {
        match self.since {
            Some(since) if now.since(since) < window.get() => self.count,
            _ => 0,
        }
    }

    fn add(&mut self, now: Timestamp, window: HumanDuration) {
        let count = self.count_at(now, window);
        // The window moves with every failure: a lock lasts its whole time from the last try.
        self.since = Some(now);
        self.count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn lockout() -> Lockout {
        Lockout::new(&Limits::default(), &Lifetimes::default())
    }

    /// C20
    #[test]
    fn ten_wrong_passwords_lock_an_account_for_a_quarter_of_an_hour() {
        let mut lockout = lockout();
        for second in 0..10 {
            assert!(!lockout.is_locked(at(second), "alice"));
            lockout.failed(at(second), Some("alice"));
        }

        assert!(lockout.is_locked(at(10), "alice"));
        assert!(lockout.is_locked(at(9 + 899), "alice"));
        assert!(!lockout.is_locked(at(9 + 900), "alice"));
        assert!(!lockout.is_locked(at(10), "bob"));
    }

    /// C20
    #[test]
    fn fifty_wrong_passwords_in_all_close_the_door() {
        let mut lockout = lockout();
        for _ in 0..50 {
            assert_eq!(lockout.closed_for(at(0)), None);
            lockout.failed(at(0), None);
        }

        assert_eq!(lockout.closed_for(at(100)), Some(800));
        assert_eq!(lockout.closed_for(at(900)), None);
    }

    #[test]
    fn a_right_password_forgets_the_wrong_ones() {
        let mut lockout = lockout();
        for _ in 0..9 {
            lockout.failed(at(0), Some("alice"));
        }

        lockout.succeeded("alice");
        lockout.failed(at(1), Some("alice"));

        assert!(!lockout.is_locked(at(1), "alice"));
    }
}
