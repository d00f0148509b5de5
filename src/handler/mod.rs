//! What a client can ask for: one method, one answer. Plain async functions, no actor, no HTTP.
//!
//! `session` runs calls here, for legacy sessions and modern requests alike; `transport` asks
//! [`Handler::needed_scopes`] before, so that a call that lacks one is refused over HTTP. A tool's
//! panic or silence ends as a proper error of that one call.

mod builtin;
mod context;
mod error;
mod tools;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use serde_json::{Value, json};

pub use builtin::whoami;
pub use context::CallContext;
pub use error::ToolError;
pub use tools::{IntoToolResult, NoArguments, Structured, Tool};

use crate::{
    protocol::{
        CacheHint, CallToolParams, CallToolResult, Method, ProtocolVersion, Raw, RpcError,
        ServerInfo, codes, modern_result, read_params,
    },
    scope::Scopes,
    telemetry::{CallOutcome, Metrics},
    units::HumanDuration,
};

/// Limits on calls.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// How long a tool may run before its call is answered with an error. Above zero; default 60 s.
    pub call_deadline: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            call_deadline: HumanDuration::from_secs(60),
        }
    }
}

/// Everything this server can do. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handler(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    info: ServerInfo,
    // Sorted, so that every listing has the same order (2026-07-28, tools/list SHOULD).
    tools: BTreeMap<String, Tool>,
    metrics: Metrics,
}

/// How long a client may keep a list that only changes with a new release: five minutes.
const LIST_TTL: Duration = Duration::from_secs(300);

impl Handler {
    /// A handler of these tools; of two with one name the later stays.
    pub fn new(
        config: Config,
        info: ServerInfo,
        tools: impl IntoIterator<Item = Tool>,
        metrics: Metrics,
    ) -> Self {
        let tools = tools
            .into_iter()
            .map(|tool| (tool.name().to_owned(), tool))
            .collect();
        Self(Arc::new(Inner {
            config,
            info,
            tools,
            metrics,
        }))
    }

    /// What the server says of itself.
    #[must_use]
    pub fn info(&self) -> &ServerInfo {
        &self.0.info
    }

    /// Names of all tools, in order.
    pub fn tool_names(&self) -> impl Iterator<Item = &str> {
        self.0.tools.keys().map(String::as_str)
    }

    /// The scopes a caller needs for this very request: all of them, so that one challenge is enough.
    #[must_use]
    pub fn needed_scopes(&self, method: &Method, name: Option<&str>) -> Scopes {
        let tool = match method {
            Method::ToolsCall => name.and_then(|name| self.0.tools.get(name)),
            _ => None,
        };
        tool.map_or_else(Scopes::none, |tool| tool.needed_scopes().clone())
    }

    /// Whether a method exists in a protocol version.
    #[must_use]
    pub fn serves(&self, method: &Method, version: ProtocolVersion) -> bool {
        match method {
            Method::ToolsList | Method::ToolsCall => true,
            Method::ServerDiscover => version.is_modern(),
            _ => false,
        }
    }

    /// Answers one request, fitted to the context's protocol version.
    ///
    /// # Errors
    /// A JSON-RPC error: an unknown method or tool, params that don't fit.
    pub async fn handle(
        &self,
        context: CallContext,
        method: &Method,
        params: Option<&Raw>,
    ) -> Result<Value, RpcError> {
        let version = context.protocol_version();
        let (result, hint) = match method {
            _ if !self.serves(method, version) => return Err(RpcError::method_not_found(method)),
            Method::ServerDiscover => (json!(self.0.info.discover_result()), list_hint()),
            Method::ToolsList => (self.list_tools(version), list_hint()),
            Method::ToolsCall => (self.call_tool(context, params).await?, CacheHint::None),
            _ => return Err(RpcError::method_not_found(method)),
        };
        if version.is_modern() {
            return Ok(modern_result(result, &self.0.info, hint));
        }
        Ok(result)
    }

    fn list_tools(&self, version: ProtocolVersion) -> Value {
        let tools: Vec<_> = self
            .0
            .tools
            .values()
            .map(|tool| tool.description().for_version(version))
            .collect();
        json!({ "tools": tools })
    }

    async fn call_tool(
        &self,
        context: CallContext,
        params: Option<&Raw>,
    ) -> Result<Value, RpcError> {
        let params: CallToolParams = read_params(params)?;
        let tool = self.0.tools.get(&params.name).ok_or_else(|| {
            let name: String = params.name.chars().take(64).collect();
            RpcError::new(codes::INVALID_PARAMS, format!("unknown tool: {name}"))
        })?;
        // The transport has asked before, and challenged; this is for who calls without it, and for
        // the day it looks at another name than this one.
        if !context.principal().scopes().covers(tool.needed_scopes()) {
            let text = format!("this needs the scopes {}", tool.needed_scopes());
            return Err(RpcError::new(codes::INVALID_REQUEST, text));
        }
        let version = context.protocol_version();
        let started = tokio::time::Instant::now();

        let (outcome, result) = self
            .run_tool(tool, context, params.arguments.unwrap_or_default())
            .await;

        self.0
            .metrics
            .call_ended(tool.name(), outcome, started.elapsed());
        result.map(|result| json!(result.for_version(version)))
    }

    async fn run_tool(
        &self,
        tool: &Tool,
        context: CallContext,
        arguments: serde_json::Map<String, Value>,
    ) -> (CallOutcome, Result<CallToolResult, RpcError>) {
        let deadline = self.0.config.call_deadline;
        let too_late = if context.protocol_version().is_modern() {
            codes::INTERNAL_ERROR
        } else {
            codes::REQUEST_TIMEOUT
        };
        // The panic is contained here: the tool's own state may be broken, ours was never lent to it.
        let run = AssertUnwindSafe(tool.run(context, arguments)).catch_unwind();
        match tokio::time::timeout(deadline.get(), run).await {
            Ok(Ok(Ok(result))) => {
                let outcome = if result.is_error {
                    CallOutcome::Error
                } else {
                    CallOutcome::Ok
                };
                (outcome, Ok(result))
            }
            Ok(Ok(Err(ToolError::Failed(text)))) => {
                (CallOutcome::Error, Ok(CallToolResult::error(text)))
            }
            Ok(Ok(Err(ToolError::Rpc(error)))) => (CallOutcome::Error, Err(error)),
            Ok(Err(_panic)) => {
                tracing::error!(tool = tool.name(), "a tool panicked");
                self.0.metrics.panicked();
                (
                    CallOutcome::Panic,
                    Ok(CallToolResult::error("the tool failed")),
                )
            }
            Err(_elapsed) => {
                tracing::warn!(tool = tool.name(), %deadline, "a tool took too long");
                let text = format!("the tool did not answer within {deadline}");
                (CallOutcome::Deadline, Err(RpcError::new(too_late, text)))
            }
        }
    }
}

fn list_hint() -> CacheHint {
    CacheHint::Private {
        ttl_ms: u64::try_from(LIST_TTL.as_millis()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests;
