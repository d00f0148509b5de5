//! A request under way: how long it took and how it ended is counted, and audited, when it ends, however
//! that comes.
//!
//! Begun by a session's calls and by exchanges without one. Every method is counted; in the audit log are
//! those behind which a tool's, prompt's or resource's author stands, and only where somebody listens.

use std::{borrow::Cow, time::Instant};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tracing::Span;

use crate::{
    auth::Principal,
    handler::Handler,
    protocol::{Method, Raw, Request, RpcError, codes},
    telemetry::{
        Metrics,
        audit::{self, EndedCall},
        spans,
    },
    units::ByteSize,
};

/// A request that runs. Dropped before its end, it counts as cancelled.
#[derive(Debug)]
pub(super) struct Operation {
    metrics: Metrics,
    method: &'static str,
    started: Instant,
    outcome: Outcome,
    audited: Option<Audited>,
}

/// What the audit log says of it beside its end.
#[derive(Debug)]
struct Audited {
    principal: Principal,
    name: Option<String>,
    arguments: Option<String>,
    /// Where it was begun: when it is dropped, the present span may be another's.
    span: Span,
}

/// How a request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// With a result that is one.
    Ok,
    /// With a tool's error.
    ToolError,
    /// With a question to the client.
    InputRequired,
    /// With a task.
    Task,
    /// With an error of JSON-RPC.
    Error(i32),
    /// Not at all.
    Cancelled,
}

impl Operation {
    /// A request begins, within its span.
    pub(super) fn begin(handler: &Handler, principal: &Principal, request: &Request) -> Self {
        let is_audited = matches!(
            request.method,
            Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead
        );
        let audited = (is_audited && audit::is_on()).then(|| {
            let params = request.params.as_ref();
            let max = handler.audited_arguments();
            let (name, arguments) = params.map_or((None, None), |params| said(params, max));
            Audited {
                principal: principal.clone(),
                name,
                arguments,
                span: Span::current(),
            }
        });
        Self {
            metrics: handler.metrics().clone(),
            method: request.method.label(),
            started: Instant::now(),
            outcome: Outcome::Cancelled,
            audited,
        }
    }

    /// It has ended by itself.
    pub(super) fn ended(mut self, result: &Result<Value, RpcError>) {
        self.outcome = Outcome::of(result);
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let error = self.outcome.error_type();
        self.metrics.operation_ended(self.method, error, duration);
        let Some(audited) = &self.audited else {
            return;
        };
        let _within = audited.span.enter();
        let call = EndedCall {
            method: self.method,
            name: audited.name.as_deref(),
            outcome: &self.outcome.word(),
            duration,
            arguments: audited.arguments.as_deref(),
        };
        audit::call_ended(audited.principal.audited(), call);
    }
}

impl Outcome {
    fn of(result: &Result<Value, RpcError>) -> Self {
        let result = match result {
            Ok(result) => result,
            Err(error) => return Self::Error(error.code),
        };
        let kind = result.get("resultType").and_then(Value::as_str);
        if result.get("isError") == Some(&Value::Bool(true)) {
            Self::ToolError
        } else if kind == Some("input_required") {
            Self::InputRequired
        } else if kind == Some("task") || result.get("task").is_some() {
            Self::Task
        } else {
            Self::Ok
        }
    }

    fn word(self) -> Cow<'static, str> {
        match self {
            Self::Ok => "ok".into(),
            Self::ToolError => "tool_error".into(),
            Self::InputRequired => "input_required".into(),
            Self::Task => "task".into(),
            Self::Error(code) => code.to_string().into(),
            Self::Cancelled => "cancelled".into(),
        }
    }

    /// `error.type` of OpenTelemetry's conventions; nothing where all is well. A tool can invent codes,
    /// and a metric's labels are few.
    const fn error_type(self) -> Option<&'static str> {
        match self {
            Self::Ok | Self::InputRequired | Self::Task => None,
            Self::ToolError => Some("tool_error"),
            Self::Cancelled => Some("cancelled"),
            Self::Error(code) => Some(match code {
                codes::METHOD_NOT_FOUND => "-32601",
                codes::INVALID_PARAMS => "-32602",
                codes::INVALID_REQUEST => "-32600",
                codes::INTERNAL_ERROR => "-32603",
                codes::REQUEST_TIMEOUT => "-32001",
                _ => "other",
            }),
        }
    }
}

/// The name that params give, where it can be shown, and as much of the arguments as is to be kept.
fn said(params: &Raw, max: ByteSize) -> (Option<String>, Option<String>) {
    #[derive(Deserialize)]
    struct Said {
        name: Option<String>,
        arguments: Option<Box<RawValue>>,
    }
    // What can't be read is refused by the handler, and its line says so.
    let Ok(said) = params.read::<Said>() else {
        return (None, None);
    };
    let name = said.name.filter(|name| spans::can_be_shown(name));
    let arguments = said.arguments.filter(|_| max.bytes() > 0);
    (
        name,
        arguments.map(|text| cut(text.get(), max.bytes()).to_owned()),
    )
}

/// The beginning of a text, of at most so many bytes.
fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_end_is_said_in_a_word() {
        for (result, word) in [
            (json!({ "content": [] }), "ok"),
            (json!({ "content": [], "isError": true }), "tool_error"),
            (json!({ "resultType": "input_required" }), "input_required"),
            (json!({ "resultType": "task", "taskId": "1" }), "task"),
            (json!({ "task": { "taskId": "1" } }), "task"),
            (json!({ "resultType": "complete" }), "ok"),
        ] {
            let outcome = Outcome::of(&Ok(result.clone()));
            assert_eq!(outcome.word(), word, "{result}");
        }
        let refused = Outcome::of(&Err(RpcError::new(-32_602, "no")));
        assert_eq!(refused.word(), "-32602");
        assert_eq!(refused.error_type(), Some("-32602"));
        assert_eq!(Outcome::Error(7).error_type(), Some("other"));
    }

    #[test]
    fn arguments_are_cut_between_characters() {
        assert_eq!(cut("{\"a\":1}", 100), "{\"a\":1}");
        assert_eq!(cut("a\u{e4}b", 2), "a");
        assert_eq!(cut("abc", 0), "");
    }
}
