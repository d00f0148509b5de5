//! A call's line in the audit log, written when it ends, however that comes.
//!
//! Begun by a session's calls and by exchanges without one, and only where somebody listens. Of the
//! methods, those behind which a tool's, prompt's or resource's author stands.

use std::{borrow::Cow, time::Instant};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tracing::Span;

use crate::{
    auth::Principal,
    handler::Handler,
    protocol::{Method, Raw, Request, RpcError},
    telemetry::{
        audit::{self, EndedCall},
        spans,
    },
    units::ByteSize,
};

/// A call that runs. Dropped before its end, it counts as cancelled.
#[derive(Debug)]
pub(super) struct Audited {
    principal: Principal,
    method: &'static str,
    name: Option<String>,
    arguments: Option<String>,
    started: Instant,
    outcome: Cow<'static, str>,
    /// Where it was begun: when it is dropped, the present span may be another's.
    span: Span,
}

impl Audited {
    /// Begins the line of a call, within its span.
    pub(super) fn begin(
        handler: &Handler,
        principal: &Principal,
        request: &Request,
    ) -> Option<Self> {
        let is_kept = matches!(
            request.method,
            Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead
        );
        if !is_kept || !audit::is_on() {
            return None;
        }
        let (name, arguments) = request.params.as_ref().map_or((None, None), |params| {
            said(params, handler.audited_arguments())
        });
        Some(Self {
            principal: principal.clone(),
            method: request.method.label(),
            name,
            arguments,
            started: Instant::now(),
            outcome: "cancelled".into(),
            span: Span::current(),
        })
    }

    /// It has ended by itself.
    pub(super) fn ended(mut self, result: &Result<Value, RpcError>) {
        self.outcome = outcome(result);
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        let _within = self.span.enter();
        let call = EndedCall {
            method: self.method,
            name: self.name.as_deref(),
            outcome: &self.outcome,
            duration: self.started.elapsed(),
            arguments: self.arguments.as_deref(),
        };
        audit::call_ended(self.principal.audited(), call);
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

fn outcome(result: &Result<Value, RpcError>) -> Cow<'static, str> {
    let result = match result {
        Ok(result) => result,
        Err(error) => return error.code.to_string().into(),
    };
    let kind = result.get("resultType").and_then(Value::as_str);
    if result.get("isError") == Some(&Value::Bool(true)) {
        "tool_error".into()
    } else if kind == Some("input_required") {
        "input_required".into()
    } else if kind == Some("task") || result.get("task").is_some() {
        "task".into()
    } else {
        "ok".into()
    }
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
            assert_eq!(outcome(&Ok(result.clone())), word, "{result}");
        }
        assert_eq!(outcome(&Err(RpcError::new(-32_602, "no"))), "-32602");
    }

    #[test]
    fn arguments_are_cut_between_characters() {
        assert_eq!(cut("{\"a\":1}", 100), "{\"a\":1}");
        assert_eq!(cut("a\u{e4}b", 2), "a");
        assert_eq!(cut("abc", 0), "");
    }
}
