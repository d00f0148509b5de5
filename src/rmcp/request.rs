//! A request as rmcp has it, read by its method: rmcp's own reader tries one type after the other,
//! and takes params that don't fit for those of another method.

#![expect(
    deprecated,
    reason = "clients of old versions subscribe and set levels by themselves"
)]

use ::rmcp::model::{
    CallToolRequest, ClientRequest, CompleteRequest, GetPromptRequest, ListPromptsRequest,
    ListResourceTemplatesRequest, ListResourcesRequest, ListToolsRequest, ReadResourceRequest,
    RequestMetaObject, SetLevelRequest, SubscribeRequest, SubscriptionsListenRequest,
    UnsubscribeRequest,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protocol::{Method, RpcError, codes};

/// The request, and its `_meta`, which a handler finds in its context.
///
/// # Errors
/// [`codes::INVALID_PARAMS`] for params that don't fit, [`codes::METHOD_NOT_FOUND`] for a method that
/// no handler answers here.
pub(super) fn read(
    method: &Method,
    mut params: Value,
) -> Result<(ClientRequest, RequestMetaObject), RpcError> {
    let meta = params.as_object_mut().and_then(|all| all.remove("_meta"));
    let meta = meta.map(fitting).transpose()?.unwrap_or_default();
    let request = match method {
        Method::ToolsCall => CallToolRequest::new(fitting(params)?).into(),
        Method::ToolsList => ListToolsRequest::with_param(fitting(params)?).into(),
        Method::ResourcesList => ListResourcesRequest::with_param(fitting(params)?).into(),
        Method::ResourcesTemplatesList => {
            ListResourceTemplatesRequest::with_param(fitting(params)?).into()
        }
        Method::ResourcesRead => ReadResourceRequest::new(fitting(params)?).into(),
        Method::PromptsList => ListPromptsRequest::with_param(fitting(params)?).into(),
        Method::PromptsGet => GetPromptRequest::new(fitting(params)?).into(),
        Method::CompletionComplete => CompleteRequest::new(fitting(params)?).into(),
        Method::SubscriptionsListen => SubscriptionsListenRequest::new(fitting(params)?).into(),
        Method::LoggingSetLevel => SetLevelRequest::new(fitting(params)?).into(),
        Method::ResourcesSubscribe => SubscribeRequest::new(fitting(params)?).into(),
        Method::ResourcesUnsubscribe => UnsubscribeRequest::new(fitting(params)?).into(),
        other => return Err(RpcError::method_not_found(other)),
    };
    Ok((request, meta))
}

fn fitting<T: DeserializeOwned>(params: Value) -> Result<T, RpcError> {
    serde_json::from_value(params)
        .map_err(|error| RpcError::new(codes::INVALID_PARAMS, format!("invalid params: {error}")))
}
