//! A tool: its description, the scopes it needs, and the function behind it.
//!
//! Made by whoever builds a server, kept in a [`Handler`](super::Handler).

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock},
};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    CallContext, SchemaError, ToolError,
    builders::presented,
    schema::{Schemas, output_schema_of, schema_of},
};
use crate::{
    protocol::{
        CallToolResult, Presentation, TaskSupport, ToolAnnotations, ToolDescription, ToolExecution,
    },
    scope::Scopes,
};

type Run = dyn Fn(CallContext, Value) -> BoxFuture<'static, Result<CallToolResult, ToolError>>
    + Send
    + Sync;

/// Something a client can call. Cheap to clone.
#[derive(Clone)]
pub struct Tool {
    description: ToolDescription,
    needs: Scopes,
    asks_first: bool,
    schemas: Arc<OnceLock<Result<Schemas, SchemaError>>>,
    run: Arc<Run>,
}

presented!(Tool);

/// What a tool function may return as its success.
pub trait IntoToolResult {
    /// The result as it is sent.
    ///
    /// # Errors
    /// [`ToolError`] where a value has no JSON form.
    fn into_tool_result(self) -> Result<CallToolResult, ToolError>;
}

/// For tools that take no arguments.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, JsonSchema)]
pub struct NoArguments {}

/// A value given to programs as `structuredContent`, and to models as its JSON text.
#[derive(Debug, Clone)]
pub struct Structured<T>(pub T);

impl Tool {
    /// A tool from an async function.
    ///
    /// `A` is what the function takes: a struct whose schema `schemars` derives, or
    /// [`NoArguments`]. The function may return a text, a number or a truth value, [`Structured`]
    /// data, or a [`CallToolResult`].
    pub fn new<A, F, T>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: impl Fn(CallContext, A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Future<Output = Result<T, ToolError>> + Send + 'static,
        T: IntoToolResult,
    {
        let run = move |context, arguments| -> BoxFuture<'static, _> {
            match serde_json::from_value(arguments) {
                Ok(arguments) => {
                    let running = function(context, arguments);
                    Box::pin(async move { running.await?.into_tool_result() })
                }
                // A type may be narrower than its schema says.
                Err(error) => Box::pin(async move {
                    Err(ToolError::failed(format!(
                        "the arguments don't fit: {error}"
                    )))
                }),
            }
        };
        Self::from_parts(
            name.into(),
            description.into(),
            schema_of::<A>(),
            Arc::new(run),
        )
    }

    /// The same with a schema written by hand: JSON Schema 2020-12 whose root is an object, listed as
    /// it is. The function gets the arguments as they came, an object.
    pub fn with_schema<F, T>(
        name: impl Into<String>,
        description: impl Into<String>,
        schema: Value,
        function: impl Fn(CallContext, Value) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T, ToolError>> + Send + 'static,
        T: IntoToolResult,
    {
        let run = move |context, arguments| -> BoxFuture<'static, _> {
            let running = function(context, arguments);
            Box::pin(async move { running.await?.into_tool_result() })
        };
        Self::from_parts(name.into(), description.into(), schema, Arc::new(run))
    }

    fn from_parts(name: String, description: String, input_schema: Value, run: Arc<Run>) -> Self {
        Self {
            description: ToolDescription {
                name,
                description,
                input_schema,
                output_schema: None,
                annotations: None,
                presentation: Presentation::default(),
                execution: None,
            },
            needs: Scopes::none(),
            asks_first: false,
            schemas: Arc::default(),
            run,
        }
    }

