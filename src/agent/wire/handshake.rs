//! What a server says of itself, by `initialize` or by `server/discover`.

use serde_json::{Map, Value, json};

use super::message;
use crate::{
    agent::{document::Document, error::AgentError, host::Host, said::Said},
    protocol::ProtocolVersion,
};

/// What a server says of itself.
#[derive(Debug, Clone)]
pub struct ServerSays {
    /// `Implementation`: `name`, `version` and more; null where it says nothing. A stranger's text.
    pub info: Value,
    /// `ServerCapabilities`.
    pub capabilities: Value,
    /// How to use it, for a model: a stranger's text, not yet fit for a terminal.
    pub instructions: Option<String>,
    /// The whole result, as it was written.
    pub result: Document,
}

impl ServerSays {
    pub(super) fn new(info: Value, result: Document) -> Self {
        let value = result.value();
        let instructions = value.get("instructions").and_then(Value::as_str);
        Self {
            info,
            capabilities: value.get("capabilities").cloned().unwrap_or_default(),
            instructions: instructions.map(str::to_owned),
            result,
        }
    }

    /// Name and version, fit for a terminal.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let name = self.info.get("name")?.as_str()?;
        let version = self.info.get("version").and_then(Value::as_str);
        let text = version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"));
        Some(Said::new(&text).to_string())
    }
}

/// What `initialize` settled.
#[derive(Debug)]
pub(super) struct Initialized {
    pub(super) version: ProtocolVersion,
    pub(super) server: ServerSays,
}

/// Parameters of `initialize`.
pub(super) fn initialize_params(version: ProtocolVersion, host: &Host) -> Map<String, Value> {
    Map::from_iter([
        ("protocolVersion".to_owned(), json!(version.as_str())),
        ("capabilities".to_owned(), host.capabilities(version)),
        ("clientInfo".to_owned(), message::client_info()),
    ])
}

/// Reads the result of `initialize`. A version we do not know, or one without `initialize`, is none.
pub(super) fn read_initialized(
    result: Document,
    wanted: ProtocolVersion,
) -> Result<Initialized, AgentError> {
    let value = result.value();
    let offered = value.get("protocolVersion").and_then(Value::as_str);
    let offered = offered.ok_or_else(|| AgentError::Unreadable {
        method: "initialize".to_owned(),
        why: "it has no protocolVersion".to_owned(),
    })?;
    let version: Option<ProtocolVersion> = offered.parse().ok();
    let version = version
        .filter(|version| !version.is_modern())
        .ok_or_else(|| AgentError::Version {
            wanted,
            offered: Said::new(offered),
        })?;
    let info = value.get("serverInfo").cloned().unwrap_or_default();
    Ok(Initialized {
        version,
        server: ServerSays::new(info, result),
    })
}
