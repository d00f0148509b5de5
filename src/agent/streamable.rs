//! Streamable HTTP with `initialize` and a session (2025-03-26 to 2025-11-25).
//!
//! `negotiation` opens one; `connection` sends its requests through it. The session id the server
//! gives goes with every later request, and so does the version from 2025-06-18 on. A session that is
//! gone (404) is opened anew and the request sent once more, as the specification demands. A stream
//! that ends before the answer is resumed by `Last-Event-ID`, after the `retry` the server asked for.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::{
    caller::{Call, Caller},
    error::{AgentError, Said},
    message::{self, Incoming, RpcError},
    reply::{Posted, Refusal, Replies, post},
};
use crate::protocol::ProtocolVersion;

pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Longest session id that is taken, in bytes. The specification names no limit.
const SESSION_ID_BYTES_MAX: usize = 1024;

/// How often one answer's stream is resumed.
const RESUMES_MAX: usize = 8;

/// Wait before resuming where the server names none.
const RETRY_DEFAULT: Duration = Duration::from_secs(1);

/// What `initialize` settled.
#[derive(Debug)]
pub(super) struct Initialized {
    pub(super) version: ProtocolVersion,
    /// `serverInfo`.
    pub(super) server: Option<String>,
}

/// A conversation over Streamable HTTP.
#[derive(Debug)]
pub(super) struct Streamable {
    url: Url,
    wanted: ProtocolVersion,
    version: Option<ProtocolVersion>,
    session: Option<HeaderValue>,
    last_id: u64,
}

/// What became of `initialize`.
#[derive(Debug)]
pub(super) enum Opening {
    Open(Streamable, Initialized),
    /// The server does not take it here; perhaps it speaks HTTP+SSE.
    Refused(Refusal),
}

impl Streamable {
    /// Opens a session that speaks `wanted`, or, unless `exactly`, an older one the server prefers.
    pub(super) async fn open(
        caller: &mut Caller,
        url: &Url,
        wanted: ProtocolVersion,
        exactly: bool,
    ) -> Result<Opening, AgentError> {
        let mut streamable = Self {
            url: url.clone(),
            wanted,
            version: None,
            session: None,
            last_id: 0,
        };
        let initialized = match streamable.initialize(caller).await? {
            Ok(initialized) => initialized,
            Err(refusal) => return Ok(Opening::Refused(refusal)),
        };
        if exactly && initialized.version != wanted {
            streamable.close(caller).await;
            return Err(AgentError::Version {
                wanted,
                offered: Said::new(initialized.version.as_str()),
            });
        }
        Ok(Opening::Open(streamable, initialized))
    }

