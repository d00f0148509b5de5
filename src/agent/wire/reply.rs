//! What comes back on a POST of Streamable HTTP: one JSON body, or an event stream.
//!
//! `streamable` and `stateless` post through [`post`] and read messages from [`Replies`] until their
//! answer is there. A status other than success is a [`Posted::Refused`] with the JSON-RPC error of
//! its body, if it has one: both transports and the negotiation decide by it.

use std::collections::VecDeque;

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use url::Url;

use super::{
    caller::{self, Call, Caller},
    event_stream::EventReader,
    message::{self, Incoming, RpcError},
};
use crate::agent::{error::AgentError, said::Said};

/// What became of a POST.
#[derive(Debug)]
pub(super) enum Posted {
    /// Success: messages follow.
    Replies {
        /// The head, for the session id.
        headers: HeaderMap,
        replies: Replies,
    },
    /// Any other status.
    Refused(Refusal),
}

/// A status that is no success, and the JSON-RPC error that came with it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: Option<RpcError>,
}

impl Refusal {
    /// As the answer to `method`.
    pub(super) fn of(self, method: &str) -> AgentError {
        match self.error {
            Some(error) => error.of(method),
            None => AgentError::Status {
                method: method.to_owned(),
                status: self.status,
            },
        }
    }

    /// Reads what came with a status that is no success.
    pub(super) async fn read(response: Response) -> Result<Self, AgentError> {
        let status = response.status();
        let body = caller::body(response).await?;
        let error = message::read(&body).ok().and_then(first_error);
        Ok(Self { status, error })
    }
}

/// Posts one message (2025-03-26 and later, transports).
pub(super) async fn post(
    caller: &Caller,
    url: &Url,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Posted, AgentError> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    let response = caller
        .send(&Call {
            method: Method::POST,
            url: url.clone(),
            headers,
            body,
        })
        .await?;
    if !response.status().is_success() {
        let refusal = Refusal::read(response).await?;
        return Ok(Posted::Refused(refusal));
    }
    let headers = response.headers().clone();
    let replies = Replies::read(url, response).await?;
    Ok(Posted::Replies { headers, replies })
}

fn first_error(messages: Vec<Incoming>) -> Option<RpcError> {
    messages.into_iter().find_map(|message| match message {
        Incoming::Answer {
            outcome: Err(error),
            ..
        } => Some(error),
        _ => None,
    })
}

/// The messages of an answer, in order.
#[derive(Debug)]
pub(super) struct Replies {
    ready: VecDeque<Incoming>,
    stream: Option<Box<EventReader>>,
}

impl Replies {
    async fn read(url: &Url, response: Response) -> Result<Self, AgentError> {
        if is_stream(&response) {
            return Ok(Self {
                ready: VecDeque::new(),
                stream: Some(Box::new(EventReader::new(response))),
            });
        }
        let kind = content_type(&response);
        let body = caller::body(response).await?;
        let ready = if body.is_empty() {
            // 202 Accepted.
            VecDeque::new()
        } else if is(kind.as_str(), "application/json") {
            let unreadable = |why| AgentError::NotMcp {
                url: url.clone(),
                why,
            };
            message::read(&body).map_err(unreadable)?.into()
        } else {
            return Err(AgentError::NotMcp {
                url: url.clone(),
                why: format!("its answer is of type {:?}", kind.as_str()),
            });
        };
        Ok(Self {
            ready,
            stream: None,
        })
    }

    /// The stream these messages come on, if they come on one.
    pub(super) fn stream(&mut self) -> Option<&mut EventReader> {
        self.stream.as_deref_mut()
    }

    /// The next message; none at the end.
    pub(super) async fn next(&mut self, method: &str) -> Result<Option<Incoming>, AgentError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            let Some(stream) = &mut self.stream else {
                return Ok(None);
            };
            let Some(event) = stream.next().await? else {
                return Ok(None);
            };
            self.ready = messages(&event.kind, &event.data, method)?;
        }
    }
}

/// The messages of an event; none for a priming event or one of another kind.
pub(super) fn messages(
    kind: &str,
    data: &str,
    method: &str,
) -> Result<VecDeque<Incoming>, AgentError> {
    if kind != "message" || data.is_empty() {
        return Ok(VecDeque::new());
    }
    message::read(data.as_bytes())
        .map(VecDeque::from)
        .map_err(|why| AgentError::Unreadable {
            method: method.to_owned(),
            why,
        })
}

/// Whether this is a success whose body is an event stream.
pub(super) fn is_stream(response: &Response) -> bool {
    response.status().is_success() && is(content_type(response).as_str(), "text/event-stream")
}

/// The content type, as it is shown.
pub(super) fn content_type(response: &Response) -> Said {
    let kind = response.headers().get(CONTENT_TYPE);
    Said::new(kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default())
}

/// Whether a content type is `wanted`, whatever its parameters.
fn is(content_type: &str, wanted: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(wanted)
}
