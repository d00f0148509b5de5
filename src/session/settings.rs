//! What a client wants of its session: how much is logged to it, and which resources it watches.
//!
//! Pure functions over params and the session's state; the actor calls them.

use std::collections::HashSet;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::WATCHED_MAX;
use crate::{
    handler::{Change, LogThreshold},
    protocol::{
        LogLevel, Method, Raw, Request, RpcError, codes, encode_error, encode_notification,
        encode_result, read_params,
    },
};

#[derive(Deserialize)]
struct SetLevelParams {
    level: String,
}

#[derive(Deserialize)]
struct UriParams {
    uri: String,
}

/// Does what a client wants of its session, rather than of a handler, and says so.
pub(super) fn set_up(
    request: &Request,
    threshold: &LogThreshold,
    watched: &mut HashSet<String>,
) -> Bytes {
    let params = request.params.as_ref();
    let done = match request.method {
        Method::LoggingSetLevel => log_level(params).map(|level| threshold.set(level)),
        Method::ResourcesSubscribe => watch(params, watched),
        _ => unwatch(params, watched),
    };
    match done {
        Ok(()) => encode_result(&request.id, json!({})),
        Err(error) => encode_error(Some(&request.id), &error),
    }
}

/// `logging/setLevel`.
fn log_level(params: Option<&Raw>) -> Result<LogLevel, RpcError> {
    let params: SetLevelParams = read_params(params)?;
    let invalid = |error: crate::protocol::LogLevelError| {
        RpcError::new(codes::INVALID_PARAMS, error.to_string())
    };
    params.level.parse().map_err(invalid)
}

/// `resources/subscribe`.
fn watch(params: Option<&Raw>, watched: &mut HashSet<String>) -> Result<(), RpcError> {
    let params: UriParams = read_params(params)?;
    if watched.len() >= WATCHED_MAX && !watched.contains(&params.uri) {
        let text = format!("at most {WATCHED_MAX} subscriptions in one session");
        return Err(RpcError::new(codes::INVALID_REQUEST, text));
    }
    watched.insert(params.uri);
    Ok(())
}

/// `resources/unsubscribe`; of what is not watched, it changes nothing.
fn unwatch(params: Option<&Raw>, watched: &mut HashSet<String>) -> Result<(), RpcError> {
    let params: UriParams = read_params(params)?;
    watched.remove(&params.uri);
    Ok(())
}

/// What a client is told of a change, if it is told.
pub(super) fn notification(change: &Change, watched: &HashSet<String>) -> Option<Bytes> {
    let (method, params) = match change {
        Change::Tools => (Method::ToolsListChanged, json!({})),
        Change::Prompts => (Method::PromptsListChanged, json!({})),
        Change::Resources => (Method::ResourcesListChanged, json!({})),
        Change::Resource(uri) if watched.contains(uri) => {
            (Method::ResourcesUpdated, json!({ "uri": uri }))
        }
        Change::Resource(_) => return None,
    };
    encode_notification(&method, &params).ok()
}
