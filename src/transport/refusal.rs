//! The table: every room's error, and the HTTP status, JSON-RPC error and headers it becomes.
//!
//! The one place that maps errors to statuses. Status speaks of transport, session and
//! authentication; a refusal of one call is a JSON-RPC error in a 200, but for a missing scope, which
//! is the 403 that OAuth clients know how to mend (RFC 6750 §3.1).

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use serde_json::{Value, json};

use super::{Door, arrival::XRequestId};
use crate::{
    auth::{AuthError, Challenge},
    cluster::{NOT_TAKEN_HEADER, NOT_THERE},
    protocol::{ParseError, ProtocolVersion, RequestId, RpcError, codes, encode_error},
    router::RouteError,
    session::SessionError,
    telemetry::{Limit, audit},
    units::{ByteSize, HumanDuration},
};

/// A request that is not served, and as which one it came.
#[derive(Debug)]
pub(super) struct Refusal {
    kind: RefusalKind,
    // Where the message could be read, its sender can tell which one is refused.
    id: Option<RequestId>,
}

/// Why a request is not served.
#[derive(Debug)]
pub(super) enum RefusalKind {
    /// The `Host` header names another server, or several.
    Host,
    /// The page behind the request may not call this server.
    Origin,
    /// Who calls could not be verified, or may not do this, at the endpoint of this path.
    Auth(AuthError, &'static str),
    /// The endpoint has no such method; these it has.
    Method(&'static str),
    /// The body is not JSON, or is compressed.
    NotJson,
    /// None of the forms we answer in is acceptable; these are.
    NotAcceptable(&'static str),
    /// The body is larger than this.
    TooLarge(ByteSize),
    /// The body was not there after this long.
    TooSlow(HumanDuration),
    /// The body broke off.
    Broken,
    /// The body is no message.
    Parse(ParseError),
    /// The `MCP-Protocol-Version` header names a version that is not served.
    Version(String),
    /// The request needs a session, and names none or several.
    SessionMissing(&'static str),
    /// The client initializes a session that is live.
    InitializedAlready,
    /// Refused by the protocol's rules, with the status they ask for.
    Protocol(StatusCode, RpcError),
    /// No session was found, opened or reached.
    Route(RouteError),
    /// Nothing lives under this path.
    NotFound,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind) -> Self {
        Self { kind, id: None }
    }

    pub(super) fn of(id: Option<&RequestId>, kind: impl Into<RefusalKind>) -> Self {
        Self {
            kind: kind.into(),
            id: id.cloned(),
        }
    }

    /// The response to `request`, counted and logged.
    pub(super) fn respond(self, door: &Door, request: &HttpRequest) -> HttpResponse {
        let kind = &self.kind;
        let status = kind.status();
        door.metrics.refused(kind.label());
        if let Some(limit) = kind.limit() {
            door.metrics.limit_hit(limit);
        }
        match door.refusal_lines.admit() {
            Some(left_out) => {
                let (status, reason) = (status.as_u16(), kind.label());
                tracing::info!(status, reason, left_out, "request refused");
                audit::refused(status, reason, left_out);
            }
            None => door.metrics.limit_hit(Limit::RefusalLines),
        }

        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        kind.add_headers(&mut response, door);
        if self.closes_connection() {
            response.force_close();
        }
        response.content_type("application/json").body(encode_error(
            self.id.as_ref(),
            &with_request_id(kind.to_rpc(), request),
        ))
    }

    /// Where the rest of the body is not worth reading, or nobody knows where it ends.
    fn closes_connection(&self) -> bool {
        matches!(
            self.kind,
            RefusalKind::TooLarge(_) | RefusalKind::TooSlow(_) | RefusalKind::Broken
        )
    }
}

impl From<RefusalKind> for Refusal {
    fn from(kind: RefusalKind) -> Self {
        Self::new(kind)
    }
}

impl From<RouteError> for RefusalKind {
    fn from(error: RouteError) -> Self {
        Self::Route(error)
    }
}

impl From<ParseError> for RefusalKind {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl RefusalKind {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host | Self::Origin => StatusCode::FORBIDDEN,
            Self::Auth(error, _) => match error {
                AuthError::Missing | AuthError::Refused(_) => StatusCode::UNAUTHORIZED,
                AuthError::Malformed(_) => StatusCode::BAD_REQUEST,
                AuthError::InsufficientScope { .. } => StatusCode::FORBIDDEN,
                // Never a 401: that would log everybody out while the provider is away.
                AuthError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken
            | Self::Parse(_)
            | Self::Version(_)
            | Self::SessionMissing(_)
            | Self::InitializedAlready => StatusCode::BAD_REQUEST,
            Self::Protocol(status, _) => *status,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Route(error) => match error {
                RouteError::Unknown => StatusCode::NOT_FOUND,
                RouteError::PrincipalFull | RouteError::CallsFull => StatusCode::TOO_MANY_REQUESTS,
                RouteError::NodeFull
                | RouteError::Stopping
                | RouteError::Broken
                | RouteError::Away
                | RouteError::NodeGone => StatusCode::SERVICE_UNAVAILABLE,
                RouteError::NotHere => StatusCode::MISDIRECTED_REQUEST,
                RouteError::Session(error) => match error {
                    SessionError::Busy | SessionError::TooManyCalls => {
                        StatusCode::TOO_MANY_REQUESTS
                    }
                    SessionError::StreamTaken => StatusCode::CONFLICT,
                    SessionError::NotKept => StatusCode::BAD_REQUEST,
                    SessionError::Over => StatusCode::NOT_FOUND,
                    SessionError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                },
            },
        }
    }

    fn to_rpc(&self) -> RpcError {
        let server = |text: String| RpcError::new(codes::SERVER_ERROR, text);
        match self {
            Self::Host => server("this server is not known by that Host name".to_owned()),
            Self::Origin => server("pages of this Origin may not call this server".to_owned()),
            Self::Auth(AuthError::Refused(reason), _) => server(reason.sentence().to_owned()),
            Self::Auth(error, _) => server(error.to_string()),
            Self::Method(allowed) => server(format!("method not allowed; allowed: {allowed}")),
            Self::NotJson => {
                server("the body must be application/json, without Content-Encoding".to_owned())
            }
            Self::NotAcceptable(forms) => server(format!("the Accept header must list {forms}")),
            Self::TooLarge(max) => server(format!("the body is larger than {max}")),
            Self::TooSlow(deadline) => server(format!("the body was not there within {deadline}")),
            Self::Broken => RpcError::new(codes::PARSE_ERROR, "the body broke off"),
            Self::Parse(error) => error.to_rpc(),
            Self::Version(requested) => unsupported_header(requested),
            Self::SessionMissing(how) => server(format!("no session named: {how}")),
            Self::InitializedAlready => {
                RpcError::new(codes::INVALID_REQUEST, "the session is initialized already")
            }
            Self::Protocol(_, error) => error.clone(),
            Self::Route(error) => {
                let code = if *error == RouteError::Unknown {
                    codes::SESSION_NOT_FOUND
                } else {
                    codes::SERVER_ERROR
                };
                RpcError::new(code, error.to_string())
            }
            Self::NotFound => server("not found".to_owned()),
        }
    }

    fn add_headers(&self, response: &mut HttpResponseBuilder, door: &Door) {
        match self {
            Self::Auth(AuthError::Unavailable { retry_after }, _) => {
                response.insert_header((header::RETRY_AFTER, seconds(*retry_after)));
            }
            Self::Auth(error, endpoint) => {
                let metadata = door.resources.metadata_url(endpoint);
                let challenge = Challenge::new(error, &metadata, &door.advertised_scopes);
                if let Some(challenge) = challenge {
                    response.insert_header((header::WWW_AUTHENTICATE, challenge.to_string()));
                }
            }
            Self::Method(allowed) => {
                response.insert_header((header::ALLOW, *allowed));
            }
            Self::Route(error) => {
                if let Some(wait) = retry_after(*error) {
                    response.insert_header((header::RETRY_AFTER, seconds(wait)));
                }
                // Read by the node that has sent the request here.
                if *error == RouteError::NotHere {
                    response.insert_header((NOT_TAKEN_HEADER, NOT_THERE));
                }
            }
            _ => {}
        }
    }

    fn limit(&self) -> Option<Limit> {
        match self {
            Self::TooLarge(_) => Some(Limit::BodyMax),
            Self::TooSlow(_) => Some(Limit::BodyDeadline),
            Self::Parse(ParseError::BatchTooLong(_)) => Some(Limit::BatchMax),
            _ => None,
        }
    }

    /// A word from a fixed set, for metrics and logs.
    fn label(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Auth(error, _) => error.code(),
            Self::Method(_) => "method_not_allowed",
            Self::NotJson => "not_json",
            Self::NotAcceptable(_) => "not_acceptable",
            Self::TooLarge(_) => "body_too_large",
            Self::TooSlow(_) => "body_too_slow",
            Self::Broken => "body_broken",
            Self::Parse(ParseError::Batch) => "batch",
            Self::Parse(ParseError::BatchTooLong(_)) => "batch_too_long",
            Self::Parse(_) => "parse_error",
            Self::Version(_) => "unsupported_version",
            Self::SessionMissing(_) => "session_missing",
            Self::InitializedAlready => "initialized_already",
            Self::Protocol(..) => "protocol",
            Self::Route(error) => match error {
                RouteError::Unknown | RouteError::Session(SessionError::Over) => "session_unknown",
                RouteError::PrincipalFull => "sessions_of_principal",
                RouteError::CallsFull => "calls_of_principal",
                RouteError::NodeFull => "sessions_of_server",
                RouteError::Stopping | RouteError::Session(SessionError::Stopping) => "stopping",
                RouteError::Broken => "broken",
                RouteError::Away => "nodes_away",
                RouteError::NodeGone => "node_gone",
                RouteError::NotHere => "not_here",
                RouteError::Session(SessionError::Busy) => "session_busy",
                RouteError::Session(SessionError::TooManyCalls) => "calls_of_session",
                RouteError::Session(SessionError::StreamTaken) => "stream_taken",
                RouteError::Session(SessionError::NotKept) => "event_not_kept",
            },
            Self::NotFound => "not_found",
        }
    }
}

/// Whoever is shown the error can say by it which log line is meant.
fn with_request_id(mut error: RpcError, request: &HttpRequest) -> RpcError {
    if let Some(id) = XRequestId::of(request) {
        let data = error.data.get_or_insert_with(|| json!({}));
        if let Value::Object(data) = data {
            data.insert("requestId".to_owned(), json!(id.as_str()));
        }
    }
    error
}

/// When it is worth trying again, where it is.
fn retry_after(error: RouteError) -> Option<Duration> {
    let seconds = match error {
        RouteError::PrincipalFull => 30,
        RouteError::NodeFull | RouteError::Broken => 10,
        RouteError::Stopping | RouteError::NodeGone => 2,
        RouteError::Away
        | RouteError::CallsFull
        | RouteError::Session(SessionError::Busy | SessionError::TooManyCalls) => 1,
        RouteError::Unknown | RouteError::NotHere | RouteError::Session(_) => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// Whole seconds, at least one: zero would invite a busy loop (RFC 9110 §10.2.3).
fn seconds(wait: Duration) -> String {
    wait.as_secs().max(1).to_string()
}

/// A header names no version of ours, so nobody knows which era it meant: all are named.
fn unsupported_header(requested: &str) -> RpcError {
    let shown: String = requested.chars().take(32).collect();
    let mut error = crate::protocol::unsupported_version(&shown);
    let all = ProtocolVersion::ALL.map(ProtocolVersion::as_str).join(", ");
    error.message = format!("unsupported protocol version; this server speaks {all}").into();
    error
}
