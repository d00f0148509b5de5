//! Somebody else's handler, behind our door: methods that one function answers.
//!
//! [`Entries`] may hold one beside our own. Whoever writes an adapter makes
//! it, as the room `rmcp` does; calls reach it as they reach our own tools, with the same scopes,
//! deadline and containment.

use std::{collections::BTreeMap, fmt, sync::Arc};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{CallContext, Entries, Handler, ToolError, client::Way, tasks::plan};
use crate::{
    protocol::{CacheHint, Described, Method, ProtocolVersion, RpcError, TaskSupport, codes},
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
        now: &Entries,
        delegate: &Delegate,
        context: &CallContext,
        method: &Method,
        mut params: Value,
    ) -> Result<(Value, CacheHint), ToolError> {
        let Value::Object(members) = &mut params else {
            return Err(RpcError::new(codes::INVALID_PARAMS, "params are no object").into());
        };
        if *method == Method::ToolsCall {
            let wanted = members.remove("task");
            let wanted = wanted.filter(|_| now.has_tasks());
            let (version, client) = (context.protocol_version(), &context.client().capabilities);
            plan(TaskSupport::Forbidden, version, client, wanted.as_ref())?;
        }
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
            now.list_first(method, version, &mut result)?;
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
    let (listed, described) = match method {
        Method::ToolsList => ("tools", Described::Tool),
        Method::PromptsList => ("prompts", Described::Prompt),
        Method::ResourcesList => ("resources", Described::Resource),
        Method::ResourcesTemplatesList => ("resourceTemplates", Described::Resource),
        _ => return,
    };
    let entries = members.get_mut(listed).and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        described.fit(version, entry);
        // What it says of tasks would be of its own.
        if let Value::Object(members) = entry {
            members.remove("execution");
        }
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
