//! 2026-07-28: every request stands alone.
//!
//! `negotiation` probes with [`Stateless::discover`]; `connection` sends its requests through it. Each
//! carries version, capabilities and client in `_meta`, and repeats version, method, name and marked
//! arguments as headers. A server that wants something from the user, the model or the folders says
//! so in its result, and the request is sent again with it. Whoever has had enough lets the stream go:
//! to the server that is the cancellation.

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Map, Value, json};
use tokio::{
    select,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    caller::Caller,
    handshake::ServerSays,
    headers::{self, Mirror},
    message::{self, Incoming, MODERN_CODES, RpcError},
    reply::{Posted, Refusal, post},
    rounds::InputRequired,
    talk::{Inbox, Standing, Stopped, Talk, Until},
};
use crate::{
    agent::{document::Document, error::AgentError, event::Event, said::Said},
    protocol::{LogLevel, ProtocolVersion, codes},
};

/// The only modern version there is.
pub(super) const VERSION: ProtocolVersion = ProtocolVersion::V2026_07_28;

/// How often one call may want input.
const ROUNDS_MAX: usize = 32;

/// Wait before a round in which nobody was asked: the server only wants to be asked again.
const ROUND_AFTER: Duration = Duration::from_millis(500);

/// How often a stream of changes is opened again that says nothing.
const REOPENED_MAX: usize = 8;

/// Wait before a stream of changes is opened again.
const REOPENED_AFTER: Duration = Duration::from_secs(1);

/// A server of 2026-07-28.
#[derive(Debug)]
pub(super) struct Stateless {
    talk: Talk,
    url: Url,
    log_level: Option<LogLevel>,
    /// Marked arguments by tool, as the last list of tools had them.
    mirrors: HashMap<String, Vec<Mirror>>,
}

/// What the server answered to `server/discover`.
#[derive(Debug)]
pub(super) enum Probe {
    /// It speaks 2026-07-28.
    Modern {
        stateless: Box<Stateless>,
        server: ServerSays,
    },
    /// It knows no modern version that we know; what it offers, if it said so.
    Legacy {
        offered: Option<Said>,
        talk: Box<Talk>,
    },
}

enum Outcome {
    Result(Document),
    Error(StatusCode, Option<RpcError>),
}

impl Stateless {
    /// Asks whether the server at `url` speaks 2026-07-28.
    ///
    /// # Errors
    /// A modern server's refusal, and a status of 500 or above: neither says "legacy" (2026-07-28,
    /// versioning).
    pub(super) async fn discover(
        talk: Talk,
        url: &Url,
        log_level: Option<LogLevel>,
    ) -> Result<Probe, AgentError> {
        const DISCOVER: &str = "server/discover";
        let mut stateless = Self {
            talk,
            url: url.clone(),
            log_level,
            mirrors: HashMap::new(),
        };
        let nothing = Map::new();
        let mut outcome = stateless.exchange(DISCOVER, &nothing).await?;
        if let Outcome::Error(_, Some(error)) = &outcome
            && error.is(codes::UNSUPPORTED_PROTOCOL_VERSION)
            && versions(error.data.get("supported")).contains(&VERSION.as_str())
        {
            // Refused and offered in one breath, as a fleet does in the middle of a roll-out: the
            // specification says to retry with a version of the list, and this is the only one.
            outcome = stateless.exchange(DISCOVER, &nothing).await?;
        }
        let legacy = |offered: Option<Vec<&str>>, talk| Probe::Legacy {
            offered: offered.map(|offered| Said::new(&offered.join(", "))),
            talk: Box::new(talk),
        };
        match outcome {
            Outcome::Result(result) => {
                let offered = versions(result.value().get("supportedVersions"));
                if !offered.contains(&VERSION.as_str()) {
                    return Ok(legacy(Some(offered), stateless.talk));
                }
                let server = ServerSays::new(server_info(result.value()), result);
                let stateless = Box::new(stateless);
                Ok(Probe::Modern { stateless, server })
            }
            Outcome::Error(_, Some(error)) if error.is(codes::UNSUPPORTED_PROTOCOL_VERSION) => {
                let offered = versions(error.data.get("supported"));
                Ok(legacy(Some(offered), stateless.talk))
            }
            Outcome::Error(_, Some(error)) if MODERN_CODES.contains(&error.code) => {
                Err(error.of(DISCOVER))
            }
            Outcome::Error(status, error) if status.is_server_error() => {
                Err(Refusal { status, error }.of(DISCOVER))
            }
            Outcome::Error(..) => Ok(legacy(None, stateless.talk)),
        }
    }

