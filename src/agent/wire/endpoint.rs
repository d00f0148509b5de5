//! The one URL of Streamable HTTP up to 2025-11-25: what goes with each request, and the streams that
//! come back.
//!
//! `streamable` holds an [`Endpoint`], and hands `talk` what it makes: a [`Leg`] for each request, and
//! the session's own stream, [`listen`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method,
    header::{ACCEPT, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Map;
use tokio::{
    sync::{Notify, oneshot},
    time::{sleep, timeout},
};
use url::Url;

use super::{
    caller::{Call, Caller},
    event_stream::EventReader,
    headers,
    message::{self, Incoming},
    reply::{Posted, Replies, is_stream, messages, post},
    talk::{Inbox, Sending, Stopped},
};
use crate::{agent::error::AgentError, protocol::ProtocolVersion};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Longest session id that is taken, in bytes. The specification names no limit.
const SESSION_ID_BYTES_MAX: usize = 1024;

/// How often a stream is resumed that says nothing.
const RESUMES_MAX: usize = 8;

/// Wait before resuming where the server names none.
const RETRY_DEFAULT: Duration = Duration::from_secs(1);

/// How long the end of a session, or of a call, may take to be told.
pub(super) const FAREWELL_WITHIN: Duration = Duration::from_secs(5);

/// Where requests go, and what goes with each.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    url: Url,
    version: Option<ProtocolVersion>,
    session: Option<HeaderValue>,
}

impl Endpoint {
    pub(super) fn new(url: &Url) -> Self {
        Self {
            url: url.clone(),
            version: None,
            session: None,
        }
    }

    /// Before `initialize`.
    pub(super) fn forget(&mut self) {
        self.version = None;
        self.session = None;
    }

    /// After it: what was agreed on, and the head of its answer.
    pub(super) fn enter(&mut self, version: ProtocolVersion, head: Option<&HeaderMap>) {
        self.version = Some(version);
        self.session = head.and_then(session_id);
    }

    pub(super) const fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// What goes with every request.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(session) = &self.session {
            headers.insert(SESSION_ID, session.clone());
        }
        if let Some(version) = self.version {
            headers::add_version(&mut headers, version);
        }
        headers
    }

    fn call(&self, method: Method, headers: HeaderMap) -> Call {
        Call {
            method,
            url: self.url.clone(),
            headers,
            body: Bytes::new(),
        }
    }

    /// A GET for a stream, the one that `last_id` belongs to, or the session's own.
    fn stream(&self, last_id: Option<&str>) -> Option<Call> {
        let mut headers = self.headers();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(last_id) = last_id {
            headers.insert(LAST_EVENT_ID, HeaderValue::from_str(last_id).ok()?);
        }
        Some(self.call(Method::GET, headers))
    }

    /// Posts a notification of ours.
    pub(super) async fn tell(
        &self,
        caller: &Caller,
        method: &str,
        body: Bytes,
    ) -> Result<(), AgentError> {
        let mut headers = self.headers();
        headers.extend(headers::standard(method, &Map::new())?);
        match post(caller, &self.url, headers, body).await? {
            Posted::Replies { .. } => Ok(()),
            Posted::Refused(refusal) => Err(refusal.of(method)),
        }
    }

    /// Tells the server that nobody waits for `id` any more.
    pub(super) async fn withdraw(&self, caller: &Caller, id: u64, why: &AgentError) {
        let told = message::cancelled(id, &why.to_string());
        let told = self.tell(caller, "notifications/cancelled", told);
        if !matches!(timeout(FAREWELL_WITHIN, told).await, Ok(Ok(()))) {
            tracing::debug!("the server was not told that the call is cancelled");
        }
    }

    /// Posts an answer of ours.
    pub(super) fn reply(&self, caller: &Arc<Caller>, body: Bytes) -> Sending {
        let (endpoint, caller) = (self.clone(), Arc::clone(caller));
        Box::pin(async move {
            match post(&caller, &endpoint.url, endpoint.headers(), body).await? {
                Posted::Replies { .. } => Ok(()),
                Posted::Refused(refusal) => Err(refusal.of("an answer")),
            }
        })
    }

    /// Ends the session, if there is one. A server that does not let clients do that answers 405, which
    /// is as good.
    pub(super) async fn leave(&self, caller: &Caller) {
        if self.session.is_none() {
            return;
        }
        let call = self.call(Method::DELETE, self.headers());
        let ended = timeout(FAREWELL_WITHIN, caller.send_once(&call));
        if !matches!(ended.await, Ok(Ok(_))) {
            tracing::debug!("the session was not ended; the server will end it by itself");
        }
    }
}

