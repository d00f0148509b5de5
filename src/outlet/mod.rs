//! The one way back: frames from whoever answers to the HTTP response that waits for them.
//!
//! `transport` makes an [`outlet`] pair for each response, hands the [`Outlet`] inwards with the
//! message, and writes what comes out of [`Frames`]. The queue between is bounded in frames and in
//! bytes; a reader that falls behind further than that loses its stream, and nobody waits for it.
//! Either end learns when the other is gone.

mod queue;
mod reason;

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;

pub use queue::{EventId, NotKept};
pub use reason::CloseReason;

use crate::units::ByteSize;
use queue::Queue;

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
pub struct Frames {
    shared: Arc<Shared>,
    // Which reader of the stream this is: of a kept one, there may be several after one another.
    number: u64,
    last: Option<EventId>,
}

struct Shared(Mutex<Queue>);

/// Makes both ends of a stream.
#[must_use]
pub fn outlet(config: Config) -> (Outlet, Frames) {
    let shared = Arc::new(Shared(Mutex::new(Queue::new(config))));
    let frames = Frames {
        shared: Arc::clone(&shared),
        number: 0,
        last: None,
    };
    (Outlet(shared), frames)
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

// === impl Shared ===

impl Shared {
    /// The queue stays consistent even where a panic poisoned the lock: no step leaves it half done.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.0.lock().push(frame)
    }

    /// Hands over what nobody has to hear, as progress and log messages: where half the queue waits to
    /// be read already, it is left out, and the stream goes on.
    pub fn mention(&self, message: Bytes) {
        let mut queue = self.0.lock();
        if !queue.is_crowded() {
            // Nobody listens any more.
            let _gone = queue.push(Frame::Message(message));
        }
    }

    /// Ends the stream after what already waits in it. The first reason given stays.
    pub fn close(&self, reason: CloseReason) {
        self.0.lock().end(reason);
    }

    /// Why the stream ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<CloseReason> {
        self.0.lock().ended()
    }

    /// Waits for the stream's end, and says why it ended.
    pub async fn closed(&self) -> CloseReason {
        poll_fn(|context| {
            let mut queue = self.0.lock();
            if let Some(reason) = queue.ended() {
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

    /// So many answers are due on this stream, instead of one: each finds a place, however much waits.
    pub fn expect_answers(&self, number: usize) {
        self.0.lock().expect_answers(number);
    }

    /// From now on frames are kept after they were read, under this number of the session's: a
    /// client whose connection broke may come back for them.
    pub fn keep(&self, stream: u64) {
        self.0.lock().keep(stream);
    }

    /// Whether frames are still kept to be sent again.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.lock().stream().is_some()
    }

    /// A new reader of a kept stream, which goes on after the frame of this number. An earlier
    /// reader is at its end.
    ///
    /// # Errors
    /// [`NotKept`] where the frames after it are not there any more, or never will be.
    pub fn resume(&self, after: u64) -> Result<Frames, NotKept> {
        let mut queue = self.0.lock();
        queue.resume(after)?;
        let number = queue.reader_number;
        drop(queue);
        Ok(Frames {
            shared: Arc::clone(&self.0),
            number,
            last: None,
        })
    }

    /// Sends a kept stream's reader away, to come back by [`Outlet::resume`]. Another stream is not
    /// touched.
    pub fn detach(&self) {
        let mut queue = self.0.lock();
        if queue.stream().is_some() {
            queue.detach();
        }
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
        self.shared.lock().ended()
    }

    /// What the client can come back with: the last frame that came out, or the stream's beginning.
    /// None for a stream that is not kept.
    #[must_use]
    pub fn event_id(&self) -> Option<EventId> {
        let stream = self.shared.lock().stream()?;
        Some(self.last.unwrap_or(EventId { stream, frame: 0 }))
    }

    /// The client has all it asked for: nothing is kept for it.
    pub fn forget(self) {
        let mut queue = self.shared.lock();
        queue.end(CloseReason::Finished);
        queue.forget();
    }
}

impl Stream for Frames {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.lock();
        if queue.reader_number != self.number {
            return Poll::Ready(None);
        }
        if let Some((frame, number)) = queue.pop() {
            self.last = queue.stream().map(|stream| EventId {
                stream,
                frame: number,
            });
            return Poll::Ready(Some(frame));
        }
        if queue.ended().is_some() {
            return Poll::Ready(None);
        }
        queue.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        // The reader of a kept stream may come back, and an earlier one leaves nothing behind.
        if queue.stream().is_none() {
            queue.discard();
            queue.end(CloseReason::Disconnected);
        }
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

    fn numbers(frames: &Frames) -> (u64, u64) {
        let EventId { stream, frame } = frames.event_id().unwrap();
        (stream, frame)
    }

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

    #[tokio::test]
    async fn chatter_never_costs_a_client_its_answer() {
        let config = Config {
            frames_max: 4,
            ..Config::default()
        };
        let (outlet, mut frames) = outlet(config);
        for _ in 0..100 {
            outlet.mention(Bytes::from_static(b"log"));
        }
        outlet.send(message("a question")).unwrap();
        outlet
            .send(Frame::Answer(Bytes::from_static(b"the answer")))
            .unwrap();

        let mut last = None;
        drop(outlet);
        while let Some(frame) = frames.next().await {
            last = Some(frame);
        }
        assert_eq!(last, Some(Frame::Answer(Bytes::from_static(b"the answer"))));
        assert_eq!(frames.ended(), Some(CloseReason::Finished));
    }

    #[tokio::test]
    async fn every_answer_that_is_due_finds_a_place_and_no_further_one() {
        let (outlet, frames) = outlet(small());
        let answer = Frame::Answer(Bytes::from_static(b"longer than the queue"));
        outlet.expect_answers(3);
        for _ in 0..3 {
            outlet.send(answer.clone()).unwrap();
        }

        assert_eq!(outlet.send(answer), Err(OutletError::Full));
        assert_eq!(frames.ended(), Some(CloseReason::SlowReader));
    }

    // S30
    #[tokio::test]
    async fn a_reader_of_a_kept_stream_comes_back_for_what_it_missed() {
        let (outlet, mut frames) = outlet(Config::default());
        outlet.keep(7);
        assert_eq!(numbers(&frames), (7, 0));
        for text in ["a", "b"] {
            outlet.send(message(text)).unwrap();
        }
        assert_eq!(frames.next().await, Some(message("a")));
        assert_eq!(numbers(&frames), (7, 1));
        drop(frames);

        outlet.send(message("c")).unwrap();
        let mut frames = outlet.resume(1).unwrap();
        outlet.close(CloseReason::Finished);

        assert_eq!(frames.next().await, Some(message("b")));
        assert_eq!(frames.next().await, Some(message("c")));
        assert_eq!(numbers(&frames), (7, 3));
        assert_eq!(frames.next().await, None);
    }

    #[tokio::test]
    async fn a_reader_that_was_sent_away_is_at_its_end_and_the_stream_is_not() {
        let (outlet, mut frames) = outlet(Config::default());
        outlet.keep(1);
        outlet.detach();
        assert_eq!(frames.next().await, None);

        outlet.send(message("a")).unwrap();
        let mut second = outlet.resume(0).unwrap();
        assert_eq!(second.next().await, Some(message("a")));
        assert_eq!(frames.next().await, None, "two readers of one stream");
    }

    // S29
    #[tokio::test]
    async fn nobody_goes_on_from_what_is_not_kept() {
        let (outlet, _frames) = outlet(small());
        assert!(outlet.resume(0).is_err(), "a stream that is not kept");
        outlet.keep(1);
        outlet.send(message("a")).unwrap();

        for after in [2, 99, u64::MAX] {
            assert!(outlet.resume(after).is_err(), "{after}");
        }
        let mut frames = outlet.resume(0).unwrap();
        for text in ["b", "c", "d"] {
            frames.next().await.unwrap();
            outlet.send(message(text)).unwrap();
        }
        assert!(
            outlet.resume(0).is_err(),
            "the first gave way to the later ones"
        );
        frames.forget();
        assert!(!outlet.is_kept());
    }
}
