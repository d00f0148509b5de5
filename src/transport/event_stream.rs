//! Frames to server-sent events (WHATWG HTML §9.2): the body of every stream we answer with.
//!
//! Writes the preamble, then each frame as one `message` event, a comment when there is nothing to
//! say, so that proxies keep the stream and a dead peer is noticed, and at the end a comment that
//! says why the server ended it. One event is one `data:` line: JSON as we write it has no line
//! break outside of escapes.

use std::{
    collections::VecDeque,
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
    http::header,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    outlet::{CloseReason, EventId, Frame, Frames},
    telemetry::{Limit, Metrics},
};

/// The body of an event stream.
#[derive(Debug)]
pub(super) struct EventStream {
    preamble: Option<Bytes>,
    read: VecDeque<Frame>,
    frames: Frames,
    quiet: Pin<Box<Sleep>>,
    keep_alive: Duration,
    state: State,
    // A stream that carries one answer ends after it; a session's own goes on.
    ends_with_answer: bool,
    metrics: Metrics,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    Answered,
    Over,
}

impl EventStream {
    /// The stream of a session: everything the server says, until either side ends it.
    pub(super) fn of_session(
        preamble: Option<Bytes>,
        frames: Frames,
        keep_alive: Duration,
        metrics: Metrics,
    ) -> Self {
        Self::new(preamble, [], frames, keep_alive, false, metrics)
    }

    /// The stream that answers a batch: what has been read of it already, and the rest to its end.
    pub(super) fn of_batch(
        read: Vec<Frame>,
        frames: Frames,
        keep_alive: Duration,
        metrics: Metrics,
    ) -> Self {
        Self::new(None, read, frames, keep_alive, false, metrics)
    }

    /// The stream that answers one request, and ends with the answer.
    pub(super) fn of_answer(
        first: Option<Frame>,
        frames: Frames,
        keep_alive: Duration,
        metrics: Metrics,
    ) -> Self {
        // The first frame has been read already, so the beginning is what comes before it.
        let beginning = frames.event_id().map(|id| EventId { frame: 0, ..id });
        Self::new(
            beginning.map(priming),
            first,
            frames,
            keep_alive,
            true,
            metrics,
        )
    }

    /// A stream that was broken off, from where its client left it.
    pub(super) fn resumed(frames: Frames, keep_alive: Duration, metrics: Metrics) -> Self {
        let preamble = Some(Bytes::from_static(b": resumed\n\n"));
        Self::new(preamble, [], frames, keep_alive, true, metrics)
    }

    fn new(
        preamble: Option<Bytes>,
        read: impl IntoIterator<Item = Frame>,
        frames: Frames,
        keep_alive: Duration,
        ends_with_answer: bool,
        metrics: Metrics,
    ) -> Self {
        metrics.stream_opened();
        let quiet = Box::pin(sleep(keep_alive));
        let state = State::Open;
        Self {
            preamble,
            read: read.into_iter().collect(),
            frames,
            quiet,
            keep_alive,
            state,
            ends_with_answer,
            metrics,
        }
    }

    /// The response around it: never stored, never buffered by a proxy.
    pub(super) fn into_response(self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/event-stream"))
            .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
            .insert_header(("X-Accel-Buffering", "no"))
            .body(self)
    }

    fn write(&mut self, frame: &Frame) -> Bytes {
        if self.ends_with_answer && matches!(frame, Frame::Answer(_)) {
            self.state = State::Answered;
        }
        event(self.frames.event_id(), "message", frame.bytes())
    }
}

/// One event with its name and one line of data; with an id where the client may come back for more.
pub(super) fn event(id: Option<EventId>, name: &str, data: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(name.len() + data.len() + 48);
    if let Some(id) = id {
        event.put_slice(format!("id: {}\n", written(id)).as_bytes());
    }
    event.put_slice(b"event: ");
    event.put_slice(name.as_bytes());
    event.put_slice(b"\ndata: ");
    event.put_slice(data);
    event.put_slice(b"\n\n");
    event.freeze()
}

/// An event without data, so that a client can come back to a stream that has said nothing yet, and
/// knows after how long it should (2025-11-25, polling).
fn priming(id: EventId) -> Bytes {
    Bytes::from(format!(
        "id: {}\nretry: {RETRY_MILLISECONDS}\ndata: \n\n",
        written(id)
    ))
}

/// How long a client should wait before it comes back to a stream that was closed.
const RETRY_MILLISECONDS: u64 = 1_000;

/// The same for clients that have to come back to another server, in milliseconds.
const RETRY_ELSEWHERE: std::ops::Range<u64> = 500..5_000;

fn spread_over(range: std::ops::Range<u64>) -> u64 {
    let width = range.end.saturating_sub(range.start).max(1);
    range.start + RandomState::new().hash_one(range.end) % width
}

fn written(id: EventId) -> String {
    format!("{}-{}", id.stream, id.frame)
}

/// Reads an event id of ours, as a client sends it back.
pub(super) fn read_event_id(text: &str) -> Option<EventId> {
    let (stream, frame) = text.split_once('-')?;
    Some(EventId {
        stream: stream.parse().ok()?,
        frame: frame.parse().ok()?,
    })
}

