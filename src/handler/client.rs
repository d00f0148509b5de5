//! The client on the other end of one call: how a handler tells it things and asks it.
//!
//! Made by `session` for a call in a session, and by its exchange for a modern request. Handlers
//! reach it through [`CallContext`](super::CallContext) and see no difference.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    ClientCapability, Conversation, InputRequired, Introduction, Questions, ToolError,
    clock::CallClock,
    replay::Replay,
    tasks::Task,
    voice::{SessionStreamRef, Voice},
};
use crate::{
    outlet::{Outlet, OutletError},
    protocol::{
        ClientCapabilities, LogLevel, Method, RpcError, codes, encode_notification, encode_request,
        relate_to_task,
    },
};

/// What is known of the client for the length of one call.
#[derive(Debug)]
pub struct Client {
    pub(super) introduction: Arc<Introduction>,
    voice: Voice,
    stream: SessionStreamRef,
    log_threshold: LogThreshold,
    pub(super) clock: CallClock,
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
    Live(Conversation),
    /// By ending the call and having it run again (2026-07-28).
    Replay(Replay),
    /// By waiting until it comes to look: the call is a task.
    Task(Arc<Task>),
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
    /// The client of a call in a session, which is answered on `outlet`.
    #[must_use]
    pub fn in_session(conversation: Conversation, outlet: Outlet) -> Self {
        Self {
            introduction: conversation.introduction(),
            voice: Voice::Call(outlet),
            stream: conversation.stream().clone(),
            log_threshold: conversation.log_threshold().clone(),
            clock: CallClock::default(),
            way: Way::Live(conversation),
        }
    }

    /// The client of a request without a session. What it answers is found in the request.
    #[must_use]
    pub fn of_request(
        introduction: Introduction,
        outlet: Outlet,
        log_level: Option<LogLevel>,
    ) -> Self {
        let log_threshold = log_level.map_or_else(LogThreshold::nothing, LogThreshold::from_level);
        Self {
            introduction: Arc::new(introduction),
            voice: Voice::Call(outlet),
            stream: SessionStreamRef::default(),
            log_threshold,
            clock: CallClock::default(),
            way: Way::Replay(Replay::default()),
        }
    }

    /// The same client, of a call that is a task now.
    pub(super) fn of_task(&self, task: &Arc<Task>) -> Self {
        Self {
            introduction: Arc::clone(&self.introduction),
            voice: Voice::Session(self.stream.clone()),
            stream: self.stream.clone(),
            // Nothing is said of a task but its status (2026-07-28, task status notifications).
            log_threshold: if task.version().is_modern() {
                LogThreshold::nothing()
            } else {
                self.log_threshold.clone()
            },
            clock: CallClock::default(),
            way: Way::Task(Arc::clone(task)),
        }
    }

    /// Where it hears of what belongs to no request.
    pub(super) fn stream(&self) -> SessionStreamRef {
        self.stream.clone()
    }

    /// Lets it go for now, if it can come back.
    pub(super) fn detach(&self) {
        self.voice.detach();
    }

    /// Tells the client something. One that is gone, or reads too slowly, is not told.
    pub(super) fn notify(&self, method: &Method, params: &impl Serialize) {
        let encoded = match &self.way {
            Way::Task(task) => {
                let mut params = json!(params);
                relate_to_task(&mut params, task.id());
                encode_notification(method, &params)
            }
            Way::Live(_) | Way::Replay(_) => encode_notification(method, params),
        };
        match encoded {
            Ok(notification) => self.voice.mention(notification),
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

    pub(super) fn capabilities(&self) -> &ClientCapabilities {
        &self.introduction.capabilities
    }

    pub(super) fn supports(&self, capability: ClientCapability) -> bool {
        self.capabilities().has(capability.path())
    }

    /// Asks the client, until `over`; `read` takes its answer, or says what is wrong with it.
    pub(super) async fn ask<T>(
        &self,
        question: Question<'_>,
        read: impl Fn(Value) -> Result<T, String>,
        over: impl Future<Output = ()>,
    ) -> Result<T, ToolError> {
        if !self.supports(question.capability) {
            return Err(self.cannot(question.capability));
        }
        let mut over = pin!(over);
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
                let method = question.capability.method();
                request.insert("method".to_owned(), json!(method.as_str()));
                if let Some(params) = question.params {
                    request.insert("params".to_owned(), params);
                }
                replay.want(question.key, Value::Object(request));
                Err(ToolError::InputRequired(InputRequired(())))
            }
            Way::Live(conversation) => {
                let params = question.params.as_ref();
                let questions = conversation.questions();
                // A person may have to decide: the call's own time goes on afterwards.
                let _standing = self.clock.stand();
                let over = async {
                    tokio::select! {
                        () = over => {}
                        () = self.clock.answer_is_late() => {}
                    }
                };
                let asked = self.ask_live(questions, question.capability, params, over);
                let answer = asked.await.map_err(Unanswered::into_tool_error)?;
                read(answer).map_err(ToolError::Failed)
            }
            Way::Task(task) => loop {
                let asked = task.ask(&question)?;
                let answer = tokio::select! {
                    answer = asked.answered() => answer,
                    () = &mut over => None,
                };
                let answer = answer.ok_or_else(|| Unanswered::Silent.into_tool_error())?;
                match read(answer.map_err(ToolError::Failed)?) {
                    Ok(read) => return Ok(read),
                    // As in a call of this version, it is asked again.
                    Err(_unfit) if task.version().is_modern() => {}
                    Err(unfit) => return Err(ToolError::Failed(unfit)),
                }
            },
        }
    }

