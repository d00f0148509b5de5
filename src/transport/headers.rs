//! What a request's headers must say before its body is read, and what they say of a modern one.
//!
//! Pure functions over a header map, called by the routes of `/mcp`, `/sse` and `/messages`.

use std::borrow::Cow;

use actix_web::http::header::{self, HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::RefusalKind;
use crate::handler::ParamHeader;
use crate::protocol::{Method, Peek, RpcError, codes};

/// Names the session (2025-03-26 to 2025-11-25).
pub(super) const SESSION_ID: &str = "mcp-session-id";
/// Names the protocol version (from 2025-06-18).
pub(super) const PROTOCOL_VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";

/// The body must be JSON, as it is: not a form that any page may send, and not compressed.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), RefusalKind> {
    let media_type = single(headers, header::CONTENT_TYPE.as_str())
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let is_json =
        media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"));
    if is_json && !encoded {
        Ok(())
    } else {
        Err(RefusalKind::NotJson)
    }
}

/// A Streamable HTTP client must take both forms of an answer (2025-03-26, transports).
pub(super) fn require_both_forms(headers: &HeaderMap) -> Result<(), RefusalKind> {
    if accepts(headers, "application", "json") && accepts(headers, "text", "event-stream") {
        return Ok(());
    }
    Err(RefusalKind::NotAcceptable(
        "application/json, text/event-stream",
    ))
}

/// A stream can only be an event stream. A client of 2024-11-05 need not say so.
pub(super) fn require_event_stream(headers: &HeaderMap) -> Result<(), RefusalKind> {
    if !headers.contains_key(header::ACCEPT) || accepts(headers, "text", "event-stream") {
        return Ok(());
    }
    Err(RefusalKind::NotAcceptable("text/event-stream"))
}

/// Whether `Accept` takes a media type; the most specific range decides (RFC 9110 §12.5.1).
fn accepts(headers: &HeaderMap, kind: &str, form: &str) -> bool {
    let mut best = (0, false);
    for value in headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
    {
        for range in value.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let specific = match parts.next().and_then(|range| range.split_once('/')) {
                Some((k, f)) if k.eq_ignore_ascii_case(kind) && f.eq_ignore_ascii_case(form) => 3,
                Some((k, "*")) if k.eq_ignore_ascii_case(kind) => 2,
                Some(("*", "*")) => 1,
                _ => continue,
            };
            let refused = parts
                .filter_map(|parameter| parameter.split_once('='))
                .any(|(name, q)| name.eq_ignore_ascii_case("q") && q.parse() == Ok(0.0_f32));
            if specific > best.0 {
                best = (specific, !refused);
            }
        }
    }
    best.1
}

/// A header that is there once and is text; there twice, nobody knows which is meant.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

/// Compares a modern request's headers with its body: a proxy may have decided by the one, we by the
/// other (2026-07-28, transports).
pub(super) fn compare_modern(
    headers: &HeaderMap,
    method: &Method,
    peek: &Peek,
) -> Result<(), RpcError> {
    let mismatch = |text: String| RpcError::new(codes::HEADER_MISMATCH, text);
    let require = |name: &str| {
        let missing = || mismatch(format!("the header {name} is missing or there twice"));
        single(headers, name).ok_or_else(missing)
    };
    let compare = |name: &str, header: &str, body: &str| {
        if header == body {
            return Ok(());
        }
        Err(mismatch(format!("the header {name} and the body differ")))
    };
    if let Some(version) = peek.version_text() {
        compare(PROTOCOL_VERSION, require(PROTOCOL_VERSION)?, version)?;
    }
    // Only names may be encoded: who reads an encoded method in the header alone would not know it.
    compare(METHOD, require(METHOD)?, method.as_str())?;
    let named = match method {
        Method::ToolsCall | Method::PromptsGet => peek.name.as_ref(),
        Method::ResourcesRead => peek.uri.as_ref(),
        Method::TasksGet | Method::TasksUpdate | Method::TasksCancel => peek.task_id.as_ref(),
        _ => None,
    };
    match named {
        Some(Value::String(named)) => {
            let header = decode(require(NAME)?)
                .ok_or_else(|| mismatch(format!("the header {NAME} is not decodable")))?;
            compare(NAME, &header, named)
        }
        _ => Ok(()),
    }
}

