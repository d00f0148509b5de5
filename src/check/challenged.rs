//! The request that opens a conversation, as a client would send it first; sent with other headers by
//! each step that wants to know how the server answers.

use reqwest::{
    RequestBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Value, json};
use url::Url;

use super::probe::Probe;
use crate::{protocol::ProtocolVersion, secret::Secret};

/// Whether the endpoint speaks HTTP+SSE, by the end of its path.
pub(super) fn is_sse(url: &Url) -> bool {
    url.path().trim_end_matches('/').ends_with("/sse")
}

/// `initialize`, or the GET that opens an HTTP+SSE stream.
pub(super) fn opening(probe: &Probe, url: &Url) -> RequestBuilder {
    if is_sse(url) {
        return probe.get(url.as_str()).header(ACCEPT, "text/event-stream");
    }
    probe
        .post(url.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, text/event-stream")
        .body(initialize().to_string())
}

/// The same with a token.
pub(super) fn opening_with(probe: &Probe, url: &Url, token: &Secret) -> RequestBuilder {
    let bearer = format!("Bearer {}", token.expose());
    opening(probe, url).header(AUTHORIZATION, bearer)
}

fn initialize() -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": ProtocolVersion::V2025_11_25.as_str(),
            "capabilities": {},
            "clientInfo": { "name": "usher check", "version": env!("CARGO_PKG_VERSION") },
        },
    })
}
