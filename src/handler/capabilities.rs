//! What a server declares of itself in `initialize` and `server/discover`, by what its entries are.

use serde_json::{Map, Value, json};

use super::Entries;
use crate::protocol::{ProtocolVersion, TASKS_EXTENSION};

/// Pages that a host shows beside a tool's result, served as `ui://` resources (MCP Apps, 2026-01-26).
const APPS: &str = "io.modelcontextprotocol/ui";

/// Folders of instructions for agents (SEP-2640).
const SKILLS: &str = "io.modelcontextprotocol/skills";

impl Entries {
    /// What is declared in `initialize` and `server/discover`.
    pub(super) fn capabilities(&self, version: ProtocolVersion) -> Value {
        let mut capabilities = Map::new();
        capabilities.insert("tools".to_owned(), json!({ "listChanged": true }));
        if self.has_resources() {
            let offered = json!({ "subscribe": true, "listChanged": true });
            capabilities.insert("resources".to_owned(), offered);
        }
        if self.has_prompts() {
            capabilities.insert("prompts".to_owned(), json!({ "listChanged": true }));
        }
        if self.completes() && version >= ProtocolVersion::V2025_03_26 {
            capabilities.insert("completions".to_owned(), json!({}));
        }
        capabilities.insert("logging".to_owned(), json!({}));
        if self.has_tasks() && version == ProtocolVersion::V2025_11_25 {
            let requests = json!({ "tools": { "call": {} } });
            let tasks = json!({ "list": {}, "cancel": {}, "requests": requests });
            capabilities.insert("tasks".to_owned(), tasks);
        }
        let extensions = self.extensions(version);
        if !extensions.is_empty() {
            capabilities.insert("extensions".to_owned(), Value::Object(extensions));
        }
        if let Some(delegate) = self.delegate() {
            delegate.declare(version, &mut capabilities);
        }
        Value::Object(capabilities)
    }

    /// Extensions with their settings. Declared in every version: capabilities were never a closed set
    /// (2024-11-05, `ServerCapabilities`), and MCP Apps are older than the member's specification.
    /// Tasks are younger, and were a capability of their own before.
    fn extensions(&self, version: ProtocolVersion) -> Map<String, Value> {
        let mut extensions = Map::new();
        if self.resources.keys().any(|uri| uri.starts_with("ui://")) {
            extensions.insert(APPS.to_owned(), json!({}));
        }
        if self.has_skills() {
            extensions.insert(SKILLS.to_owned(), json!({ "directoryRead": true }));
        }
        if self.has_tasks() && version.is_modern() {
            extensions.insert(TASKS_EXTENSION.to_owned(), json!({}));
        }
        extensions
    }
}
