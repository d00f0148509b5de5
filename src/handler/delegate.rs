//! Somebody else's handler, behind our door: methods that one function answers.
//!
//! A [`Catalog`](super::Catalog) may hold one beside its own entries. Whoever writes an adapter makes
//! it, as the room `rmcp` does; calls reach it as they reach our own tools, with the same checks,
//! deadline and containment. It tells and asks the client through the crate's part of
//! [`CallContext`].

use std::{collections::BTreeMap, fmt, sync::Arc};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{
    CallContext, ClientCapability, Handler, ToolError,
    client::{Question, Way},
};
use crate::{
    protocol::{CacheHint, LogLevel, Method, ProtocolVersion, RpcError, codes},
    scope::Scopes,
};

type Answer = dyn Fn(CallContext, Method, Value) -> BoxFuture<'static, Result<Value, ToolError>>
    + Send
    + Sync;

/// A handler that is not made of our entries. Cheap to clone.
#[derive(Clone)]
pub struct Delegate {
    capabilities: Map<String, Value>,
    needs: BTreeMap<String, Scopes>,
    answer: Arc<Answer>,
}

impl Delegate {
    /// A handler of these capabilities, as `initialize` declares them. The function gets a method and
    /// its params, an object, and returns the result as the context's protocol version has it.
    pub fn new<F>(
        capabilities: Map<String, Value>,
        answer: impl Fn(CallContext, Method, Value) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Value, ToolError>> + Send + 'static,
    {
        Self {
            capabilities,
            needs: BTreeMap::new(),
            answer: Arc::new(move |context, method, params| {
                Box::pin(answer(context, method, params))
            }),
        }
    }

    /// The scopes a caller of the tool `name` must have been granted; all of them.
    #[must_use]
    pub fn needs(mut self, name: impl Into<String>, scopes: Scopes) -> Self {
        self.needs.insert(name.into(), scopes);
        self
    }

    pub(super) fn needed_scopes(&self, method: &Method, name: &str) -> Option<&Scopes> {
        (*method == Method::ToolsCall)
            .then(|| self.needs.get(name))
            .flatten()
    }

    /// What it declares of what is served here.
    pub(super) fn capabilities(&self, version: ProtocolVersion) -> impl Iterator<Item = &str> {
        let declared = self.capabilities.keys().map(String::as_str);
        declared.filter(move |name| match *name {
            "tools" | "resources" | "prompts" => true,
            "completions" => version >= ProtocolVersion::V2025_03_26,
            _ => false,
        })
    }

    pub(super) fn serves(&self, method: &Method) -> bool {
        let capability = match method {
            Method::ToolsList | Method::ToolsCall => "tools",
            Method::ResourcesList | Method::ResourcesTemplatesList | Method::ResourcesRead => {
                "resources"
            }
            Method::PromptsList | Method::PromptsGet => "prompts",
            Method::CompletionComplete => "completions",
            _ => return false,
        };
        self.capabilities.contains_key(capability)
    }

    pub(super) async fn answer(
        &self,
        context: CallContext,
        method: Method,
        params: Value,
    ) -> Result<Value, ToolError> {
        let version = context.protocol_version();
        let mut result = (self.answer)(context, method.clone(), params).await?;
        fit(&mut result, &method, version);
        Ok(result)
    }
}

impl Handler {
    /// What a delegate answers to one request; a listing begins with our own entries.
    pub(super) async fn delegated(
        &self,
        delegate: &Delegate,
        context: &CallContext,
        method: &Method,
        mut params: Value,
    ) -> Result<(Value, CacheHint), ToolError> {
        let Value::Object(members) = &mut params else {
            return Err(RpcError::new(codes::INVALID_PARAMS, "params are no object").into());
        };
        let is_first_page = !members.contains_key("cursor");
        if let Way::Replay(replay) = &context.client().way {
            members.remove("requestState");
            if let Some(state) = replay.delegates_state() {
                members.insert("requestState".to_owned(), json!(state));
            }
        }
        let version = context.protocol_version();
        let answer = delegate.answer(context.clone(), method.clone(), params);
        // Under the method's name: a tool's comes from the client, and would let it make metrics.
        let mut result = self.guarded(method.label(), version, answer).await?;
        if is_first_page {
            self.0.catalog.list_first(method, version, &mut result)?;
        }
        Ok((result, CacheHint::None))
    }
}

/// Leaves out what a client of `version` does not know.
fn fit(result: &mut Value, method: &Method, version: ProtocolVersion) {
    let Value::Object(members) = result else {
        return;
    };
    if *method == Method::ToolsCall && version < ProtocolVersion::V2025_06_18 {
        members.remove("structuredContent");
    }
    let Some(Value::Array(tools)) = members.get_mut("tools") else {
        return;
    };
    for tool in tools.iter_mut().filter_map(Value::as_object_mut) {
        tool.retain(|name, _| match name.as_str() {
            "title" | "outputSchema" | "_meta" => version >= ProtocolVersion::V2025_06_18,
            "icons" | "execution" => version >= ProtocolVersion::V2025_11_25,
            "annotations" => version >= ProtocolVersion::V2025_03_26,
            _ => true,
        });
    }
}

/// What an adapter does for its handler.
impl CallContext {
    /// Hands a handler's notification on to the client, if it is one for this call's stream.
    pub(crate) fn relay(&self, method: &str, mut params: Value) {
        let version = self.protocol_version();
        match Method::from(method) {
            Method::LogMessage => {
                let level = params.get("level").and_then(Value::as_str);
                let Some(level) = level.and_then(|level| level.parse::<LogLevel>().ok()) else {
                    return;
                };
                let logger = params.get("logger").and_then(Value::as_str);
                let nothing = Value::Null;
                let data = params.get("data").unwrap_or(&nothing);
                self.client().log(level, logger, data);
            }
            Method::Progress => {
                if version < ProtocolVersion::V2025_03_26
                    && let Value::Object(members) = &mut params
                {
                    members.remove("message");
                }
                self.client().notify(&Method::Progress, &params);
            }
            // From 2026-07-28 on changes are told on a stream that asked for them.
            changed @ (Method::ToolsListChanged
            | Method::PromptsListChanged
            | Method::ResourcesListChanged
            | Method::ResourcesUpdated)
                if !version.is_modern() =>
            {
                self.client().notify(&changed, &params);
            }
            other => tracing::debug!(
                method = other.as_str(),
                "a handler's notification is not for a call"
            ),
        }
    }

