//! The client on the other end of one call: how a handler tells it things and asks it.
//!
//! Made by `session` for a call in a session, and by its exchange for a modern request. Handlers
//! reach it through [`CallContext`](super::CallContext) and see no difference.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{ClientCapability, InputRequired, Questions, ToolError, replay::Replay};
use crate::{
    outlet::{Frame, Outlet},
    protocol::{
        ClientCapabilities, LogLevel, Method, RpcError, codes, encode_notification, encode_request,
    },
};

/// What is known of the client for the length of one call.
#[derive(Debug)]
pub struct Client {
    pub(super) capabilities: ClientCapabilities,
    pub(super) outlet: Outlet,
    pub(super) log_threshold: LogThreshold,
    pub(super) way: Way,
}

/// One thing to ask a client.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// Names it within the call.
    pub(super) key: &'a str,
    /// What the client has to have declared for it; decides the method too.
    pub(super) capability: ClientCapability,
    pub(super) params: Option<Value>,
}

/// How a client is asked.
#[derive(Debug)]
pub(super) enum Way {
    /// At once, over the call's own stream (up to 2025-11-25).
    Live(Questions),
    /// By ending the call and having it run again (2026-07-28).
    Replay(Replay),
}

/// From which severity on a client wants log messages. A session's clones change together.
#[derive(Debug, Clone)]
pub struct LogThreshold(Arc<AtomicU8>);

const NOTHING: u8 = u8::MAX;

impl LogThreshold {
    /// This severity and above.
    #[must_use]
    pub fn from_level(level: LogLevel) -> Self {
        Self(Arc::new(AtomicU8::new(level as u8)))
    }

    /// Nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self(Arc::new(AtomicU8::new(NOTHING)))
    }

    /// From now on this severity and above.
    pub fn set(&self, level: LogLevel) {
        self.0.store(level as u8, Ordering::Relaxed);
    }

    fn admits(&self, level: LogLevel) -> bool {
        level as u8 >= self.0.load(Ordering::Relaxed)
    }
}

impl Client {
    /// The client of a call in a session: its answers come by way of `questions`.
    #[must_use]
    pub fn in_session(
        capabilities: ClientCapabilities,
        outlet: Outlet,
        log_threshold: LogThreshold,
        questions: Questions,
    ) -> Self {
        Self {
            capabilities,
            outlet,
            log_threshold,
            way: Way::Live(questions),
        }
    }

    /// The client of a request without a session. What it answers is found in the request.
    #[must_use]
    pub fn of_request(
        capabilities: ClientCapabilities,
        outlet: Outlet,
        log_level: Option<LogLevel>,
    ) -> Self {
        let log_threshold = log_level.map_or_else(LogThreshold::nothing, LogThreshold::from_level);
        Self {
            capabilities,
            outlet,
            log_threshold,
            way: Way::Replay(Replay::default()),
        }
    }

    /// Tells the client something. One that is gone, or reads too slowly, is not told.
    pub(super) fn notify(&self, method: &Method, params: &impl Serialize) {
        match encode_notification(method, params) {
            Ok(notification) => self.outlet.mention(notification),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                method = method.as_str(),
                "a notification has no JSON form"
            ),
        }
    }

    pub(super) fn log(&self, level: LogLevel, logger: Option<&str>, data: &Value) {
        if !self.log_threshold.admits(level) {
            return;
        }
        let mut params = json!({ "level": level, "data": data });
        if let Some(logger) = logger {
            params["logger"] = json!(logger);
        }
        self.notify(&Method::LogMessage, &params);
    }

    pub(super) fn supports(&self, capability: ClientCapability) -> bool {
        self.capabilities.has(capability.path())
    }

    /// Asks the client; `read` takes its answer, or says what is wrong with it.
    pub(super) async fn ask<T>(
        &self,
        question: Question<'_>,
        read: impl Fn(Value) -> Result<T, String>,
        cancelled: &CancellationToken,
    ) -> Result<T, ToolError> {
        if !self.supports(question.capability) {
            return Err(self.cannot(question.capability));
        }
        let method = question.capability.method();
        match &self.way {
            Way::Replay(replay) => {
                // An answer of the wrong form is none, so the client is asked again (2026-07-28,
                // multi round-trip requests).
                if let Some(answer) = replay.answer(question.key)
                    && let Ok(read) = read(answer.clone())
                {
                    replay.keep(question.key);
                    return Ok(read);
                }
                let mut request = Map::new();
                request.insert("method".to_owned(), json!(method.as_str()));
                if let Some(params) = question.params {
                    request.insert("params".to_owned(), params);
                }
                replay.want(question.key, Value::Object(request));
                Err(ToolError::InputRequired(InputRequired(())))
            }
            Way::Live(questions) => {
                let asked = questions.open().ok_or_else(|| {
                    ToolError::failed("too many questions to the client are open already")
                })?;
                let request = encode_request(&asked.id(), &method, question.params.as_ref())
                    .map_err(|_no_json| RpcError::internal())?;
                let gone = |_| ToolError::failed("the client is gone");
                self.outlet.send(Frame::Message(request)).map_err(gone)?;
                let outcome = tokio::select! {
                    outcome = asked.answered() => outcome,
                    () = cancelled.cancelled() => None,
                };
                match outcome {
                    Some(Ok(result)) => read(result.read()?).map_err(ToolError::Failed),
                    Some(Err(error)) => Err(ToolError::failed(refusal(&error.read()?))),
                    None => Err(ToolError::failed("the client did not answer")),
                }
            }
        }
    }

    /// The client never said that it can do this. From 2026-07-28 on it is told what is missing.
    fn cannot(&self, capability: ClientCapability) -> ToolError {
        let capability = capability.path();
        match self.way {
            Way::Live(_) => ToolError::failed(format!("the client does not support {capability}")),
            Way::Replay(_) => {
                let required = capability
                    .rsplit('.')
                    .fold(json!({}), |inner, name| json!({ name: inner }));
                let text = format!("this call needs the client capability {capability}");
                let error = RpcError::new(codes::MISSING_REQUIRED_CLIENT_CAPABILITY, text);
                ToolError::Rpc(error.with_data(json!({ "requiredCapabilities": required })))
            }
        }
    }
}

/// What a client's error says, as far as it can be shown to a model.
fn refusal(error: &Value) -> String {
    let message = error
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("no reason given");
    let message: String = message
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    format!("the client refused: {message}")
}
