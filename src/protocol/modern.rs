//! What every request carries from 2026-07-28 on: its own version and capabilities in `_meta`.
//!
//! A pure reader. `transport` compares what is found here with the request's headers, and decides by
//! it which era a request belongs to.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json, value::RawValue};

use super::{
    Carried, ClientCapabilities, Implementation, LogLevel, LogLevelError, ProtocolVersion, Raw,
    RpcError, codes, lifecycle::MODERN_VERSIONS,
};

/// The members of params that decide where a request goes, whatever its method.
#[derive(Debug, Default, Deserialize)]
pub struct Peek {
    #[serde(default, rename = "_meta", deserialize_with = "object_or_null")]
    meta: Option<Meta>,
    /// `params.name` of `tools/call` and `prompts/get`.
    #[serde(default)]
    pub name: Option<Value>,
    /// `params.uri` of `resources/read`.
    #[serde(default)]
    pub uri: Option<Value>,
    /// `params.ref` of `completion/complete`.
    #[serde(default, rename = "ref")]
    pub reference: Option<Value>,
    /// `params.taskId` of requests about one task.
    #[serde(default, rename = "taskId")]
    pub task_id: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<Value>,
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities")]
    client_capabilities: Option<Value>,
    #[serde(default, rename = "io.modelcontextprotocol/clientInfo")]
    client_info: Option<Value>,
    #[serde(default, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<Value>,
    #[serde(default)]
    traceparent: Option<Value>,
    #[serde(default)]
    tracestate: Option<Value>,
    #[serde(default)]
    baggage: Option<Value>,
}

/// A request's own version and capabilities, checked.
#[derive(Debug, Clone)]
pub struct ModernMeta {
    /// What the request speaks.
    pub version: ProtocolVersion,
    /// What its client can do.
    pub client_capabilities: ClientCapabilities,
    /// What its client calls itself, if it says so in a form that can be read; a request without is
    /// served (2026-07-28, `_meta`).
    pub client_info: Option<Implementation>,
    /// From which severity on it wants log messages; without one, none.
    pub log_level: Option<LogLevel>,
}

/// A struct alone would be read from an array too, member by member.
fn object_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Meta>, D::Error> {
    let Some(raw) = Option::<Box<RawValue>>::deserialize(from)? else {
        return Ok(None);
    };
    if !raw.get().starts_with('{') {
        return Err(D::Error::custom("_meta is not an object"));
    }
    serde_json::from_str(raw.get())
        .map(Some)
        .map_err(D::Error::custom)
}

impl Peek {
    /// Reads the deciding members. Without params there are none.
    ///
    /// # Errors
    /// [`codes::INVALID_PARAMS`] where one is there twice or `_meta` is no object: scopes are looked
    /// up by what is read here, so what can't be read must not run.
    pub fn at(params: Option<&Raw>) -> Result<Self, RpcError> {
        params.map_or_else(|| Ok(Self::default()), Raw::read)
    }

    /// Whether the request names its version itself, and so is modern.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.meta
            .as_ref()
            .is_some_and(|meta| meta.protocol_version.is_some())
    }

    /// The version named in `_meta`, as it is written.
    #[must_use]
    pub fn version_text(&self) -> Option<&str> {
        let meta = self.meta.as_ref()?;
        meta.protocol_version.as_ref().and_then(Value::as_str)
    }

    /// What `_meta` says of the trace that the request belongs to.
    #[must_use]
    pub fn carried_trace(&self) -> Carried<'_> {
        self.meta.as_ref().map_or_else(Carried::default, |meta| {
            let Meta {
                traceparent,
                tracestate,
                baggage,
                ..
            } = meta;
            Carried::of(traceparent.as_ref(), tracestate.as_ref(), baggage.as_ref())
        })
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
        let meta = self.meta.unwrap_or_default();
        let Some(Value::String(version)) = meta.protocol_version else {
            return Err(missing("protocolVersion"));
        };
        let version = match version.parse::<ProtocolVersion>() {
            Ok(version) if version.is_modern() => version,
            _ => return Err(unsupported_version(&version)),
        };
        let log_level = match meta.log_level {
            None => None,
            Some(Value::String(word)) => Some(word.parse().map_err(|error: LogLevelError| {
                RpcError::new(codes::INVALID_PARAMS, error.to_string())
            })?),
            Some(_) => return Err(missing("logLevel")),
        };
        let client_info = meta.client_info;
        let client_info = client_info.and_then(|info| serde_json::from_value(info).ok());
        match meta.client_capabilities {
            Some(Value::Object(declared)) => Ok(ModernMeta {
                version,
                client_capabilities: ClientCapabilities::new(declared),
                client_info,
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
        try_peek(params).unwrap()
    }

    fn try_peek(params: &str) -> Result<Peek, RpcError> {
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

    // K22: a call whose name is overlooked here would run without its scopes.
    #[test]
    fn params_that_two_readers_could_read_differently_are_refused() {
        for params in [
            r#"{"name":"a","_meta":7}"#,
            r#"{"name":"a","_meta":{},"_meta":{}}"#,
            r#"{"name":"a","name":"b"}"#,
            r#"{"name":"a","uri":1,"uri":2}"#,
            r#"{"taskId":"a","taskId":"b"}"#,
        ] {
            let error = try_peek(params).unwrap_err();
            assert_eq!(error.code, codes::INVALID_PARAMS, "{params}");
        }
        assert_eq!(peek(r#"{"name":"a","_meta":null}"#).name.unwrap(), "a");
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
