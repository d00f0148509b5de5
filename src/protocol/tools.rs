//! Tools as data: how one is described, called and answered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Content, Presentation, TaskSupport};

/// Params of `tools/call`.
#[derive(Debug, Deserialize)]
pub struct CallToolParams {
    /// The tool's name, compared exactly.
    pub name: String,
    /// An object; absent means an empty one.
    #[serde(default)]
    pub arguments: Option<Map<String, Value>>,
    /// Asks for a task (2025-11-25); another version does not know it, whatever it holds.
    #[serde(default)]
    pub task: Option<Value>,
}

/// A tool as `tools/list` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolDescription {
    /// 1 to 128 of `A-Z a-z 0-9 _ - . /` (2025-11-25, tool names).
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments; its root is an object.
    pub input_schema: Value,
    /// JSON Schema of `structuredContent` (from 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// What the tool does to the world; hints, not promises (from 2025-03-26).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ToolAnnotations>,
    /// How it may be run (2025-11-25 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<ToolExecution>,
    /// Title, icons, `_meta`.
    #[serde(flatten)]
    pub presentation: Presentation,
}

/// How a tool may be run (2025-11-25, `ToolExecution`).
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolExecution {
    /// Whether as a task.
    pub task_support: TaskSupport,
}

/// Hints on a tool's behaviour (2025-03-26, `ToolAnnotations`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolAnnotations {
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// It may destroy something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Twice is the same as once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// It reaches beyond this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

/// The result of `tools/call`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallToolResult {
    /// For the model.
    pub content: Vec<Content>,
    /// For programs (from 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// The tool failed, and the content says how: the model may try otherwise.
    pub is_error: bool,
    /// For the host and its apps, never for the model.
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

impl CallToolResult {
    /// A text and nothing else.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::content(vec![Content::text(text)])
    }

    /// These pieces, in order.
    #[must_use]
    pub fn content(content: Vec<Content>) -> Self {
        Self {
            content,
            structured_content: None,
            is_error: false,
            meta: Map::new(),
        }
    }

    /// A value for programs, and the same as text for models and clients that know no other.
    ///
    /// `structuredContent` is an object in versions before 2026-07-28, so another value is wrapped
    /// as `{"result": …}`, alike in every version.
    #[must_use]
    pub fn structured(value: Value) -> Self {
        let value = if value.is_object() {
            value
        } else {
            json!({ "result": value })
        };
        let mut result = Self::text(value.to_string());
        result.structured_content = Some(value);
        result
    }

    /// The tool failed; `text` tells the model why.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            is_error: true,
            ..Self::text(text)
        }
    }

    /// Adds a member to `_meta`; a later one of the same name takes its place.
    #[must_use]
    pub fn meta(mut self, name: impl Into<String>, value: Value) -> Self {
        self.meta.insert(name.into(), value);
        self
    }
}
