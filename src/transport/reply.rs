//! The answer to one request, or to a batch: a JSON body where it comes alone and soon, else an event
//! stream.

use std::time::Duration;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    rt::task::JoinHandle,
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Door, event_stream::EventStream, forwarded::Vouched};
use crate::{
    outlet::{Frame, Frames},
    protocol::{codes, encode_batch},
};

/// How long an answer may take before its stream is begun: shorter than any proxy's patience with a
/// silent response, longer than most calls.
const STREAM_AFTER: Duration = Duration::from_secs(5);

/// The same where another node waits, which takes a silent one for gone.
const STREAM_AFTER_TO_NODE: Duration = Duration::from_secs(2);

fn stream_after(http: &HttpRequest) -> Duration {
    if http.extensions().get::<Vouched>().is_some() {
        return STREAM_AFTER_TO_NODE;
    }
    STREAM_AFTER
}

/// Waits for the first frame and answers in the form that fits it.
pub(super) async fn reply(
    door: &Door,
    http: &HttpRequest,
    frames: Frames,
    header: Option<(HeaderName, HeaderValue)>,
) -> HttpResponse {
    let mut response = match begin(frames, stream_after(http)).await {
        Begun::Answered(answer) => json(StatusCode::OK, answer),
        Begun::Streaming(first, frames) => stream(door, first, frames),
    };
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The same for a request without a session, where some errors have a status of their own. `call`
/// ends with the code of the error it answered with.
pub(super) async fn reply_modern(
    door: &Door,
    frames: Frames,
    call: JoinHandle<Option<i32>>,
) -> HttpResponse {
    match begin(frames, STREAM_AFTER).await {
        Begun::Answered(answer) => {
            let code = call.await.ok().flatten();
            json(code.map_or(StatusCode::OK, status_of), answer)
        }
        // A stream has said 200 before anybody knows how the call ends.
        Begun::Streaming(first, frames) => stream(door, first, frames),
    }
}

/// The same for a batch, whose frames end with the last of its answers: one array of them all, or a
/// stream with an event for each (2025-03-26, transports).
pub(super) async fn reply_batch(
    door: &Door,
    http: &HttpRequest,
    mut frames: Frames,
) -> HttpResponse {
    let begun = Instant::now();
    let mut read = Vec::new();
    loop {
        match timeout_at(begun + stream_after(http), frames.next()).await {
            Ok(Some(frame)) => read.push(frame),
            // A batch of which all was cancelled has no answer, and so no array (JSON-RPC 2.0 §6).
            Ok(None) if !read.is_empty() => {
                return json(StatusCode::OK, encode_batch(read.iter().map(Frame::bytes)));
            }
            Ok(None) | Err(_) => break,
        }
        if let Some(Frame::Message(_)) = read.last() {
            break;
        }
    }
    let metrics = door.metrics.clone();
    EventStream::of_batch(read, frames, door.keep_alive, metrics).into_response()
}

/// How a call begins to answer.
enum Begun {
    /// With its answer.
    Answered(Bytes),
    /// With something else, or nothing for long.
    Streaming(Option<Frame>, Frames),
}

async fn begin(mut frames: Frames, within: Duration) -> Begun {
    match timeout(within, frames.next()).await {
        Ok(Some(Frame::Answer(answer))) => {
            frames.forget();
            Begun::Answered(answer)
        }
        Ok(first) => Begun::Streaming(first, frames),
        Err(_not_yet) => Begun::Streaming(None, frames),
    }
}

fn json(status: StatusCode, answer: Bytes) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(answer)
}

/// The status of an error that a call ended with (2026-07-28, error codes). All others are the
/// business of the message alone.
fn status_of(code: i32) -> StatusCode {
    match code {
        codes::MISSING_REQUIRED_CLIENT_CAPABILITY => StatusCode::BAD_REQUEST,
        codes::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

fn stream(door: &Door, first: Option<Frame>, frames: Frames) -> HttpResponse {
    EventStream::of_answer(first, frames, door.keep_alive, door.metrics.clone()).into_response()
}
