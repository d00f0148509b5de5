//! What a session is told and asked: the messages of its actor.
//!
//! Sent by [`SessionRef`](super::SessionRef), handled in `actor`.

use actix::Message;
use tracing::Span;

use super::SessionError;
use crate::{
    auth::Principal,
    handler::Change,
    outlet::{CloseReason, EventId, Frames, Outlet},
    protocol::{Batch, ClientMessage},
    time::Timestamp,
};

/// A message from the client. Answered once taken in; its result follows on an outlet.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SessionError>")]
pub(super) struct Deliver {
    /// The caller of this very message: the session's owner, with a token that may be fresher.
    pub(super) principal: Principal,
    pub(super) message: ClientMessage,
    /// Where the answer goes; without one, to the session's own stream.
    pub(super) outlet: Option<Outlet>,
    /// The HTTP request it came with.
    pub(super) span: Span,
}

/// Messages that came together (2025-03-26). Answered once all are taken in, with how many of their
/// calls were one too many; results follow on an outlet, as for [`Deliver`].
#[derive(Debug, Message)]
#[rtype(result = "Result<usize, SessionError>")]
pub(super) struct DeliverBatch {
    pub(super) principal: Principal,
    pub(super) batch: Batch,
    pub(super) outlet: Option<Outlet>,
    pub(super) span: Span,
}

/// The client opens the stream for what the server says unasked (Streamable HTTP, GET).
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SessionError>")]
pub(super) struct OpenStream(pub(super) Outlet);

/// The client comes back to a stream, after the last event it saw.
#[derive(Debug, Message)]
#[rtype(result = "Result<Frames, SessionError>")]
pub(super) struct Resume(pub(super) EventId);

/// Something has changed; told to the client if it wants to know.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Announce(pub(super) Change);

/// Asks the client whether it is still there.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Probe;

/// Ends the session at once; calls in flight are cancelled. Answered whether it was this that ended it.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(super) struct Close(pub(super) CloseReason);

/// Ends what is open in the session, calls in flight too, unless a fresh token was shown: it is judged
/// again by the moment it was sent at.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Suspend(pub(super) CloseReason, pub(super) Timestamp);

/// Ends the session as soon as no call is in flight; no further request is taken.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Drain;
