//! Results, errors, requests and notifications to bytes, once each.
//!
//! Used by whoever answers or asks; what comes out goes into a frame as it is.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde_json::Value;

use super::{BadMember, Method, RequestId, RpcError};

#[derive(Serialize)]
struct Success<'a, T> {
    jsonrpc: &'static str,
    id: &'a RequestId,
    result: T,
}

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RequestId>,
    error: &'a RpcError,
}

#[derive(Serialize)]
struct MemberFailure<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RequestId>,
    error: &'a RpcError,
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RequestId>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<T>,
}

/// The answer to a request that went well.
pub fn encode_result(id: &RequestId, result: impl Serialize) -> Bytes {
    encode(&Success {
        jsonrpc: "2.0",
        id,
        result,
    })
    .unwrap_or_else(|_unserialisable| encode_error(Some(id), &RpcError::internal()))
}

/// The answer to one that did not. Without an id where none could be read: the MCP schema has no
/// null there.
#[must_use]
pub fn encode_error(id: Option<&RequestId>, error: &RpcError) -> Bytes {
    encode(&Failure {
        jsonrpc: "2.0",
        id,
        error,
    })
    .unwrap_or_else(|_unserialisable| {
        // An `RpcError` is text and JSON, which always serialises; kept honest all the same.
        Bytes::from_static(
            br#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"internal error"}}"#,
        )
    })
}

/// The answer to a bad member of a batch. There an id that could not be read is null, as JSON-RPC has
/// it (§5): an array's members are told apart by nothing else.
#[must_use]
pub fn encode_bad_member(bad: &BadMember) -> Bytes {
    encode(&MemberFailure {
        jsonrpc: "2.0",
        id: bad.id.as_ref(),
        error: &bad.error,
    })
    .unwrap_or_else(|_unserialisable| encode_error(bad.id.as_ref(), &RpcError::internal()))
}

/// The answers to a batch, encoded already, as one array.
#[must_use]
pub fn encode_batch<'a>(answers: impl IntoIterator<Item = &'a Bytes>) -> Bytes {
    let mut array = BytesMut::new();
    array.put_u8(b'[');
    for (number, answer) in answers.into_iter().enumerate() {
        if number > 0 {
            array.put_u8(b',');
        }
        array.put_slice(answer);
    }
    array.put_u8(b']');
    array.freeze()
}

/// A request from the server to the client.
///
/// # Errors
/// Params that have no JSON form.
pub fn encode_request(
    id: &RequestId,
    method: &Method,
    params: Option<&Value>,
) -> serde_json::Result<Bytes> {
    encode(&Outgoing {
        jsonrpc: "2.0",
        id: Some(id),
        method: method.as_str(),
        params,
    })
}

/// A notification from the server to the client.
///
/// # Errors
/// Params that have no JSON form.
pub fn encode_notification(method: &Method, params: &impl Serialize) -> serde_json::Result<Bytes> {
    encode(&Outgoing {
        jsonrpc: "2.0",
        id: None,
        method: method.as_str(),
        params: Some(params),
    })
}

fn encode(message: &impl Serialize) -> serde_json::Result<Bytes> {
    let mut buffer = BytesMut::with_capacity(512).writer();
    serde_json::to_writer(&mut buffer as &mut dyn io::Write, message)?;
    Ok(buffer.into_inner().freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::codes;

    #[test]
    fn an_error_without_an_id_has_no_id_member() {
        let encoded = encode_error(None, &RpcError::new(codes::PARSE_ERROR, "no"));

        assert_eq!(
            &encoded[..],
            br#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#
        );
    }

    #[test]
    fn answers_to_a_batch_are_one_array_in_which_an_unread_id_is_null() {
        let bad = encode_bad_member(&BadMember {
            id: None,
            error: RpcError::new(codes::INVALID_REQUEST, "no"),
        });
        let good = encode_result(&RequestId::Integer(1), 7);

        assert_eq!(
            &encode_batch([&bad, &good])[..],
            br#"[{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}},{"jsonrpc":"2.0","id":1,"result":7}]"#
        );
        assert_eq!(&encode_batch([])[..], b"[]");
    }
}
