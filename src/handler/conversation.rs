//! What the calls of one session share (up to 2025-11-25): who the client is, what it was asked and
//! wants to be told, and the stream for what belongs to no call.
//!
//! `session` makes one with each session, and ends it with the session. A call reaches it through its
//! [`Client`](super::Client).

use std::{
    any::Any,
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{Change, Lists, LogThreshold, Questions, voice::SessionStreamRef};
use crate::{
    outlet::Frame,
    protocol::{
        ClientCapabilities, Implementation, LogLevel, Method, ModernMeta, ProtocolVersion,
        RpcError, codes, encode_notification,
    },
};

/// What a client has said of itself: in `initialize`, or from 2026-07-28 on in each request.
#[derive(Debug)]
pub struct Introduction {
    /// What is spoken with it.
    pub version: ProtocolVersion,
    /// What it calls itself; for logs, never for decisions.
    pub info: Option<Implementation>,
    /// What it can do for the server.
    pub capabilities: ClientCapabilities,
}

impl From<ModernMeta> for Introduction {
    fn from(meta: ModernMeta) -> Self {
        Self {
            version: meta.version,
            info: meta.client_info,
            capabilities: meta.client_capabilities,
        }
    }
}

/// One session's shared state. Cheap to clone.
#[derive(Clone)]
pub struct Conversation(Arc<Inner>);

struct Inner {
    introduction: OnceLock<Arc<Introduction>>,
    /// What the client was told of by the answer to `initialize`.
    lists: OnceLock<Lists>,
    log_threshold: LogThreshold,
    questions: Questions,
    watched: Mutex<HashSet<String>>,
    stream: SessionStreamRef,
    over: CancellationToken,
    heard: Arc<Semaphore>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    by: Arc<dyn Any + Send + Sync>,
    what: Arc<dyn Any + Send + Sync>,
}

/// A session's shared state, as long as the session has it.
#[derive(Clone)]
pub(crate) struct WeakConversation(Weak<Inner>);

/// Resources that one session, or one stream of changes, may watch.
pub const WATCHED_MAX: usize = 1_000;

/// Notifications of one session's client that a delegate may be at; one more is left out.
const HEARD_MAX: usize = 4;

impl Conversation {
    /// The conversation of a session that ends when `over` is cancelled. `stream` is for what belongs to
    /// no call.
    #[must_use]
    pub fn new(stream: SessionStreamRef, over: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            introduction: OnceLock::new(),
            lists: OnceLock::new(),
            // Until the client says otherwise (2025-11-25, logging: the server MAY decide).
            log_threshold: LogThreshold::from_level(LogLevel::Info),
            questions: Questions::default(),
            watched: Mutex::default(),
            stream,
            over,
            heard: Arc::new(Semaphore::new(HEARD_MAX)),
            kept: Mutex::default(),
        }))
    }

    /// The client has introduced itself. The first introduction stays.
    pub fn introduce(&self, introduction: Introduction) {
        self.0.introduction.get_or_init(|| Arc::new(introduction));
    }

    /// The client is told of these lists. The first time counts.
    pub(crate) fn declare(&self, lists: Lists) {
        self.0.lists.get_or_init(|| lists);
    }

    /// What the client has said of itself; nothing before `initialize`.
    #[must_use]
    pub fn introduction(&self) -> Arc<Introduction> {
        let unknown = || {
            Arc::new(Introduction {
                version: ProtocolVersion::NEWEST_LEGACY,
                info: None,
                capabilities: ClientCapabilities::default(),
            })
        };
        self.0.introduction.get().map_or_else(unknown, Arc::clone)
    }

    /// From which severity on the client wants log messages.
    #[must_use]
    pub fn log_threshold(&self) -> &LogThreshold {
        &self.0.log_threshold
    }

    /// What the client was asked and has not answered.
    #[must_use]
    pub fn questions(&self) -> &Questions {
        &self.0.questions
    }

    /// Ends with the session.
    #[must_use]
    pub fn over(&self) -> &CancellationToken {
        &self.0.over
    }

    pub(super) fn stream(&self) -> &SessionStreamRef {
        &self.0.stream
    }

    /// Tells the client of a change, if it wants to know and there is a stream.
    pub fn tell(&self, change: &Change) {
        let wanted = match change {
            Change::Resource(uri) => lock(&self.0.watched).contains(uri),
            _ => true,
        };
        if wanted {
            self.send(change);
        }
    }

    /// Tells the client of a change, if there is a stream.
    pub(super) fn send(&self, change: &Change) {
        // What was not declared was not negotiated either, and so may not be used.
        let is_declared = self.0.lists.get().is_some_and(|lists| lists.have(change));
        if is_declared
            && let Some(stream) = self.stream().get()
            && let Some(notification) = notification(change)
        {
            // A stream that has ended is noticed by its watcher.
            let _ended = stream.send(Frame::Message(notification));
        }
    }

    /// The client wants to be told of a resource's changes. Returns whether it was not before.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] where it watches [`WATCHED_MAX`] already.
    pub(super) fn watch(&self, uri: &str) -> Result<bool, RpcError> {
        let mut watched = lock(&self.0.watched);
        if watched.len() >= WATCHED_MAX && !watched.contains(uri) {
            let text = format!("at most {WATCHED_MAX} subscriptions in one session");
            return Err(RpcError::new(codes::INVALID_REQUEST, text));
        }
        Ok(watched.insert(uri.to_owned()))
    }

    /// From now on only these resources are watched, of those that are.
    pub(crate) fn watch_only(&self, keep: impl Fn(&str) -> bool) {
        lock(&self.0.watched).retain(|uri| keep(uri));
    }

    /// A place among the notifications that a delegate is at, while it is held.
    pub(super) fn place_to_hear(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.heard).try_acquire_owned().ok()
    }

    /// What an adapter keeps as long as the session lasts; made when `keeper` first asks for it, and anew
    /// where another one takes its place.
    ///
    /// # Errors
    /// `make`'s.
    #[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "for adapters"))]
    pub(crate) fn keep<K, T, E>(
        &self,
        keeper: &Arc<K>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E>
    where
        K: Any + Send + Sync,
        T: Any + Send + Sync,
    {
        let mut kept = lock(&self.0.kept);
        if let Some(Kept { by, what }) = &*kept
            && std::ptr::addr_eq(Arc::as_ptr(by), Arc::as_ptr(keeper))
            && let Ok(what) = Arc::clone(what).downcast()
        {
            return Ok(what);
        }
        let what = Arc::new(make()?);
        *kept = Some(Kept {
            by: Arc::clone(keeper) as _,
            what: Arc::clone(&what) as _,
        });
        Ok(what)
    }

    /// The conversation, for who must not keep it alive.
    #[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "for adapters"))]
    pub(crate) fn downgrade(&self) -> WeakConversation {
        WeakConversation(Arc::downgrade(&self.0))
    }

    /// The client wants that no more; of what is not watched, it changes nothing.
    pub(super) fn unwatch(&self, uri: &str) {
        lock(&self.0.watched).remove(uri);
    }
}

#[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "for adapters"))]
impl WeakConversation {
    pub(crate) fn upgrade(&self) -> Option<Conversation> {
        self.0.upgrade().map(Conversation)
    }
}

fn notification(change: &Change) -> Option<Bytes> {
    let (method, params) = match change {
        Change::Tools => (Method::ToolsListChanged, json!({})),
        Change::Prompts => (Method::PromptsListChanged, json!({})),
        Change::Resources => (Method::ResourcesListChanged, json!({})),
        Change::Resource(uri) => (Method::ResourcesUpdated, json!({ "uri": uri })),
    };
    encode_notification(&method, &params).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Conversation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Conversation")
            .field("questions", &self.0.questions)
            .field("watched", &lock(&self.0.watched).len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_watched_resources_is_bounded() {
        let conversation = Conversation::new(SessionStreamRef::default(), CancellationToken::new());
        for number in 0..WATCHED_MAX {
            assert!(conversation.watch(&number.to_string()).unwrap());
        }

        assert!(conversation.watch("one more").is_err());
        assert!(!conversation.watch("0").unwrap());
        conversation.unwatch("0");
        assert!(conversation.watch("one more").unwrap());
    }
}