/// What the client can read of the end. One that left itself needs no reason, and neither does one
/// that got its answer.
fn last_words(reason: Option<CloseReason>) -> Option<Bytes> {
    let reason = reason
        .filter(|reason| !matches!(reason, CloseReason::Finished | CloseReason::Disconnected))?;
    // Where all of a server's clients have to go elsewhere, they should not come all at once.
    let retry = matches!(reason, CloseReason::ServerStopping | CloseReason::Moved);
    let retry = retry.then(|| format!("retry: {}\n", spread_over(RETRY_ELSEWHERE)));
    let retry = retry.unwrap_or_default();
    Some(Bytes::from(format!("{retry}: closed: {reason}\n\n")))
}

impl MessageBody for EventStream {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let stream = self.get_mut();
        if let Some(preamble) = stream.preamble.take() {
            return Poll::Ready(Some(Ok(preamble)));
        }
        if stream.state != State::Open {
            return Poll::Ready(None);
        }
        if let Some(frame) = stream.read.pop_front() {
            return Poll::Ready(Some(Ok(stream.write(&frame))));
        }
        match Pin::new(&mut stream.frames).poll_next(context) {
            Poll::Ready(Some(frame)) => {
                stream
                    .quiet
                    .as_mut()
                    .reset(Instant::now() + stream.keep_alive);
                return Poll::Ready(Some(Ok(stream.write(&frame))));
            }
            Poll::Ready(None) => {
                stream.state = State::Over;
                return Poll::Ready(last_words(stream.frames.ended()).map(Ok));
            }
            Poll::Pending => {}
        }
        ready!(stream.quiet.as_mut().poll(context));
        stream
            .quiet
            .as_mut()
            .reset(Instant::now() + stream.keep_alive);
        // Whoever waits on the reset timer has to have been polled once after it.
        context.waker().wake_by_ref();
        Poll::Ready(Some(Ok(Bytes::from_static(b": keep-alive\n\n"))))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if self.frames.ended() == Some(CloseReason::SlowReader) {
            self.metrics.limit_hit(Limit::StreamQueue);
        }
        self.metrics.stream_closed();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::outlet::{self, outlet};

    const KEEP_ALIVE: Duration = Duration::from_secs(15);

    async fn next(stream: &mut EventStream) -> Option<String> {
        let bytes = poll_fn(|context| Pin::new(&mut *stream).poll_next(context))
            .await?
            .unwrap();
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_frame_is_one_event_and_the_answer_is_the_last() {
        let (outlet, frames) = outlet(outlet::Config::default());
        outlet
            .send(Frame::Message(Bytes::from_static(b"{\"n\":1}")))
            .unwrap();
        outlet
            .send(Frame::Answer(Bytes::from_static(b"{\"n\":2}")))
            .unwrap();
        let mut stream = EventStream::of_answer(None, frames, KEEP_ALIVE, Metrics::new());

        assert_eq!(
            next(&mut stream).await.unwrap(),
            "event: message\ndata: {\"n\":1}\n\n"
        );
        assert_eq!(
            next(&mut stream).await.unwrap(),
            "event: message\ndata: {\"n\":2}\n\n"
        );
        assert_eq!(next(&mut stream).await, None);
    }

    // T24
    #[tokio::test]
    async fn line_breaks_of_every_kind_stay_within_one_event() {
        let text = "a\nb\rc\r\nd\0e\u{2028}f\u{85}g";
        let json = serde_json::to_vec(text).unwrap();

        let event = event(None, "message", &json);

        let line = std::str::from_utf8(&event)
            .unwrap()
            .strip_suffix("\n\n")
            .unwrap();
        let data = line.strip_prefix("event: message\ndata: ").unwrap();
        assert!(!data.contains(['\n', '\r']), "{data:?}");
        assert_eq!(serde_json::from_str::<String>(data).unwrap(), text);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_is_kept_alive_by_comments() {
        let (_outlet, frames) = outlet(outlet::Config::default());
        let mut stream = EventStream::of_session(None, frames, KEEP_ALIVE, Metrics::new());
        let start = Instant::now();

        for nth in 1..=3 {
            assert_eq!(next(&mut stream).await.unwrap(), ": keep-alive\n\n");
            assert_eq!(start.elapsed().as_secs(), 15 * nth);
        }
    }

    #[tokio::test]
    async fn a_stream_ended_by_the_server_says_why() {
        let (outlet, frames) = outlet(outlet::Config::default());
        let mut stream = EventStream::of_session(None, frames, KEEP_ALIVE, Metrics::new());
        outlet.close(CloseReason::TokenExpired);

        assert_eq!(
            next(&mut stream).await.unwrap(),
            ": closed: the access token has expired\n\n"
        );
        assert_eq!(next(&mut stream).await, None);
    }

    // X17
    #[tokio::test]
    async fn a_queue_that_ran_over_is_a_limit_that_was_hit() {
        let metrics = Metrics::new();
        let small = outlet::Config {
            frames_max: 1,
            ..outlet::Config::default()
        };
        let (outlet, frames) = outlet(small);
        let stream = EventStream::of_session(None, frames, KEEP_ALIVE, metrics.clone());
        let frame = Frame::Message(Bytes::from_static(b"{}"));
        outlet.send(frame.clone()).unwrap();
        outlet.send(frame).unwrap_err();

        drop(stream);

        let hit = "usher_limit_hit_total{limit=\"stream.bytes_max\"} 1";
        assert!(metrics.encode().contains(hit), "{}", metrics.encode());
    }
}
