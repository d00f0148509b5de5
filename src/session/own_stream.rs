//! The session's own stream: opened, watched, and come back to.
//!
//! Part of the [`Session`] actor. HTTP+SSE brings the stream along and ends with it; a client of Streamable
//! HTTP opens one when it likes, one at a time, and its session outlives it.

use actix::{ActorFutureExt, AsyncContext, Context, Handler as Handles, WrapFuture};

use super::{
    SessionError,
    actor::Session,
    messages::{OpenStream, Resume},
};
use crate::outlet::{CloseReason, Frames};

impl Handles<OpenStream> for Session {
    type Result = Result<(), SessionError>;

    fn handle(
        &mut self,
        OpenStream(outlet): OpenStream,
        context: &mut Self::Context,
    ) -> Self::Result {
        if self
            .stream
            .get()
            .is_some_and(|stream| stream.ended().is_none())
        {
            return Err(SessionError::StreamTaken);
        }
        self.stream.set(outlet);
        self.watch_stream(context);
        Ok(())
    }
}

impl Handles<Resume> for Session {
    type Result = Result<Frames, SessionError>;

    fn handle(&mut self, Resume(after): Resume, _: &mut Self::Context) -> Self::Result {
        match self.streams.resume(after) {
            Some(Ok(frames)) => Ok(frames),
            Some(Err(_)) | None => Err(SessionError::NotKept),
        }
    }
}

impl Session {
    /// Notices when the stream that is open now has ended.
    pub(super) fn watch_stream(&mut self, context: &mut Context<Self>) {
        let Some(stream) = self.stream.get() else {
            return;
        };
        self.vital.set_listened_to(true);
        let closed = async move {
            let reason = stream.closed().await;
            (stream, reason)
        };
        let noticed = closed
            .into_actor(self)
            .map(|(_stream, reason), session, context| {
                session.stream_closed(reason, context);
            });
        context.spawn(noticed);
    }

    /// Ends the session's own stream and those of its calls that are kept.
    pub(super) fn close_streams(&self, reason: CloseReason) {
        let own = self.stream.get();
        own.iter()
            .chain(self.streams.all())
            .for_each(|stream| stream.close(reason));
    }

    fn stream_closed(&mut self, reason: CloseReason, context: &mut Context<Self>) {
        if self.ends_with_stream {
            self.end(reason, context);
        } else if self
            .stream
            .get()
            .is_some_and(|stream| stream.ended().is_some())
        {
            // Only the stream that ended: a new one may already have taken its place.
            drop(self.stream.take());
            self.vital.set_listened_to(false);
        }
    }
}
