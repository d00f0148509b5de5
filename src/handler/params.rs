//! Params that are somebody else's code's business, and what every such call is held to first.
//!
//! Called by [`Handler`](super::Handler) alone.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CallContext, Entries, LIST_TTL, PromptArguments,
    completion::{CompleteParams, Reference, complete},
};
use crate::{
    protocol::{CacheHint, Method, ProtocolVersion, RpcError, codes},
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

/// Suggestions tell of what they are for, so they need what it needs.
pub(super) fn completed(
    now: &Entries,
    context: &CallContext,
    params: Value,
) -> Result<Value, RpcError> {
    let params: CompleteParams = fitting(params)?;
    let (needed, completer) = match &params.reference {
        Reference::Prompt { name } => now.completer_of_prompt(name)?,
        Reference::Resource { uri } => now.completer_of_template(uri)?,
    };
    covered(context, needed)?;
    Ok(complete(completer, &params.argument))
}

/// The transport has asked before, and challenged; this is for who calls without it, for the day it
/// looks at another name than this one, and for what was put in the place of what it looked at.
pub(super) fn require_scopes(
    now: &Entries,
    context: &CallContext,
    method: &Method,
    params: &Value,
) -> Result<(), RpcError> {
    let member = match method {
        Method::ResourcesRead | Method::ResourcesSubscribe => "uri",
        _ => "name",
    };
    let name = params.get(member).and_then(Value::as_str);
    match now.needed_scopes(method, name) {
        Some(needed) => covered(context, needed),
        None => Ok(()),
    }
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