/// The messages of one request.
pub(super) struct Leg {
    pub(super) caller: Arc<Caller>,
    pub(super) endpoint: Endpoint,
    pub(super) inbox: Inbox,
    pub(super) id: u64,
    pub(super) method: String,
}

impl Leg {
    /// Posts, and reads until the answer has gone to the inbox.
    pub(super) async fn run(
        self,
        headers: HeaderMap,
        body: Bytes,
        head: Option<oneshot::Sender<HeaderMap>>,
    ) -> Result<(), Stopped> {
        let posted = post(&self.caller, &self.endpoint.url, headers, body).await?;
        let (headers, mut replies) = match posted {
            Posted::Replies { headers, replies } => (headers, replies),
            Posted::Refused(refusal) => return Err(Stopped::Refused(refusal)),
        };
        if let Some(head) = head {
            // The session has gone with whoever wanted to know.
            head.send(headers).ok();
        }
        let mut resumes = 0;
        loop {
            match replies.next(&self.method).await? {
                Some(message) => {
                    resumes = 0;
                    let (message, is_answer) = message.for_request(self.id);
                    if self.inbox.send(message).await.is_err() || is_answer {
                        return Ok(());
                    }
                }
                None if resumes < RESUMES_MAX => {
                    resumes += 1;
                    self.resume(&mut replies).await?;
                }
                None => return Err(AgentError::StreamEnded.into()),
            }
        }
    }

    /// 2025-03-26 and later, transports, resumability.
    async fn resume(&self, replies: &mut Replies) -> Result<(), AgentError> {
        let stream = replies.stream().ok_or(AgentError::StreamEnded)?;
        let last_id = stream.last_id().ok_or(AgentError::StreamEnded)?;
        let call = self.endpoint.stream(Some(last_id));
        let call = call.ok_or(AgentError::StreamEnded)?;
        sleep(stream.retry().unwrap_or(RETRY_DEFAULT)).await;
        let response = self.caller.send(&call).await?;
        if !response.status().is_success() {
            return Err(AgentError::StreamEnded);
        }
        stream.resume(response);
        Ok(())
    }
}

/// Reads the session's own stream, and opens it again when it ends. Comes back when the server has
/// none, or lets go of it again and again.
pub(super) async fn listen(
    caller: Arc<Caller>,
    endpoint: Endpoint,
    inbox: Inbox,
    opened: Arc<Notify>,
) {
    let mut stream: Option<EventReader> = None;
    let mut resumes = 0;
    while resumes < RESUMES_MAX {
        let last_id = stream.as_ref().and_then(EventReader::last_id);
        let Some(call) = endpoint.stream(last_id) else {
            return;
        };
        let Ok(response) = caller.send_once(&call).await else {
            return;
        };
        if !is_stream(&response) {
            return;
        }
        opened.notify_one();
        match &mut stream {
            Some(stream) => stream.resume(response),
            None => stream = Some(EventReader::new(response)),
        }
        let Some(stream) = &mut stream else { return };
        while let Ok(Some(event)) = stream.next().await {
            resumes = 0;
            let heard = messages(&event.kind, &event.data, "GET").unwrap_or_default();
            for message in heard {
                // Answers belong to other streams.
                if !matches!(message, Incoming::Answer { id: None, .. })
                    && inbox.send(message).await.is_err()
                {
                    return;
                }
            }
        }
        resumes += 1;
        sleep(stream.retry().unwrap_or(RETRY_DEFAULT)).await;
    }
}

/// Visible ASCII, as the specification demands.
fn session_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(SESSION_ID)?;
    let bytes = value.as_bytes();
    let sound = bytes.len() <= SESSION_ID_BYTES_MAX && bytes.iter().all(u8::is_ascii_graphic);
    (sound && !bytes.is_empty()).then(|| value.clone())
}
