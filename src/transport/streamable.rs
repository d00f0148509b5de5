//! Streamable HTTP: POST, GET and DELETE on `/mcp`.
//!
//! With sessions from 2025-03-26 to 2025-11-25, and without from 2026-07-28 on. The order is the
//! road's: token, headers, body, era, session. A stranger never makes us read a body.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web,
};
use bytes::Bytes;

use super::{
    Door, Endpoint, EventStream, Refusal, RefusalKind,
    arrival::trace_of,
    batch::admit,
    body,
    event_stream::read_event_id,
    forward::{Errand, Reached, locate, reach},
    headers::{self, PROTOCOL_VERSION, SESSION_ID},
    modern::answer_modern,
    reply::{reply, reply_batch},
};
use crate::{
    auth::Principal,
    outlet::{CloseReason, EventId, outlet},
    protocol::{
        Batch, ClientMessage, Incoming, InitializeParams, Method, ParseError, Peek,
        ProtocolVersion, Request, RequestId, read_params,
    },
    session::{SessionError, SessionRef, Verdict},
    telemetry::Transport,
};

/// Names the last event that a client saw (WHATWG HTML §9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

const ALLOWED: &str = "GET, POST, DELETE";

/// POST: one message.
pub(super) async fn post(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
) -> HttpResponse {
    let answered = answer_post(&request, payload, &door).await;
    answered.unwrap_or_else(|refusal| refusal.respond(&door, &request))
}

/// GET: the stream for what the server says unasked.
pub(super) async fn get(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    let answered = answer_get(&request, &door).await;
    answered.unwrap_or_else(|refusal| refusal.respond(&door, &request))
}

/// DELETE: ends the session.
pub(super) async fn delete(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    let answered = answer_delete(&request, &door).await;
    answered.unwrap_or_else(|refusal| refusal.respond(&door, &request))
}

/// Any other method.
pub(super) async fn other(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    Refusal::new(RefusalKind::Method(ALLOWED)).respond(&door, &request)
}

async fn answer_post(
    request: &HttpRequest,
    payload: web::Payload,
    door: &Door,
) -> Result<HttpResponse, Refusal> {
    let principal = door.authenticate(request, Endpoint::Mcp).await?;
    headers::require_json(request.headers())?;
    headers::require_both_forms(request.headers())?;
    let body = body::read(request, payload, door.body).await?;
    let incoming = Incoming::parse(&body, door.body.batch_max).map_err(RefusalKind::from)?;
    let mut message = match incoming {
        Incoming::One(message) => message,
        Incoming::Batch(batch) => {
            return answer_batch(request, door, principal, (batch, &body)).await;
        }
    };

    let peek = Peek::at(params_of(&message)).map_err(|error| {
        let kind = RefusalKind::Protocol(StatusCode::BAD_REQUEST, error);
        Refusal::of(id_of(&message), kind)
    })?;
    if let ClientMessage::Request(message) = &mut message {
        message.trace = trace_of(request, &peek);
    }
    match era(request, &peek, &message)? {
        ProtocolVersion::V2026_07_28 => {
            answer_modern(request, door, principal, message, peek).await
        }
        _legacy => answer_legacy(request, door, principal, (message, &body), &peek).await,
    }
}

/// Which era a request belongs to: the modern one names itself in the body, or at least the header.
fn era(
    request: &HttpRequest,
    peek: &Peek,
    message: &ClientMessage,
) -> Result<ProtocolVersion, Refusal> {
    if peek.is_modern() {
        return Ok(ProtocolVersion::V2026_07_28);
    }
    named_version(request).map_err(|kind| Refusal::of(id_of(message), kind))
}

/// The version that the header names, or the one that had no header yet.
fn named_version(request: &HttpRequest) -> Result<ProtocolVersion, RefusalKind> {
    let Some(header) = version_header(request) else {
        return Ok(ProtocolVersion::WITHOUT_HEADER);
    };
    let named = header.parse();
    named.map_err(|_unsupported| RefusalKind::Version(header.to_owned()))
}

