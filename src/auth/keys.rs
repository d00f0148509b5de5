//! Keeps an issuer's key set: fetched at start, again every few minutes, and once in a while because
//! a token names a key we don't know.
//!
//! [`Keys`] is a handle that many flights share; the [`Examiner`](super::examiner::Examiner) runs
//! [`Keys::keep_fresh`], the only place that fetches, so there is never more than one fetch under way.
//! A good answer replaces the set whole, so that a withdrawn key is gone; a failure leaves the old
//! keys and is tried again every second.
//!
//! A key may sign seconds before it is published, and providers cache what they publish. So a token
//! of an unknown key earns one fetch, past every cache, but no more than one in
//! [`KeysConfig::unknown_key_pause`] however many there are (K35, K38).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use reqwest::header::CACHE_CONTROL;
use serde_json::Value;
use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tracing::{info, warn};

use super::{AuthError, Counters, KeysConfig, key_set::KeySet};
use crate::{
    fetch::{FetchError, Fetcher},
    metadata::Discovery,
};

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
    /// That of `state.current`, to be read on every cache hit without a lock.
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Edition>,
    /// Attempts that have ended.
    attempts: u64,
    /// How the last of them ended.
    failure: Option<&'static str>,
    /// Whether one is under way or asked for.
    under_way: bool,
    /// When an unknown key last made us fetch.
    forced_at: Option<Instant>,
}

/// A key set, and its place in the row of those that took a key away.
#[derive(Debug, Clone)]
pub(super) struct Edition {
    pub(super) keys: Arc<KeySet>,
    /// Grows only when a key is withdrawn: verdicts of an older generation may rest on it.
    pub(super) generation: u64,
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
            }),
        }
    }

    /// The generation of the keys that count now.
    pub(super) fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::Acquire)
    }

    /// How many keys there are; `None` before any could be had.
    pub(super) fn count(&self) -> Option<usize> {
        let state = self.inner.state.borrow();
        state.current.as_ref().map(|edition| edition.keys.len())
    }

    /// Why the last fetch failed, if it did.
    pub(super) fn failure(&self) -> Option<&'static str> {
        self.inner.state.borrow().failure
    }

    /// The keys there are, waiting for the first attempt to get them if none has ended yet.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] where there are none.
    pub(super) async fn current(&self) -> Result<Edition, AuthError> {
        if let Some(edition) = self.inner.state.borrow().current.clone() {
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
    /// [`AuthError::Unavailable`] where the issuer could not be asked.
    pub(super) async fn refreshed(&self) -> Result<Edition, AuthError> {
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
            .and_then(|state| state.current.clone())
            .ok_or(AuthError::unavailable())
    }

    /// Fetches as soon as the issuer's metadata is there, and again and again; never ends.
    pub(super) async fn keep_fresh(&self) {
        loop {
            let failure_before = self.failure();
            let fetched = self.fetch().await;
            let pause = match &fetched {
                Ok(_) => self.inner.config.refresh_every,
                Err(_) => self.inner.config.retry_every,
            };
            self.take_in(fetched, failure_before);
            select! {
                () = sleep(pause.get()) => {}
                () = self.inner.wanted.notified() => {}
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, &'static str> {
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
        let answer = fetcher.send(request).await.map_err(|error| why(&error))?;
        let document: Value = answer.json().map_err(|error| why(&error))?;
        KeySet::parse(&document).ok_or("the key set has no usable key")
    }

    fn take_in(&self, fetched: Result<KeySet, &'static str>, failure_before: Option<&str>) {
        let issuer = self.inner.discovery.issuer();
        match &fetched {
            Ok(keys) if failure_before.is_some() => {
                info!(%issuer, keys = keys.len(), "issuer's keys are back");
            }
            // Once for each kind of trouble: an outage must not fill the log.
            Err(error) if failure_before != Some(error) => {
                warn!(%issuer, error, "could not fetch the issuer's keys");
            }
            _ => {}
        }
        self.inner.state.send_modify(|state| {
            state.attempts += 1;
            state.under_way = false;
            match fetched {
                Ok(keys) => {
                    state.failure = None;
                    state.publish(keys);
                }
                Err(error) => {
                    self.inner.counters.count_key_fetch_failure();
                    state.failure = Some(error);
                }
            }
            let generation = state
                .current
                .as_ref()
                .map_or(0, |edition| edition.generation);
            self.inner.generation.store(generation, Ordering::Release);
        });
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

    fn publish(&mut self, keys: KeySet) {
        let generation = match &self.current {
            None => 0,
            Some(older) if keys.keeps_all_of(&older.keys) => older.generation,
            Some(older) => older.generation + 1,
        };
        self.current = Some(Edition {
            keys: Arc::new(keys),
            generation,
        });
    }
}

/// In words that are the same each time, so that the log can tell news from repetition.
fn why(error: &FetchError) -> &'static str {
    match error {
        FetchError::Setup(_) => "no HTTP client",
        FetchError::Deadline(_) => "no answer in time",
        FetchError::Unreachable { .. } => "unreachable",
        FetchError::OutOfReach { .. } => "out of reach",
        FetchError::TooLarge(_) => "the answer is too large",
        FetchError::Status { .. } => "the answer is no success",
        FetchError::Unreadable(_) => "the answer is not JSON",
    }
}
