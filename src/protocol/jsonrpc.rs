//! The JSON-RPC envelope: bytes to messages, results and errors to bytes.
//!
//! Parsing looks at the envelope only. Params stay a slice of the body until the one function that
//! knows their type reads them, so a message costs what is used of it. Called by `transport` with a
//! body that is already bounded in size; this room bounds its depth.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{Method, TraceContext, codes};

/// Deepest nesting of arrays and objects that is read.
pub const DEPTH_MAX: usize = 64;

/// Longest request id that is kept, in bytes: it is echoed, and held while a call runs.
pub const REQUEST_ID_BYTES_MAX: usize = 256;

/// What a request is answered under: a string or an integer, never null (2025-11-25, basic).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// A whole number.
    Integer(i64),
    /// A text, at most [`REQUEST_ID_BYTES_MAX`] bytes.
    String(Box<str>),
}

/// JSON text that nobody has read yet: a slice of the body it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(Bytes);

/// Wants an answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// Echoed in the answer.
    pub id: RequestId,
    /// What is asked.
    pub method: Method,
    /// An object, or nothing.
    pub params: Option<Raw>,
    /// Which trace it belongs to. Not looked for when the envelope is read: whoever looks into the
    /// params says so.
    pub trace: TraceContext,
}

/// Wants no answer.
#[derive(Debug, Clone)]
pub struct Notification {
    /// What is told.
    pub method: Method,
    /// An object, or nothing.
    pub params: Option<Raw>,
}

/// The client's answer to something the server asked.
#[derive(Debug, Clone)]
pub struct Response {
    /// The id of the server's request.
    pub id: RequestId,
    /// What it says.
    pub outcome: Result<Raw, Raw>,
}

/// One message from a client.
#[derive(Debug, Clone)]
pub enum ClientMessage {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Is one.
    Response(Response),
}

/// Why a body is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not UTF-8, or not one JSON value.
    #[error("the body is not JSON in UTF-8")]
    NotJson,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("the body is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// JSON, but no JSON-RPC 2.0 message.
    #[error("the body is no JSON-RPC 2.0 message: {0}")]
    NotMessage(&'static str),
    /// Several messages at once, where the protocol version has no batches.
    #[error("a batch of messages; send one message in each request")]
    Batch,
    /// More messages at once than are taken.
    #[error("the batch has more than {0} messages")]
    BatchTooLong(usize),
}

/// A JSON-RPC error, as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RpcError {
    /// See [`codes`].
    pub code: i32,
    /// For the developer of the client.
    pub message: Cow<'static, str>,
    /// What a program can act on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl ParseError {
    /// The error as JSON-RPC names it.
    #[must_use]
    pub fn to_rpc(&self) -> RpcError {
        let code = match self {
            Self::NotJson | Self::TooDeep => codes::PARSE_ERROR,
            Self::NotMessage(_) | Self::Batch | Self::BatchTooLong(_) => codes::INVALID_REQUEST,
        };
        RpcError::new(code, self.to_string())
    }
}

impl ClientMessage {
    /// Reads one message.
    ///
    /// # Errors
    /// See [`ParseError`]. Names of members are compared exactly; a member named twice is refused,
    /// since two readers could take different ones (RFC 8259 §4).
    pub fn parse(body: &Bytes) -> Result<Self, ParseError> {
        let text = text_of(body)?;
        if is_array(text) {
            // Even a refused batch has to be JSON, or the code would be the wrong one.
            return Err(serde_json::from_str::<&RawValue>(text)
                .map_or(ParseError::NotJson, |_batch| ParseError::Batch));
        }
        Envelope::read(text)?.into_message(body)
    }
}

/// A body as text, if it is that and not nested too deep.
pub(super) fn text_of(body: &Bytes) -> Result<&str, ParseError> {
    let text = std::str::from_utf8(body).map_err(|_not_utf8| ParseError::NotJson)?;
    if nested_too_deep(body) {
        return Err(ParseError::TooDeep);
    }
    Ok(text)
}

pub(super) fn is_array(text: &str) -> bool {
    text.trim_ascii_start().starts_with('[')
}

/// The members of a message, unread.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// A member that is there, even as `null`: an `Option` alone would take `null` for absent.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl<'a> Envelope<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, ParseError> {
        serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                ParseError::NotMessage("a member has the wrong type or is there twice")
            } else {
                ParseError::NotJson
            }
        })
    }

    /// The id under which a request that is none is refused. What names no method may have been meant
    /// as an answer, and its id would be one of ours.
    pub(super) fn id_to_refuse(&self) -> Option<RequestId> {
        self.method?;
        self.id.and_then(|id| request_id(id.get()).ok())
    }

    /// `body` is what the envelope was read from, or has it within.
    pub(super) fn into_message(self, body: &Bytes) -> Result<ClientMessage, ParseError> {
        if self
            .jsonrpc
            .is_none_or(|version| version.get() != "\"2.0\"")
        {
            return Err(ParseError::NotMessage("\"jsonrpc\" is not \"2.0\""));
        }
        let id = self.id.map(|id| request_id(id.get())).transpose()?;
        let raw = |value: &RawValue| Raw(body.slice_ref(value.get().as_bytes()));

        let Some(method) = self.method else {
            let outcome = match (self.result, self.error) {
                (Some(result), None) => Ok(raw(result)),
                (None, Some(error)) => Err(raw(error)),
                _ => return Err(ParseError::NotMessage("neither a method nor one outcome")),
            };
            let id = id.ok_or(ParseError::NotMessage("a response has no id"))?;
            return Ok(ClientMessage::Response(Response { id, outcome }));
        };
        if self.result.is_some() || self.error.is_some() {
            return Err(ParseError::NotMessage("both a method and an outcome"));
        }
        let method = Method::from(
            &*string(method.get()).ok_or(ParseError::NotMessage("\"method\" is not a string"))?,
        );
        let params = self.params.filter(|params| params.get() != "null").map(raw);
        if params.as_ref().is_some_and(|params| !params.is_object()) {
            return Err(ParseError::NotMessage("\"params\" is not an object"));
        }
        Ok(match id {
            Some(id) => ClientMessage::Request(Request {
                id,
                method,
                params,
                trace: TraceContext::default(),
            }),
            None => ClientMessage::Notification(Notification { method, params }),
        })
    }
}

