//! HTTP+SSE of 2024-11-05: one stream to read from, one endpoint to post to.
//!
//! `negotiation` opens one; `connection` sends its requests through it. The stream's first event names
//! the endpoint, which must be of the same origin: the token goes there. Answers come on the stream,
//! which is read while a request waits; the server's own requests are served on the way.

use std::collections::VecDeque;

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use super::{
    caller::{Call, Caller},
    error::{AgentError, Said},
    event_stream::EventReader,
    message::{self, Incoming},
    reply::{Refusal, is, messages},
    streamable::{Initialized, add_version, initialize_params, read_initialized},
};
use crate::protocol::ProtocolVersion;

/// A conversation over HTTP+SSE. Dropping it closes the stream, which ends the session.
#[derive(Debug)]
pub(super) struct LegacySse {
    stream: EventReader,
    endpoint: Url,
    ready: VecDeque<Incoming>,
    version: Option<ProtocolVersion>,
    last_id: u64,
}

/// What became of the GET.
#[derive(Debug)]
pub(super) enum Opening {
    Open(Box<LegacySse>, Initialized),
    /// There is no stream here.
    Refused(StatusCode),
}

impl LegacySse {
    /// Opens the stream and a session that speaks `wanted`, or, unless `exactly`, an older version.
    pub(super) async fn open(
        caller: &mut Caller,
        url: &Url,
        wanted: ProtocolVersion,
        exactly: bool,
    ) -> Result<Opening, AgentError> {
        let call = Call {
            method: Method::GET,
            url: url.clone(),
            headers: HeaderMap::from_iter([(
                ACCEPT,
                HeaderValue::from_static("text/event-stream"),
            )]),
            body: Bytes::new(),
        };
        let response = caller.send(&call).await?;
        if !response.status().is_success() {
            return Ok(Opening::Refused(response.status()));
        }
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !is(kind, "text/event-stream") {
            return Err(AgentError::NotMcp {
                url: url.clone(),
                why: format!("its answer is of type {:?}", Said::new(kind).as_str()),
            });
        }
        let mut stream = EventReader::new(response);
        let endpoint = endpoint(&mut stream, caller, url).await?;
        let mut session = Self {
            stream,
            endpoint,
            ready: VecDeque::new(),
            version: None,
            last_id: 0,
        };
        let initialized = session.initialize(caller, wanted).await?;
        if exactly && initialized.version != wanted {
            return Err(AgentError::Version {
                wanted,
                offered: Said::new(initialized.version.as_str()),
            });
        }
        Ok(Opening::Open(Box::new(session), initialized))
    }

    async fn initialize(
        &mut self,
        caller: &mut Caller,
        wanted: ProtocolVersion,
    ) -> Result<Initialized, AgentError> {
        let params = initialize_params(wanted);
        let result = self.request(caller, "initialize", &params).await?;
        let initialized = read_initialized(&result, wanted)?;
        self.version = Some(initialized.version);
        let told = message::notification("notifications/initialized");
        self.post(caller, "notifications/initialized", told).await?;
        Ok(initialized)
    }

    /// Sends a request and waits for its answer on the stream.
    pub(super) async fn request(
        &mut self,
        caller: &mut Caller,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Value, AgentError> {
        self.last_id += 1;
        let body = message::request(self.last_id, method, params);
        self.post(caller, method, body).await?;
        let until = Instant::now() + caller.deadline().get();
        loop {
            match self.next(caller, until, method).await? {
                Incoming::Answer { id, outcome } if id == Some(self.last_id) => {
                    return outcome.map_err(|error| error.of(method));
                }
                Incoming::Request { id, method } => {
                    let answer = message::answer_to(&id, &method);
                    self.post(caller, &method, answer).await?;
                }
                Incoming::Answer { .. } | Incoming::Notification => {}
            }
        }
    }

    async fn next(
        &mut self,
        caller: &Caller,
        until: Instant,
        method: &str,
    ) -> Result<Incoming, AgentError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            let event = self.stream.next(until, caller.deadline()).await?;
            let event = event.ok_or(AgentError::StreamEnded)?;
            self.ready = messages(&event.kind, &event.data, method)?;
        }
    }

    async fn post(&self, caller: &mut Caller, method: &str, body: Bytes) -> Result<(), AgentError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(version) = self.version {
            add_version(&mut headers, version);
        }
        let call = Call {
            method: Method::POST,
            url: self.endpoint.clone(),
            headers,
            body,
        };
        let response = caller.send(&call).await?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(Refusal::read(caller, response).await?.of(method))
    }
}

/// Waits for the `endpoint` event, which comes first; anything before it is passed over.
async fn endpoint(stream: &mut EventReader, caller: &Caller, url: &Url) -> Result<Url, AgentError> {
    let until = Instant::now() + caller.deadline().get();
    loop {
        let event = stream.next(until, caller.deadline()).await?;
        let event = event.ok_or(AgentError::StreamEnded)?;
        if event.kind != "endpoint" {
            continue;
        }
        let endpoint = url.join(&event.data).map_err(|error| AgentError::NotMcp {
            url: url.clone(),
            why: format!("its endpoint event names no URL: {error}"),
        })?;
        if endpoint.origin() != url.origin() {
            return Err(AgentError::ForeignEndpoint(Said::new(&event.data)));
        }
        return Ok(endpoint);
    }
}
