//! What a client wants of its session, rather than of a tool: that it begins, how much is logged to it,
//! and which resources it watches (up to 2025-11-25). A delegate has its say.
//!
//! Called by [`Handler`](super::Handler) alone.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CallContext, Conversation, Entries, Handler, ToolError, params::fitting};
use crate::protocol::{LogLevel, LogLevelError, Method, RpcError, codes};

#[derive(Deserialize)]
struct SetLevelParams {
    level: String,
}

#[derive(Deserialize)]
struct UriParams {
    uri: String,
}

impl Handler {
    /// Answers `initialize`, `logging/setLevel`, `resources/subscribe` and `resources/unsubscribe`.
    ///
    /// # Errors
    /// Params that don't fit, too many subscriptions, a delegate that refuses.
    pub(super) async fn set_up(
        &self,
        now: &Entries,
        context: &CallContext,
        method: &Method,
        params: Value,
    ) -> Result<Value, RpcError> {
        let Some(conversation) = context.conversation() else {
            return Err(RpcError::method_not_found(method));
        };
        let ours = match method {
            Method::Initialize => {
                let version = context.protocol_version();
                conversation.declare(now.lists());
                let capabilities = now.capabilities(version);
                Some(self.0.info.initialize_result(version, &capabilities))
            }
            Method::LoggingSetLevel => {
                set_level(conversation, params.clone())?;
                Some(json!({}))
            }
            _ => None,
        };
        if let Some(ours) = ours {
            return match self.ask_delegate(now, context, method, params).await {
                // One without any interest in it is no reason to refuse.
                Err(error) if error.code != codes::METHOD_NOT_FOUND => Err(error),
                _ => Ok(ours),
            };
        }
        let UriParams { uri } = fitting(params.clone())?;
        if *method == Method::ResourcesUnsubscribe {
            conversation.unwatch(&uri);
            return self.ask_delegate(now, context, method, params).await;
        }
        // Watched before the delegate hears of it: it may tell of a change at once.
        let is_new = conversation.watch(&uri)?;
        let answered = self.ask_delegate(now, context, method, params).await;
        if answered.is_err() && is_new {
            conversation.unwatch(&uri);
        }
        answered
    }

    async fn ask_delegate(
        &self,
        now: &Entries,
        context: &CallContext,
        method: &Method,
        params: Value,
    ) -> Result<Value, RpcError> {
        let Some(delegate) = now.delegate_of(method, &params) else {
            return Ok(json!({}));
        };
        let version = context.protocol_version();
        let answer = delegate.answer(context.clone(), method.clone(), params);
        match self
            .guarded(&context.client().clock, method.label(), version, answer)
            .await
        {
            Ok(answer) => Ok(answer),
            Err(ToolError::Rpc(error)) => Err(error),
            Err(error) => Err(RpcError::new(codes::INTERNAL_ERROR, error.to_string())),
        }
    }
}

fn set_level(conversation: &Conversation, params: Value) -> Result<(), RpcError> {
    let params: SetLevelParams = fitting(params)?;
    let invalid = |error: LogLevelError| RpcError::new(codes::INVALID_PARAMS, error.to_string());
    let level: LogLevel = params.level.parse().map_err(invalid)?;
    conversation.log_threshold().set(level);
    Ok(())
}
