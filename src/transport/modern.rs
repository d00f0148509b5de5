//! POST on `/mcp` without a session (2026-07-28): its headers held against its body, then run where it
//! lands.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use tracing::Instrument;

use super::{
    Door, Endpoint, Refusal, RefusalKind, headers,
    reply::{reply, reply_modern},
};
use crate::{
    auth::Principal,
    outlet::outlet,
    protocol::{ClientMessage, Method, Peek, Request, RpcError, read_params},
    session::{Listening, exchange},
    telemetry::spans,
};

pub(super) async fn answer_modern(
    http: &HttpRequest,
    door: &Door,
    principal: Principal,
    message: ClientMessage,
    peek: Peek,
) -> Result<HttpResponse, Refusal> {
    let ClientMessage::Request(request) = message else {
        // A notification needs no session to be ignored in.
        return Ok(HttpResponse::Accepted().finish());
    };
    let refuse =
        |status, error| Refusal::of(Some(&request.id), RefusalKind::Protocol(status, error));
    let bad_request = |error| refuse(StatusCode::BAD_REQUEST, error);
    headers::compare_modern(http.headers(), &request.method, &peek).map_err(bad_request)?;
    door.require_scopes(&principal, &request, &peek, Endpoint::Mcp)?;
    compare_params(http, door, &principal, &request, &peek).map_err(bad_request)?;
    let meta = peek.into_meta().map_err(bad_request)?;
    if !door.handler.serves(&request.method, meta.version) {
        let error = RpcError::method_not_found(&request.method);
        return Err(refuse(StatusCode::NOT_FOUND, error));
    }

    let (outlet, frames) = outlet(door.stream);
    let lease = door.router.lease(principal.clone());
    let lease = lease.map_err(|error| Refusal::of(Some(&request.id), error))?;
    if request.method == Method::SubscriptionsListen {
        let listening = Listening::read(&request).map_err(bad_request)?;
        let agreed = listening.agree(&door.handler, &principal, &meta);
        let listening = agreed.map_err(bad_request)?;
        let span = spans::call(&request, meta.version, || None);
        let (handler, stopping) = (door.handler.clone(), door.router.stopping());
        let asked = (principal, meta, request);
        let served = listening.serve(handler, asked, outlet, stopping, lease);
        actix_web::rt::spawn(served.instrument(span));
        return Ok(reply(door, http, frames, None).await);
    }
    let handler = door.handler.clone();
    let call = exchange(handler, principal, meta, request, outlet, lease);
    let call = actix_web::rt::spawn(call);
    Ok(reply_modern(door, frames, call).await)
}

/// Arguments that the tool wants repeated in headers.
fn compare_params(
    http: &HttpRequest,
    door: &Door,
    caller: &Principal,
    request: &Request,
    peek: &Peek,
) -> Result<(), RpcError> {
    let tool = peek.name.as_ref().and_then(serde_json::Value::as_str);
    let tool = tool.filter(|_| request.method == Method::ToolsCall);
    let declared = tool.map_or_else(Vec::new, |tool| door.handler.param_headers(caller, tool));
    if declared.is_empty() {
        return Ok(());
    }
    let params: serde_json::Value = read_params(request.params.as_ref())?;
    headers::compare_params(http.headers(), &declared, &params["arguments"])
}