    async fn initialize(
        &mut self,
        caller: &mut Caller,
    ) -> Result<Result<Initialized, Refusal>, AgentError> {
        const METHOD: &str = "initialize";
        self.session = None;
        self.version = None;
        let (id, body) = self.write(METHOD, &initialize_params(self.wanted));
        let (headers, replies) = match self.post(caller, body).await? {
            Posted::Replies { headers, replies } => (headers, replies),
            Posted::Refused(refusal) => return Ok(Err(refusal)),
        };
        self.session = session_id(&headers);
        let result = self.answer(caller, replies, id, METHOD).await?;
        let result = result.map_err(|error| error.of(METHOD))?;
        let initialized = read_initialized(&result, self.wanted)?;
        self.version = Some(initialized.version);
        let told = message::notification("notifications/initialized");
        match self.post(caller, told).await? {
            Posted::Replies { .. } => Ok(Ok(initialized)),
            Posted::Refused(refusal) => Err(refusal.of("notifications/initialized")),
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn request(
        &mut self,
        caller: &mut Caller,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Value, AgentError> {
        let mut reopened = false;
        loop {
            let (id, body) = self.write(method, params);
            match self.post(caller, body).await? {
                Posted::Replies { replies, .. } => {
                    let outcome = self.answer(caller, replies, id, method).await?;
                    return outcome.map_err(|error| error.of(method));
                }
                Posted::Refused(refusal)
                    if refusal.status == StatusCode::NOT_FOUND
                        && self.session.is_some()
                        && !reopened =>
                {
                    reopened = true;
                    self.initialize(caller)
                        .await?
                        .map_err(|refusal| refusal.of("initialize"))?;
                }
                Posted::Refused(refusal) => return Err(refusal.of(method)),
            }
        }
    }

    /// Ends the session. A server that does not let clients do that answers 405, which is as good.
    pub(super) async fn close(self, caller: &mut Caller) {
        if self.session.is_none() {
            return;
        }
        let call = Call {
            method: Method::DELETE,
            url: self.url.clone(),
            headers: self.headers(),
            body: Bytes::new(),
        };
        if let Err(error) = caller.send(&call).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the session was not ended; the server will end it by itself"
            );
        }
    }

    fn write(&mut self, method: &str, params: &Map<String, Value>) -> (u64, Bytes) {
        self.last_id += 1;
        (self.last_id, message::request(self.last_id, method, params))
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(session) = &self.session {
            headers.insert(SESSION_ID, session.clone());
        }
        if let Some(version) = self.version {
            add_version(&mut headers, version);
        }
        headers
    }

    async fn post(&self, caller: &mut Caller, body: Bytes) -> Result<Posted, AgentError> {
        post(caller, &self.url, self.headers(), body).await
    }

    /// Reads until the answer to `id`, serving the server's requests on the way.
    async fn answer(
        &self,
        caller: &mut Caller,
        mut replies: Replies,
        id: u64,
        method: &str,
    ) -> Result<Result<Value, RpcError>, AgentError> {
        let until = Instant::now() + caller.deadline().get();
        let mut resumes = 0;
        loop {
            match replies.next(caller, until, method).await? {
                Some(Incoming::Answer { id: of, outcome }) if of.is_none_or(|of| of == id) => {
                    return Ok(outcome);
                }
                Some(Incoming::Request { id, method }) => {
                    self.post(caller, message::answer_to(&id, &method)).await?;
                }
                Some(Incoming::Answer { .. } | Incoming::Notification) => {}
                None if resumes < RESUMES_MAX => {
                    resumes += 1;
                    self.resume(caller, &mut replies, until).await?;
                }
                None => return Err(AgentError::StreamEnded),
            }
        }
    }

    /// 2025-03-26 and later, transports, resumability.
    async fn resume(
        &self,
        caller: &mut Caller,
        replies: &mut Replies,
        until: Instant,
    ) -> Result<(), AgentError> {
        let stream = replies.stream().ok_or(AgentError::StreamEnded)?;
        let last_id = stream.last_id().ok_or(AgentError::StreamEnded)?;
        let last_id = HeaderValue::from_str(last_id).map_err(|_invalid| AgentError::StreamEnded)?;
        let back_at = Instant::now() + stream.retry().unwrap_or(RETRY_DEFAULT);
        if back_at > until {
            return Err(AgentError::StreamEnded);
        }
        sleep_until(back_at).await;
        let mut headers = self.headers();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(LAST_EVENT_ID, last_id);
        let call = Call {
            method: Method::GET,
            url: self.url.clone(),
            headers,
            body: Bytes::new(),
        };
        let response = caller.send(&call).await?;
        if !response.status().is_success() {
            return Err(AgentError::StreamEnded);
        }
        stream.resume(response);
        Ok(())
    }
}

/// From 2025-06-18 on; servers before it do not know the header.
pub(super) fn add_version(headers: &mut HeaderMap, version: ProtocolVersion) {
    if version >= ProtocolVersion::V2025_06_18 {
        let value = HeaderValue::from_static(version.as_str());
        headers.insert(PROTOCOL_VERSION, value);
    }
}

/// Parameters of `initialize`: no capabilities, since this agent offers the server nothing.
pub(super) fn initialize_params(version: ProtocolVersion) -> Map<String, Value> {
    Map::from_iter([
        ("protocolVersion".to_owned(), json!(version.as_str())),
        ("capabilities".to_owned(), json!({})),
        ("clientInfo".to_owned(), message::client_info()),
    ])
}

/// Reads the result of `initialize`. A version we do not know, or one without `initialize`, is none.
pub(super) fn read_initialized(
    result: &Value,
    wanted: ProtocolVersion,
) -> Result<Initialized, AgentError> {
    let offered = result.get("protocolVersion").and_then(Value::as_str);
    let offered = offered.ok_or_else(|| AgentError::Unreadable {
        method: "initialize".to_owned(),
        why: "it has no protocolVersion".to_owned(),
    })?;
    let version: Option<ProtocolVersion> = offered.parse().ok();
    let version = version
        .filter(|version| !version.is_modern())
        .ok_or_else(|| AgentError::Version {
            wanted,
            offered: Said::new(offered),
        })?;
    Ok(Initialized {
        version,
        server: result.get("serverInfo").and_then(message::server_name),
    })
}

/// Visible ASCII, as the specification demands.
fn session_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(SESSION_ID)?;
    let bytes = value.as_bytes();
    let sound = bytes.len() <= SESSION_ID_BYTES_MAX && bytes.iter().all(u8::is_ascii_graphic);
    (sound && !bytes.is_empty()).then(|| value.clone())
}
