//! Tasks that a client wants to be told of on its `subscriptions/listen` stream (2026-07-28).
//!
//! `session` makes one [`TaskListener`] for each such stream. Each task is told as it stands, and then
//! whenever it has changed, until it has ended; changes that nobody took in time are told as one.

use std::{fmt, sync::Arc};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use serde_json::Value;

use super::{plan::declares_tasks, task::Task};
use crate::{
    auth::Principal,
    handler::Handler,
    protocol::{ClientCapabilities, ProtocolVersion, RpcError, tasks_extension_missing},
};

/// The caller's tasks that one stream tells of.
pub struct TaskListener {
    ids: Vec<String>,
    changes: SelectAll<BoxStream<'static, Value>>,
}

impl Handler {
    /// Listens to those of these tasks that are the caller's, and that it may ask for.
    ///
    /// # Errors
    /// The client names tasks, and did not declare the extension.
    pub fn listen_to_tasks(
        &self,
        principal: &Principal,
        client: &ClientCapabilities,
        version: ProtocolVersion,
        ids: &[String],
    ) -> Result<TaskListener, RpcError> {
        if !ids.is_empty() && !declares_tasks(client) {
            return Err(tasks_extension_missing());
        }
        let mut listener = TaskListener::to_none();
        for id in ids {
            let found = self.0.tasks.find(&principal.owner(), id);
            let view = self.view(principal);
            let task = found.filter(|task| view.allows(task.entry(), task.needs()));
            if let Some(task) = task.filter(|_| !listener.ids.contains(id)) {
                listener.ids.push(id.clone());
                listener.changes.push(told(task, version).boxed());
            }
        }
        Ok(listener)
    }
}

impl TaskListener {
    /// Listens to no task.
    #[must_use]
    pub fn to_none() -> Self {
        Self {
            ids: Vec::new(),
            changes: SelectAll::new(),
        }
    }

    /// The tasks it listens to.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The next task that has changed, with all there is to know of it. Waits for ever where none can
    /// change any more.
    pub async fn next(&mut self) -> Value {
        match self.changes.next().await {
            Some(task) => task,
            None => std::future::pending().await,
        }
    }
}

fn told(task: Arc<Task>, version: ProtocolVersion) -> impl Stream<Item = Value> + Send {
    let changes = task.changes();
    stream::unfold(Some((task, changes, true)), move |state| async move {
        let (task, mut changes, is_first) = state?;
        if !is_first {
            changes.changed().await.ok()?;
        }
        // Looked at before it is shown: a change in between is told once more, and none is missed.
        let has_ended = task.has_ended();
        let shown = task.detailed(version);
        Some((shown, (!has_ended).then_some((task, changes, false))))
    })
}

impl fmt::Debug for TaskListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskListener")
            .field("tasks", &self.ids.len())
            .finish_non_exhaustive()
    }
}
