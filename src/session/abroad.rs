//! What of a session concerns other nodes: since which change of hands it is here, whether it comes or
//! goes, and what it takes to build it again elsewhere.
//!
//! Noted from the client's own requests as they come in, so that the session itself need not know that
//! there are other nodes; `router` writes it down for them.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Deserialize;

use super::SessionRef;
use crate::{
    handler::WATCHED_MAX,
    protocol::{Method, Raw, Request},
};

/// See the file's head.
#[derive(Debug)]
pub(super) struct Abroad {
    pub(super) epoch: u64,
    is_coming: AtomicBool,
    is_going: AtomicBool,
    noted: Mutex<Noted>,
}

/// What it takes to build a session again: what its client has asked for that lasts.
#[derive(Debug, Clone, Default)]
pub struct Noted {
    /// The params of `initialize`.
    pub initialize: Option<Raw>,
    /// The params of the last `logging/setLevel`.
    pub log_level: Option<Raw>,
    /// The resources it wants to be told of, by URI; at most [`WATCHED_MAX`].
    pub watched: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Watched {
    uri: String,
}

impl Abroad {
    /// A session that is here since this epoch, and perhaps has to be built again first.
    pub(super) fn new(epoch: u64, is_coming: bool) -> Self {
        Self {
            epoch,
            is_coming: AtomicBool::new(is_coming),
            is_going: AtomicBool::new(false),
            noted: Mutex::default(),
        }
    }

    /// No step leaves it half done, so a lock that a panic poisoned is as good as any.
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what of a request lasts; whether it was something new that has to be written down at once.
    pub(super) fn note(&self, request: &Request) -> bool {
        let uri = || {
            let watched: Option<Watched> = request.params.as_ref()?.read().ok();
            watched.map(|watched| watched.uri)
        };
        match request.method {
            Method::Initialize => {
                let mut noted = self.lock();
                if noted.initialize.is_none() {
                    noted.initialize.clone_from(&request.params);
                }
                // Written with the session itself, once it is answered.
                false
            }
            Method::LoggingSetLevel => {
                let mut noted = self.lock();
                let is_new = noted.log_level != request.params;
                noted.log_level.clone_from(&request.params);
                is_new
            }
            Method::ResourcesSubscribe => uri().is_some_and(|uri| {
                let mut noted = self.lock();
                noted.watched.len() < WATCHED_MAX && noted.watched.insert(uri)
            }),
            Method::ResourcesUnsubscribe => {
                uri().is_some_and(|uri| self.lock().watched.remove(&uri))
            }
            _ => false,
        }
    }

    pub(super) fn noted(&self) -> Noted {
        self.lock().clone()
    }

    /// It is built, and may be used.
    pub(super) fn has_come(&self) {
        self.is_coming.store(false, Ordering::Release);
    }

    pub(super) fn is_coming(&self) -> bool {
        self.is_coming.load(Ordering::Acquire)
    }

    /// It takes no further request.
    pub(super) fn goes(&self) {
        self.is_going.store(true, Ordering::Release);
    }

    pub(super) fn is_going(&self) -> bool {
        self.is_going.load(Ordering::Acquire)
    }
}

impl SessionRef {
    /// Since which change of hands it is here.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.abroad.epoch
    }

    /// Notes what of a client's request another node would have to know; whether it was something new.
    #[must_use]
    pub fn note(&self, request: &Request) -> bool {
        self.abroad.note(request)
    }

    /// What another node would have to know.
    #[must_use]
    pub fn noted(&self) -> Noted {
        self.abroad.noted()
    }

    /// It was built again, and may be used.
    pub fn has_come(&self) {
        self.abroad.has_come();
    }

    /// Whether it is being built again.
    #[must_use]
    pub fn is_coming(&self) -> bool {
        self.abroad.is_coming()
    }

    /// Whether it ends as soon as no call is in flight.
    #[must_use]
    pub fn is_going(&self) -> bool {
        self.abroad.is_going()
    }

    /// Calls that are in flight.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.vital.calls()
    }

    /// Waits until it is over and in no table any more.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ClientMessage, Incoming};

    fn request(method: &str, params: &str) -> Request {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        match Incoming::parse(&text.into(), 1).unwrap() {
            Incoming::One(ClientMessage::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_lasts_is_noted_and_nothing_else() {
        let abroad = Abroad::new(1, false);
        let note = |method, params| abroad.note(&request(method, params));

        for first in [r#"{"a":1}"#, r#"{"a":2}"#] {
            assert!(!note("initialize", first));
        }
        assert!(note("logging/setLevel", r#"{"level":"debug"}"#));
        assert!(!note("logging/setLevel", r#"{"level":"debug"}"#));
        assert!(note("resources/subscribe", r#"{"uri":"a"}"#));
        assert!(!note("resources/subscribe", r#"{"uri":"a"}"#));
        assert!(note("resources/subscribe", r#"{"uri":"b"}"#));
        assert!(note("resources/unsubscribe", r#"{"uri":"a"}"#));
        assert!(!note("resources/subscribe", r#"{"no":"uri"}"#));
        assert!(!note("tools/call", r#"{"name":"x"}"#));

        let noted = abroad.noted();
        assert_eq!(noted.initialize.unwrap().as_bytes(), br#"{"a":1}"#);
        assert_eq!(noted.log_level.unwrap().as_bytes(), br#"{"level":"debug"}"#);
        assert_eq!(noted.watched.into_iter().collect::<Vec<_>>(), ["b"]);
    }
}
