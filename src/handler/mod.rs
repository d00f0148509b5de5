//! What a client can ask for: one method, one answer. Plain async functions, no actor, no HTTP.
//!
//! `session` runs calls here, for legacy sessions and modern requests alike; `transport` asks
//! [`Handler::needed_scopes`] before, so that a call that lacks one is refused over HTTP. Whether a
//! caller may use something is asked once, in `permit`. What a
//! server offers is in its [`Catalog`], and may change; what a tool, resource or prompt may do meanwhile
//! is its [`CallContext`]. A panic or silence ends as a proper error of that one call.

mod builders;
mod builtin;
mod call;
mod capabilities;
mod catalog;
mod changes;
mod client;
mod clock;
mod completion;
mod context;
mod conversation;
mod delegate;
mod entries;
mod error;
mod form;
mod guard;
mod hear;
mod input;
mod listing;
mod param_headers;
mod params;
mod permit;
mod prompts;
mod questions;
mod refused;
#[cfg(feature = "rmcp")]
mod relay;
mod replay;
mod resources;
mod schema;
mod set_up;
mod skills;
mod tasks;
mod template;
mod tools;
mod voice;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

pub use builtin::{whoami, whoami_with_verification};
pub use catalog::Catalog;
pub use changes::{Change, ChangeListener, Changes, WAITING_MAX};
pub use client::{Client, LogThreshold};
pub use context::CallContext;
#[cfg(feature = "rmcp")]
pub(crate) use conversation::WeakConversation;
pub use conversation::{Conversation, Introduction, WATCHED_MAX};
pub use delegate::Delegate;
pub use entries::{Entries, Lists};
pub use error::{HandlerError, InputRequired, ToolError};
pub use input::{ClientCapability, Elicited, Root};
pub use param_headers::ParamHeader;
pub use prompts::{Prompt, PromptArgument, PromptArguments, PromptMessage};
pub use questions::Questions;
pub use replay::NoKey;
pub use resources::{Resource, ResourceTemplate, Variables};
pub use schema::SchemaError;
pub use tasks::{Config as TaskConfig, TaskListener};
pub use template::TemplateError;
pub use tools::{IntoToolResult, NoArguments, Structured, Tool};
pub use voice::{SessionStream, SessionStreamRef};

use crate::{
    policy::{Limiter, Policy},
    protocol::{
        CacheHint, CallToolResult, Implementation, Method, ProtocolVersion, Raw, RpcError,
        ServerInfo, codes, modern_result, read_params,
    },
    telemetry::{LineBudget, Metrics},
    time::Clock,
    units::{ByteSize, HumanDuration},
};
use params::kept;
use replay::Sealer;
use tasks::Tasks;

/// Limits on calls.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// How long a tool may run before its call is answered with an error, without the time that its
    /// client is asked meanwhile. Above zero; default 60 s.
    pub call_deadline: HumanDuration,
    /// How long a client may take to answer what a call asks it, or to come back with it (2026-07-28).
    /// Above zero; default 15 min.
    pub input_deadline: HumanDuration,
    /// How much of a call's arguments the audit log keeps; with zero nothing. Default 0 B: what people
    /// say to a tool is theirs.
    pub audited_arguments: ByteSize,
    /// Whether `whoami` tells how its caller was verified. Default no.
    pub whoami_meta: bool,
    /// Calls that outlive their requests.
    pub tasks: TaskConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            call_deadline: HumanDuration::from_secs(60),
            input_deadline: HumanDuration::from_secs(15 * 60),
            audited_arguments: ByteSize::from_bytes(0),
            whoami_meta: false,
            tasks: TaskConfig::default(),
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
    policy: Policy,
    limiter: Limiter,
    catalog: Catalog,
    sealer: Sealer,
    tasks: Tasks,
    metrics: Metrics,
    refusal_lines: LineBudget,
}

/// Lines a second about calls that were refused; further ones are counted only.
const REFUSAL_LINES: u32 = 100;

/// How long a client may keep a list before it asks again, if nobody tells it of a change: five minutes.
const LIST_TTL: Duration = Duration::from_secs(300);

