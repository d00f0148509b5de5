//! HTTP+SSE of 2024-11-05: one stream to read from, one endpoint to post to.
//!
//! `negotiation` opens one; `connection` sends its requests through it. The stream's first event names
//! the endpoint, which must be of the same origin: the token goes there. Answers come on the stream,
//! and so does what the server asks and tells unasked.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    caller::{Call, Caller},
    endpoint::FAREWELL_WITHIN,
    event_stream::EventReader,
    handshake::{Initialized, initialize_params, read_initialized},
    headers::add_version,
    message,
    reply::{Refusal, content_type, is_stream, messages},
    talk::{Inbox, Sending, Standing, Stopped, Talk, Until},
};
use crate::{
    agent::{document::Document, error::AgentError, said::Said},
    protocol::ProtocolVersion,
};

/// A conversation over HTTP+SSE. Dropping it closes the stream, which ends the session.
#[derive(Debug)]
pub(super) struct LegacySse {
    talk: Talk,
    endpoint: Endpoint,
    standing: Standing,
}

/// Where messages are posted.
#[derive(Debug, Clone)]
struct Endpoint {
    url: Url,
    version: Option<ProtocolVersion>,
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
        talk: Talk,
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
        let patience = talk.caller.patience();
        let response = patience.wait(talk.caller.send(&call)).await?;
        if !response.status().is_success() {
            return Ok(Opening::Refused(response.status()));
        }
        if !is_stream(&response) {
            let kind = content_type(&response);
            return Err(AgentError::NotMcp {
                url: url.clone(),
                why: format!("its answer is of type {:?}", kind.as_str()),
            });
        }
        let mut stream = EventReader::new(response);
        let endpoint = patience.wait(endpoint(&mut stream, url)).await?;
        let standing = Standing::new(listen(stream, talk.inbox()));
        let mut session = Self {
            talk,
            endpoint: Endpoint {
                url: endpoint,
                version: None,
            },
            standing,
        };
        let initialized = session.initialize(wanted).await?;
        if exactly && initialized.version != wanted {
            return Err(AgentError::Version {
                wanted,
                offered: Said::new(initialized.version.as_str()),
            });
        }
        Ok(Opening::Open(Box::new(session), initialized))
    }

    async fn initialize(&mut self, wanted: ProtocolVersion) -> Result<Initialized, AgentError> {
        let params = initialize_params(wanted, self.talk.desk.asked.host());
        let result = self.request("initialize", &params).await?;
        let initialized = read_initialized(result, wanted)?;
        self.endpoint.version = Some(initialized.version);
        let told = message::notification("notifications/initialized");
        let caller = &self.talk.caller;
        let told = self
            .endpoint
            .post(caller, told, "notifications/initialized");
        caller.patience().wait(told).await?;
        Ok(initialized)
    }

    pub(super) const fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    /// Sends a request and waits for its answer on the stream.
    pub(super) async fn request(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Document, AgentError> {
        let id = self.talk.next_id();
        let body = message::request(id, method, &message::with_token(method, params, id));
        let (endpoint, caller) = (self.endpoint.clone(), Arc::clone(&self.talk.caller));
        let leg = async {
            let posted = endpoint.post(&caller, body, method).await;
            posted.map_err(Stopped::Failed)
        };
        let reply = |body| self.endpoint.reply(&caller, body);
        let until = Until::Answered(id);
        let outcome = self.talk.wait(until, leg, &mut self.standing, reply).await;
        match outcome {
            Ok(outcome) => outcome.map_err(|error| error.of(method)),
            Err(Stopped::GivenUp(why)) => {
                let told = message::cancelled(id, &why.to_string());
                let told = endpoint.post(&caller, told, "notifications/cancelled");
                if !matches!(timeout(FAREWELL_WITHIN, told).await, Ok(Ok(()))) {
                    tracing::debug!("the server was not told that the call is cancelled");
                }
                Err(why)
            }
            Err(stopped) => Err(stopped.of(method)),
        }
    }

    /// Serves the stream until `stop`.
    pub(super) async fn watch(&mut self, stop: &CancellationToken) -> Result<(), AgentError> {
        let (endpoint, caller) = (self.endpoint.clone(), Arc::clone(&self.talk.caller));
        let reply = move |body| endpoint.reply(&caller, body);
        self.talk.watch(stop, &mut self.standing, reply).await
    }
}

impl Endpoint {
    async fn post(&self, caller: &Caller, body: Bytes, method: &str) -> Result<(), AgentError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(version) = self.version {
            add_version(&mut headers, version);
        }
        let call = Call {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body,
        };
        let response = caller.send(&call).await?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(Refusal::read(response).await?.of(method))
    }

    /// Posts an answer of ours.
    fn reply(&self, caller: &Arc<Caller>, body: Bytes) -> Sending {
        let (endpoint, caller) = (self.clone(), Arc::clone(caller));
        Box::pin(async move { endpoint.post(&caller, body, "an answer").await })
    }
}

/// Reads the stream to its end. What is no message ends it too: nobody could say what was lost.
async fn listen(mut stream: EventReader, inbox: Inbox) {
    while let Ok(Some(event)) = stream.next().await {
        let Ok(heard) = messages(&event.kind, &event.data, "a request") else {
            return;
        };
        for message in heard {
            if inbox.send(message).await.is_err() {
                return;
            }
        }
    }
}

/// Waits for the `endpoint` event, which comes first; anything before it is passed over.
async fn endpoint(stream: &mut EventReader, url: &Url) -> Result<Url, AgentError> {
    loop {
        let event = stream.next().await?.ok_or(AgentError::StreamEnded)?;
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