    /// Keeps the marked arguments of the server's tools.
    pub(super) fn learn(&mut self, mirrors: HashMap<String, Vec<Mirror>>) {
        self.mirrors = mirrors;
    }

    /// Sends a request and waits for its answer, through as many rounds as it takes.
    pub(super) async fn request(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Document, AgentError> {
        let mut sent = None;
        for _round in 0..ROUNDS_MAX {
            let result = match self
                .exchange(method, sent.as_ref().unwrap_or(params))
                .await?
            {
                Outcome::Result(result) => result,
                Outcome::Error(status, error) => return Err(Refusal { status, error }.of(method)),
            };
            let Some(wanted) = InputRequired::of(&result, method)? else {
                return Ok(result);
            };
            let cancel = self.talk.cancel.clone();
            sent = select! {
                biased;
                () = cancel.cancelled() => return Err(AgentError::Interrupted),
                answered = self.answer(wanted, method, params) => Some(answered?),
            };
        }
        Err(AgentError::TooManyRounds(ROUNDS_MAX))
    }

    /// Gathers what a server wants, one after the other: a person answers one question at a time.
    async fn answer(
        &mut self,
        wanted: InputRequired,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Map<String, Value>, AgentError> {
        let mut answers = Map::new();
        for (key, question, asked) in &wanted.questions {
            let unanswered = |error: RpcError| AgentError::Unanswered {
                method: method.to_owned(),
                question: Said::new(question),
                why: Said::new(&error.message),
            };
            let answering = self.talk.desk.asked.answer(question, asked.clone());
            let answer = answering.map_err(unanswered)?.await.map_err(unanswered)?;
            answers.insert(key.clone(), answer);
        }
        if answers.is_empty() {
            sleep(ROUND_AFTER).await;
        }
        Ok(wanted.answered(params, answers))
    }

    async fn exchange(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Outcome, AgentError> {
        let id = self.talk.next_id();
        let leg = self.leg(id, method, params)?;
        let until = Until::Answered(id);
        match self.wait(until, leg).await {
            Ok(Ok(result)) => Ok(Outcome::Result(result)),
            Ok(Err(error)) => Ok(Outcome::Error(StatusCode::OK, Some(error))),
            Err(Stopped::Refused(Refusal { status, error })) => Ok(Outcome::Error(status, error)),
            Err(stopped) => Err(stopped.of(method)),
        }
    }

    async fn wait(
        &mut self,
        until: Until<'_>,
        leg: impl Future<Output = Result<(), Stopped>> + Send,
    ) -> Result<Result<Document, RpcError>, Stopped> {
        // The server asks nothing on this stream, so there is nothing to answer.
        let reply = |_| -> super::talk::Sending { Box::pin(async { Ok(()) }) };
        let mut standing = Standing::none();
        self.talk.wait(until, leg, &mut standing, reply).await
    }

    /// The messages of one request.
    fn leg(
        &self,
        id: u64,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<impl Future<Output = Result<(), Stopped>> + Send + use<>, AgentError> {
        let mut headers = headers::standard(method, params)?;
        headers::add_version(&mut headers, VERSION);
        let name = params.get("name").and_then(Value::as_str);
        if method == "tools/call"
            && let Some(mirrors) = name.and_then(|name| self.mirrors.get(name))
        {
            headers::add_mirrors(&mut headers, mirrors, params.get("arguments"))?;
        }
        let mut params = message::with_token(method, params, id).into_owned();
        self.add_meta(&mut params);
        let body = message::request(id, method, &params);
        let (caller, url) = (Arc::clone(&self.talk.caller), self.url.clone());
        let (inbox, method) = (self.talk.inbox(), method.to_owned());
        Ok(async move { leg(&caller, &url, headers, body, id, &method, &inbox).await })
    }

    /// `_meta` of every request (2026-07-28, basic).
    fn add_meta(&self, params: &mut Map<String, Value>) {
        let meta = params.entry("_meta").or_insert_with(|| json!({}));
        let Value::Object(meta) = meta else { return };
        let mut add = |key: &str, value: Value| {
            meta.insert(format!("io.modelcontextprotocol/{key}"), value);
        };
        add("protocolVersion", VERSION.as_str().into());
        add("clientInfo", message::client_info());
        let capabilities = self.talk.desk.asked.host().capabilities(VERSION);
        add("clientCapabilities", capabilities);
        if let Some(level) = self.log_level {
            add("logLevel", level.as_str().into());
        }
    }

    /// Has changes reported until `stop` (2026-07-28, subscriptions). A stream that ends is opened
    /// again.
    pub(super) async fn watch(
        &mut self,
        filter: &Map<String, Value>,
        stop: &CancellationToken,
    ) -> Result<(), AgentError> {
        const LISTEN: &str = "subscriptions/listen";
        let params = Map::from_iter([("notifications".to_owned(), filter.clone().into())]);
        let mut reopened = 0;
        loop {
            let id = self.talk.next_id();
            let leg = self.leg(id, LISTEN, &params)?;
            let begun = Instant::now();
            let outcome = self.wait(Until::Stopped(stop, Some(id)), leg).await;
            if begun.elapsed() > REOPENED_AFTER {
                reopened = 0;
            }
            match outcome {
                Err(Stopped::GivenUp(_)) => return Ok(()),
                Ok(Err(error)) => return Err(error.of(LISTEN)),
                Err(Stopped::Refused(refusal)) => return Err(refusal.of(LISTEN)),
                Ok(Ok(_)) | Err(Stopped::Failed(AgentError::StreamEnded))
                    if reopened < REOPENED_MAX => {}
                Ok(Ok(_)) => return Err(AgentError::StreamEnded),
                Err(Stopped::Failed(error)) => return Err(error),
            }
            reopened += 1;
            let text = "The server ended the stream of changes; opening it again.".to_owned();
            self.talk.desk.events().report(Event::Notice { text });
            select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = sleep(REOPENED_AFTER) => {}
            }
        }
    }
}

/// Posts, and reads until the answer has gone to the inbox.
async fn leg(
    caller: &Caller,
    url: &Url,
    headers: HeaderMap,
    body: bytes::Bytes,
    id: u64,
    method: &str,
    inbox: &Inbox,
) -> Result<(), Stopped> {
    let mut replies = match post(caller, url, headers, body).await? {
        Posted::Replies { replies, .. } => replies,
        Posted::Refused(refusal) => return Err(Stopped::Refused(refusal)),
    };
    while let Some(message) = replies.next(method).await? {
        // No request of the server belongs here (2026-07-28, transports).
        if matches!(message, Incoming::Request { .. }) {
            continue;
        }
        let (message, is_answer) = message.for_request(id);
        if inbox.send(message).await.is_err() || is_answer {
            return Ok(());
        }
    }
    Err(AgentError::StreamEnded.into())
}

fn versions(list: Option<&Value>) -> Vec<&str> {
    let list = list.and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// In `_meta`; some servers have it beside.
fn server_info(result: &Value) -> Value {
    let meta = result.get("_meta");
    let info = meta.and_then(|meta| meta.get("io.modelcontextprotocol/serverInfo"));
    let info = info.or_else(|| result.get("serverInfo"));
    info.cloned().unwrap_or_default()
}
