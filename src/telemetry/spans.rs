//! What log lines and traces say of the work they belong to: one span for each HTTP request, and one
//! within for each call.
//!
//! `transport` opens the first, `session` the second, and whatever is logged meanwhile has their
//! fields. Names are those of OpenTelemetry's conventions for HTTP and for MCP, so that an exporter
//! has nothing to translate. A call's parent is what its request says
//! ([`TraceContext`](crate::protocol::TraceContext)), with the HTTP request as a link; or the HTTP
//! request, where it says nothing or both belong to one trace.
//!
//! Off, as with `log.filter = "warn"`, a span costs one look at a flag. To have the ids with fewer
//! lines: `warn,mcp_usher::telemetry::spans=info`. Never in a span: what a client can make long or
//! personal, as paths, URIs, arguments and baggage.

use std::{borrow::Cow, cell::LazyCell};

use serde_json::Value;
use tracing::{
    Span,
    field::{Empty, display},
    info_span,
};

use super::{
    Pseudonym,
    parents::{rename, set_cause},
};
use crate::protocol::{Method, ProtocolVersion, Request, RequestId, RpcError, TraceParent};

/// Longest name of a tool or prompt, or id of a request, that is shown, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// One HTTP request: known as `id`, for the route of this pattern, if it is one of ours.
#[must_use]
pub fn http(
    method: &'static str,
    route: impl FnOnce() -> Option<String>,
    id: &str,
    cause: Option<TraceParent>,
) -> Span {
    let route = LazyCell::new(route);
    let span = info_span!(
        "http",
        otel.name = %named(method, route.as_deref()),
        otel.kind = "server",
        otel.status_code = Empty,
        request.id = id,
        trace_id = cause.map(|cause| display(cause.trace_id())),
        http.request.method = method,
        http.route = route.as_deref(),
        http.response.status_code = Empty,
        enduser.pseudo.id = Empty,
        error.type = Empty,
    );
    if let Some(cause) = cause {
        set_cause(&span, cause);
    }
    span
}

/// It is known who sent the HTTP request whose span is the present one.
pub fn caller(name: Pseudonym) {
    Span::current().record("enduser.pseudo.id", display(name));
}

/// The HTTP request was answered with this status.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    // Of a server's span, only what is the server's fault is an error (HTTP conventions, spans).
    if status >= 500 {
        span.record("error.type", status);
        span.record("otel.status_code", "ERROR");
    }
}

/// One call: `session` is how a session is named in logs.
#[must_use]
pub fn call(
    request: &Request,
    version: ProtocolVersion,
    session: impl FnOnce() -> Option<String>,
) -> Span {
    let cause = request.trace.parent();
    let method = request.method.label();
    let operation = (request.method == Method::ToolsCall).then_some("execute_tool");
    // A field that is said twice would be shown twice.
    let is_named_later = named_by(&request.method).is_some();
    let span = info_span!(
        "mcp",
        otel.name = (!is_named_later).then_some(method),
        otel.kind = "server",
        otel.status_code = Empty,
        trace_id = cause.map(|cause| display(cause.trace_id())),
        mcp.method.name = method,
        mcp.protocol.version = version.as_str(),
        mcp.session.id = session(),
        jsonrpc.request.id = shown_id(&request.id).as_deref(),
        gen_ai.operation.name = operation,
        gen_ai.tool.name = Empty,
        gen_ai.prompt.name = Empty,
        rpc.response.status_code = Empty,
        error.type = Empty,
    );
    if let Some(cause) = cause {
        set_cause(&span, cause);
    }
    span
}

/// The call that runs now is for what its params name, as far as that can be shown.
pub fn about(method: &Method, params: &Value) {
    let span = Span::current();
    let Some(field) = named_by(method).filter(|_| !span.is_disabled()) else {
        return;
    };
    let name = params.get("name").and_then(Value::as_str);
    let name = name.filter(|name| can_be_shown(name));
    let whole = named(method.label(), name);
    span.record("otel.name", &*whole);
    rename(&span, &whole);
    if let Some(name) = name {
        span.record(field, name);
    }
}

/// The field for what a method's params name.
fn named_by(method: &Method) -> Option<&'static str> {
    match method {
        Method::ToolsCall => Some("gen_ai.tool.name"),
        Method::PromptsGet => Some("gen_ai.prompt.name"),
        _ => None,
    }
}

/// How the call that runs now has ended.
pub fn ended(result: &Result<Value, RpcError>) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    match result {
        Err(error) => {
            let code = error.code.to_string();
            span.record("rpc.response.status_code", &*code);
            failed(&span, &code);
        }
        Ok(result) if result.get("isError") == Some(&Value::Bool(true)) => {
            failed(&span, "tool_error");
        }
        Ok(_) => {}
    }
}

/// The call that runs now was cancelled.
pub fn cancelled() {
    failed(&Span::current(), "cancelled");
}

fn failed(span: &Span, error: &str) {
    span.record("error.type", error);
    span.record("otel.status_code", "ERROR");
}

fn named(what: &str, about: Option<&str>) -> String {
    about.map_or_else(|| what.to_owned(), |about| format!("{what} {about}"))
}

fn shown_id(id: &RequestId) -> Option<Cow<'_, str>> {
    match id {
        RequestId::Integer(number) => Some(number.to_string().into()),
        RequestId::String(text) => can_be_shown(text).then(|| (&**text).into()),
    }
}

/// Whether it is a name as tools have them (2025-11-25, tools): nothing that could forge a line, or
/// tell a story.
#[must_use]
pub fn can_be_shown(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    matches!(name.len(), 1..=NAME_BYTES_MAX) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_forge_a_line_is_not_shown() {
        for name in ["whoami", "notes/read", "a.b-c_d", &"x".repeat(128)] {
            assert!(can_be_shown(name), "{name}");
        }
        for name in [
            "",
            "a b",
            "a\nINFO b",
            "a=b",
            "w\u{f6}rld",
            &"x".repeat(129),
        ] {
            assert!(!can_be_shown(name), "{name:?}");
        }
    }
}
