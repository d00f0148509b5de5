//! What a client can ask for: one method, one answer. Plain async functions, no actor, no HTTP.
//!
//! `session` runs calls here, for legacy sessions and modern requests alike; `transport` asks
//! [`Handler::needed_scopes`] before, so that a call that lacks one is refused over HTTP. What a
//! server offers is in its [`Catalog`]; what a tool, resource or prompt may do meanwhile is its
//! [`CallContext`]. A panic or silence ends as a proper error of that one call.

mod builtin;
mod catalog;
mod changes;
mod client;
mod completion;
mod context;
mod delegate;
mod entry;
mod error;
mod guard;
mod input;
mod param_headers;
mod params;
mod prompts;
mod questions;
#[cfg(feature = "rmcp")]
mod relay;
mod replay;
mod resources;
mod schema;
mod template;
mod tools;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

pub use builtin::whoami;
pub use catalog::Catalog;
pub use changes::{Change, ChangeListener, Changes, WAITING_MAX};
pub use client::{Client, LogThreshold};
pub use context::CallContext;
pub use delegate::Delegate;
pub use error::{HandlerError, InputRequired, ToolError};
pub use input::{ClientCapability, Elicited, Root};
pub use param_headers::ParamHeader;
pub use prompts::{Prompt, PromptArguments, PromptMessage};
pub use questions::Questions;
pub use replay::NoKey;
pub use resources::{Resource, ResourceTemplate, Variables};
pub use schema::SchemaError;
pub use template::TemplateError;
pub use tools::{IntoToolResult, NoArguments, Structured, Tool};

use crate::{
    protocol::{
        CacheHint, CallToolParams, CallToolResult, Implementation, Method, ProtocolVersion, Raw,
        RpcError, ServerInfo, codes, modern_result, read_params,
    },
    scope::Scopes,
    telemetry::Metrics,
    time::Clock,
    units::HumanDuration,
};
use catalog::Found;
use client::Way;
use completion::{CompleteParams, Reference, complete};
use params::{GetPromptParams, ReadResourceParams, covered, fitting, kept, resource_not_found};
use replay::{Binding, Sealer, asks_for_input};

/// Limits on calls.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// How long a tool may run before its call is answered with an error. Above zero; default 60 s.
    pub call_deadline: HumanDuration,
    /// How long a client of 2026-07-28 may take to come back with what a call asked for. Above zero;
    /// default 15 min.
    pub input_deadline: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            call_deadline: HumanDuration::from_secs(60),
            input_deadline: HumanDuration::from_secs(15 * 60),
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
    /// What of it stands in every answer.
    brief: Implementation,
    catalog: Catalog,
    sealer: Sealer,
    metrics: Metrics,
}

/// How long a client may keep what only changes with a new release: five minutes.
const LIST_TTL: Duration = Duration::from_secs(300);

impl Handler {
    /// A handler of this catalog.
    ///
    /// # Errors
    /// A tool's schema can't be compiled, or the system has no randomness for a sealing key.
    pub fn new(
        config: Config,
        info: ServerInfo,
        catalog: Catalog,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, HandlerError> {
        catalog.compile()?;
        let sealer = Sealer::new(clock, config.input_deadline)?;
        Ok(Self(Arc::new(Inner {
            config,
            brief: info.implementation.in_brief(),
            info,
            catalog,
            sealer,
            metrics,
        })))
    }

    /// The result of `initialize` under the negotiated version.
    #[must_use]
    pub fn initialize_result(&self, version: ProtocolVersion) -> Value {
        self.0
            .info
            .initialize_result(version, &self.0.catalog.capabilities(version))
    }

    /// Where changes of lists and resources are said.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.0.catalog.changes
    }

    /// Names of all tools, in order.
    pub fn tool_names(&self) -> impl Iterator<Item = &str> {
        self.0.catalog.tools.keys().map(String::as_str)
    }

    /// The scopes a caller needs for this very request: all of them, so that one challenge is enough.
    /// `name` is the tool's or prompt's name, or the resource's URI.
    #[must_use]
    pub fn needed_scopes(&self, method: &Method, name: Option<&str>) -> Scopes {
        self.0
            .catalog
            .needed_scopes(method, name)
            .cloned()
            .unwrap_or_default()
    }

