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
    pub(super) fn new(opener: Principal) -> Self {
        let token_ends = opener.ends_at();
        Self {
            born: Instant::now(),
            touched: AtomicU64::new(0),
            token_ends: AtomicU64::new(token_ends.map_or(0, Timestamp::as_unix_seconds)),
            holder: Holder::new(opener),
            calls: AtomicUsize::new(0),
            version: OnceLock::new(),
            running: AtomicBool::new(false),
            probed: AtomicBool::new(false),
            listened_to: AtomicBool::new(false),
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

    /// When the last token that was shown ends, where that is known.
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

    /// What is to be done with the session now. Marks a probe as sent.
    pub(super) fn judge(&self, config: &Config, now: Timestamp) -> Verdict {
        if self.token_ends().is_some_and(|ends| now >= ends) {
            return Verdict::End(CloseReason::TokenExpired);
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

    fn config() -> Config {
        Config {
            idle_after: HumanDuration::from_secs(100),
            initialize_deadline: HumanDuration::from_secs(10),
            ..Config::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_never_initialized_ends() {
        let vital = Vital::new(token_until(None));
        assert_eq!(vital.judge(&config(), NOW), Verdict::Live);

        advance(Duration::from_secs(10)).await;

        assert_eq!(
            vital.judge(&config(), NOW),
            Verdict::End(CloseReason::NeverInitialized)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_asked_once_and_then_given_up() {
        let vital = Vital::new(token_until(None));
        vital.set_running();

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
        let vital = Vital::new(token_until(None));
        vital.set_running();
        vital.set_calls(1);

        advance(Duration::from_secs(1_000)).await;

        assert_eq!(vital.judge(&config(), NOW), Verdict::Live);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_with_its_token_and_a_fresh_one_carries_it_on() {
        let vital = Vital::new(token_until(Some(NOW.plus(Duration::from_secs(60)))));
        vital.set_running();
        let after = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert_eq!(vital.judge(&config(), after(59)), Verdict::Live);
        assert_eq!(
            vital.judge(&config(), after(60)),
            Verdict::End(CloseReason::TokenExpired)
        );

        vital.touch(&token_until(Some(after(600))));

        assert_eq!(vital.judge(&config(), after(599)), Verdict::Live);
        assert_eq!(
            vital.judge(&config(), after(600)),
            Verdict::End(CloseReason::TokenExpired)
        );
    }

    #[test]
    fn the_queue_has_so_many_places_and_no_more() {
        let vital = Vital::new(token_until(None));
        let first = vital.seat(2);
        let second = vital.seat(2);

        assert!(first.is_some() && second.is_some());
        assert!(vital.seat(2).is_none());
        drop(first);
        assert!(vital.seat(2).is_some());
    }
}
