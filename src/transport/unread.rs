//! A body that nobody reads ends its connection.
//!
//! Where a handler has let go of a chunked body, actix-http reads on to its end, however far that is
//! and without a deadline: a stranger who is told 401 could hold the connection for ever. Of a body
//! that is still held when its answer is sent, it reads no more, says `Connection: close` and closes
//! a second later. So [`gate`](super::gate) holds every body until its answer is out.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage,
    body::{BodySize, MessageBody},
    dev::{Payload, ServiceRequest},
    error::PayloadError,
};
use bytes::Bytes;
use futures_util::Stream;

/// A request's body, for its reader and for the response that outlives the reader.
#[derive(Clone)]
pub(super) struct HeldBody(Rc<RefCell<Payload>>);

/// A response's body that holds its request's.
pub(super) struct Holding<B> {
    body: B,
    _unread: Option<HeldBody>,
}

/// Holds a request's body, if it has one.
pub(super) fn hold(request: &mut ServiceRequest) -> Option<HeldBody> {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return None;
    }
    let held = HeldBody(Rc::new(RefCell::new(payload)));
    request.set_payload(Payload::Stream {
        payload: Box::pin(held.clone()),
    });
    Some(held)
}

impl Stream for HeldBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

impl<B> Holding<B> {
    pub(super) fn new(body: B, unread: Option<HeldBody>) -> Self {
        Self {
            body,
            _unread: unread,
        }
    }
}

impl<B: MessageBody + Unpin> MessageBody for Holding<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}
