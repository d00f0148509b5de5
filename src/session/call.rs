//! One call in a session, from its handler to its answer.
//!
//! Run by the session actor as a future of its own, so that the mailbox never waits for a tool.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{batch::OpenBatch, lease::over_error, operation::Operation};
use crate::{
    handler::{CallContext, Handler},
    outlet::{CloseReason, Frame, Outlet},
    protocol::{Raw, Request, RequestId, RpcError, codes, encode_error, encode_result},
    telemetry::spans,
};

/// What a session holds of a call that runs.
#[derive(Debug)]
pub(super) struct RunningCall {
    cancelled: CancellationToken,
    outlet: Outlet,
    /// What it shares with the other calls of its batch.
    batch: Option<Arc<OpenBatch>>,
}

impl RunningCall {
    pub(super) const fn new(cancelled: CancellationToken, outlet: Outlet) -> Self {
        Self {
            cancelled,
            outlet,
            batch: None,
        }
    }

    /// Its answer is one of several.
    pub(super) fn join(&mut self, batch: &Arc<OpenBatch>) {
        self.batch = Some(Arc::clone(batch));
    }

    /// The client wants no answer any more.
    pub(super) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// The session ends under the call: its client is told, or it would wait for its own deadline.
    pub(super) fn end(self, id: &RequestId, reason: CloseReason) {
        let error = RpcError::new(codes::SERVER_ERROR, format!("the session ended: {reason}"));
        self.end_with(id, &error);
    }

    /// The token that it was allowed by is good no more, and the session stays.
    pub(super) fn end_with_token(&self, id: &RequestId, reason: CloseReason) {
        self.end_with(id, &over_error(reason));
    }

    fn end_with(&self, id: &RequestId, error: &RpcError) {
        answer_on(&self.outlet, encode_error(Some(id), error));
        self.cancelled.cancel();
    }
}

/// Runs one call to its end and answers for it; a cancelled call is not answered (2025-11-25,
/// cancellation). Returns whether it was answered with a result.
pub(super) async fn run_call(
    handler: Handler,
    context: CallContext,
    request: Request,
    cancelled: CancellationToken,
    outlet: Outlet,
) -> (RequestId, bool) {
    let operation = Operation::begin(&handler, context.principal(), &request);
    let answer = tokio::select! {
        biased;
        () = cancelled.cancelled() => None,
        result = handler.handle(context, &request.method, request.params.as_ref()) => Some(result),
    };
    match &answer {
        Some(result) => spans::ended(result),
        None => spans::cancelled(),
    }
    if let Some(result) = &answer {
        operation.ended(result);
    }
    let succeeded = matches!(answer, Some(Ok(_)));
    match answer {
        Some(Ok(result)) => answer_on(&outlet, encode_result(&request.id, result)),
        Some(Err(error)) => answer_on(&outlet, encode_error(Some(&request.id), &error)),
        None => {}
    }
    // A kept stream has more outlets than this call's; its reader has all there is to be read.
    if outlet.is_kept() {
        outlet.close(CloseReason::Finished);
    }
    (request.id, succeeded)
}

/// An answer nobody waits for any more is thrown away: the client has left, or reads too slowly.
pub(super) fn answer_on(outlet: &Outlet, answer: Bytes) {
    let _nobody_waits = outlet.send(Frame::Answer(answer));
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelledParams {
    request_id: RequestId,
}

/// Which call `notifications/cancelled` is about; none where it can't be read.
pub(super) fn cancelled_id(params: Option<&Raw>) -> Option<RequestId> {
    let cancelled: CancelledParams = params?.read().ok()?;
    Some(cancelled.request_id)
}