/// Compares arguments that are repeated in headers with the headers (2026-07-28, `x-mcp-header`). For
/// an argument that was not given, no header is expected.
pub(super) fn compare_params(
    headers: &HeaderMap,
    declared: &[ParamHeader],
    arguments: &Value,
) -> Result<(), RpcError> {
    let mismatch =
        |name: &str, why| RpcError::new(codes::HEADER_MISMATCH, format!("the header {name} {why}"));
    for param in declared {
        let name = param.header();
        let Some(argument) = param.argument(arguments) else {
            continue;
        };
        let sent =
            single(headers, name).ok_or_else(|| mismatch(name, "is missing or there twice"))?;
        let sent = decode(sent).ok_or_else(|| mismatch(name, "is not decodable"))?;
        let same = match argument {
            Value::String(text) => *text == sent,
            Value::Bool(truth) => truth.to_string() == sent,
            // As numbers: 7 and 7.0 are the same, and so is what they mean.
            Value::Number(number) => number.as_f64() == sent.parse().ok(),
            _ => false,
        };
        if !same {
            return Err(mismatch(name, "and the body differ"));
        }
    }
    Ok(())
}

/// `=?base64?…?=` holds what a header can't (2026-07-28, header encoding); the markers are exact.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    match value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    {
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
        None => Some(Cow::Borrowed(value)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use bytes::Bytes;

    use super::*;
    use crate::protocol::ClientMessage;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    // T07, T08
    #[test]
    fn both_forms_must_be_acceptable_and_q_zero_means_no() {
        for (accept, taken) in [
            ("application/json, text/event-stream", true),
            ("*/*", true),
            ("text/*, application/*;q=0.5", true),
            ("application/json", false),
            ("text/event-stream;q=0, application/json", false),
            ("text/event-stream;q=0, */*", false),
            ("text/html", false),
        ] {
            assert_eq!(
                require_both_forms(&headers(&[("accept", accept)])).is_ok(),
                taken,
                "{accept}"
            );
        }
        assert!(require_both_forms(&headers(&[])).is_err());
        assert!(require_event_stream(&headers(&[])).is_ok());
    }

    // T06, O05
    #[test]
    fn a_body_is_json_and_not_compressed() {
        for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(require_json(&headers(&[("content-type", content_type)])).is_ok());
        }
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
        ] {
            assert!(require_json(&headers(&[("content-type", content_type)])).is_err());
        }
        assert!(require_json(&headers(&[])).is_err());
        let bomb = headers(&[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ]);
        assert!(require_json(&bomb).is_err());
    }

    #[test]
    fn a_name_that_no_header_can_hold_is_decoded_before_it_is_compared() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wörld"}}"#;
        let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body)) else {
            panic!("no request");
        };
        let peek = Peek::at(request.params.as_ref()).unwrap();
        let with_name = |name| headers(&[("mcp-method", "tools/call"), ("mcp-name", name)]);

        let encoded = with_name("=?base64?d8O2cmxk?=");
        assert_eq!(compare_modern(&encoded, &Method::ToolsCall, &peek), Ok(()));
        for name in ["world", "=?base64?!?=", "=?BASE64?d8O2cmxk?="] {
            let error = compare_modern(&with_name(name), &Method::ToolsCall, &peek).unwrap_err();
            assert_eq!(error.code, codes::HEADER_MISMATCH, "{name}");
        }
    }

    #[test]
    fn only_names_are_decoded() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body)) else {
            panic!("no request");
        };
        let peek = Peek::at(request.params.as_ref()).unwrap();
        let compared = |version, method| {
            let sent = headers(&[("mcp-protocol-version", version), ("mcp-method", method)]);
            compare_modern(&sent, &Method::ToolsList, &peek).map_err(|error| error.code)
        };

        assert_eq!(compared("2026-07-28", "tools/list"), Ok(()));
        let encoded_method = compared("2026-07-28", "=?base64?dG9vbHMvbGlzdA==?=");
        assert_eq!(encoded_method, Err(codes::HEADER_MISMATCH));
        let encoded_version = compared("=?base64?MjAyNi0wNy0yOA==?=", "tools/list");
        assert_eq!(encoded_version, Err(codes::HEADER_MISMATCH));
    }

    #[test]
    fn an_argument_and_its_header_say_the_same() {
        let schema = serde_json::json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "zone": { "type": "integer", "x-mcp-header": "Zone" }
        }});
        let tool =
            crate::handler::Tool::with_schema(
                "t",
                "",
                schema,
                |_, _: Value| async move { Ok("never") },
            );
        let declared = tool.param_headers().unwrap();
        let check = |sent: &[(&'static str, &'static str)], arguments: Value| {
            compare_params(&headers(sent), declared, &arguments).is_ok()
        };

        let both = serde_json::json!({ "region": "eu", "zone": 7 });
        assert!(check(
            &[("mcp-param-region", "eu"), ("mcp-param-zone", "7.0")],
            both.clone()
        ));
        assert!(check(&[], serde_json::json!({ "region": null })));
        for wrong in ["us", "=?base64?ZXU?=", "=?base64?!!!?="] {
            let sent = [("mcp-param-region", wrong), ("mcp-param-zone", "7")];
            assert!(!check(&sent, both.clone()), "{wrong}");
        }
        assert!(
            !check(&[("mcp-param-region", "eu")], both),
            "a missing header"
        );
    }
}
