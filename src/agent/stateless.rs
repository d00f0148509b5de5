//! 2026-07-28: every request stands alone.
//!
//! `negotiation` probes with [`Stateless::discover`]; `connection` sends its requests through it. Each
//! carries version, capabilities and client in `_meta`, and repeats version, method and name as
//! headers. The server never asks anything on such a stream; if it does, nobody answers.

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use url::Url;

use super::{
    caller::Caller,
    error::{AgentError, Said},
    message::{self, Incoming, MODERN_CODES, RpcError, UNSUPPORTED_VERSION},
    reply::{Posted, Refusal, post},
    streamable::PROTOCOL_VERSION,
};
use crate::protocol::ProtocolVersion;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The only modern version there is.
pub(super) const VERSION: ProtocolVersion = ProtocolVersion::V2026_07_28;

/// A server of 2026-07-28.
#[derive(Debug)]
pub(super) struct Stateless {
    url: Url,
    last_id: u64,
}

/// What the server answered to `server/discover`.
#[derive(Debug)]
pub(super) enum Probe {
    /// It speaks 2026-07-28.
    Modern {
        stateless: Stateless,
        server: Option<String>,
    },
    /// It knows no modern version that we know; what it offers, if it said so.
    Legacy { offered: Option<Said> },
}

enum Outcome {
    Result(Value),
    Error(StatusCode, Option<RpcError>),
}

impl Stateless {
    /// Asks whether the server at `url` speaks 2026-07-28.
    ///
    /// # Errors
    /// A modern server's refusal, and a status of 500 or above: neither says "legacy" (2026-07-28,
    /// versioning).
    pub(super) async fn discover(caller: &mut Caller, url: &Url) -> Result<Probe, AgentError> {
        const DISCOVER: &str = "server/discover";
        let mut stateless = Self {
            url: url.clone(),
            last_id: 0,
        };
        let mut outcome = stateless.exchange(caller, DISCOVER, Map::new()).await?;
        if let Outcome::Error(_, Some(error)) = &outcome
            && error.code == UNSUPPORTED_VERSION
            && versions(error.data.get("supported")).contains(&VERSION.as_str())
        {
            // Refused and offered in one breath, as a fleet does in the middle of a roll-out: the
            // specification says to retry with a version of the list, and this is the only one.
            outcome = stateless.exchange(caller, DISCOVER, Map::new()).await?;
        }
        match outcome {
            Outcome::Result(result) => {
                let offered = versions(result.get("supportedVersions"));
                if offered.contains(&VERSION.as_str()) {
                    let server = server_of(&result);
                    return Ok(Probe::Modern { stateless, server });
                }
                Ok(Probe::Legacy {
                    offered: Some(Said::new(&offered.join(", "))),
                })
            }
            Outcome::Error(_, Some(error)) if error.code == UNSUPPORTED_VERSION => {
                let offered = versions(error.data.get("supported"));
                Ok(Probe::Legacy {
                    offered: Some(Said::new(&offered.join(", "))),
                })
            }
            Outcome::Error(_, Some(error)) if MODERN_CODES.contains(&error.code) => {
                Err(error.of(DISCOVER))
            }
            Outcome::Error(status, error) if status.is_server_error() => {
                Err(Refusal { status, error }.of(DISCOVER))
            }
            Outcome::Error(..) => Ok(Probe::Legacy { offered: None }),
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn request(
        &mut self,
        caller: &mut Caller,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Value, AgentError> {
        match self.exchange(caller, method, params.clone()).await? {
            Outcome::Result(result)
                if result.get("resultType") == Some(&json!("input_required")) =>
            {
                Err(AgentError::InputRequired {
                    method: method.to_owned(),
                })
            }
            Outcome::Result(result) => Ok(result),
            Outcome::Error(status, error) => Err(Refusal { status, error }.of(method)),
        }
    }

    async fn exchange(
        &mut self,
        caller: &mut Caller,
        method: &str,
        mut params: Map<String, Value>,
    ) -> Result<Outcome, AgentError> {
        self.last_id += 1;
        let headers = headers(method, &params)?;
        params.insert("_meta".to_owned(), meta());
        let body = message::request(self.last_id, method, &params);
        let mut replies = match post(caller, &self.url, headers, body).await? {
            Posted::Replies { replies, .. } => replies,
            Posted::Refused(Refusal { status, error }) => return Ok(Outcome::Error(status, error)),
        };
        let until = Instant::now() + caller.deadline().get();
        while let Some(message) = replies.next(caller, until, method).await? {
            match message {
                Incoming::Answer { id, outcome } if id.is_none_or(|id| id == self.last_id) => {
                    return Ok(match outcome {
                        Ok(result) => Outcome::Result(result),
                        Err(error) => Outcome::Error(StatusCode::OK, Some(error)),
                    });
                }
                _ => {}
            }
        }
        Err(AgentError::StreamEnded)
    }
}

/// `_meta` of every request (2026-07-28, lifecycle).
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": VERSION.as_str(),
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": message::client_info(),
    })
}

/// The headers that repeat the body (2026-07-28, transports).
fn headers(method: &str, params: &Map<String, Value>) -> Result<HeaderMap, AgentError> {
    let value = |text: &str| {
        HeaderValue::try_from(header_text(text)).map_err(|_invalid| AgentError::Unreadable {
            method: Said::new(method).to_string(),
            why: "its name does not fit a header".to_owned(),
        })
    };
    let mut headers = HeaderMap::new();
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(VERSION.as_str()));
    headers.insert(METHOD, value(method)?);
    let key = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(headers),
    };
    if let Some(name) = params.get(key).and_then(Value::as_str) {
        headers.insert(NAME, value(name)?);
    }
    Ok(headers)
}

/// Plain where a header can carry it unharmed, else base64 between markers.
fn header_text(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim_matches(' ') == text
        && !text.is_empty()
        && !text.starts_with("=?base64?");
    if plain {
        return text.to_owned();
    }
    format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
}

fn versions(list: Option<&Value>) -> Vec<&str> {
    let list = list.and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn server_of(result: &Value) -> Option<String> {
    let meta = result.get("_meta")?;
    message::server_name(meta.get("io.modelcontextprotocol/serverInfo")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_header_would_harm_travels_as_base64() {
        for (name, sent) in [
            ("whoami", "whoami"),
            ("a b", "a b"),
            (" a", "=?base64?IGE=?="),
            ("grüß", "=?base64?Z3LDvMOf?="),
            ("=?base64?IGE=?=", "=?base64?PT9iYXNlNjQ/SUdFPT89?="),
        ] {
            assert_eq!(header_text(name), sent);
        }
    }

    #[test]
    fn a_resource_is_named_by_its_uri() {
        let params = Map::from_iter([("uri".to_owned(), json!("test://a"))]);

        let headers = headers("resources/read", &params).unwrap();

        assert_eq!(headers.get(NAME).unwrap(), "test://a");
        assert_eq!(headers.get(METHOD).unwrap(), "resources/read");
    }
}
