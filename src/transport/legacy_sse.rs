//! HTTP+SSE (2024-11-05): `GET /sse` opens a session with its stream, `POST /messages?sessionId=`
//! takes the client's messages. Answers travel on the stream, and the session ends with it.
//!
//! Newer clients speak every legacy version over it, so versions are negotiated as elsewhere.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use url::form_urlencoded;

use super::{
    Door, Endpoint, EventStream, Refusal, RefusalKind,
    arrival::trace_of,
    batch::admit,
    body,
    event_stream::event,
    forward::{Errand, Reached, locate, reach},
    headers,
};
use crate::{
    auth::Principal,
    outlet::outlet,
    protocol::{ClientMessage, Incoming, Peek},
    session::SessionRef,
    telemetry::Transport,
};

/// GET `/sse`: a session and its stream.
pub(super) async fn open(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    answer_open(&request, &door)
        .await
        .unwrap_or_else(|refusal| refusal.respond(&door, &request))
}

/// POST `/messages`: one message.
pub(super) async fn post(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
) -> HttpResponse {
    let answered = answer_post(&request, payload, &door).await;
    answered.unwrap_or_else(|refusal| refusal.respond(&door, &request))
}

/// POST `/sse`: what a client of Streamable HTTP tries first. The 405 after authentication sends it
/// to GET (2025-03-26, backwards compatibility).
pub(super) async fn post_on_stream(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    match door.authenticate(&request, Endpoint::Sse).await {
        Ok(_principal) => Refusal::new(RefusalKind::Method("GET")).respond(&door, &request),
        Err(refusal) => Refusal::from(refusal).respond(&door, &request),
    }
}

/// Any other method on `/sse`.
pub(super) async fn other_on_stream(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    Refusal::new(RefusalKind::Method("GET")).respond(&door, &request)
}

/// Any other method on `/messages`.
pub(super) async fn other_on_messages(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    Refusal::new(RefusalKind::Method("POST")).respond(&door, &request)
}

async fn answer_open(request: &HttpRequest, door: &Door) -> Result<HttpResponse, Refusal> {
    let principal = door.authenticate(request, Endpoint::Sse).await?;
    headers::require_event_stream(request.headers())?;
    let (outlet, frames) = outlet(door.stream);
    let opened = door.router.open(principal, Some(outlet)).await;
    let session = opened.map_err(RefusalKind::from)?;
    door.router.enlist(&session).await;
    // Without the origin, so that it is right behind any proxy; clients refuse another one.
    let prefix = door.public_url.path();
    let endpoint = format!("{prefix}/messages?sessionId={}", session.id());
    let preamble = Some(event(None, "endpoint", endpoint.as_bytes()));
    let stream = EventStream::of_session(preamble, frames, door.keep_alive, door.metrics.clone());
    Ok(stream.into_response())
}

async fn answer_post(
    request: &HttpRequest,
    payload: web::Payload,
    door: &Door,
) -> Result<HttpResponse, Refusal> {
    let principal = door.authenticate(request, Endpoint::Sse).await?;
    headers::require_json(request.headers())?;
    let id = session_id(request.query_string())?;
    let place = locate(door, request, &principal, (&id, Transport::Sse)).await?;
    let body = body::read(request, payload, door.body).await?;
    let incoming = Incoming::parse(&body, door.body.batch_max).map_err(RefusalKind::from)?;
    let errand = Errand {
        http: request,
        caller: &principal,
        session: &id,
        transport: Transport::Sse,
        body: &body,
        asked: Vec::new(),
    };
    let session = match reach(door, place, errand).await? {
        Reached::Here(session) => session,
        Reached::Answered(response) => return Ok(response),
    };
    match incoming {
        Incoming::One(message) => take(request, door, &session, principal, message).await?,
        Incoming::Batch(batch) => {
            let batch = admit(request, door, &principal, &session, batch, Endpoint::Sse)?;
            let taken = door.router.dispatch_batch(&session, principal, batch, None);
            taken.await.map_err(RefusalKind::from)?;
        }
    }
    Ok(HttpResponse::Accepted()
        .content_type("text/plain")
        .body("Accepted"))
}

/// One message for the session; its answer travels on the stream.
async fn take(
    http: &HttpRequest,
    door: &Door,
    session: &SessionRef,
    principal: Principal,
    mut message: ClientMessage,
) -> Result<(), Refusal> {
    let mut request_id = None;
    if let ClientMessage::Request(request) = &mut message {
        let peek = Peek::at(request.params.as_ref()).map_err(|error| {
            let kind = RefusalKind::Protocol(StatusCode::BAD_REQUEST, error);
            Refusal::of(Some(&request.id), kind)
        })?;
        door.require_scopes(&principal, request, &peek, Endpoint::Sse)?;
        request.trace = trace_of(http, &peek);
        request_id = Some(request.id.clone());
    }
    let taken = door.router.dispatch(session, principal, message, None);
    taken
        .await
        .map_err(|error| Refusal::of(request_id.as_ref(), error))
}

/// The one `sessionId` of a query. Named twice, in other letters or not at all, it is missing: no
/// session is guessed.
fn session_id(query: &str) -> Result<String, RefusalKind> {
    let mut named =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "sessionId");
    match (named.next(), named.next()) {
        (Some((_, id)), None) => Ok(id.into_owned()),
        _ => Err(RefusalKind::SessionMissing(
            "POST to the URL that GET /sse announced",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // S07, S08
    #[test]
    fn a_session_is_named_once_and_exactly() {
        assert_eq!(session_id("sessionId=a").unwrap(), "a");
        assert_eq!(session_id("x=1&sessionId=a%2Db").unwrap(), "a-b");
        // Decoded once only.
        assert_eq!(session_id("sessionId=a%252Db").unwrap(), "a%2Db");
        for query in [
            "",
            "sessionId=a&sessionId=b",
            "sessionid=a",
            "sessionId[]=a",
            "session_id=a",
        ] {
            assert!(session_id(query).is_err(), "{query}");
        }
    }
}
