//! Params that are somebody else's code's business, and what every such call is held to first.
//!
//! Called by [`Handler`](super::Handler) alone.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CallContext, LIST_TTL, PromptArguments};
use crate::{
    protocol::{CacheHint, ProtocolVersion, RpcError, codes},
    scope::Scopes,
};

#[derive(Deserialize)]
pub(super) struct GetPromptParams {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: PromptArguments,
}

#[derive(Deserialize)]
pub(super) struct ReadResourceParams {
    pub(super) uri: String,
}

pub(super) fn covered(context: &CallContext, needed: &Scopes) -> Result<(), RpcError> {
    if context.principal().scopes().covers(needed) {
        return Ok(());
    }
    Err(RpcError::new(
        codes::INVALID_REQUEST,
        format!("this needs the scopes {needed}"),
    ))
}

/// Params of the type that a method asks for.
pub(super) fn fitting<T: serde::de::DeserializeOwned>(params: Value) -> Result<T, RpcError> {
    serde_json::from_value(params)
        .map_err(|error| RpcError::new(codes::INVALID_PARAMS, format!("invalid params: {error}")))
}

pub(super) fn resource_not_found(uri: &str, version: ProtocolVersion) -> RpcError {
    let code = if version.is_modern() {
        codes::INVALID_PARAMS
    } else {
        codes::RESOURCE_NOT_FOUND
    };
    RpcError::new(code, "resource not found").with_data(json!({ "uri": uri }))
}

pub(super) fn kept() -> CacheHint {
    CacheHint::Private {
        ttl_ms: u64::try_from(LIST_TTL.as_millis()).unwrap_or(u64::MAX),
    }
}
