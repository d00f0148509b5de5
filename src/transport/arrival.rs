//! What a request is known by from its arrival on: its id, its span, and the trace it belongs to.
//!
//! The outermost layer around every resource of ours. Its id is in every answer and in every log line
//! about it, so that a user who shows the one finds the other; a client or proxy that brought an id
//! keeps it. Nothing is decided by any of them.

use std::{
    borrow::Cow,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use actix_web::{
    HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use tracing::Instrument;

use super::{Door, headers};
use crate::{
    protocol::{BAGGAGE_BYTES_MAX, Carried, Peek, TRACESTATE_BYTES_MAX, TraceContext},
    telemetry::spans,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// Longest id of a client's that is kept, in bytes.
const ID_BYTES_MAX: usize = 64;

/// The id of one HTTP request, for people who look for it in logs. Visible ASCII.
#[derive(Debug, Clone)]
pub(super) struct XRequestId(HeaderValue);

/// Where ids come from. They tell nothing of each other, so nobody learns from two of them how many
/// requests came between.
#[derive(Debug, Default)]
pub(super) struct XRequestIds {
    key: RandomState,
    last: AtomicU64,
}

impl XRequestIds {
    fn next(&self) -> HeaderValue {
        let number = self.last.fetch_add(1, Relaxed);
        let id = format!("{:016x}", self.key.hash_one(number));
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("unnamed"))
    }

    fn of(&self, headers: &HeaderMap) -> XRequestId {
        let brought = headers::single(headers, X_REQUEST_ID.as_str()).filter(|id| {
            matches!(id.len(), 1..=ID_BYTES_MAX) && id.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let kept = brought.and_then(|id| HeaderValue::from_str(id).ok());
        XRequestId(kept.unwrap_or_else(|| self.next()))
    }
}

impl XRequestId {
    /// The id that a request was given at its arrival.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// The layer itself.
pub(super) async fn receive(
    door: web::Data<Door>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = door.request_ids.of(request.headers());
    let around = Around::of(request.headers());
    let cause = TraceContext::read(Carried::default(), around.carried()).parent();
    let route = || {
        let pattern = request.request().match_pattern()?;
        // The home page's first pattern: its slash may be left out below a prefix.
        Some(if pattern.is_empty() {
            "/".to_owned()
        } else {
            pattern
        })
    };
    let span = spans::http(method_name(request.method()), route, id.as_str(), cause);
    request.extensions_mut().insert(id.clone());

    match next.call(request).instrument(span.clone()).await {
        Ok(mut response) => {
            response.headers_mut().insert(X_REQUEST_ID, id.0);
            spans::answered(&span, response.status().as_u16());
            Ok(response)
        }
        // A panic, as it comes out of the layer that caught it.
        Err(error) => {
            let mut response = error.error_response();
            response.headers_mut().insert(X_REQUEST_ID, id.0);
            spans::answered(&span, response.status().as_u16());
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// Methods of HTTP itself; a stranger may invent others.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "_OTHER",
    }
}

/// Which trace a message belongs to: `_meta` says it, or else the HTTP request around it.
pub(super) fn trace_of(http: &HttpRequest, peek: &Peek) -> TraceContext {
    let around = Around::of(http.headers());
    TraceContext::read(peek.carried_trace(), around.carried())
}

/// What an HTTP request's headers say of its trace.
struct Around<'a> {
    parent: Option<&'a str>,
    state: Option<Cow<'a, str>>,
    baggage: Option<Cow<'a, str>>,
}

impl<'a> Around<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        Self {
            parent: headers::single(headers, TRACEPARENT),
            state: joined(headers, TRACESTATE, TRACESTATE_BYTES_MAX),
            baggage: joined(headers, BAGGAGE, BAGGAGE_BYTES_MAX),
        }
    }

    fn carried(&self) -> Carried<'_> {
        Carried {
            parent: self.parent,
            state: self.state.as_deref(),
            baggage: self.baggage.as_deref(),
        }
    }
}

/// A list that may be spread over several header lines (RFC 9110 §5.3), as long as it may be kept.
fn joined<'a>(headers: &'a HeaderMap, name: &str, max: usize) -> Option<Cow<'a, str>> {
    let mut lines = headers.get_all(name);
    let mut list = Cow::Borrowed(lines.next()?.to_str().ok()?);
    for line in lines {
        let line = line.to_str().ok()?;
        if list.len() + 1 + line.len() > max {
            return None;
        }
        let list = list.to_mut();
        list.push(',');
        list.push_str(line);
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn an_id_that_was_brought_is_kept_if_it_is_one() {
        let ids = XRequestIds::default();
        let id_for = |pairs: &[(&'static str, &str)]| ids.of(&headers(pairs)).as_str().to_owned();

        for kept in ["x", "a-b:c/d+e=", &"1".repeat(64)] {
            assert_eq!(id_for(&[("x-request-id", kept)]), kept);
        }
        for not_kept in ["", "a b", "a\tb", &"1".repeat(65)] {
            let ours = id_for(&[("x-request-id", not_kept)]);
            assert_eq!(ours.len(), 16, "{not_kept:?} became {ours:?}");
        }
        let twice = id_for(&[("x-request-id", "a"), ("x-request-id", "b")]);
        assert_eq!(twice.len(), 16);
    }

    #[test]
    fn our_ids_differ_and_do_not_count() {
        let ids = XRequestIds::default();
        let made: Vec<u64> = (0..1_000)
            .map(|_| u64::from_str_radix(ids.next().to_str().unwrap(), 16).unwrap())
            .collect();

        let different: std::collections::HashSet<_> = made.iter().collect();
        assert_eq!(different.len(), made.len());
        let in_order = made.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((300..700).contains(&in_order), "{in_order}");
    }

    #[test]
    fn a_list_over_several_lines_is_one_and_bounded() {
        let lines = headers(&[("tracestate", "a=1"), ("tracestate", "b=2")]);
        assert_eq!(joined(&lines, TRACESTATE, 7).as_deref(), Some("a=1,b=2"));
        assert_eq!(joined(&lines, TRACESTATE, 6), None);
        assert_eq!(joined(&headers(&[]), TRACESTATE, 512), None);

        let parents = headers(&[("traceparent", "a"), ("traceparent", "b")]);
        assert_eq!(Around::of(&parents).parent, None);
    }
}
