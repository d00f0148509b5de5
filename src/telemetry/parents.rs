//! What OpenTelemetry has to be told of a span beside its fields: its parent in a trace that a client
//! began, and a name that is known only later.
//!
//! Called by [`spans`](super::spans) alone. Does nothing where no subscriber exports spans, and nothing
//! at all in a build without the feature `otlp`.

use tracing::Span;

use crate::protocol::TraceParent;

/// `span` was caused by a client's.
#[cfg(feature = "otlp")]
pub(super) fn set_cause(span: &Span, cause: TraceParent) {
    use opentelemetry::{
        Context,
        trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
    };
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    if span.is_disabled() {
        return;
    }
    let around = Span::current().context();
    let around = around.span().span_context().clone();
    let trace_id = TraceId::from(cause.trace());
    // The request around it is in this trace already, between the client's span and this one.
    if around.trace_id() == trace_id {
        return;
    }
    let flags = TraceFlags::default().with_sampled(cause.is_sampled());
    let span_id = SpanId::from(cause.span_id());
    let caused_by = SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE);
    let parent = Context::new().with_remote_span_context(caused_by);
    // It fails where nobody exports spans, and then there is nothing to be a parent in.
    let is_exported = span.set_parent(parent).is_ok();
    if is_exported && around.is_valid() {
        span.add_link(around);
    }
}

/// `span` has this name from now on. As a field it counts only before the span is entered.
#[cfg(feature = "otlp")]
pub(super) fn rename(span: &Span, name: &str) {
    use opentelemetry::trace::TraceContextExt;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    span.context().span().update_name(name.to_owned());
}

/// `span` has this name from now on.
#[cfg(not(feature = "otlp"))]
pub(super) const fn rename(_span: &Span, _name: &str) {}

/// `span` was caused by a client's.
#[cfg(not(feature = "otlp"))]
pub(super) const fn set_cause(_span: &Span, _cause: TraceParent) {}
