//! Messages that came together (2025-03-26), taken in as if each had come alone.
//!
//! In their order: what is cancelled within a batch must come after what it cancels. Nothing of a
//! batch waits for anything else of it; its calls run side by side and are bounded with all others of
//! the session. One that finds no place is answered with the error it would have got alone.

use std::sync::Arc;

use actix::{ActorContext, Handler as Handles};

use super::{SessionError, actor::Session, call::answer_on, messages::DeliverBatch};
use crate::{
    outlet::{CloseReason, Outlet},
    protocol::{ClientMessage, RpcError, codes, encode_bad_member, encode_error},
};

/// Ends a batch's own stream once nothing of the batch runs any more, with all answers in it. A
/// handler may keep an outlet longer than its call.
#[derive(Debug)]
pub(super) struct OpenBatch(Outlet);

impl Drop for OpenBatch {
    fn drop(&mut self) {
        self.0.close(CloseReason::Finished);
    }
}

impl Handles<DeliverBatch> for Session {
    type Result = Result<usize, SessionError>;

    fn handle(&mut self, deliver: DeliverBatch, context: &mut Self::Context) -> Self::Result {
        let DeliverBatch {
            principal,
            batch,
            outlet,
            span,
        } = deliver;
        let _within = span.entered();
        if !context.state().alive() {
            return Err(SessionError::Over);
        }
        if self.draining && batch.requests().next().is_some() {
            return Err(SessionError::Stopping);
        }
        let open = outlet.clone().map(|outlet| Arc::new(OpenBatch(outlet)));
        let outlet = outlet.or_else(|| self.stream.get());
        let outlet = outlet.ok_or(SessionError::Over)?;
        self.heed(&principal);

        let mut too_many = 0;
        for member in batch.into_members() {
            let request = match member {
                Ok(ClientMessage::Request(request)) => request,
                Ok(ClientMessage::Notification(notification)) => {
                    self.take_notification(&notification, principal.clone(), context);
                    continue;
                }
                Ok(ClientMessage::Response(response)) => {
                    let questions = self.conversation.questions();
                    questions.answer(&response.id, response.outcome);
                    continue;
                }
                Err(bad) => {
                    answer_on(&outlet, encode_bad_member(&bad));
                    continue;
                }
            };
            let id = request.id.clone();
            let is_other = self.calls.contains_key(&id);
            match self.take_request(request, principal.clone(), outlet.clone(), context) {
                Ok(()) => {
                    let call = self.calls.get_mut(&id).filter(|_| !is_other);
                    if let (Some(call), Some(open)) = (call, &open) {
                        call.join(open);
                    }
                }
                Err(error) => {
                    too_many += usize::from(error == SessionError::TooManyCalls);
                    let error = RpcError::new(codes::SERVER_ERROR, error.to_string());
                    answer_on(&outlet, encode_error(Some(&id), &error));
                }
            }
        }
        Ok(too_many)
    }
}
