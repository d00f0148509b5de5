//! What every request carries from 2026-07-28 on: its own version and capabilities in `_meta`.
//!
//! A pure reader. `transport` compares what is found here with the request's headers, and decides by
//! it which era a request belongs to.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ClientCapabilities, LogLevel, LogLevelError, ProtocolVersion, Raw, RpcError, codes,
    lifecycle::MODERN_VERSIONS,
};

/// The members of params that decide where a request goes, whatever its method.
#[derive(Debug, Default, Deserialize)]
pub struct Peek {
    #[serde(default, rename = "_meta")]
    meta: Meta,
    /// `params.name` of `tools/call` and `prompts/get`.
    #[serde(default)]
    pub name: Option<Value>,
    /// `params.uri` of `resources/read`.
    #[serde(default)]
    pub uri: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<Value>,
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities")]
    client_capabilities: Option<Value>,
    #[serde(default, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<Value>,
}

/// A request's own version and capabilities, checked.
#[derive(Debug, Clone)]
pub struct ModernMeta {
    /// What the request speaks.
    pub version: ProtocolVersion,
    /// What its client can do.
    pub client_capabilities: ClientCapabilities,
    /// From which severity on it wants log messages; without one, none.
    pub log_level: Option<LogLevel>,
}

impl Peek {
    /// Reads the deciding members; params of another shape have none of them.
    #[must_use]
    pub fn at(params: Option<&Raw>) -> Self {
        params
            .and_then(|params| params.read().ok())
            .unwrap_or_default()
    }

    /// Whether the request names its version itself, and so is modern.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.meta.protocol_version.is_some()
    }

    /// The version named in `_meta`, as it is written.
    #[must_use]
    pub fn version_text(&self) -> Option<&str> {
        self.meta.protocol_version.as_ref().and_then(Value::as_str)
    }

    /// Checks what a modern request must carry.
    ///
    /// # Errors
    /// [`codes::INVALID_PARAMS`] for a missing member, [`codes::UNSUPPORTED_PROTOCOL_VERSION`] for a
    /// version that is not served without a session.
    pub fn into_meta(self) -> Result<ModernMeta, RpcError> {
        let missing = |member: &str| {
            let text = format!(
                "_meta[\"io.modelcontextprotocol/{member}\"] is missing or of the wrong type"
            );
            RpcError::new(codes::INVALID_PARAMS, text)
        };
        let Some(Value::String(version)) = self.meta.protocol_version else {
            return Err(missing("protocolVersion"));
        };
        let version = match version.parse::<ProtocolVersion>() {
            Ok(version) if version.is_modern() => version,
            _ => return Err(unsupported_version(&version)),
        };
        let log_level = match self.meta.log_level {
            None => None,
            Some(Value::String(word)) => Some(word.parse().map_err(|error: LogLevelError| {
                RpcError::new(codes::INVALID_PARAMS, error.to_string())
            })?),
            Some(_) => return Err(missing("logLevel")),
        };
        match self.meta.client_capabilities {
            Some(Value::Object(declared)) => Ok(ModernMeta {
                version,
                client_capabilities: ClientCapabilities::new(declared),
                log_level,
            }),
            _ => Err(missing("clientCapabilities")),
        }
    }
}

/// The refusal that tells a client which versions it may name instead.
#[must_use]
pub fn unsupported_version(requested: &str) -> RpcError {
    RpcError::new(
        codes::UNSUPPORTED_PROTOCOL_VERSION,
        "unsupported protocol version",
    )
    .with_data(json!({ "supported": MODERN_VERSIONS, "requested": requested }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::ClientMessage;

    fn peek(params: &str) -> Peek {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{params}}}"#);
        let ClientMessage::Request(request) = ClientMessage::parse(&Bytes::from(body)).unwrap()
        else {
            panic!("no request");
        };
        Peek::at(request.params.as_ref())
    }

    #[test]
    fn a_request_with_its_own_version_is_modern() {
        let params = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{}}}"#;

        assert!(peek(params).is_modern());
        assert_eq!(
            peek(params).into_meta().unwrap().version,
            ProtocolVersion::V2026_07_28
        );
        assert!(!peek(r#"{"_meta":{"progressToken":1}}"#).is_modern());
    }

    #[test]
    fn a_legacy_or_unknown_version_in_meta_is_unsupported_and_named() {
        for version in ["2025-11-25", "1999-01-01"] {
            let params =
                format!(r#"{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}"}}}}"#);

            let error = peek(&params).into_meta().unwrap_err();

            assert_eq!(error.code, codes::UNSUPPORTED_PROTOCOL_VERSION);
            assert_eq!(error.data.unwrap()["requested"], version);
        }
    }

    #[test]
    fn missing_members_are_invalid_params() {
        for params in [
            "{}",
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}"#,
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#,
        ] {
            assert_eq!(
                peek(params).into_meta().unwrap_err().code,
                codes::INVALID_PARAMS,
                "{params}"
            );
        }
    }
}