impl Handler {
    /// A handler of this catalog.
    ///
    /// # Errors
    /// A tool's schema can't be compiled, or the system has no randomness for a sealing key.
    pub fn new(
        config: Config,
        policy: Policy,
        info: ServerInfo,
        catalog: impl Into<Catalog>,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, HandlerError> {
        let catalog = catalog.into();
        catalog.now().compile()?;
        let sealer = Sealer::new(clock.clone(), config.input_deadline, metrics.clone())?;
        let tasks = Tasks::new(config.tasks, clock, metrics.clone());
        Ok(Self(Arc::new(Inner {
            config,
            brief: info.implementation.in_brief(),
            info,
            limiter: Limiter::new(policy.config().rates_max),
            policy,
            catalog,
            sealer,
            tasks,
            metrics,
            refusal_lines: LineBudget::new(REFUSAL_LINES),
        })))
    }

    /// The result of `initialize` under the negotiated version.
    #[must_use]
    pub fn initialize_result(&self, version: ProtocolVersion) -> Value {
        self.0
            .info
            .initialize_result(version, &self.now().capabilities(version))
    }

    /// Where changes of lists and resources are said.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        self.0.catalog.changes()
    }

    /// What is offered, to be changed.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// Where what is called is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// How much of a call's arguments the audit log keeps.
    #[must_use]
    pub fn audited_arguments(&self) -> ByteSize {
        self.0.config.audited_arguments
    }

    /// What is offered now. Whoever looks more than once for one purpose keeps it meanwhile.
    #[must_use]
    pub fn now(&self) -> Arc<Entries> {
        self.0.catalog.now()
    }

    /// Whether a method exists in a protocol version, for this catalog.
    #[must_use]
    pub fn serves(&self, method: &Method, version: ProtocolVersion) -> bool {
        self.now().serve(method, version)
    }

    /// Cancels every task, and takes no more: the server is being stopped.
    pub fn stop_tasks(&self) {
        self.0.tasks.stop();
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
        // One and the same from here on: what a caller was let in for is what runs.
        let now = self.now();
        if !now.serve(method, version) {
            return Err(RpcError::method_not_found(method));
        }
        let (result, hint) = if permit::names_entry(method) {
            let params = read_params(params)?;
            self.answer_about(&now, context, method, params).await?
        } else {
            self.answer(&now, context, method, params).await?
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

    async fn answer(
        &self,
        now: &Entries,
        context: CallContext,
        method: &Method,
        params: Option<&Raw>,
    ) -> Result<(Value, CacheHint), RpcError> {
        let version = context.protocol_version();
        Ok(match method {
            Method::ServerDiscover => {
                let capabilities = now.capabilities(version);
                (self.0.info.discover_result(&capabilities), kept())
            }
            Method::Initialize | Method::LoggingSetLevel => {
                let done = self.set_up(now, &context, method, read_params(params)?);
                (done.await?, CacheHint::None)
            }
            _ if tasks::serves(method, version) => {
                let result = self.of_tasks(&context, method, params).await?;
                (result, CacheHint::None)
            }
            _ if now.delegates(method) => {
                let params = params.map_or_else(|| Ok(json!({})), Raw::read)?;
                self.call(now, context, method, params).await?
            }
            Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::SkillsList => {
                let view = self.view(context.principal());
                (now.list(method, params, version, view)?, kept())
            }
            // What belongs to a session or a stream is answered there.
            _ => return Err(RpcError::method_not_found(method)),
        })
    }

    /// The same for what is about an entry, if the caller may use it.
    async fn answer_about(
        &self,
        now: &Entries,
        context: CallContext,
        method: &Method,
        params: Value,
    ) -> Result<(Value, CacheHint), RpcError> {
        let version = context.protocol_version();
        if let Err(refusal) = self.permit(now, &context, method, &params) {
            return Ok((refused(method, refusal)?, CacheHint::None));
        }
        Ok(match method {
            Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                let done = self.set_up(now, &context, method, params);
                (done.await?, CacheHint::None)
            }
            Method::SkillsGet => (now.skill_entry(params)?, kept()),
            Method::ResourcesDirectoryRead => {
                let view = self.view(context.principal());
                (now.folder(&params, version, view)?, CacheHint::None)
            }
            _ => self.call(now, context, method, params).await?,
        })
    }
}

/// How a call ends that may not go on.
fn refused(method: &Method, refusal: ToolError) -> Result<Value, RpcError> {
    match refusal {
        ToolError::Rpc(error) => Err(error),
        ToolError::Failed(text) if *method == Method::ToolsCall => {
            Ok(json!(CallToolResult::error(text)))
        }
        other => Err(RpcError::new(codes::INTERNAL_ERROR, other.to_string())),
    }
}

#[cfg(test)]
mod tests;