    /// Arguments of a tool that a client of 2026-07-28 repeats in headers.
    #[must_use]
    pub fn param_headers(&self, tool: &str) -> &[ParamHeader] {
        let tool = self.0.catalog.tools.get(tool);
        tool.and_then(|tool| tool.param_headers().ok())
            .unwrap_or_default()
    }

    /// Whether a method exists in a protocol version, for this catalog.
    #[must_use]
    pub fn serves(&self, method: &Method, version: ProtocolVersion) -> bool {
        let catalog = &self.0.catalog;
        let ours = match method {
            Method::ToolsList | Method::ToolsCall => true,
            Method::ServerDiscover | Method::SubscriptionsListen => version.is_modern(),
            Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                catalog.has_resources() && !version.is_modern()
            }
            Method::LoggingSetLevel => !version.is_modern(),
            Method::ResourcesList | Method::ResourcesTemplatesList | Method::ResourcesRead => {
                catalog.has_resources()
            }
            Method::PromptsList | Method::PromptsGet => !catalog.prompts.is_empty(),
            Method::CompletionComplete => catalog.completes(),
            _ => false,
        };
        ours || catalog.delegates(method)
    }

    /// Answers one request, fitted to the context's protocol version.
    ///
    /// # Errors
    /// A JSON-RPC error: an unknown method or name, params that don't fit.
    pub async fn handle(
        &self,
        context: CallContext,
        method: &Method,
        params: Option<&Raw>,
    ) -> Result<Value, RpcError> {
        let version = context.protocol_version();
        if !self.serves(method, version) {
            return Err(RpcError::method_not_found(method));
        }
        let (result, hint) = match method {
            Method::ServerDiscover => (self.discover(version), kept()),
            Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead => {
                self.call(context, method, read_params(params)?).await?
            }
            _ if self.0.catalog.delegates(method) => {
                let params = params.map_or_else(|| Ok(json!({})), Raw::read)?;
                self.call(context, method, params).await?
            }
            Method::CompletionComplete => (
                self.complete(&context, read_params(params)?)?,
                CacheHint::None,
            ),
            Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList => {
                (self.0.catalog.list(method, params, version)?, kept())
            }
            // What belongs to a session or a stream is answered there.
            _ => return Err(RpcError::method_not_found(method)),
        };
        if version.is_modern() {
            let server = match method {
                Method::ServerDiscover => &self.0.info.implementation,
                _ => &self.0.brief,
            };
            return Ok(modern_result(result, server, hint));
        }
        Ok(result)
    }

    fn discover(&self, version: ProtocolVersion) -> Value {
        self.0
            .info
            .discover_result(&self.0.catalog.capabilities(version))
    }

    /// Suggestions tell of what they are for, so they need what it needs.
    fn complete(&self, context: &CallContext, params: Value) -> Result<Value, RpcError> {
        let params: CompleteParams = fitting(params)?;
        let needed = match &params.reference {
            Reference::Prompt { name } => self.needed_scopes(&Method::PromptsGet, Some(name)),
            Reference::Resource { uri } => self.0.catalog.scopes_of_template(uri),
        };
        covered(context, &needed)?;
        let completer = match &params.reference {
            Reference::Prompt { name } => self.0.catalog.completer_of_prompt(name)?,
            Reference::Resource { uri } => self.0.catalog.completer_of_template(uri)?,
        };
        Ok(complete(completer, &params.argument))
    }

    /// The methods behind which somebody else's code runs, and may ask for input.
    async fn call(
        &self,
        context: CallContext,
        method: &Method,
        params: Value,
    ) -> Result<(Value, CacheHint), RpcError> {
        self.require_scopes(&context, method, &params)?;
        let binding = Binding::of(&context.principal().owner(), method, &params);
        let is_modern = context.protocol_version().is_modern();
        let replay = is_modern
            .then(|| self.0.sealer.replay(&binding, &params))
            .transpose()?;
        let progress_token = params.pointer("/_meta/progressToken").cloned();
        let context = context.with(progress_token, |client| {
            if let Some(replay) = replay {
                client.way = Way::Replay(replay);
            }
        });
        let answered = match (self.0.catalog.delegate_of(method, &params), method) {
            (Some(delegate), _) => self.delegated(delegate, &context, method, params).await,
            (None, Method::ToolsCall) => self.call_tool(&context, params).await,
            (None, Method::PromptsGet) => self.get_prompt(&context, params).await,
            (None, Method::ResourcesRead) => self.read_resource(&context, params).await,
            (None, _) => self
                .complete(&context, params)
                .map(|result| (result, CacheHint::None))
                .map_err(ToolError::from),
        };
        match (answered, &context.client().way) {
            (Ok((result, hint)), Way::Replay(replay)) if asks_for_input(&result) => {
                Ok((self.0.sealer.carried(&binding, replay, result)?, hint))
            }
            (Ok(answered), _) => Ok(answered),
            (Err(ToolError::Rpc(error)), _) => Err(error),
            (Err(ToolError::InputRequired(_)), Way::Replay(replay)) => {
                let asked = self.0.sealer.input_required(&binding, replay)?;
                Ok((asked, CacheHint::None))
            }
            (Err(ToolError::Failed(text)), _) if *method == Method::ToolsCall => {
                Ok((json!(CallToolResult::error(text)), CacheHint::None))
            }
            (Err(error), _) => Err(RpcError::new(codes::INTERNAL_ERROR, error.to_string())),
        }
    }

    /// The transport has asked before, and challenged; this is for who calls without it, and for the
    /// day it looks at another name than this one.
    fn require_scopes(
        &self,
        context: &CallContext,
        method: &Method,
        params: &Value,
    ) -> Result<(), RpcError> {
        let member = if *method == Method::ResourcesRead {
            "uri"
        } else {
            "name"
        };
        let needed = self.needed_scopes(method, params.get(member).and_then(Value::as_str));
        covered(context, &needed)
    }

    async fn call_tool(
        &self,
        context: &CallContext,
        params: Value,
    ) -> Result<(Value, CacheHint), ToolError> {
        let params: CallToolParams = fitting(params)?;
        let tool = self.0.catalog.tool(&params.name)?;
        let version = context.protocol_version();
        let run = tool.run(context.clone(), params.arguments.unwrap_or_default());
        let result = self.guarded(tool.name(), version, run).await?;
        Ok((json!(result.for_version(version)), CacheHint::None))
    }

    async fn get_prompt(
        &self,
        context: &CallContext,
        params: Value,
    ) -> Result<(Value, CacheHint), ToolError> {
        let params: GetPromptParams = fitting(params)?;
        let prompt = self.0.catalog.prompt(&params.name)?;
        let description = &prompt.description;
        let missing = description
            .arguments
            .iter()
            .find(|argument| argument.required && !params.arguments.has(&argument.name));
        if let Some(missing) = missing {
            let text = format!("the argument {} is missing", missing.name);
            return Err(RpcError::new(codes::INVALID_PARAMS, text).into());
        }
        let version = context.protocol_version();
        let fill = (prompt.fill)(context.clone(), params.arguments);
        let messages = self.guarded(&description.name, version, fill).await?;
        let messages: Vec<_> = messages
            .into_iter()
            .map(|message| message.for_version(version))
            .collect();
        let result = json!({ "description": description.description, "messages": messages });
        Ok((result, CacheHint::None))
    }

    async fn read_resource(
        &self,
        context: &CallContext,
        params: Value,
    ) -> Result<(Value, CacheHint), ToolError> {
        let params: ReadResourceParams = fitting(params)?;
        let version = context.protocol_version();
        let (found, variables) = self
            .0
            .catalog
            .resource(&params.uri)
            .ok_or_else(|| resource_not_found(&params.uri, version))?;
        let read = match found {
            Found::Resource(resource) => (resource.read)(context.clone(), variables),
            Found::Template(template) => (template.read)(context.clone(), variables),
        };
        let mut contents = self.guarded("resources/read", version, read).await?;
        for piece in &mut contents {
            if piece.mime_type.is_none() {
                piece.mime_type = found.mime_type().cloned();
            }
        }
        let contents: Vec<_> = contents
            .into_iter()
            .map(|piece| piece.for_version(version))
            .collect();
        Ok((
            json!({ "contents": contents }),
            CacheHint::Private { ttl_ms: 0 },
        ))
    }
}

#[cfg(test)]
mod tests;