fn request_id(raw: &str) -> Result<RequestId, ParseError> {
    let refused = ParseError::NotMessage("\"id\" is neither an integer nor a short string");
    if raw.len() > REQUEST_ID_BYTES_MAX {
        return Err(refused);
    }
    if let Ok(integer) = raw.parse() {
        return Ok(RequestId::Integer(integer));
    }
    string(raw)
        .map(|text| RequestId::String(text.into()))
        .ok_or(refused)
}

/// The text of a JSON string, borrowed where nothing in it is escaped.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// Looks at brackets outside of strings only; whether they match is the parser's business.
fn nested_too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

impl Raw {
    /// The JSON text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads it as a type.
    ///
    /// # Errors
    /// [`codes::INVALID_PARAMS`], with serde's sentence, which names the member and not its value's
    /// surroundings.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, RpcError> {
        serde_json::from_slice(&self.0).map_err(|error| {
            RpcError::new(codes::INVALID_PARAMS, format!("invalid params: {error}"))
        })
    }

    fn is_object(&self) -> bool {
        self.0.first() == Some(&b'{')
    }
}

/// Reads params that a method can't do without.
///
/// # Errors
/// [`codes::INVALID_PARAMS`] where there are none or they don't fit.
pub fn read_params<T: DeserializeOwned>(params: Option<&Raw>) -> Result<T, RpcError> {
    params
        .ok_or(RpcError::new(codes::INVALID_PARAMS, "params are missing"))?
        .read()
}

/// What a client sends may be personal: `Debug` shows its length only.
impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Raw({} bytes)", self.0.len())
    }
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// The same with data a program can act on.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Something broke on our side; the log knows what.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(codes::INTERNAL_ERROR, "internal error")
    }

    /// No such method in this protocol version.
    #[must_use]
    pub fn method_not_found(method: &Method) -> Self {
        Self::new(
            codes::METHOD_NOT_FOUND,
            format!("method not found: {method}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<ClientMessage, ParseError> {
        ClientMessage::parse(&Bytes::copy_from_slice(body.as_bytes()))
    }

    fn code(body: &str) -> i32 {
        parse(body)
            .map(|message| format!("{message:?}"))
            .unwrap_err()
            .to_rpc()
            .code
    }

    #[test]
    fn a_request_keeps_its_params_as_they_were_sent() {
        let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name": "whoami"}}"#;

        let ClientMessage::Request(request) = parse(body).unwrap() else {
            panic!("no request")
        };

        assert_eq!(request.id, RequestId::Integer(7));
        assert_eq!(request.method, Method::ToolsCall);
        assert_eq!(request.params.unwrap().as_bytes(), br#"{"name": "whoami"}"#);
    }

    #[test]
    fn a_notification_has_no_id_and_a_response_no_method() {
        let told = parse(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap();
        let answered = parse(r#"{"jsonrpc":"2.0","id":"s1","result":null}"#).unwrap();

        assert!(matches!(told, ClientMessage::Notification(_)));
        assert!(matches!(
            answered,
            ClientMessage::Response(Response { outcome: Ok(_), .. })
        ));
    }

    #[test]
    fn an_escaped_method_is_the_same_method() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"to\u006fls/list"}"#;

        let ClientMessage::Request(request) = parse(body).unwrap() else {
            panic!("no request")
        };

        assert_eq!(request.method, Method::ToolsList);
    }

    #[test]
    fn what_is_not_json_is_a_parse_error() {
        for body in [
            "",
            "{",
            "{}x",
            "\u{feff}{}",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"} 1"#,
            "[1",
        ] {
            assert_eq!(code(body), codes::PARSE_ERROR, "{body:?}");
        }
        let invalid_utf8 = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"}");
        assert_eq!(
            ClientMessage::parse(&invalid_utf8).unwrap_err(),
            ParseError::NotJson
        );
    }

    #[test]
    fn what_is_json_but_no_message_is_an_invalid_request() {
        for body in [
            "1",
            "null",
            "{}",
            "[]",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        ] {
            assert_eq!(code(body), codes::INVALID_REQUEST, "{body}");
        }
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |levels: usize| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{}{}}}}}"#,
                "[".repeat(levels),
                "]".repeat(levels)
            )
        };
        assert!(parse(&nested(DEPTH_MAX - 2)).is_ok());
        assert_eq!(
            parse(&nested(DEPTH_MAX - 1)).unwrap_err(),
            ParseError::TooDeep
        );
        assert_eq!(parse(&nested(100_000)).unwrap_err(), ParseError::TooDeep);

        let quoted = format!(
            r#"{{"jsonrpc":"2.0","id":"{}\"[","method":"ping"}}"#,
            "[".repeat(99)
        );
        assert!(parse(&quoted).is_ok());
    }
}