async fn answer_legacy(
    http: &HttpRequest,
    door: &Door,
    principal: Principal,
    (message, body): (ClientMessage, &Bytes),
    peek: &Peek,
) -> Result<HttpResponse, Refusal> {
    if let ClientMessage::Request(request) = &message {
        if request.method == Method::Initialize {
            return initialize(http, door, principal, message).await;
        }
        door.require_scopes(&principal, request, peek, Endpoint::Mcp)?;
    }
    let id = id_of(&message).cloned();
    let refuse = |kind: RefusalKind| Refusal::of(id.as_ref(), kind);
    let asked = id.iter().cloned().collect();
    let reached = find(http, door, &principal, body, asked).await;
    let session = match reached.map_err(refuse)? {
        Reached::Here(session) => session,
        Reached::Answered(response) => return Ok(response),
    };
    let wants_answer = matches!(message, ClientMessage::Request(_));
    if !wants_answer {
        let told = door
            .router
            .dispatch(&session, principal, message, None)
            .await;
        told.map_err(|error| refuse(error.into()))?;
        return Ok(HttpResponse::Accepted().finish());
    }
    let (outlet, frames) = outlet(door.stream);
    let asked = door
        .router
        .dispatch(&session, principal, message, Some(outlet))
        .await;
    asked.map_err(|error| refuse(error.into()))?;
    Ok(reply(door, http, frames, None).await)
}

async fn answer_batch(
    http: &HttpRequest,
    door: &Door,
    principal: Principal,
    (batch, body): (Batch, &Bytes),
) -> Result<HttpResponse, Refusal> {
    if named_version(http)?.is_modern() {
        return Err(RefusalKind::from(ParseError::Batch).into());
    }
    let asked = batch.requests().map(|request| request.id.clone()).collect();
    let session = match find(http, door, &principal, body, asked).await? {
        Reached::Here(session) => session,
        Reached::Answered(response) => return Ok(response),
    };
    let batch = admit(http, door, &principal, &session, batch, Endpoint::Mcp)?;
    let (wants_answer, answers_due) = (batch.wants_answer(), batch.len());
    let (outlet, frames) = outlet(door.stream);
    outlet.expect_answers(answers_due);
    let router = &door.router;
    let taken = router.dispatch_batch(&session, principal, batch, Some(outlet));
    taken.await.map_err(RefusalKind::from)?;
    if !wants_answer {
        return Ok(HttpResponse::Accepted().finish());
    }
    Ok(reply_batch(door, http, frames).await)
}

/// Opens a session under an id of ours, whatever id the client brought (no fixation).
async fn initialize(
    http: &HttpRequest,
    door: &Door,
    principal: Principal,
    message: ClientMessage,
) -> Result<HttpResponse, Refusal> {
    let id = id_of(&message).cloned();
    let refuse = |kind: RefusalKind| Refusal::of(id.as_ref(), kind);
    let named = headers::single(http.headers(), SESSION_ID);
    let is_live = |id| {
        door.router
            .find(id, &principal, Transport::Streamable)
            .is_ok()
    };
    if named.is_some_and(is_live) {
        return Err(refuse(RefusalKind::InitializedAlready));
    }
    // Read here too, so that a request that can't succeed opens no session.
    read_params::<InitializeParams>(params_of(&message))
        .map_err(|error| refuse(RefusalKind::Protocol(StatusCode::BAD_REQUEST, error)))?;

    let opened = door.router.open(principal.clone(), None).await;
    let session = opened.map_err(|error| refuse(error.into()))?;
    let unanswered = Unanswered(Some(session.clone()));
    let (outlet, frames) = outlet(door.stream);
    let asked = door
        .router
        .dispatch(&session, principal, message, Some(outlet))
        .await;
    asked.map_err(|error| refuse(error.into()))?;
    let response = reply(door, http, frames, session_header(&session)).await;
    // Before its client knows of it, so that every node does when the next request comes.
    door.router.enlist(&session).await;
    unanswered.settle();
    Ok(response)
}

/// A session whose client does not know its id yet. If it never will, since it has left, the session
/// ends at once: nobody else can use it, and it would take one of its owner's places.
struct Unanswered(Option<SessionRef>);

impl Unanswered {
    fn settle(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.carry_out(Verdict::End(CloseReason::Disconnected));
        }
    }
}