    /// Asks the client in a handler's own words, and returns its answer as it came.
    ///
    /// # Errors
    /// As for [`CallContext::elicit`]; also for a method that no client serves.
    pub(crate) async fn relay_question(
        &self,
        key: &str,
        method: &str,
        mut params: Option<Value>,
    ) -> Result<Value, ToolError> {
        let mode = params.as_ref().and_then(|params| params.get("mode"));
        let capability = match Method::from(method) {
            Method::SamplingCreateMessage => ClientCapability::Sample,
            Method::RootsList => ClientCapability::Roots,
            Method::ElicitationCreate if mode.is_some_and(|mode| mode == "url") => {
                ClientCapability::ElicitUrl
            }
            Method::ElicitationCreate => ClientCapability::ElicitForm,
            _ => return Err(ToolError::failed("no client serves this method")),
        };
        if capability == ClientCapability::ElicitForm
            && self.protocol_version() < ProtocolVersion::V2025_11_25
            && let Some(Value::Object(members)) = &mut params
        {
            members.remove("mode");
        }
        let question = Question {
            key,
            capability,
            params,
        };
        let as_it_came = |answer: Value| {
            let is_object = answer.is_object();
            is_object
                .then_some(answer)
                .ok_or_else(|| "the client's answer is no object".to_owned())
        };
        let cancelled = self.cancellation();
        self.client().ask(question, as_it_came, cancelled).await
    }

    /// What the client has declared.
    pub(crate) fn client_capabilities(&self) -> Value {
        json!(self.client().capabilities)
    }
}

impl fmt::Debug for Delegate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Delegate")
            .field("capabilities", &self.capabilities)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}
