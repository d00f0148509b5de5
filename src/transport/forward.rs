//! Requests for sessions of other nodes: sent there, and answered with what comes back, as it comes.
//!
//! The caller was verified here, and goes along instead of its token. What a client keeps open on another
//! node it keeps open here too: it holds a lease, so that it ends here with its token, and dropping the
//! answer ends it there. A request is sent on at most twice, and never again once it may have run.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{Door, RefusalKind, arrival::XRequestId, event_stream::event, forwarded::Vouched};
use crate::{
    auth::Principal,
    cluster::{Parcel, Sent},
    outlet::CloseReason,
    protocol::{RequestId, RpcError, codes, encode_error},
    router::{Elsewhere, Place, RouteError},
    session::SessionRef,
    telemetry::Transport,
};

/// Where a request is answered.
pub(super) enum Reached {
    /// Here, in this session.
    Here(SessionRef),
    /// It was, elsewhere.
    Answered(HttpResponse),
}

/// A request that is for a session, wherever that is.
pub(super) struct Errand<'a> {
    pub(super) http: &'a HttpRequest,
    pub(super) caller: &'a Principal,
    pub(super) session: &'a str,
    pub(super) transport: Transport,
    pub(super) body: &'a [u8],
    /// The requests in it: each is owed an answer.
    pub(super) asked: Vec<RequestId>,
}

/// Headers that it takes to answer.
const CARRIED: [&str; 8] = [
    "accept",
    "content-type",
    "mcp-protocol-version",
    "mcp-session-id",
    "last-event-id",
    "traceparent",
    "tracestate",
    "baggage",
];

/// Headers of an answer that are the connection's, or are written anew here.
const NOT_CARRIED_BACK: [&str; 6] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "transfer-encoding",
    "x-request-id",
];

/// What every event ends with, as we write it.
const EVENT_END: &[u8] = b"\n\n";

/// How often one request is sent to another node.
const SENT_MAX: usize = 2;

/// Where the caller's session is.
pub(super) async fn locate(
    door: &Door,
    http: &HttpRequest,
    caller: &Principal,
    (session, transport): (&str, Transport),
) -> Result<Place, RefusalKind> {
    let may_forward = http.extensions().get::<Vouched>().is_none();
    let place = door.router.locate(session, caller, transport, may_forward);
    Ok(place.await?)
}

/// Goes to the session, or has the request answered where it lives.
pub(super) async fn reach(
    door: &Door,
    mut place: Place,
    errand: Errand<'_>,
) -> Result<Reached, RefusalKind> {
    let (router, caller) = (&door.router, errand.caller);
    let (name, transport) = (errand.session, errand.transport);
    for _ in 0..SENT_MAX {
        let elsewhere = match place {
            Place::Here(session) => return Ok(Reached::Here(session)),
            Place::Elsewhere(elsewhere) => elsewhere,
        };
        place = match send(door, &errand, &elsewhere).await? {
            Sent::Answered(response) => {
                let answered = relay(door, errand, response).await;
                return answered.map(Reached::Answered);
            }
            Sent::NotThere => {
                router
                    .cluster()
                    .into_iter()
                    .for_each(|cluster| cluster.forget_whereabouts(name));
                router.locate(name, caller, transport, true).await?
            }
            Sent::Unreachable => router.stand_in(&elsewhere, caller, transport).await?,
            Sent::NotTaken => return Err(RouteError::Away.into()),
            Sent::Unclear => return unclear(&errand).map(Reached::Answered),
        };
    }
    match place {
        Place::Here(session) => Ok(Reached::Here(session)),
        Place::Elsewhere(_) => Err(RouteError::NodeGone.into()),
    }
}

async fn send(
    door: &Door,
    errand: &Errand<'_>,
    elsewhere: &Elsewhere,
) -> Result<Sent, RefusalKind> {
    let cluster = door.router.cluster().ok_or(RouteError::Unknown)?;
    let target = match errand.transport {
        Transport::Streamable => "/mcp".to_owned(),
        Transport::Sse => format!("/messages?sessionId={}", errand.session),
    };
    let id = XRequestId::of(errand.http);
    let brought = errand.http.headers();
    let mut headers: Vec<_> = CARRIED
        .into_iter()
        .flat_map(|name| brought.get_all(name).map(move |value| (name, value)))
        .filter_map(|(name, value)| Some((name, value.to_str().ok()?)))
        .collect();
    headers.extend(id.as_ref().map(|id| ("x-request-id", id.as_str())));
    let parcel = Parcel {
        target: &target,
        method: errand.http.method().as_str(),
        headers,
        session: errand.session,
        epoch: elsewhere.epoch,
        caller: errand.caller,
        body: errand.body,
    };
    Ok(cluster.forward(&elsewhere.node, &parcel).await)
}

