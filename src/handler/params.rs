//! Params of what is somebody else's code's business, and answers that several methods share.
//!
//! Called by [`Handler`](super::Handler) alone.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Entries, LIST_TTL, PromptArguments,
    completion::{CompleteParams, Reference, complete},
};
use crate::protocol::{CacheHint, ProtocolVersion, RpcError, codes};

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

/// Suggestions for an argument.
pub(super) fn completed(now: &Entries, params: Value) -> Result<Value, RpcError> {
    let params: CompleteParams = fitting(params)?;
    let completer = match &params.reference {
        Reference::Prompt { name } => now.completer_of_prompt(name)?,
        Reference::Resource { uri } => now.completer_of_template(uri)?,
    };
    Ok(complete(completer, &params.argument))
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
