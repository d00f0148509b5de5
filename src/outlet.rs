//! The one way back: frames from whoever answers to the HTTP response that waits for them.
//!
//! `transport` makes an [`outlet`] pair for each response, hands the [`Outlet`] inwards with the
//! message, and writes what comes out of [`Frames`]. The queue between is bounded in frames and in
//! bytes; a reader that falls behind further than that loses its stream, and nobody waits for it.
//! Either end learns when the other is gone.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::Stream;

use crate::units::ByteSize;

/// Bounds of one stream's queue.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Frames that may wait to be written. Above zero; default 256.
    pub frames_max: usize,
    /// Bytes that may wait to be written. A single larger frame is still taken by an empty queue:
    /// what a tool answers is bounded where it is made. Default 256 KiB.
    pub bytes_max: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            frames_max: 256,
            bytes_max: ByteSize::from_kib(256),
        }
    }
}

/// One JSON-RPC message on its way to the client, encoded once.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// A notification or a request of the server's.
    Message(Bytes),
    /// The answer to a request: the last frame of a response that carries one.
    Answer(Bytes),
}

/// Why a stream was ended by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Everything there was to say has been said.
    Finished,
    /// The client ended the session.
    Deleted,
    /// The client has been silent for too long.
    Idle,
    /// The session was never initialized.
    NeverInitialized,
    /// The access token's life is over.
    TokenExpired,
    /// The client reads slower than the queue's bound allows.
    SlowReader,
    /// The client is gone.
    Disconnected,
    /// The server is being stopped.
    ServerStopping,
}

/// Why a frame could not be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutletError {
    /// The queue was full; the stream has been ended for it.
    #[error("the client reads too slowly")]
    Full,
    /// Nobody reads any more.
    #[error("the stream is over")]
    Gone,
}

/// The writing end. Clones write to the same stream; it ends when the last one is dropped.
pub struct Outlet(Arc<Shared>);

/// The reading end, a stream of frames.
pub struct Frames(Arc<Shared>);

struct Shared {
    config: Config,
    queue: Mutex<Queue>,
}

struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    outlets: usize,
    ended: Option<CloseReason>,
    reader: Option<Waker>,
    watchers: Vec<Waker>,
}

/// Makes both ends of a stream.
#[must_use]
pub fn outlet(config: Config) -> (Outlet, Frames) {
    let shared = Arc::new(Shared {
        config,
        queue: Mutex::new(Queue {
            frames: VecDeque::new(),
            bytes: 0,
            outlets: 1,
            ended: None,
            reader: None,
            watchers: Vec::new(),
        }),
    });
    (Outlet(Arc::clone(&shared)), Frames(shared))
}

// === impl Frame ===

impl Frame {
    /// The encoded message.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Message(bytes) | Self::Answer(bytes) => bytes,
        }
    }
}

/// What is said to a client may be personal: `Debug` shows kind and length only.
impl fmt::Debug for Frame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Message(_) => "Message",
            Self::Answer(_) => "Answer",
        };
        write!(formatter, "{kind}({} bytes)", self.bytes().len())
    }
}

// === impl CloseReason ===

impl CloseReason {
    /// A short word for logs and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Deleted => "deleted",
            Self::Idle => "idle",
            Self::NeverInitialized => "never_initialized",
            Self::TokenExpired => "token_expired",
            Self::SlowReader => "slow_reader",
            Self::Disconnected => "disconnected",
            Self::ServerStopping => "server_stopping",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Finished => "everything has been said",
            Self::Deleted => "the client ended the session",
            Self::Idle => "the client has been silent for too long",
            Self::NeverInitialized => "the session was never initialized",
            Self::TokenExpired => "the access token has expired",
            Self::SlowReader => "the client reads too slowly",
            Self::Disconnected => "the client is gone",
            Self::ServerStopping => "the server is stopping",
        })
    }
}

// === impl Shared ===

impl Shared {
    /// The queue stays consistent even where a panic poisoned the lock: no step leaves it half done.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn end(&mut self, reason: CloseReason) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(reason);
        self.wake_all();
    }

    fn wake_all(&mut self) {
        self.reader
            .take()
            .into_iter()
            .chain(self.watchers.drain(..))
            .for_each(Waker::wake);
    }

    fn discard(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
    }
}

// === impl Outlet ===

