//! Requests that other nodes send here: opened, and then answered as any other, by the same routes.
//!
//! On a listener of their own. The seal says that a node of this cluster has verified the caller; whose
//! the session is the routes look at again, as ever. What is not taken has not run, and says so.

use actix_web::{
    HttpMessage, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use futures_util::stream;

use super::{BodyConfig, Door, body};
use crate::{
    auth::Principal,
    cluster::{NOT_TAKEN_HEADER, NOT_THERE, NotTaken, Received},
    units::ByteSize,
};

/// The caller of a request that another node has verified. Nothing but this file makes one.
#[derive(Debug, Clone)]
pub(super) struct Vouched(pub(super) Principal);

/// Most that goes along with a body: the caller with its claims, and headers.
const ENVELOPE_MAX: ByteSize = ByteSize::from_kib(256);

/// What stands in front of every route on that listener.
pub(super) async fn open(
    door: web::Data<Door>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, actix_web::Error> {
    let received = match receive(&door, &mut request).await {
        Ok(received) => received,
        Err((status, reason)) => {
            tracing::debug!(reason, "a request of another node is not taken");
            let answer = HttpResponse::build(status)
                .insert_header((NOT_TAKEN_HEADER, reason))
                .finish();
            return Ok(request.into_response(answer).map_into_right_body());
        }
    };
    turn_into(&mut request, received);
    Ok(next.call(request).await?.map_into_left_body())
}

/// Why a request is not taken, and the status that says so.
type NotNow = (StatusCode, &'static str);

async fn receive(door: &Door, request: &mut ServiceRequest) -> Result<Received, NotNow> {
    let refused = |why: NotTaken| (status_of(why), why.label());
    let cluster = door.router.cluster().ok_or(refused(NotTaken::WrongNode))?;
    let target = request.uri().path_and_query().map(ToString::to_string);
    let payload = request.extract::<web::Payload>().await;
    let payload = payload.map_err(|_none| refused(NotTaken::Forged))?;
    let limits = BodyConfig {
        max: ByteSize::from_bytes(door.body.max.bytes() + ENVELOPE_MAX.bytes()),
        ..door.body
    };
    let sealed = body::read(request.request(), payload, limits).await;
    let sealed = sealed.map_err(|_unread| refused(NotTaken::Forged))?;
    let received = cluster.receive(&target.unwrap_or_default(), &sealed);
    let received = received.map_err(refused)?;
    if door.router.is_fenced(&received.session, received.epoch) {
        return Err((StatusCode::MISDIRECTED_REQUEST, NOT_THERE));
    }
    Ok(received)
}

const fn status_of(why: NotTaken) -> StatusCode {
    match why {
        NotTaken::Forged => StatusCode::UNAUTHORIZED,
        NotTaken::WrongNode => StatusCode::MISDIRECTED_REQUEST,
        NotTaken::Version | NotTaken::Stale | NotTaken::Suspect => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What the client has asked, in the place of what the node has sent.
fn turn_into(request: &mut ServiceRequest, received: Received) {
    let Received {
        method,
        headers,
        caller,
        body,
        ..
    } = received;
    let mut asked = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            asked.append(name, value);
        }
    }
    let head = request.head_mut();
    head.method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::OPTIONS);
    head.headers = asked;
    request.extensions_mut().insert(Vouched(caller));
    let body = stream::once(async move { Ok(body) });
    request.set_payload(Payload::Stream {
        payload: Box::pin(body),
    });
}
