//! Asks one URL and looks at all of the answer: status, headers, and the beginning of its body.
//!
//! Redirects are not followed and no cookie is kept: what a client would meet is what counts. Every
//! answer ends at the deadline; of an event stream only the head is read. What time it is at each origin
//! is noted along the way.

use std::{cell::RefCell, collections::HashMap, error::Error};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde::de::DeserializeOwned;
use url::Url;

use super::clock;
use crate::{
    fetch,
    time::Clock,
    units::{ByteSize, HumanDuration},
};

/// Longest body that is read.
const BODY_MAX: ByteSize = ByteSize::from_kib(256);

/// The HTTP client could not be built: no usable TLS roots, for one.
#[derive(Debug, thiserror::Error)]
#[error("could not set up the HTTP client")]
pub struct SetupError(#[source] reqwest::Error);

/// Asks.
#[derive(Debug)]
pub(super) struct Probe {
    client: Client,
    /// Seconds that each origin's clock is ahead of ours.
    clocks: RefCell<HashMap<String, i64>>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Probe {
    pub(super) fn new(deadline: HumanDuration) -> Result<Self, SetupError> {
        let client = fetch::client_builder().timeout(deadline.get()).build();
        let clocks = RefCell::default();
        client
            .map(|client| Self { client, clocks })
            .map_err(SetupError)
    }

    /// Seconds that the clock of this URL's origin is ahead of ours, if it said so.
    pub(super) fn ahead(&self, url: &Url) -> Option<i64> {
        let origin = url.origin().ascii_serialization();
        self.clocks.borrow().get(&origin).copied()
    }

    fn note_clock(&self, response: &Response) {
        let origin = response.url().origin().ascii_serialization();
        let Some(ahead) = clock::ahead(response.headers(), Clock::system().now()) else {
            return;
        };
        // What a cache kept is older than it is there: the latest is the truest.
        let mut clocks = self.clocks.borrow_mut();
        let noted = clocks.entry(origin).or_insert(ahead);
        *noted = ahead.max(*noted);
    }

    pub(super) fn get(&self, url: &str) -> RequestBuilder {
        self.client.get(url)
    }

    pub(super) fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    pub(super) fn delete(&self, url: &str) -> RequestBuilder {
        self.client.delete(url)
    }

    /// Sends; an error is a sentence on why there is no answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answer, String> {
        let mut response = request.send().await.map_err(sentence)?;
        self.note_clock(&response);
        let mut body = BytesMut::new();
        while !is_stream(&response)
            && body.len() < BODY_MAX.bytes()
            && let Some(chunk) = response.chunk().await.map_err(sentence)?
        {
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: body.freeze(),
        })
    }
}

impl Answer {
    /// The body of a 200 as JSON; else a few words on what it is instead.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        if self.status != StatusCode::OK {
            return Err(format!("status {}", self.status.as_u16()));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            if self.body.trim_ascii_start().starts_with(b"<") {
                "a web page".to_owned()
            } else {
                format!("not the JSON expected ({error})")
            }
        })
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The last cause says it best: "certificate has expired", "connection refused".
fn sentence(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer within the deadline".to_owned();
    }
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