/// What the other node answers, for the client.
async fn relay(
    door: &Door,
    errand: Errand<'_>,
    from: reqwest::Response,
) -> Result<HttpResponse, RefusalKind> {
    let status = StatusCode::from_u16(from.status().as_u16());
    let mut answer = HttpResponse::build(status.unwrap_or(StatusCode::BAD_GATEWAY));
    let mut is_stream = false;
    for (name, value) in from.headers() {
        if NOT_CARRIED_BACK.contains(&name.as_str()) {
            continue;
        }
        is_stream |= name.as_str() == header::CONTENT_TYPE.as_str()
            && value.as_bytes() == b"text/event-stream";
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            answer.append_header((name, value));
        }
    }
    if is_stream {
        let lease = door.router.lease(errand.caller.clone())?;
        let over: Over = Box::pin(async move { lease.over().await });
        return Ok(answer.body(Relayed::new(from, over, errand.asked, door.keep_alive)));
    }
    // An answer that comes alone is there whole once its head is.
    let within = door
        .router
        .cluster()
        .map(|cluster| cluster.config().forward_within.get());
    match timeout(within.unwrap_or(door.keep_alive), from.bytes()).await {
        Ok(Ok(body)) => Ok(answer.body(body)),
        Ok(Err(_)) | Err(_) => unclear(&errand),
    }
}

/// Nobody knows whether the request has run: it must not run again, and who asked must not wait. No
/// status invites a client to repeat a call that may have been done, so calls are answered each with an
/// error.
fn unclear(errand: &Errand<'_>) -> Result<HttpResponse, RefusalKind> {
    let answers: Vec<Bytes> = errand.asked.iter().map(outcome_unknown).collect();
    // The answers of that transport go another way, which ends with its node.
    if answers.is_empty() || errand.transport == Transport::Sse {
        return Err(RouteError::NodeGone.into());
    }
    let body = match &answers[..] {
        [answer] => answer.clone(),
        several => crate::protocol::encode_batch(several.iter()),
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body))
}

fn outcome_unknown(id: &RequestId) -> Bytes {
    let text = "the server that was at this is gone: nobody knows whether it was done";
    let mut error = RpcError::new(codes::SERVER_ERROR, text);
    error.data = Some(serde_json::json!({ "reason": "outcome_unknown" }));
    encode_error(Some(id), &error)
}

type Over = Pin<Box<dyn Future<Output = CloseReason>>>;
type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>>>>;

/// A stream of another node's, as it comes.
struct Relayed {
    chunks: Chunks,
    over: Over,
    /// The beginning of an event whose end has not come: it is passed on whole, or not at all.
    begun: BytesMut,
    asked: Vec<RequestId>,
    silence: Pin<Box<Sleep>>,
    silence_max: Duration,
    has_ended: bool,
}

impl Relayed {
    fn new(
        from: reqwest::Response,
        over: Over,
        asked: Vec<RequestId>,
        keep_alive: Duration,
    ) -> Self {
        // A node that lives says at least that much.
        let silence_max = keep_alive * 3;
        Self {
            chunks: Box::pin(from.bytes_stream()),
            over,
            begun: BytesMut::new(),
            asked,
            silence: Box::pin(sleep(silence_max)),
            silence_max,
            has_ended: false,
        }
    }

    /// What of the stream is whole, now that this has come.
    fn whole(&mut self, chunk: Bytes) -> Option<Bytes> {
        if self.begun.is_empty() && chunk.ends_with(EVENT_END) {
            return Some(chunk);
        }
        self.begun.extend_from_slice(&chunk);
        let end = self
            .begun
            .windows(EVENT_END.len())
            .rposition(|two| two == EVENT_END)?;
        Some(self.begun.split_to(end + EVENT_END.len()).freeze())
    }

    /// The node is gone in the middle of it.
    fn broken(&mut self) -> Bytes {
        self.has_ended = true;
        let mut last = BytesMut::new();
        for id in &self.asked {
            last.put(event(None, "message", &outcome_unknown(id)));
        }
        last.put_slice(b": closed: the server that has this session is gone\n\n");
        last.freeze()
    }
}

impl MessageBody for Relayed {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let stream = self.get_mut();
        if stream.has_ended {
            return Poll::Ready(None);
        }
        while let Poll::Ready(read) = stream.chunks.as_mut().poll_next(context) {
            let chunk = match read {
                Some(Ok(chunk)) => chunk,
                Some(Err(_broken)) => return Poll::Ready(Some(Ok(stream.broken()))),
                None => {
                    stream.has_ended = true;
                    return Poll::Ready(None);
                }
            };
            let later = Instant::now() + stream.silence_max;
            stream.silence.as_mut().reset(later);
            if let Some(whole) = stream.whole(chunk) {
                return Poll::Ready(Some(Ok(whole)));
            }
        }
        if let Poll::Ready(reason) = stream.over.as_mut().poll(context) {
            stream.has_ended = true;
            let last = format!(": closed: {reason}\n\n");
            return Poll::Ready(Some(Ok(Bytes::from(last))));
        }
        match stream.silence.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Ok(stream.broken()))),
            Poll::Pending => Poll::Pending,
        }
    }
}
