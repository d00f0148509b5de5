//! A session's vital signs, shared between its actor and the router's sweep.
//!
//! Ten thousand sessions need no ten thousand timers: the router looks at these once a second and
//! tells a session when its time has come.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Config, lease::Holder};
use crate::{auth::Principal, outlet::CloseReason, protocol::ProtocolVersion, time::Timestamp};

/// Written by the actor and by whoever delivers to it; read by the sweep.
#[derive(Debug)]
pub(super) struct Vital {
    born: Instant,
    // Milliseconds since `born`.
    touched: AtomicU64,
    // Unix seconds, leeway and all; 0 for a token whose end nobody knows.
    token_ends: AtomicU64,
    // Whole milliseconds since `born`, and one more; 0 while the token lives.
    token_over_since: AtomicU64,
    ends_with_stream: bool,
    holder: Holder,
    calls: AtomicUsize,
    version: OnceLock<ProtocolVersion>,
    running: AtomicBool,
    probed: AtomicBool,
    listened_to: AtomicBool,
    queued: AtomicUsize,
}

/// What the sweep has to do with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Live,
    /// Ask the client whether it is there.
    Probe,
    /// End what is open in it, and keep it for its owner's next token: what held at this moment.
    Suspend(CloseReason, Timestamp),
    /// End it.
    End(CloseReason),
}

