//! Tasks as data: the experimental part of 2025-11-25, and the extension of 2026-07-28.
//!
//! The same task has other member names in each, and ends in another way: what a task holds is
//! `handler`'s, how it is written is decided here.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{ProtocolVersion, RpcError, codes};

/// The extension's name among `capabilities.extensions` (2026-07-28).
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// `_meta` key that says to which task a message belongs (2025-11-25).
pub const RELATED_TASK_KEY: &str = "io.modelcontextprotocol/related-task";

/// Whether a tool may run as a task, which outlives the request that began it (2025-11-25,
/// `execution.taskSupport`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskSupport {
    /// Never: its client waits for the result.
    #[default]
    Forbidden,
    /// For clients that know tasks; the others wait.
    Optional,
    /// Always: a client that knows no tasks is refused.
    Required,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    /// It runs.
    Working,
    /// It waits for answers of its client.
    InputRequired,
    /// It ended with a result.
    Completed,
    /// It ended with a JSON-RPC error; in 2025-11-25 also with a result that is a tool's error.
    Failed,
    /// It was ended before its time.
    Cancelled,
}

/// A task as any of its messages shows it.
#[derive(Debug)]
pub struct TaskView<'a> {
    /// Names it.
    pub id: &'a str,
    /// Where it stands.
    pub status: TaskStatus,
    /// The same in words, for people and models.
    pub message: Option<&'a str>,
    /// When it was made (RFC 3339 §5.6).
    pub created: String,
    /// When it last changed (RFC 3339 §5.6).
    pub updated: String,
    /// How long after it was made it is forgotten.
    pub ttl: Duration,
    /// How often its client should ask.
    pub poll_interval: Duration,
}

impl TaskStatus {
    /// As it is written on the wire, and on a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl TaskView<'_> {
    /// The members that `version` gives a task.
    #[must_use]
    pub fn to_value(&self, version: ProtocolVersion) -> Value {
        let (ttl, poll_interval) = if version.is_modern() {
            ("ttlMs", "pollIntervalMs")
        } else {
            ("ttl", "pollInterval")
        };
        let mut shown = json!({
            "taskId": self.id,
            "status": self.status.as_str(),
            "createdAt": self.created,
            "lastUpdatedAt": self.updated,
            ttl: milliseconds(self.ttl),
            poll_interval: milliseconds(self.poll_interval),
        });
        if let Some(message) = self.message {
            shown["statusMessage"] = json!(message);
        }
        shown
    }
}

/// Says in a message's `_meta` to which task it belongs. What is no object stays as it is.
pub fn relate_to_task(message: &mut Value, task: &str) {
    let Value::Object(members) = message else {
        return;
    };
    let meta = members.entry("_meta").or_insert_with(|| json!({}));
    if let Value::Object(meta) = meta {
        meta.insert(RELATED_TASK_KEY.to_owned(), json!({ "taskId": task }));
    }
}

/// The refusal for a client of 2026-07-28 that did not declare the extension.
#[must_use]
pub fn tasks_extension_missing() -> RpcError {
    let required = json!({ "extensions": { TASKS_EXTENSION: {} } });
    RpcError::new(
        codes::MISSING_REQUIRED_CLIENT_CAPABILITY,
        format!("this needs the extension {TASKS_EXTENSION}"),
    )
    .with_data(json!({ "requiredCapabilities": required }))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_own_names_for_the_same() {
        let view = TaskView {
            id: "t",
            status: TaskStatus::InputRequired,
            message: Some("half"),
            created: "1970-01-01T00:00:00Z".to_owned(),
            updated: "1970-01-01T00:00:01Z".to_owned(),
            ttl: Duration::from_secs(60),
            poll_interval: Duration::from_millis(500),
        };

        let old = view.to_value(ProtocolVersion::V2025_11_25);
        let new = view.to_value(ProtocolVersion::V2026_07_28);

        assert_eq!(
            old,
            json!({
                "taskId": "t", "status": "input_required", "statusMessage": "half",
                "createdAt": "1970-01-01T00:00:00Z", "lastUpdatedAt": "1970-01-01T00:00:01Z",
                "ttl": 60_000, "pollInterval": 500,
            })
        );
        assert_eq!(new["ttlMs"], 60_000);
        assert_eq!(new["pollIntervalMs"], 500);
        assert!(new.get("ttl").is_none() && new.get("pollInterval").is_none());
    }

    #[test]
    fn relating_a_message_keeps_what_its_meta_holds() {
        let mut message = json!({ "_meta": { "a": 1 } });

        relate_to_task(&mut message, "t");

        assert_eq!(message["_meta"]["a"], 1);
        assert_eq!(message["_meta"][RELATED_TASK_KEY]["taskId"], "t");
    }
}
