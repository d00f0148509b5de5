//! One task: where it stands, what it asks, how it ended.
//!
//! The function that runs in it asks and ends it; its client's requests look at it, answer, and end it
//! before its time. Whatever changes, whoever waits is woken. Once it has ended it stays as it is.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Config,
    inputs::{Answer, InputRequest, Inputs},
};
use crate::{
    handler::{ToolError, client::Question, voice::SessionStreamRef},
    policy::{Entry, Kind},
    protocol::{
        Method, ProtocolVersion, RpcError, TaskStatus, TaskView, codes, encode_notification,
    },
    scope::Scopes,
    telemetry::{Limit, Metrics},
    time::{Clock, Timestamp},
};

/// Longest text that says where a task stands, in characters.
const MESSAGE_MAX: usize = 500;

/// See the file's head.
pub(in crate::handler) struct Task {
    id: Box<str>,
    made: Made,
    created: Timestamp,
    begun: Instant,
    config: Config,
    clock: Clock,
    metrics: Metrics,
    cancelled: CancellationToken,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// What is settled when a task is made.
#[derive(Debug)]
pub(in crate::handler) struct Made {
    /// The tool that runs in it.
    pub(in crate::handler) tool: String,
    /// What a caller must have been granted to run its tool, and to ask for it later.
    pub(in crate::handler) needs: Scopes,
    /// What the client spoke that began it.
    pub(in crate::handler) version: ProtocolVersion,
    /// How long it is kept, from its beginning on.
    pub(in crate::handler) ttl: Duration,
    /// Where its client hears of it unasked, up to 2025-11-25.
    pub(in crate::handler) stream: SessionStreamRef,
}

struct State {
    updated: Timestamp,
    said: Option<String>,
    inputs: Inputs,
    ended: Option<Ended>,
}

/// A question with its place to wait. Given up when dropped.
pub(in crate::handler) struct Asked {
    task: Arc<Task>,
    number: u64,
    answer: oneshot::Receiver<Answer>,
}

/// How a task ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// With what the call would have been answered with.
    Result { result: Value, is_error: bool },
    /// With a JSON-RPC error.
    Error(RpcError),
    /// Before its time, for this reason.
    Cancelled(&'static str),
}

impl Task {
    pub(super) fn new(
        id: Box<str>,
        made: Made,
        config: Config,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let now = clock.now();
        metrics.task_kept();
        Self {
            id,
            begun: Instant::now(),
            made,
            created: now,
            config,
            clock,
            metrics,
            cancelled: CancellationToken::new(),
            state: Mutex::new(State {
                updated: now,
                said: None,
                inputs: Inputs::default(),
                ended: None,
            }),
            changed: watch::Sender::default(),
        }
    }

    pub(in crate::handler) fn id(&self) -> &str {
        &self.id
    }

    pub(in crate::handler) fn version(&self) -> ProtocolVersion {
        self.made.version
    }

    /// What whoever asks for it must be allowed to use.
    pub(in crate::handler) fn entry(&self) -> Entry<'_> {
        Entry {
            kind: Kind::Tool,
            name: &self.made.tool,
        }
    }

    pub(in crate::handler) fn needs(&self) -> &Scopes {
        &self.made.needs
    }

    /// When it is forgotten, whether it has ended or not.
    pub(super) fn ends(&self) -> Instant {
        self.begun + self.made.ttl
    }

    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// In which order it is listed.
    pub(super) fn created(&self) -> Timestamp {
        self.created
    }

