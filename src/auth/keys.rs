//! Keeps an issuer's key set: fetched at start, again every few minutes, and once in a while because
//! a token names a key we don't know.
//!
//! [`Keys`] is a handle that many flights share; the [`Examiner`](super::examiner::Examiner) runs
//! [`Keys::keep_fresh`], the only place that fetches, so there is never more than one fetch under way.
//! What becomes of a good answer is [`Editions`]' to say. A failure leaves the old keys, until they are
//! too old, and is tried again every second, or when the issuer says.
//!
//! A key may sign seconds before it is published, and providers cache what they publish. So a token
//! of an unknown key earns one fetch, past every cache, but no more than one in
//! [`KeysConfig::unknown_key_pause`] however many there are (K35, K38).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::header::CACHE_CONTROL;
use serde_json::Value;
use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tracing::{info, warn};

use super::{
    AuthError, Counters, KeysConfig,
    key_editions::{Edition, Editions, Taken},
    key_set::KeySet,
};
use crate::{
    fetch::{FetchError, Fetcher},
    metadata::{Discovery, Issuer},
};

/// How long a set that was left is doubted, in [`KeysConfig::unknown_key_pause`]s: 60 s by default.
const LAG_IN_PAUSES: u32 = 2;

/// A handle on one issuer's keys. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    discovery: Discovery,
    fetcher: Fetcher,
    config: KeysConfig,
    counters: Arc<Counters>,
    state: watch::Sender<State>,
    wanted: Notify,
    /// That of `state.editions`, to be read on every cache hit without a lock.
    generation: AtomicU64,
    /// Fetches that brought a set, likewise.
    fetched: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    editions: Editions,
    /// Attempts that have ended.
    attempts: u64,
    /// How the last of them ended.
    failure: Option<&'static str>,
    /// Whether one is under way or asked for.
    under_way: bool,
    /// When an unknown key last made us fetch.
    forced_at: Option<Instant>,
}

/// No keys: in words that are the same each time, so that the log can tell news from repetition.
struct NoKeys {
    why: &'static str,
    retry_after: Option<Duration>,
}