    /// Asks a client in a session for a task of its caller's.
    ///
    /// # Errors
    /// Its refusal, or that it can't be asked on this stream any more.
    pub(super) async fn ask_for_task(
        &self,
        capability: ClientCapability,
        params: &Value,
        cancelled: &CancellationToken,
    ) -> Result<Value, Unanswered> {
        match &self.way {
            Way::Live(conversation) => {
                let (questions, over) = (conversation.questions(), cancelled.cancelled());
                self.ask_live(questions, capability, Some(params), over)
                    .await
            }
            Way::Replay(_) | Way::Task(_) => Err(Unanswered::Gone),
        }
    }

    async fn ask_live(
        &self,
        questions: &Questions,
        capability: ClientCapability,
        params: Option<&Value>,
        over: impl Future<Output = ()>,
    ) -> Result<Value, Unanswered> {
        let asked = questions.open().ok_or_else(|| {
            Unanswered::Refused("too many questions to the client are open already".to_owned())
        })?;
        let unreadable = |error: RpcError| Unanswered::Refused(error.message.into_owned());
        let id = asked.id();
        let request = encode_request(&id, &capability.method(), params)
            .map_err(|_no_json| unreadable(RpcError::internal()))?;
        let gone = |_error: OutletError| Unanswered::Gone;
        self.voice.say(request).map_err(gone)?;
        let outcome = tokio::select! {
            outcome = asked.answered() => outcome,
            () = over => {
                // So that no form stays open that nobody waits for.
                self.notify(&Method::Cancelled, &json!({ "requestId": id }));
                None
            }
        };
        match outcome {
            Some(Ok(result)) => result.read().map_err(unreadable),
            Some(Err(error)) => {
                let error: Value = error.read().map_err(unreadable)?;
                Err(Unanswered::Refused(refusal(&error)))
            }
            None => Err(Unanswered::Silent),
        }
    }

    /// The client never said that it can do this. From 2026-07-28 on it is told what is missing.
    fn cannot(&self, capability: ClientCapability) -> ToolError {
        let capability = capability.path();
        let is_modern = match &self.way {
            Way::Live(_) => false,
            Way::Replay(_) => true,
            Way::Task(task) => task.version().is_modern(),
        };
        if !is_modern {
            return ToolError::failed(format!("the client does not support {capability}"));
        }
        let required = capability
            .rsplit('.')
            .fold(json!({}), |inner, name| json!({ name: inner }));
        let text = format!("this call needs the client capability {capability}");
        let error = RpcError::new(codes::MISSING_REQUIRED_CLIENT_CAPABILITY, text);
        ToolError::Rpc(error.with_data(json!({ "requiredCapabilities": required })))
    }
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The client can't be reached on this stream.
    Gone,
    /// The call, or its session, ended before.
    Silent,
    /// The client refuses, or can't be understood.
    Refused(String),
}

impl Unanswered {
    fn into_tool_error(self) -> ToolError {
        ToolError::Failed(match self {
            Self::Gone => "the client is gone".to_owned(),
            Self::Silent => "the client did not answer".to_owned(),
            Self::Refused(why) => why,
        })
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
