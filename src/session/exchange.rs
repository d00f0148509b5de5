//! One request without a session (2026-07-28): the same handler, and nothing left behind.

use tokio_util::sync::CancellationToken;

use crate::{
    auth::Principal,
    handler::{CallContext, Client, Handler},
    outlet::{Frame, Outlet},
    protocol::{ModernMeta, Request, encode_error, encode_result},
};

/// Answers one request on `outlet`. When the client goes away the call ends with it: from 2026-07-28
/// on a disconnect is a cancellation. Returns the code of the error it answered with, if it did: some
/// have an HTTP status of their own.
pub async fn exchange(
    handler: Handler,
    principal: Principal,
    meta: ModernMeta,
    request: Request,
    outlet: Outlet,
) -> Option<i32> {
    let cancelled = CancellationToken::new();
    let client = Client::of_request(meta.client_capabilities, outlet.clone(), meta.log_level);
    let context = CallContext::new(principal, meta.version, cancelled.clone(), client);
    let (answer, code) = tokio::select! {
        result = handler.handle(context, &request.method, request.params.as_ref()) => match result {
            Ok(result) => (encode_result(&request.id, result), None),
            Err(error) => (encode_error(Some(&request.id), &error), Some(error.code)),
        },
        _gone = outlet.closed() => {
            cancelled.cancel();
            return None;
        }
    };
    // The client may have left while the answer was written.
    let _nobody_waits = outlet.send(Frame::Answer(answer));
    code
}
