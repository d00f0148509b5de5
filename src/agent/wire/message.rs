//! JSON-RPC 2.0 as a client writes and reads it. Pure.
//!
//! The transports build requests here and sort what comes in: answers, the server's own requests, and
//! notifications. A batch is read (2025-03-26 demands it), never written. What is no JSON-RPC is an
//! error, not a surprise.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    agent::{document::Document, error::AgentError, said::Said},
    protocol::codes,
};

/// The protocol's error codes that no server before 2026-07-28 sends: header mismatch, missing client
/// capability, unsupported version.
pub(super) const MODERN_CODES: [i64; 3] = [
    codes::HEADER_MISMATCH as i64,
    codes::MISSING_REQUIRED_CLIENT_CAPABILITY as i64,
    codes::UNSUPPORTED_PROTOCOL_VERSION as i64,
];

/// A JSON-RPC error object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::agent) struct RpcError {
    pub(in crate::agent) code: i64,
    #[serde(default)]
    pub(in crate::agent) message: String,
    #[serde(default)]
    pub(in crate::agent) data: Value,
}

impl RpcError {
    /// An error of ours, in answer to the server's request.
    pub(in crate::agent) fn ours(code: i32, message: &str) -> Self {
        Self {
            code: code.into(),
            message: message.to_owned(),
            data: Value::Null,
        }
    }

    /// Whether it has this code.
    pub(super) fn is(&self, code: i32) -> bool {
        self.code == i64::from(code)
    }

    /// As the answer to `method`.
    pub(super) fn of(self, method: &str) -> AgentError {
        let method = method.to_owned();
        let needs = self.data.get("requiredCapabilities");
        if self.is(codes::MISSING_REQUIRED_CLIENT_CAPABILITY)
            && let Some(Value::Object(needs)) = needs
        {
            let needs: Vec<_> = needs.keys().map(String::as_str).collect();
            let needs = Said::new(&needs.join(", "));
            return AgentError::Incapable { method, needs };
        }
        if self.is(codes::METHOD_NOT_FOUND) {
            return AgentError::NotOffered { method };
        }
        AgentError::Rpc {
            method,
            code: self.code,
            message: Said::new(&self.message),
            data: self.data,
        }
    }
}

/// A message from the server.
#[derive(Debug, Clone)]
pub(super) enum Incoming {
    /// The answer to our request `id`; an error without an id answers whatever was sent with it.
    Answer {
        id: Option<u64>,
        outcome: Result<Document, RpcError>,
    },
    /// The server asks us.
    Request {
        id: Value,
        method: String,
        params: Document,
    },
    /// The server tells us.
    Notification { method: String, params: Document },
}

impl Incoming {
    /// On a request's own stream: whatever has no id answers that request. Whether it is its answer.
    pub(super) fn for_request(self, wanted: u64) -> (Self, bool) {
        match self {
            Self::Answer { id, outcome } if id.is_none_or(|id| id == wanted) => {
                let id = Some(wanted);
                (Self::Answer { id, outcome }, true)
            }
            other => (other, false),
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    id: Option<Value>,
    method: Option<String>,
    params: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

/// Reads one message, or a batch of them.
pub(super) fn read(text: &[u8]) -> Result<Vec<Incoming>, String> {
    let no_message = |error: serde_json::Error| {
        if error.is_data() {
            format!("no JSON-RPC message: {error}")
        } else {
            format!("no JSON: {error}")
        }
    };
    let is_batch = text.trim_ascii_start().starts_with(b"[");
    let envelopes: Vec<Envelope> = if is_batch {
        serde_json::from_slice(text).map_err(no_message)?
    } else {
        vec![serde_json::from_slice(text).map_err(no_message)?]
    };
    envelopes.into_iter().map(sort).collect()
}

fn sort(message: Envelope) -> Result<Incoming, String> {
    let document = |text| Document::new(text).map_err(|error| format!("no JSON: {error}"));
    if let Some(method) = message.method {
        let params = message.params.map(document).transpose()?;
        let params = params.unwrap_or_else(|| Document::from(Value::Null));
        return Ok(match message.id {
            Some(id) => Incoming::Request { id, method, params },
            None => Incoming::Notification { method, params },
        });
    }
    let outcome = match (message.result, message.error) {
        (Some(result), None) => Ok(document(result)?),
        (None, Some(error)) => Err(error),
        _ => {
            return Err(
                "no JSON-RPC message: neither a method, nor a result or an error".to_owned(),
            );
        }
    };
    Ok(Incoming::Answer {
        id: message.id.as_ref().and_then(Value::as_u64),
        outcome,
    })
}

/// A request of ours.
pub(super) fn request(id: u64, method: &str, params: &Map<String, Value>) -> Bytes {
    bytes(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

/// Params with a token to report progress under: the id of the request.
pub(super) fn with_token<'a>(
    method: &str,
    params: &'a Map<String, Value>,
    id: u64,
) -> Cow<'a, Map<String, Value>> {
    if !matches!(method, "tools/call" | "prompts/get" | "resources/read") {
        return Cow::Borrowed(params);
    }
    let mut params = params.clone();
    let meta = params.entry("_meta").or_insert_with(|| json!({}));
    if let Value::Object(meta) = meta {
        meta.insert("progressToken".to_owned(), id.into());
    }
    Cow::Owned(params)
}

/// A notification of ours.
pub(super) fn notification(method: &str) -> Bytes {
    bytes(&json!({"jsonrpc": "2.0", "method": method}))
}

/// Tells the server that nobody waits for the answer to `id` any more (up to 2025-11-25).
pub(super) fn cancelled(id: u64, reason: &str) -> Bytes {
    bytes(&json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": id, "reason": reason},
    }))
}

/// Our answer to a request of the server.
pub(super) fn answer(id: &Value, outcome: &Result<Value, RpcError>) -> Bytes {
    match outcome {
        Ok(result) => bytes(&json!({"jsonrpc": "2.0", "id": id, "result": result})),
        Err(error) => {
            let error = json!({"code": error.code, "message": error.message});
            bytes(&json!({"jsonrpc": "2.0", "id": id, "error": error}))
        }
    }
}

fn bytes(message: &Value) -> Bytes {
    message.to_string().into()
}

/// What we call ourselves (`Implementation`).
pub(super) fn client_info() -> Value {
    json!({"name": "usher-agent", "version": env!("CARGO_PKG_VERSION")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_requests_and_notifications_are_told_apart() {
        let batch = br#"[
            {"jsonrpc":"2.0","id":1,"result":{"a":1}},
            {"jsonrpc":"2.0","id":"x","method":"ping"},
            {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info"}},
            {"jsonrpc":"2.0","error":{"code":-32000,"message":"no"}}
        ]"#;

        let messages = read(batch).unwrap();

        assert!(matches!(
            &messages[..],
            [
                Incoming::Answer { id: Some(1), outcome: Ok(_) },
                Incoming::Request { method, .. },
                Incoming::Notification { params, .. },
                Incoming::Answer { id: None, outcome: Err(RpcError { code: -32000, .. }) },
            ] if method == "ping" && params.value()["level"] == "info"
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
}
