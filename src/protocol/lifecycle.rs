//! How a conversation begins: `initialize` up to 2025-11-25, `server/discover` from 2026-07-28 on.

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IntoDeserializer},
};
use serde_json::{Map, Value, json};

use super::{Described, Icon, ProtocolVersion};

/// Params of `initialize`. Of the client's capabilities only what is used is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// The version the client would like.
    pub protocol_version: String,
    /// What the client can do for the server.
    #[serde(default)]
    pub capabilities: ClientCapabilities,
    /// What the client calls itself; for logs, never for decisions.
    #[serde(default)]
    pub client_info: Option<Implementation>,
}

/// What a client can do for the server, as it declares it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientCapabilities(Map<String, Value>);

impl ClientCapabilities {
    /// Wraps what a client declares.
    #[must_use]
    pub const fn new(declared: Map<String, Value>) -> Self {
        Self(declared)
    }

    /// All of them, as somebody else's type has them.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(IntoDeserializer::<serde_json::Error>::into_deserializer(
            &self.0,
        ))
        .ok()
    }

    /// Whether a capability is declared, as `elicitation`, or one within, as `elicitation.url`.
    ///
    /// An `elicitation` that names no form is one of forms: that is how 2025-06-18 wrote it.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let (name, within) = path
            .split_once('.')
            .map_or((path, None), |(n, w)| (n, Some(w)));
        match (self.0.get(name), within) {
            (None | Some(Value::Null), _) => false,
            (Some(_), None) => true,
            (Some(Value::Object(inner)), Some("form")) if !inner.contains_key("url") => true,
            (Some(declared), Some(within)) => declared.get(within).is_some(),
        }
    }

    /// The settings of an extension, if it is declared.
    #[must_use]
    pub fn extension(&self, identifier: &str) -> Option<&Value> {
        self.0.get("extensions")?.get(identifier)
    }
}

/// How both sides introduce themselves. Of a client only names and version are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Implementation {
    /// For programs: `usher`.
    #[serde(default)]
    pub name: String,
    /// For people, where it differs (from 2025-06-18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// As the implementation counts.
    #[serde(default)]
    pub version: String,
    /// What it is, in a sentence (from 2025-11-25).
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where people read more of it (from 2025-11-25).
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub website_url: Option<String>,
    /// The same picture in several forms (from 2025-11-25).
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
}

/// What a server says of itself in either era.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Name and version.
    pub implementation: Implementation,
    /// For the model: when to use this server's tools.
    pub instructions: Option<String>,
}

/// `_meta` key of the server's name in a modern result.
pub const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// The versions a modern request may name (2026-07-28, `server/discover`). Legacy versions are
/// negotiated by `initialize` and not listed here.
pub const MODERN_VERSIONS: [&str; 1] = [ProtocolVersion::V2026_07_28.as_str()];

impl Implementation {
    /// Names and version: what can stand in every answer, where icons would weigh.
    #[must_use]
    pub fn in_brief(&self) -> Self {
        Self {
            name: self.name.clone(),
            title: self.title.clone(),
            version: self.version.clone(),
            ..Self::default()
        }
    }
}

impl ServerInfo {
    /// The result of `initialize` under the negotiated version.
    #[must_use]
    pub fn initialize_result(&self, version: ProtocolVersion, capabilities: &Value) -> Value {
        let mut result = json!({
            "protocolVersion": version.as_str(),
            "capabilities": capabilities,
            "serverInfo": Described::Implementation.shown_to(version, &self.implementation),
        });
        self.add_instructions(&mut result);
        result
    }

    /// The result of `server/discover`, before the members every modern result has.
    #[must_use]
    pub fn discover_result(&self, capabilities: &Value) -> Value {
        let mut result = json!({
            "supportedVersions": MODERN_VERSIONS,
            "capabilities": capabilities,
        });
        self.add_instructions(&mut result);
        result
    }

    fn add_instructions(&self, result: &mut Value) {
        if let Some(instructions) = &self.instructions {
            result["instructions"] = json!(instructions);
        }
    }
}

/// How long, and with whom, a client may share a result (2026-07-28, caching).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheHint {
    /// Nothing is said: the result belongs to this one request.
    None,
    /// May be kept by this caller for so many milliseconds; never shared with another.
    Private {
        /// Milliseconds; zero means to ask again each time.
        ttl_ms: u64,
    },
}

/// Adds what every result has from 2026-07-28 on: `resultType`, the server's name, cache hints.
///
/// Something that is no JSON object is returned as it is.
#[must_use]
pub fn modern_result(result: Value, server: &Implementation, hint: CacheHint) -> Value {
    let Value::Object(mut members) = result else {
        return result;
    };
    members
        .entry("resultType")
        .or_insert_with(|| json!("complete"));
    if let CacheHint::Private { ttl_ms } = hint {
        members.insert("ttlMs".to_owned(), json!(ttl_ms));
        members.insert("cacheScope".to_owned(), json!("private"));
    }
    let meta = members
        .entry("_meta")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(meta) = meta {
        meta.insert(SERVER_INFO_KEY.to_owned(), json!(server));
    }
    Value::Object(members)
}