    /// Ends when the task is ended before its time.
    pub(in crate::handler) fn cancellation(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Wakes at every change from now on.
    pub(in crate::handler) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    // === By its function ===

    /// Says in words where it stands.
    pub(in crate::handler) fn say(&self, text: &str) {
        let text = text.chars().take(MESSAGE_MAX).collect();
        self.change(|state| state.said = Some(text));
    }

    /// Asks the client, who is told when it comes to look.
    ///
    /// # Errors
    /// Too many questions are open already, or the task has ended.
    pub(in crate::handler) fn ask(
        self: &Arc<Self>,
        question: &Question<'_>,
    ) -> Result<Asked, ToolError> {
        let max = self.config.questions_max;
        let opened = self.change(|state| state.inputs.open(question, max));
        let (number, answer) = opened
            .ok_or_else(|| ToolError::failed("the task has ended"))?
            .ok_or_else(|| {
                self.metrics.limit_hit(Limit::TaskQuestions);
                ToolError::failed("too many questions to the client are open already")
            })?;
        Ok(Asked {
            task: Arc::clone(self),
            number,
            answer,
        })
    }

    /// Ends it; false if it had ended already. A result that is too large is none.
    pub(super) fn end(&self, ended: Ended) -> bool {
        let ended = match ended {
            Ended::Result { result, .. }
                if result.to_string().len() > self.config.result_max.bytes() =>
            {
                self.metrics.limit_hit(Limit::TaskResult);
                let text = format!("the result is larger than {}", self.config.result_max);
                Ended::Error(RpcError::new(codes::INTERNAL_ERROR, text))
            }
            other => other,
        };
        let done = self.change(|state| {
            state.said = match &ended {
                Ended::Error(error) => Some(error.message.to_string()),
                Ended::Cancelled(why) => Some((*why).to_owned()),
                Ended::Result { is_error: true, .. } => Some("the tool failed".to_owned()),
                Ended::Result { .. } => None,
            };
            // Whoever waits for an answer learns that none will come.
            state.inputs.clear();
            state.ended = Some(ended);
            state.status(self.version())
        });
        let Some(status) = done else { return false };
        self.metrics.task_ended(status);
        tracing::debug!(
            task.id = self.short(),
            status = status.as_str(),
            "task ended"
        );
        true
    }

    // === By its client ===

    /// Ends it before its time; false if it had ended already.
    pub(super) fn cancel(&self, why: &'static str) -> bool {
        let ended_it = self.end(Ended::Cancelled(why));
        self.cancelled.cancel();
        ended_it
    }

    /// Hands an answer to whoever waits for it. To a question that is not open, none is taken.
    pub(super) fn answer(&self, number: u64, answer: Answer) {
        if !self.asks(number) {
            return;
        }
        self.change(|state| state.inputs.answer(number, answer));
    }

    /// The same for all that are named by their keys.
    pub(super) fn answer_all(&self, answers: Map<String, Value>) {
        let matching = self.lock().inputs.matching(answers);
        for (number, answer) in matching {
            self.answer(number, Ok(answer));
        }
    }

    /// What it asks now, in order.
    pub(super) fn questions(&self) -> Vec<InputRequest> {
        self.lock().inputs.requests().cloned().collect()
    }

    pub(super) fn asks(&self, number: u64) -> bool {
        self.lock().inputs.has(number)
    }

    /// How it ended, as its call would have been answered; `None` while it has not.
    pub(super) fn outcome(&self) -> Option<Result<Value, RpcError>> {
        let ended = self.lock().ended.clone()?;
        Some(match ended {
            Ended::Result { result, .. } => Ok(result),
            Ended::Error(error) => Err(error),
            Ended::Cancelled(why) => Err(RpcError::new(
                codes::SERVER_ERROR,
                format!("the task was cancelled: {why}"),
            )),
        })
    }

    /// What every message shows of it.
    pub(super) fn view(&self, version: ProtocolVersion) -> Value {
        self.view_of(&self.lock(), version)
    }

    /// All there is to know of it (2026-07-28).
    pub(super) fn detailed(&self, version: ProtocolVersion) -> Value {
        let state = self.lock();
        let mut shown = self.view_of(&state, version);
        match &state.ended {
            Some(Ended::Result { result, .. }) => {
                shown["result"] = result.clone();
                shown["result"]["resultType"] = json!("complete");
            }
            Some(Ended::Error(error)) => shown["error"] = json!(error),
            Some(Ended::Cancelled(_)) => {}
            None if state.inputs.is_empty() => {}
            None => shown["inputRequests"] = state.inputs.to_value(),
        }
        shown
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// For logs: enough to follow a task, too little to name it.
    pub(super) fn short(&self) -> &str {
        self.id.get(..6).unwrap_or_default()
    }

    fn view_of(&self, state: &State, version: ProtocolVersion) -> Value {
        let view = TaskView {
            id: &self.id,
            status: state.status(version),
            message: state.said.as_deref(),
            created: self.created.to_rfc3339(),
            updated: state.updated.to_rfc3339(),
            ttl: self.made.ttl,
            poll_interval: self.config.poll_interval.get(),
        };
        view.to_value(version)
    }

    /// Changes it, unless it has ended, and tells whoever waits.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Option<T> {
        let version = self.made.version;
        let mut state = self.lock();
        if state.ended.is_some() {
            return None;
        }
        let before = state.status(version);
        let done = change(&mut state);
        state.updated = self.clock.now();
        // Within the lock, so that no two are told in the wrong order.
        if !version.is_modern() && state.status(version) != before {
            let view = self.view_of(&state, version);
            match encode_notification(&Method::TasksStatus, &view) {
                Ok(notification) => self.made.stream.mention(notification),
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a task has no JSON form"
                ),
            }
        }
        drop(state);
        self.changed.send_replace(());
        Some(done)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn status(&self, version: ProtocolVersion) -> TaskStatus {
        match &self.ended {
            None if self.inputs.is_empty() => TaskStatus::Working,
            None => TaskStatus::InputRequired,
            Some(Ended::Result { is_error: true, .. }) if !version.is_modern() => {
                TaskStatus::Failed
            }
            Some(Ended::Result { .. }) => TaskStatus::Completed,
            Some(Ended::Error(_)) => TaskStatus::Failed,
            Some(Ended::Cancelled(_)) => TaskStatus::Cancelled,
        }
    }
}

impl Asked {
    /// Waits for the answer; `None` if the task ended before.
    pub(in crate::handler) async fn answered(mut self) -> Option<Answer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.task.asks(self.number) {
            self.task.change(|state| state.inputs.withdraw(self.number));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.metrics.task_forgotten();
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Task")
            .field("id", &self.short())
            .finish_non_exhaustive()
    }
}
