//! JSON-RPC 2.0 as a client writes and reads it. Pure.
//!
//! The transports build requests here and sort what comes in: answers, the server's own requests, and
//! notifications. A batch is read (2025-03-26 demands it), never written. What is no JSON-RPC is an
//! error, not a surprise.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{AgentError, Said};

/// Method not found (JSON-RPC 2.0 §5.1).
pub(super) const METHOD_NOT_FOUND: i64 = -32601;

/// `UnsupportedProtocolVersion` (2026-07-28).
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;

/// The protocol's error codes that no server before 2026-07-28 sends: header mismatch, missing client
/// capability, unsupported version.
pub(super) const MODERN_CODES: [i64; 3] = [-32020, -32021, UNSUPPORTED_VERSION];

/// A JSON-RPC error object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct RpcError {
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) data: Value,
}

impl RpcError {
    /// As the answer to `method`.
    pub(super) fn of(self, method: &str) -> AgentError {
        AgentError::Rpc {
            method: method.to_owned(),
            code: self.code,
            message: Said::new(&self.message),
        }
    }
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Incoming {
    /// The answer to our request `id`; an error without an id answers whatever was sent with it.
    Answer {
        id: Option<u64>,
        outcome: Result<Value, RpcError>,
    },
    /// The server asks us.
    Request { id: Value, method: String },
    /// The server tells us.
    Notification,
}

/// Reads one message, or a batch of them.
pub(super) fn read(text: &[u8]) -> Result<Vec<Incoming>, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))?;
    match value {
        Value::Array(batch) => batch.into_iter().map(sort).collect(),
        single => Ok(vec![sort(single)?]),
    }
}

fn sort(message: Value) -> Result<Incoming, String> {
    let Value::Object(mut fields) = message else {
        return Err("no JSON-RPC message: not an object".to_owned());
    };
    let id = fields.remove("id");
    if let Some(method) = fields.get("method") {
        let method = method.as_str().ok_or("the method is no text")?.to_owned();
        return Ok(match id {
            Some(id) => Incoming::Request { id, method },
            None => Incoming::Notification,
        });
    }
    let outcome =
        match (fields.remove("result"), fields.remove("error")) {
            (Some(result), None) => Ok(result),
            (None, Some(error)) => Err(serde_json::from_value(error)
                .map_err(|error| format!("no JSON-RPC error: {error}"))?),
            _ => {
                return Err(
                    "no JSON-RPC message: neither a method, nor a result or an error".to_owned(),
                );
            }
        };
    Ok(Incoming::Answer {
        id: id.as_ref().and_then(Value::as_u64),
        outcome,
    })
}

/// A request of ours.
pub(super) fn request(id: u64, method: &str, params: &Map<String, Value>) -> Bytes {
    bytes(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

/// A notification of ours.
pub(super) fn notification(method: &str) -> Bytes {
    bytes(&json!({"jsonrpc": "2.0", "method": method}))
}

/// Our answer to a request of the server: `ping` is answered, nothing else is offered.
pub(super) fn answer_to(id: &Value, method: &str) -> Bytes {
    if method == "ping" {
        return bytes(&json!({"jsonrpc": "2.0", "id": id, "result": {}}));
    }
    let error = json!({"code": METHOD_NOT_FOUND, "message": "method not found"});
    bytes(&json!({"jsonrpc": "2.0", "id": id, "error": error}))
}

fn bytes(message: &Value) -> Bytes {
    message.to_string().into()
}

/// What we call ourselves (`Implementation`).
pub(super) fn client_info() -> Value {
    json!({"name": "usher-agent", "version": env!("CARGO_PKG_VERSION")})
}

/// Name and version of a server, from its `Implementation`.
pub(super) fn server_name(info: &Value) -> Option<String> {
    let name = info.get("name")?.as_str()?;
    let version = info.get("version").and_then(Value::as_str);
    let text = version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"));
    Some(Said::new(&text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_requests_and_notifications_are_told_apart() {
        let batch = br#"[
            {"jsonrpc":"2.0","id":1,"result":{"a":1}},
            {"jsonrpc":"2.0","id":"x","method":"ping"},
            {"jsonrpc":"2.0","method":"notifications/message"},
            {"jsonrpc":"2.0","error":{"code":-32000,"message":"no"}}
        ]"#;

        let messages = read(batch).unwrap();

        assert!(matches!(
            &messages[..],
            [
                Incoming::Answer { id: Some(1), outcome: Ok(_) },
                Incoming::Request { method, .. },
                Incoming::Notification,
                Incoming::Answer { id: None, outcome: Err(RpcError { code: -32000, .. }) },
            ] if method == "ping"
        ));
    }

    #[test]
    fn what_is_no_json_rpc_is_an_error() {
        for text in [
            "",
            "<html>",
            "7",
            "{}",
            r#"{"id":1,"method":2}"#,
            r#"{"id":1,"error":"no"}"#,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_ping_is_answered_and_anything_else_is_not_found() {
        let ping: Value = serde_json::from_slice(&answer_to(&json!("p"), "ping")).unwrap();
        let other: Value = serde_json::from_slice(&answer_to(&json!(2), "roots/list")).unwrap();

        assert_eq!(ping, json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
        assert_eq!(other["error"]["code"], METHOD_NOT_FOUND);
    }
}