    /// Hints on what it does to the world.
    #[must_use]
    pub fn annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.description.annotations = Some(annotations);
        self
    }

    /// Declares what [`Structured`] data it returns: `T`'s schema, which every result is checked
    /// against.
    #[must_use]
    pub fn output<T: JsonSchema>(mut self) -> Self {
        self.description.output_schema = Some(output_schema_of::<T>());
        self.schemas = Arc::default();
        self
    }

    /// Whether it may run as a task, which outlives the request that began it. By default never.
    /// The function is the same either way.
    #[must_use]
    pub fn task_support(mut self, task_support: TaskSupport) -> Self {
        let is_allowed = task_support != TaskSupport::Forbidden;
        self.description.execution = is_allowed.then_some(ToolExecution { task_support });
        self
    }

    /// It begins as a call and becomes a task when its function says so, with
    /// [`CallContext::begin_task`]: what it asks before, a client of 2026-07-28 answers before there
    /// is a task. In 2025-11-25, where the client decides, it is a task from the beginning.
    #[must_use]
    pub fn asks_first(mut self) -> Self {
        self.asks_first = true;
        self
    }

    /// The name it is called by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.description.name
    }

    pub(super) fn description(&self) -> &ToolDescription {
        &self.description
    }

    /// What was said with [`Tool::task_support`].
    pub(super) fn supports_tasks(&self) -> TaskSupport {
        let execution = self.description.execution;
        execution.map_or(TaskSupport::Forbidden, |execution| execution.task_support)
    }

    pub(super) fn is_asking_first(&self) -> bool {
        self.asks_first
    }

    pub(super) fn needed_scopes(&self) -> &Scopes {
        &self.needs
    }

    /// Arguments that a client of 2026-07-28 repeats in headers.
    ///
    /// # Errors
    /// A schema that can't be used; a server with it is not built.
    pub fn param_headers(&self) -> Result<&[super::ParamHeader], &SchemaError> {
        self.schemas().map(Schemas::param_headers)
    }

    /// Its schemas, compiled when they are first asked for: that is when the server is built.
    pub(super) fn schemas(&self) -> Result<&Schemas, &SchemaError> {
        let compile = || Schemas::of(&self.description);
        self.schemas.get_or_init(compile).as_ref()
    }

    /// Runs it on arguments that fit its schema, and lets only a result out that does.
    pub(super) async fn run(
        &self,
        context: CallContext,
        arguments: Map<String, Value>,
    ) -> Result<CallToolResult, ToolError> {
        let schemas = self.schemas().map_err(|unusable| {
            tracing::error!(
                error = unusable as &dyn std::error::Error,
                "a tool can't run"
            );
            ToolError::failed("the tool can't be used")
        })?;
        let arguments = Value::Object(arguments);
        // Wrong arguments are the model's to mend, so they are a tool error and no JSON-RPC one
        // (2025-11-25, tools, error handling).
        schemas
            .check_input(&arguments)
            .map_err(|why| ToolError::failed(format!("the arguments don't fit: {why}")))?;
        let result = (self.run)(context, arguments).await?;
        if !result.is_error
            && let Err(why) = schemas.check_output(result.structured_content.as_ref())
        {
            tracing::error!(
                tool = self.name(),
                why,
                "a result is not what its tool declares"
            );
            return Err(ToolError::failed(
                "the tool's result is not what it declares",
            ));
        }
        Ok(result)
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tool")
            .field("name", &self.description.name)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl IntoToolResult for CallToolResult {
    fn into_tool_result(self) -> Result<Self, ToolError> {
        Ok(self)
    }
}

impl<T: Serialize> IntoToolResult for Structured<T> {
    fn into_tool_result(self) -> Result<CallToolResult, ToolError> {
        serde_json::to_value(self.0)
            .map(CallToolResult::structured)
            .map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a tool's result has no JSON form"
                );
                ToolError::failed("the tool's result could not be written")
            })
    }
}

/// Anything that can be shown as a text.
macro_rules! shown_as_text {
    ($($type:ty),+) => {$(
        impl IntoToolResult for $type {
            fn into_tool_result(self) -> Result<CallToolResult, ToolError> {
                Ok(CallToolResult::text(self.to_string()))
            }
        }
    )+};
}

shown_as_text!(String, &'static str, bool, i32, i64, u32, u64, usize, f64);