impl Keys {
    pub(super) fn new(
        discovery: Discovery,
        fetcher: Fetcher,
        config: KeysConfig,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                discovery,
                fetcher,
                config,
                counters,
                state: watch::Sender::new(State::default()),
                wanted: Notify::new(),
                generation: AtomicU64::new(0),
                fetched: AtomicU64::new(0),
            }),
        }
    }

    /// The generation of the keys that count now.
    pub(super) fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::Acquire)
    }

    /// How often a key set was had.
    pub(super) fn fetched(&self) -> u64 {
        self.inner.fetched.load(Ordering::Acquire)
    }

    /// When an unknown key may next make us fetch.
    pub(super) fn next_look(&self) -> Instant {
        let forced_at = self.inner.state.borrow().forced_at;
        let pause = self.inner.config.unknown_key_pause.get();
        forced_at.map_or_else(Instant::now, |at| at + pause)
    }

    /// How many keys there are; `None` before any could be had.
    pub(super) fn count(&self) -> Option<usize> {
        self.at_hand().map(|edition| edition.keys.len())
    }

    /// Why the last fetch failed, if it did.
    pub(super) fn failure(&self) -> Option<&'static str> {
        self.inner.state.borrow().failure
    }

    /// The keys there are, without waiting.
    pub(super) fn at_hand(&self) -> Option<Edition> {
        self.inner.state.borrow().editions.current().cloned()
    }

    /// The keys there are, waiting for the first attempt to get them if none has ended yet.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] where there are none.
    pub(super) async fn current(&self) -> Result<Edition, AuthError> {
        if let Some(edition) = self.at_hand() {
            return Ok(edition);
        }
        // Discovery fails fast while the issuer is down; the fetch of keys has then not begun.
        self.inner
            .discovery
            .settled()
            .await
            .ok_or(AuthError::unavailable())?;
        self.after_attempt(1).await
    }

    /// The keys after a look at what the issuer publishes now, for a token whose key is unknown.
    ///
    /// The look is shared by everybody who waits, and left out within the pause: then these are the
    /// keys there are anyway.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] where the issuer could not be asked; at once while it is known that
    /// it can't.
    pub(super) async fn refreshed(&self) -> Result<Edition, AuthError> {
        if self.failure().is_some() {
            return Err(AuthError::unavailable());
        }
        let mut awaited = 0;
        self.inner.state.send_if_modified(|state| {
            awaited = state.attempts;
            if state.under_way {
                awaited += 1;
            } else if state.may_be_forced(Instant::now(), &self.inner.config) {
                state.under_way = true;
                state.forced_at = Some(Instant::now());
                awaited += 1;
                self.inner.wanted.notify_one();
            }
            // Nobody waits for these members.
            false
        });
        let edition = self.after_attempt(awaited).await?;
        if self.failure().is_some() {
            return Err(AuthError::unavailable());
        }
        Ok(edition)
    }

    /// The keys once so many attempts have ended.
    async fn after_attempt(&self, awaited: u64) -> Result<Edition, AuthError> {
        let mut state = self.inner.state.subscribe();
        let state = state.wait_for(|state| state.attempts >= awaited).await;
        // The sender lives in `self`, so waiting can't fail.
        state
            .ok()
            .and_then(|state| state.editions.current().cloned())
            .ok_or(AuthError::unavailable())
    }

    /// Looks at once at what the issuer publishes now, and believes it.
    pub(super) fn look_again(&self) {
        self.inner
            .state
            .send_modify(|state| state.editions.forget_left());
        self.inner.wanted.notify_one();
    }

    /// Fetches as soon as the issuer's metadata is there, and again and again; never ends.
    pub(super) async fn keep_fresh(&self) {
        loop {
            let fetched = self.fetch().await;
            let pause = self.take_in(fetched);
            select! {
                () = sleep(pause) => {}
                () = self.inner.wanted.notified() => {}
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, NoKeys> {
        let server = self.inner.discovery.available().await;
        self.inner.state.send_if_modified(|state| {
            state.under_way = true;
            false
        });
        self.inner.counters.count_key_fetch();
        let url = server
            .jwks_uri()
            .ok_or("the issuer's metadata has no jwks_uri")?;
        let fetcher = &self.inner.fetcher;
        let request = fetcher.get(url).header(CACHE_CONTROL, "no-cache");
        let document: Value = fetcher.send(request).await?.json()?;
        Ok(KeySet::parse(&document).ok_or("the key set has no usable key")?)
    }

    /// Takes in what came of a fetch, and says how long to wait before the next.
    fn take_in(&self, fetched: Result<KeySet, NoKeys>) -> Duration {
        let (now, config) = (Instant::now(), &self.inner.config);
        let mut pause = config.refresh_every.get();
        let mut has_set = false;
        self.inner.state.send_modify(|state| {
            state.attempts += 1;
            state.under_way = false;
            match fetched {
                Ok(keys) => {
                    has_set = true;
                    let count = keys.len();
                    let lag = config.unknown_key_pause.get() * LAG_IN_PAUSES;
                    if state.editions.take_in(keys, now, lag) == Taken::Doubted {
                        pause = pause.min(config.unknown_key_pause.get());
                        self.doubt();
                    }
                    if state.failure.take().is_some() {
                        info!(issuer = %self.issuer(), keys = count, "issuer's keys are back");
                    }
                }
                Err(NoKeys { why, retry_after }) => {
                    pause = config.retry_every.get().max(retry_after.unwrap_or_default());
                    let given_up = state.editions.give_up(now, config.stale_max.get());
                    // Once for each kind of trouble: an outage must not fill the log.
                    if given_up || state.failure != Some(why) {
                        warn!(issuer = %self.issuer(), error = why, given_up, "could not fetch the issuer's keys");
                    }
                    self.inner.counters.count_key_fetch_failure();
                    state.failure = Some(why);
                }
            }
            let generation = state.editions.generation();
            self.inner.generation.store(generation, Ordering::Release);
        });
        // Last: who sees it sees all that came of the fetch.
        if has_set {
            self.inner.fetched.fetch_add(1, Ordering::AcqRel);
        }
        pause
    }

    fn doubt(&self) {
        self.inner.counters.count_stale_key_set();
        warn!(issuer = %self.issuer(), "issuer served keys it had replaced; keeping the newer ones");
    }

    fn issuer(&self) -> &Issuer {
        self.inner.discovery.issuer()
    }
}

impl State {
    /// A failure is tried again by itself; an unknown key does not hurry it.
    fn may_be_forced(&self, now: Instant, config: &KeysConfig) -> bool {
        self.failure.is_none()
            && self
                .forced_at
                .is_none_or(|forced_at| now >= forced_at + config.unknown_key_pause.get())
    }
}

impl From<&'static str> for NoKeys {
    fn from(why: &'static str) -> Self {
        Self {
            why,
            retry_after: None,
        }
    }
}

impl From<FetchError> for NoKeys {
    fn from(error: FetchError) -> Self {
        let why = match &error {
            FetchError::Setup(_) => "no HTTP client",
            FetchError::Deadline(_) => "no answer in time",
            FetchError::Unreachable { .. } => "unreachable",
            FetchError::OutOfReach { .. } => "out of reach",
            FetchError::TooLarge(_) => "the answer is too large",
            FetchError::Status { .. } => "the answer is no success",
            FetchError::Unreadable(_) => "the answer is not JSON",
        };
        Self {
            why,
            retry_after: error.stay_away(),
        }
    }
}