async fn answer_get(request: &HttpRequest, door: &Door) -> Result<HttpResponse, Refusal> {
    let principal = door.authenticate(request, Endpoint::Mcp).await?;
    refuse_modern(request)?;
    headers::require_event_stream(request.headers())?;
    let session = match find(request, door, &principal, &[], Vec::new()).await? {
        Reached::Here(session) => session,
        Reached::Answered(response) => return Ok(response),
    };
    if let Some(after) = last_event(request)? {
        let resumed = door.router.resume(&session, &principal, after).await;
        let frames = resumed.map_err(RefusalKind::from)?;
        let stream = EventStream::resumed(frames, door.keep_alive, door.metrics.clone());
        return Ok(stream.into_response());
    }
    let (outlet, frames) = outlet(door.stream);
    let opened = door.router.open_stream(&session, &principal, outlet).await;
    opened.map_err(RefusalKind::from)?;
    // A first comment, so that the client's fetch returns before the first event.
    let preamble = Some(Bytes::from_static(b": stream open\n\n"));
    let stream = EventStream::of_session(preamble, frames, door.keep_alive, door.metrics.clone());
    Ok(stream.into_response())
}

async fn answer_delete(request: &HttpRequest, door: &Door) -> Result<HttpResponse, Refusal> {
    let principal = door.authenticate(request, Endpoint::Mcp).await?;
    refuse_modern(request)?;
    let session = match find(request, door, &principal, &[], Vec::new()).await? {
        Reached::Here(session) => session,
        Reached::Answered(response) => return Ok(response),
    };
    let closed = door.router.close(&session).await;
    closed.map_err(RefusalKind::from)?;
    Ok(HttpResponse::NoContent().finish())
}

/// From 2026-07-28 on there is nothing to GET or DELETE; before, the header has to name a version.
fn refuse_modern(request: &HttpRequest) -> Result<(), RefusalKind> {
    if named_version(request)?.is_modern() {
        return Err(RefusalKind::Method("POST"));
    }
    Ok(())
}

/// The version that the header names, if it is there; of two, nobody knows which is meant, and so it
/// is none of ours.
fn version_header(request: &HttpRequest) -> Option<&str> {
    let headers = request.headers();
    let is_there = headers.contains_key(PROTOCOL_VERSION);
    is_there.then(|| headers::single(headers, PROTOCOL_VERSION).unwrap_or("named twice"))
}

/// The session that a request names, or the answer of the node that has it. `body` is the request's, and
/// `asked` what in it wants an answer.
async fn find(
    request: &HttpRequest,
    door: &Door,
    principal: &Principal,
    body: &[u8],
    asked: Vec<RequestId>,
) -> Result<Reached, RefusalKind> {
    let id = headers::single(request.headers(), SESSION_ID).ok_or(RefusalKind::SessionMissing(
        "send initialize first, then its Mcp-Session-Id header with every request",
    ))?;
    let errand = Errand {
        http: request,
        caller: principal,
        session: id,
        transport: Transport::Streamable,
        body,
        asked,
    };
    let place = locate(door, request, principal, (id, Transport::Streamable)).await?;
    reach(door, place, errand).await
}

/// The event that a client saw last, where it comes back to a stream.
fn last_event(request: &HttpRequest) -> Result<Option<EventId>, RefusalKind> {
    if !request.headers().contains_key(LAST_EVENT_ID) {
        return Ok(None);
    }
    let named = headers::single(request.headers(), LAST_EVENT_ID).and_then(read_event_id);
    named
        .map(Some)
        .ok_or(RefusalKind::Route(SessionError::NotKept.into()))
}

fn session_header(session: &SessionRef) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(&session.id().to_string()).ok()?;
    Some((HeaderName::from_static(SESSION_ID), value))
}

fn params_of(message: &ClientMessage) -> Option<&crate::protocol::Raw> {
    match message {
        ClientMessage::Request(Request { params, .. }) => params.as_ref(),
        ClientMessage::Notification(notification) => notification.params.as_ref(),
        ClientMessage::Response(_) => None,
    }
}

fn id_of(message: &ClientMessage) -> Option<&RequestId> {
    match message {
        ClientMessage::Request(request) => Some(&request.id),
        ClientMessage::Notification(_) | ClientMessage::Response(_) => None,
    }
}
