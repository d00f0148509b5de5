//! All that a handler may know of the call it answers, and all it may do meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Changes, Client, ClientCapability, Conversation, Introduction, ToolError,
    client::Way,
    tasks::{Beginning, Task},
};
use crate::{
    auth::Principal,
    policy::Class,
    protocol::{Implementation, LogLevel, Method, ProtocolVersion, RequestId, TraceContext},
};

/// One call's surroundings, the same for every protocol version and transport. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CallContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    principal: Principal,
    class: Class,
    id: RequestId,
    cancelled: CancellationToken,
    client: Client,
    progress_token: Option<Value>,
    trace: TraceContext,
    beginning: Mutex<Option<Beginning>>,
    changes: Option<Changes>,
}

impl CallContext {
    pub(crate) fn new(
        principal: Principal,
        id: RequestId,
        cancelled: CancellationToken,
        client: Client,
    ) -> Self {
        Self(Arc::new(Inner {
            principal,
            class: Class::ThirdParty,
            id,
            cancelled,
            client,
            progress_token: None,
            trace: TraceContext::default(),
            beginning: Mutex::default(),
            changes: None,
        }))
    }

    /// The same call, as one of this trace.
    pub(crate) fn traced(mut self, trace: TraceContext) -> Self {
        // Made for this call a moment ago and not shared yet.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.trace = trace;
        }
        self
    }

    /// The same call, of a client that is known to be ours or not.
    pub(super) fn of_class(mut self, class: Class) -> Self {
        // Made for this call a moment ago and not shared yet.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.class = class;
        }
        self
    }

    /// The same call, now that it is a task.
    pub(super) fn as_task(&self, task: &Arc<Task>) -> Self {
        Self(Arc::new(Inner {
            principal: self.0.principal.clone(),
            class: self.0.class,
            id: self.0.id.clone(),
            cancelled: task.cancellation().clone(),
            client: self.client().of_task(task),
            progress_token: self.0.progress_token.clone(),
            trace: self.0.trace.clone(),
            beginning: Mutex::default(),
            changes: self.0.changes.clone(),
        }))
    }

    /// From now on the call's function may say that it is a task.
    pub(super) fn may_begin_task(&self, beginning: Beginning) {
        *self
            .0
            .beginning
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(beginning);
    }

    /// The same call, once its params have been looked at.
    pub(super) fn with(
        self,
        progress_token: Option<Value>,
        changes: Option<Changes>,
        change: impl FnOnce(&mut Client),
    ) -> Self {
        // Made for this call a moment ago and not shared yet.
        match Arc::try_unwrap(self.0) {
            Ok(mut inner) => {
                inner.progress_token = progress_token;
                inner.changes = changes;
                change(&mut inner.client);
                Self(Arc::new(inner))
            }
            Err(shared) => Self(shared),
        }
    }

    /// Who calls, verified.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// Whose the calling agent is: one of our own, by its issuer's settings, or anybody else's.
    #[must_use]
    pub fn client_class(&self) -> Class {
        self.0.class
    }

    /// What the client speaks. Results are fitted to it without a handler's help.
    #[must_use]
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.client().introduction.version
    }

    /// What the client calls itself; for logs, never for decisions.
    #[must_use]
    pub fn client_info(&self) -> Option<&Implementation> {
        self.client().introduction.info.as_ref()
    }

    /// Whether the client has declared that it can do this. Asking one that has not fails, and from
    /// 2026-07-28 on tells it what it lacks: a tool that can do without looks here first.
    #[must_use]
    pub fn client_supports(&self, capability: ClientCapability) -> bool {
        self.client().supports(capability)
    }

    /// The settings with which the client has declared an extension, as `io.modelcontextprotocol/ui` of
    /// MCP Apps: an object, which may be empty.
    #[must_use]
    pub fn client_extension(&self, identifier: &str) -> Option<&Value> {
        self.client().capabilities().extension(identifier)
    }

    /// Which trace the call belongs to, as its client says: to be passed on with what the call asks of
    /// others. Checked for its form, and else a stranger's word.
    #[must_use]
    pub fn trace_context(&self) -> &TraceContext {
        &self.0.trace
    }

    /// From here on the call is a task, if its tool [asks first](super::Tool::asks_first) and its
    /// client of 2026-07-28 knows tasks: the client is told so now, and questions wait until it comes
    /// to look. Go on with the context that comes back. Of any other call nothing changes.
    ///
    /// # Errors
    /// There are too many tasks, or the client is gone; hand it on with `?`.
    pub fn begin_task(self) -> Result<Self, ToolError> {
        let beginning = self.0.beginning.lock();
        let beginning = beginning.unwrap_or_else(PoisonError::into_inner).take();
        match beginning {
            Some(beginning) => Ok(self.as_task(&beginning.begin()?)),
            None => Ok(self),
        }
    }

    /// Ends when the client cancels the call or its session ends; of a task, when it is cancelled or
    /// its time is over. The call's future is dropped soon
    /// after, so only work that outlives the future has to watch this.
    pub async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }

    /// Says how far the call has come, if the client wants to know. `progress` has to grow; `total`
    /// may be unknown; `message` is for people. Of a task it is shown with its status as well.
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        self.say_how_far(progress, total, message);
        let Some(token) = &self.0.progress_token else {
            return;
        };
        let mut params = json!({ "progressToken": token, "progress": progress });
        if let Some(total) = total {
            params["total"] = json!(total);
        }
        if let Some(message) =
            message.filter(|_| self.protocol_version() >= ProtocolVersion::V2025_03_26)
        {
            params["message"] = json!(message);
        }
        self.client().notify(&Method::Progress, &params);
    }

    /// Says with the call's status, if it is a task, how far it has come.
    pub(super) fn say_how_far(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let Way::Task(task) = &self.client().way else {
            return;
        };
        match (message, total) {
            (Some(message), _) => task.say(message),
            (None, Some(total)) => task.say(&format!("{progress} of {total}")),
            (None, None) => task.say(&progress.to_string()),
        }
    }

    /// A log message for the client, if it wants messages of this severity. Never a secret.
    pub fn log(&self, level: LogLevel, data: impl Into<Value>) {
        self.client().log(level, None, &data.into());
    }

    /// Lets the client go for now, if it can come back for the rest (2025-11-25, polling): its
    /// connection is free while a long call runs. Elsewhere nothing happens.
    pub fn close_stream(&self) {
        self.client().detach();
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    /// The session's shared state; none from 2026-07-28 on.
    pub(crate) fn conversation(&self) -> Option<&Conversation> {
        match &self.client().way {
            Way::Live(conversation) => Some(conversation),
            Way::Replay(_) | Way::Task(_) => None,
        }
    }

    /// Where changes are said that the call makes, once its params have been looked at.
    #[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "for adapters"))]
    pub(super) fn changes(&self) -> Option<&Changes> {
        self.0.changes.as_ref()
    }

    #[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "for adapters"))]
    pub(super) fn progress_token(&self) -> Option<&Value> {
        self.0.progress_token.as_ref()
    }

    #[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "for adapters"))]
    pub(crate) fn introduction(&self) -> &Introduction {
        &self.client().introduction
    }

    #[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "for adapters"))]
    pub(crate) fn request_id(&self) -> &RequestId {
        &self.0.id
    }

    pub(crate) fn cancellation(&self) -> &CancellationToken {
        &self.0.cancelled
    }
}
