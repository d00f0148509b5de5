//! One request without a session (2026-07-28): the same handler, and nothing left behind.

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    lease::{Lease, over_error},
    operation::Operation,
};
use crate::{
    auth::Principal,
    handler::{CallContext, Client, Handler},
    outlet::{Frame, Outlet},
    protocol::{ModernMeta, Request, encode_error, encode_result},
    telemetry::spans,
};

/// Answers one request on `outlet`. When the client goes away the call ends with it: from 2026-07-28
/// on a disconnect is a cancellation. It ends with `lease` too, and answers why. Returns the code of
/// the error it answered with, if it did: some have an HTTP status of their own.
pub fn exchange(
    handler: Handler,
    principal: Principal,
    meta: ModernMeta,
    request: Request,
    outlet: Outlet,
    lease: Lease,
) -> impl Future<Output = Option<i32>> {
    // Here, where the HTTP request's span is the present one; the future may be spawned elsewhere.
    let span = spans::call(&request, meta.version, || None);
    run(handler, principal, meta, request, outlet, lease).instrument(span)
}

async fn run(
    handler: Handler,
    principal: Principal,
    meta: ModernMeta,
    request: Request,
    outlet: Outlet,
    lease: Lease,
) -> Option<i32> {
    let cancelled = CancellationToken::new();
    let log_level = meta.log_level;
    let client = Client::of_request(meta.into(), outlet.clone(), log_level);
    let id = request.id.clone();
    let context =
        CallContext::new(principal, id, cancelled.clone(), client).traced(request.trace.clone());
    let operation = Operation::begin(&handler, context.principal(), &request);
    let result = tokio::select! {
        result = handler.handle(context, &request.method, request.params.as_ref()) => result,
        _gone = outlet.closed() => {
            spans::cancelled();
            cancelled.cancel();
            return None;
        }
        reason = lease.over() => {
            cancelled.cancel();
            Err(over_error(reason))
        }
    };
    spans::ended(&result);
    operation.ended(&result);
    let (answer, code) = match result {
        Ok(result) => (encode_result(&request.id, result), None),
        Err(error) => (encode_error(Some(&request.id), &error), Some(error.code)),
    };
    // The client may have left while the answer was written.
    let _nobody_waits = outlet.send(Frame::Answer(answer));
    code
}