/// A place in a session's queue; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Vital {
    /// One that `ends_with_stream` does not outlive its token either.
    pub(super) fn new(opener: Principal, ends_with_stream: bool) -> Self {
        let token_ends = opener.ends_at();
        Self {
            born: Instant::now(),
            touched: AtomicU64::new(0),
            token_ends: AtomicU64::new(token_ends.map_or(0, Timestamp::as_unix_seconds)),
            token_over_since: AtomicU64::new(0),
            ends_with_stream,
            holder: Holder::new(opener),
            calls: AtomicUsize::new(0),
            version: OnceLock::new(),
            running: AtomicBool::new(false),
            probed: AtomicBool::new(false),
            listened_to: AtomicBool::new(ends_with_stream),
            queued: AtomicUsize::new(0),
        }
    }

    /// The client was heard, with this token.
    pub(super) fn touch(&self, caller: &Principal) {
        self.touched
            .store(milliseconds(self.born.elapsed()), Relaxed);
        self.probed.store(false, Relaxed);
        self.holder.set(caller);
        // The later end counts: a client may still be using up its last token beside the new one.
        match caller.ends_at() {
            Some(ends) => self.token_ends.fetch_max(ends.as_unix_seconds(), Relaxed),
            None => self.token_ends.swap(0, Relaxed),
        };
    }

    /// Who was heard last.
    pub(super) fn caller(&self) -> Principal {
        self.holder.get()
    }

    /// Who was heard last was verified again, and has said nothing.
    pub(super) fn renew(&self, caller: &Principal) {
        self.holder.set(caller);
    }

    /// The caller's token was refused; where another was shown since, nothing changes.
    pub(super) fn lose_token(&self, caller: &Principal, now: Timestamp) {
        if !self.holder.get().has_token_of(caller) {
            return;
        }
        let now = now.as_unix_seconds();
        let earlier = |ends| (ends == 0 || ends > now).then_some(now);
        // It was over before: that counts.
        let _over = self.token_ends.fetch_update(Relaxed, Relaxed, earlier);
    }

    /// Whether the last token that was shown is good no more.
    pub(super) fn is_token_over(&self, now: Timestamp) -> bool {
        self.token_ends().is_some_and(|ends| now >= ends)
    }

    /// Whether the session's own stream is open.
    pub(super) fn set_listened_to(&self, listened_to: bool) {
        self.listened_to.store(listened_to, Relaxed);
    }

    pub(super) fn keeps_something_open(&self) -> bool {
        self.listened_to.load(Relaxed) || self.calls() > 0
    }

    pub(super) fn set_running(&self) {
        self.running.store(true, Relaxed);
    }

    /// `initialize` was answered with this version; it is answered once.
    pub(super) fn set_version(&self, version: ProtocolVersion) {
        self.version.get_or_init(|| version);
    }

    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.version.get().copied()
    }

    pub(super) fn set_calls(&self, calls: usize) {
        self.calls.store(calls, Relaxed);
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    /// How long nothing at all has been going on; `None` while a call runs or a stream is open.
    pub(super) fn quiet(&self) -> Option<Duration> {
        let is_busy = self.keeps_something_open() || self.queued.load(Relaxed) > 0;
        (!is_busy).then(|| self.silence())
    }

    /// How long the client has said nothing.
    pub(super) fn silence(&self) -> Duration {
        let touched = Duration::from_millis(self.touched.load(Relaxed));
        self.born.elapsed().saturating_sub(touched)
    }

    /// When the last token that was shown ends, or was refused, where that is known.
    pub(super) fn token_ends(&self) -> Option<Timestamp> {
        let ends = self.token_ends.load(Relaxed);
        (ends > 0).then(|| Timestamp::from_unix_seconds(ends))
    }

    /// A place in the queue, unless `max` are taken.
    pub(super) fn seat(&self, max: usize) -> Option<Seat<'_>> {
        let seat = Seat(&self.queued);
        // Taken first and looked at then, so that a crowd can't slip in between.
        (self.queued.fetch_add(1, Relaxed) < max).then_some(seat)
    }

    /// What is to be done with the session now. Marks a probe as sent, and a token's end as seen.
    pub(super) fn judge(&self, config: &Config, now: Timestamp) -> Verdict {
        if let Some(over) = self.judge_token(config, now, CloseReason::TokenExpired) {
            return over;
        }
        let (age, silence) = (self.born.elapsed(), self.silence());
        if !self.running.load(Relaxed) {
            return if age >= config.initialize_deadline.get() {
                Verdict::End(CloseReason::NeverInitialized)
            } else {
                Verdict::Live
            };
        }
        if self.calls() > 0 {
            return Verdict::Live;
        }
        let idle_after = config.idle_after.get();
        if silence >= idle_after {
            return Verdict::End(CloseReason::Idle);
        }
        if silence >= idle_after / 2 && !self.probed.swap(true, Relaxed) {
            return Verdict::Probe;
        }
        Verdict::Live
    }

    /// What is to be done since the token is over, for this reason; nothing where it lives, or where
    /// the session only waits for the next one.
    pub(super) fn judge_token(
        &self,
        config: &Config,
        now: Timestamp,
        reason: CloseReason,
    ) -> Option<Verdict> {
        if !self.is_token_over(now) {
            self.token_over_since.store(0, Relaxed);
            return None;
        }
        let outlives_it = self.running.load(Relaxed) && !self.ends_with_stream;
        // By the clock that makes no steps: a wall clock that was put right ends no grace.
        if !outlives_it || self.waited_for_token() >= config.grace_after_expiry.get() {
            return Some(Verdict::End(reason));
        }
        self.keeps_something_open()
            .then_some(Verdict::Suspend(reason, now))
    }

    /// How long ago the token was first seen to be over.
    fn waited_for_token(&self) -> Duration {
        let present = milliseconds(self.born.elapsed());
        let seen = self
            .token_over_since
            .compare_exchange(0, present + 1, Relaxed, Relaxed);
        let since = seen.map_or_else(|before| before - 1, |_| present);
        Duration::from_millis(present.saturating_sub(since))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{
        auth::{Identity, Method},
        scope::Scopes,
        units::HumanDuration,
    };

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_000);

    fn token_until(ends: Option<Timestamp>) -> Principal {
        Principal::new(Identity {
            issuer: "https://i".to_owned(),
            subject: "alice".to_owned(),
            client_id: None,
            audiences: Vec::new(),
            scopes: Scopes::none(),
            expires_at: ends,
            verified_by: Method::Jwt,
            claims: serde_json::Map::new(),
        })
    }

    fn running(ends: Option<Timestamp>) -> Vital {
        let vital = Vital::new(token_until(ends), false);
        vital.set_running();
        vital
    }

    fn config() -> Config {
        Config {
            idle_after: HumanDuration::from_secs(100),
            initialize_deadline: HumanDuration::from_secs(10),
            grace_after_expiry: HumanDuration::from_secs(30),
            ..Config::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_never_initialized_ends() {
        let vital = Vital::new(token_until(None), false);
        assert_eq!(vital.judge(&config(), NOW), Verdict::Live);

        advance(Duration::from_secs(10)).await;

        assert_eq!(
            vital.judge(&config(), NOW),
            Verdict::End(CloseReason::NeverInitialized)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_asked_once_and_then_given_up() {
        let vital = running(None);

        advance(Duration::from_secs(50)).await;
        assert_eq!(vital.judge(&config(), NOW), Verdict::Probe);
        assert_eq!(vital.judge(&config(), NOW), Verdict::Live);
        advance(Duration::from_secs(50)).await;
        assert_eq!(vital.judge(&config(), NOW), Verdict::End(CloseReason::Idle));

        vital.touch(&token_until(None));
        assert_eq!(vital.judge(&config(), NOW), Verdict::Live);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_call_keeps_a_session_from_idling() {
        let vital = running(None);
        vital.set_calls(1);

        advance(Duration::from_secs(1_000)).await;

        assert_eq!(vital.judge(&config(), NOW), Verdict::Live);
    }

    const OVER: Verdict = Verdict::End(CloseReason::TokenExpired);

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_open_ends_with_the_token_and_the_session_after_its_grace() {
        let vital = running(Some(after(60)));
        vital.set_listened_to(true);
        assert_eq!(vital.judge(&config(), after(59)), Verdict::Live);

        let suspend = Verdict::Suspend(CloseReason::TokenExpired, after(60));
        assert_eq!(vital.judge(&config(), after(60)), suspend);
        vital.set_listened_to(false);
        // F08: a step of the wall clock is no time that has passed.
        assert_eq!(vital.judge(&config(), after(3_600)), Verdict::Live);
        advance(Duration::from_millis(29_999)).await;
        assert_eq!(vital.judge(&config(), after(3_600)), Verdict::Live);
        advance(Duration::from_millis(1)).await;
        assert_eq!(vital.judge(&config(), after(3_600)), OVER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fresh_token_carries_a_session_on_and_has_a_grace_of_its_own() {
        let vital = running(Some(after(60)));
        assert_eq!(vital.judge(&config(), after(60)), Verdict::Live);
        advance(Duration::from_secs(29)).await;

        vital.touch(&token_until(Some(after(600))));

        assert!(!vital.is_token_over(after(599)));
        assert_eq!(vital.judge(&config(), after(599)), Verdict::Live);
        advance(Duration::from_secs(29)).await;
        assert_eq!(vital.judge(&config(), after(600)), Verdict::Live);
        advance(Duration::from_secs(30)).await;
        assert_eq!(vital.judge(&config(), after(600)), OVER);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_running_session_that_outlives_its_stream_has_a_grace() {
        let bound = Vital::new(token_until(Some(NOW)), true);
        bound.set_running();
        let young = Vital::new(token_until(Some(NOW)), false);
        let none = Config {
            grace_after_expiry: HumanDuration::from_secs(0),
            ..config()
        };

        assert_eq!(bound.judge(&config(), NOW), OVER);
        assert_eq!(young.judge(&config(), NOW), OVER);
        assert_eq!(running(Some(NOW)).judge(&none, NOW), OVER);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_in_the_grace_too() {
        let vital = running(Some(NOW));
        let long = Config {
            grace_after_expiry: HumanDuration::from_secs(1_000),
            ..config()
        };
        assert_eq!(vital.judge(&long, NOW), Verdict::Live);

        advance(Duration::from_secs(100)).await;

        assert_eq!(vital.judge(&long, NOW), Verdict::End(CloseReason::Idle));
    }

    #[test]
    fn the_queue_has_so_many_places_and_no_more() {
        let vital = running(None);
        let first = vital.seat(2);
        let second = vital.seat(2);

        assert!(first.is_some() && second.is_some());
        assert!(vital.seat(2).is_none());
        drop(first);
        assert!(vital.seat(2).is_some());
    }
}