impl Outlet {
    /// Hands one frame over, without waiting.
    ///
    /// # Errors
    /// [`OutletError::Full`] ends the stream and throws away what waited: memory is given back at
    /// once. [`OutletError::Gone`] where it had ended before.
    pub fn send(&self, frame: Frame) -> Result<(), OutletError> {
        let mut queue = self.0.lock();
        if queue.ended.is_some() {
            return Err(OutletError::Gone);
        }
        let bytes = queue.bytes + frame.bytes().len();
        let config = &self.0.config;
        let over_bytes = bytes > config.bytes_max.bytes() && !queue.frames.is_empty();
        if queue.frames.len() >= config.frames_max || over_bytes {
            queue.discard();
            queue.end(CloseReason::SlowReader);
            return Err(OutletError::Full);
        }
        queue.bytes = bytes;
        queue.frames.push_back(frame);
        if let Some(reader) = queue.reader.take() {
            reader.wake();
        }
        Ok(())
    }

    /// Ends the stream after what already waits in it. The first reason given stays.
    pub fn close(&self, reason: CloseReason) {
        self.0.lock().end(reason);
    }

    /// Why the stream ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<CloseReason> {
        self.0.lock().ended
    }

    /// Waits for the stream's end, and says why it ended.
    pub async fn closed(&self) -> CloseReason {
        poll_fn(|context| {
            let mut queue = self.0.lock();
            if let Some(reason) = queue.ended {
                return Poll::Ready(reason);
            }
            if !queue
                .watchers
                .iter()
                .any(|waker| waker.will_wake(context.waker()))
            {
                queue.watchers.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl Clone for Outlet {
    fn clone(&self) -> Self {
        self.0.lock().outlets += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.outlets -= 1;
        if queue.outlets == 0 {
            queue.end(CloseReason::Finished);
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Outlet")
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

// === impl Frames ===

impl Frames {
    /// Why the stream ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<CloseReason> {
        self.0.lock().ended
    }
}

impl Stream for Frames {
    type Item = Frame;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut queue = self.0.lock();
        if let Some(frame) = queue.frames.pop_front() {
            queue.bytes -= frame.bytes().len();
            return Poll::Ready(Some(frame));
        }
        if queue.ended.is_some() {
            return Poll::Ready(None);
        }
        queue.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.discard();
        queue.end(CloseReason::Disconnected);
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Frames")
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn message(text: &'static str) -> Frame {
        Frame::Message(Bytes::from_static(text.as_bytes()))
    }

    fn small() -> Config {
        Config {
            frames_max: 2,
            bytes_max: ByteSize::from_bytes(10),
        }
    }

    #[tokio::test]
    async fn frames_come_out_in_order_and_end_with_the_last_outlet() {
        let (outlet, frames) = outlet(Config::default());
        let other = outlet.clone();
        outlet.send(message("a")).unwrap();
        drop(outlet);
        other.send(message("b")).unwrap();
        drop(other);

        assert_eq!(
            frames.collect::<Vec<_>>().await,
            [message("a"), message("b")]
        );
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_loses_its_stream_and_nobody_waits() {
        let (outlet, mut frames) = outlet(small());
        outlet.send(message("a")).unwrap();
        outlet.send(message("b")).unwrap();

        assert_eq!(outlet.send(message("c")), Err(OutletError::Full));
        assert_eq!(outlet.send(message("d")), Err(OutletError::Gone));
        assert_eq!(frames.next().await, None);
        assert_eq!(frames.ended(), Some(CloseReason::SlowReader));
    }

    #[tokio::test]
    async fn the_bound_counts_bytes_too_but_one_large_frame_passes_an_empty_queue() {
        let (outlet, mut frames) = outlet(small());

        outlet.send(message("a large frame, alone")).unwrap();
        assert!(frames.next().await.is_some());
        outlet.send(message("123456")).unwrap();
        assert_eq!(outlet.send(message("123456")), Err(OutletError::Full));
    }

    #[tokio::test]
    async fn a_dropped_reader_is_noticed() {
        let (outlet, frames) = outlet(Config::default());
        let watcher = outlet.clone();
        let closed = tokio::spawn(async move { watcher.closed().await });

        drop(frames);

        assert_eq!(closed.await.unwrap(), CloseReason::Disconnected);
        assert_eq!(outlet.send(message("a")), Err(OutletError::Gone));
    }

    #[tokio::test]
    async fn closing_lets_out_what_already_waits_and_keeps_the_first_reason() {
        let (outlet, mut frames) = outlet(Config::default());
        outlet.send(message("a")).unwrap();
        outlet.close(CloseReason::TokenExpired);
        outlet.close(CloseReason::Idle);

        assert_eq!(frames.next().await, Some(message("a")));
        assert_eq!(frames.next().await, None);
        assert_eq!(frames.ended(), Some(CloseReason::TokenExpired));
    }
}
