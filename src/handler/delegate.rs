//! Somebody else's handler, behind our door: methods that one function answers.
//!
//! [`Entries`] may hold one beside our own. Whoever writes an adapter makes
//! it, as the room `rmcp` does; calls reach it as they reach our own tools, with the same scopes,
//! deadline and containment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{
    CallContext, Conversation, Entries, Handler, ParamHeader, ToolError,
    client::Way,
    param_headers::of_schema,
    tasks::{Plan, Work, plan},
};
use crate::{
    auth::Principal,
    policy::{Entry, Kind},
    protocol::{CacheHint, Described, Method, ProtocolVersion, RpcError, TaskSupport, codes},
    scope::Scopes,
};

type Answer = dyn Fn(CallContext, Method, Value) -> BoxFuture<'static, Result<Value, ToolError>>
    + Send
    + Sync;

type Hear = dyn Fn(Conversation, Principal, Method) -> BoxFuture<'static, Result<(), ToolError>>
    + Send
    + Sync;

type InputSchema = dyn Fn(&str) -> Option<Arc<Map<String, Value>>> + Send + Sync;

/// A handler that is not made of our entries. Cheap to clone.
#[derive(Clone)]
pub struct Delegate {
    capabilities: Map<String, Value>,
    needs: BTreeMap<String, Scopes>,
    tasks: BTreeMap<String, TaskSupport>,
    asking_first: BTreeSet<String>,
    answer: Arc<Answer>,
    hear: Option<Arc<Hear>>,
    input_schema: Option<Arc<InputSchema>>,
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
            tasks: BTreeMap::new(),
            asking_first: BTreeSet::new(),
            answer: Arc::new(move |context, method, params| {
                Box::pin(answer(context, method, params))
            }),
            hear: None,
            input_schema: None,
        }
    }

    /// What is done when a session's client tells something: `notifications/initialized` once, and
    /// `notifications/roots/list_changed`.
    #[must_use]
    pub fn hears<F>(
        mut self,
        hear: impl Fn(Conversation, Principal, Method) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), ToolError>> + Send + 'static,
    {
        self.hear = Some(Arc::new(move |session, principal, method| {
            Box::pin(hear(session, principal, method))
        }));
        self
    }

    /// Where a tool's input schema is found: it may ask for arguments to be repeated in headers
    /// (2026-07-28, `x-mcp-header`).
    #[must_use]
    pub fn input_schemas(
        mut self,
        find: impl Fn(&str) -> Option<Arc<Map<String, Value>>> + Send + Sync + 'static,
    ) -> Self {
        self.input_schema = Some(Arc::new(find));
        self
    }

    /// The scopes a caller of the tool `name` must have been granted; all of them.
    #[must_use]
    pub fn needs(mut self, name: impl Into<String>, scopes: Scopes) -> Self {
        self.needs.insert(name.into(), scopes);
        self
    }

    /// Whether the tool `name` may run as a task, as [`Tool::task_support`](super::Tool::task_support)
    /// has it. By default never.
    #[must_use]
    pub fn task_support(mut self, name: impl Into<String>, support: TaskSupport) -> Self {
        self.tasks.insert(name.into(), support);
        self
    }

    /// The tool `name` begins as a call, as [`Tool::asks_first`](super::Tool::asks_first) has it.
    #[must_use]
    pub fn asks_first(mut self, name: impl Into<String>) -> Self {
        self.asking_first.insert(name.into());
        self
    }

    /// Whether a tool may run as a task.
    pub(super) fn has_tasks(&self) -> bool {
        let mut support = self.tasks.values();
        support.any(|support| *support != TaskSupport::Forbidden)
    }

    fn supports_tasks(&self, tool: &str) -> TaskSupport {
        self.tasks.get(tool).copied().unwrap_or_default()
    }

    /// A call of one of its tools.
    fn work(&self, tool: &str, params: Value) -> Work {
        let delegate = self.clone();
        Work {
            name: tool.to_owned(),
            needs: self.needs.get(tool).cloned().unwrap_or_default(),
            asks_first: self.asking_first.contains(tool),
            run: Box::new(move |context| {
                Box::pin(async move { delegate.answer(context, Method::ToolsCall, params).await })
            }),
        }
    }

    pub(super) fn needed_scopes(&self, entry: Entry<'_>) -> Option<&Scopes> {
        (entry.kind == Kind::Tool)
            .then(|| self.needs.get(entry.name))
            .flatten()
    }

    /// Whether it has a tool of this name, where it can tell.
    pub(super) fn has_tool(&self, name: &str) -> Option<bool> {
        self.input_schema.as_ref().map(|find| find(name).is_some())
    }

    /// Adds what it declares, of what is served here, to what we do.
    pub(super) fn declare(&self, version: ProtocolVersion, ours: &mut Map<String, Value>) {
        for (name, declared) in &self.capabilities {
            let known: &[&str] = match name.as_str() {
                "tools" | "prompts" => &["listChanged"],
                "resources" => &["listChanged", "subscribe"],
                "completions" if version >= ProtocolVersion::V2025_03_26 => &[],
                _ => continue,
            };
            let entry = ours.entry(name.clone()).or_insert_with(|| json!({}));
            for member in known.iter().filter(|member| declared[**member] == true) {
                entry[*member] = json!(true);
            }
        }
    }

    pub(super) fn serves(&self, method: &Method) -> bool {
        let capability = match method {
            Method::ToolsList | Method::ToolsCall => "tools",
            Method::ResourcesList | Method::ResourcesTemplatesList | Method::ResourcesRead => {
                "resources"
            }
            Method::PromptsList | Method::PromptsGet => "prompts",
            Method::CompletionComplete => "completions",
            Method::LoggingSetLevel => "logging",
            Method::Initialize => return true,
            Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                let resources = self.capabilities.get("resources");
                return resources.is_some_and(|declared| declared["subscribe"] == true);
            }
            _ => return false,
        };
        self.capabilities.contains_key(capability)
    }

    /// Arguments of one of its tools that a client of 2026-07-28 repeats in headers.
    pub(super) fn param_headers(&self, tool: &str) -> Vec<ParamHeader> {
        let schema = self.input_schema.as_ref().and_then(|find| find(tool));
        schema.map(|schema| of_schema(&schema)).unwrap_or_default()
    }

    pub(super) async fn hear(
        &self,
        session: Conversation,
        principal: Principal,
        method: Method,
    ) -> Result<(), ToolError> {
        match &self.hear {
            Some(hear) => hear(session, principal, method).await,
            None => Ok(()),
        }
    }

    pub(super) async fn answer(
        &self,
        context: CallContext,
        method: Method,
        params: Value,
    ) -> Result<Value, ToolError> {
        let version = context.protocol_version();
        let mut result = (self.answer)(context, method.clone(), params).await?;
        if method == Method::ToolsCall && result["resultType"] == "task" {
            // Nobody could ask for it: such requests are about tasks that we keep.
            tracing::error!("a handler made a task of its own");
            return Err(RpcError::internal().into());
        }
        self.fit(&mut result, &method, version);
        Ok(result)
    }

    /// Leaves out what a client of `version` does not know.
    fn fit(&self, result: &mut Value, method: &Method, version: ProtocolVersion) {
        let Value::Object(members) = result else {
            return;
        };
        let (listed, described) = match method {
            Method::ToolsList => ("tools", Described::Tool),
            Method::PromptsList => ("prompts", Described::Prompt),
            Method::ResourcesList => ("resources", Described::Resource),
            Method::ResourcesTemplatesList => ("resourceTemplates", Described::Resource),
            _ => return,
        };
        let entries = members.get_mut(listed).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            // What it says of tasks would be of its own.
            if let Value::Object(members) = entry {
                members.remove("execution");
                let name = members.get("name").and_then(Value::as_str);
                let support = self.supports_tasks(name.unwrap_or_default());
                if described == Described::Tool && support != TaskSupport::Forbidden {
                    let execution = json!({ "taskSupport": support });
                    members.insert("execution".to_owned(), execution);
                }
            }
            described.fit(version, entry);
        }
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
        let version = context.protocol_version();
        let mut as_task = None;
        if *method == Method::ToolsCall {
            let wanted = members.remove("task");
            let wanted = wanted.filter(|_| now.has_tasks());
            let name = members.get("name").and_then(Value::as_str);
            let name = name.unwrap_or_default().to_owned();
            let (support, client) = (
                delegate.supports_tasks(&name),
                context.client().capabilities(),
            );
            if let Plan::Task(ttl) = plan(support, version, client, wanted.as_ref())? {
                as_task = Some((name, ttl));
            }
        }
        let is_first_page = !members.contains_key("cursor");
        if let Way::Replay(replay) = &context.client().way {
            members.remove("requestState");
            if let Some(state) = replay.delegates_state() {
                members.insert("requestState".to_owned(), json!(state));
            }
        }
        if let Some((name, ttl)) = as_task {
            let work = delegate.work(&name, params);
            let result = self.call_as_task(context, work, ttl).await?;
            return Ok((result, CacheHint::None));
        }
        let answer = delegate.answer(context.clone(), method.clone(), params);
        // Under the method's name: a tool's comes from the client, and would let it make metrics.
        let mut result = self
            .guarded(&context.client().clock, method.label(), version, answer)
            .await?;
        now.list_with(
            method,
            version,
            self.view(context.principal()),
            &mut result,
            is_first_page,
        )?;
        // One caller's list is not for another: ours among it may differ, and so may theirs.
        if let Some(scope) = result.get_mut("cacheScope") {
            *scope = json!("private");
        }
        Ok((result, CacheHint::None))
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
