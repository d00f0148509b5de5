//! The answer to one request: a JSON body where it comes alone and soon, else an event stream.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use futures_util::StreamExt;

use super::{Door, event_stream::EventStream};
use crate::outlet::{Frame, Frames};

/// How long an answer may take before its stream is begun: shorter than any proxy's patience with a
/// silent response, longer than most calls.
const STREAM_AFTER: Duration = Duration::from_secs(5);

/// Waits for the first frame and answers in the form that fits it.
pub(super) async fn reply(
    door: &Door,
    mut frames: Frames,
    header: Option<(HeaderName, HeaderValue)>,
) -> HttpResponse {
    let first = tokio::time::timeout(STREAM_AFTER, frames.next()).await;
    let mut response = match first {
        Ok(Some(Frame::Answer(answer))) => {
            frames.forget();
            HttpResponse::Ok()
                .content_type("application/json")
                .body(answer)
        }
        Ok(first) => stream(door, first, frames),
        Err(_not_yet) => stream(door, None, frames),
    };
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value);
    }
    response
}

fn stream(door: &Door, first: Option<Frame>, frames: Frames) -> HttpResponse {
    EventStream::of_answer(first, frames, door.keep_alive, door.metrics.clone()).into_response()
}
