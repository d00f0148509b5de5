//! The methods behind which somebody else's code runs, and may ask for input: `tools/call`,
//! `prompts/get`, `resources/read`, and whatever a delegate answers.
//!
//! Called by [`Handler::handle`] alone, which fits what comes out to the protocol version.

use std::future::ready;

use serde_json::{Value, json};

use super::{
    CallContext, Entries, Handler, ToolError,
    client::Way,
    clock::CallClock,
    entries::Found,
    params::{GetPromptParams, ReadResourceParams, completed, fitting, resource_not_found},
    replay::{Binding, asks_for_input},
    skills,
    tasks::{Plan, Work, plan},
};
use crate::{
    protocol::{CacheHint, CallToolParams, CallToolResult, Method, RpcError, codes, fit_result},
    telemetry::spans,
};

impl Handler {
    /// Runs one, with the answers that the client brought along, and asks for those still missing.
    pub(super) async fn call(
        &self,
        now: &Entries,
        context: CallContext,
        method: &Method,
        params: Value,
    ) -> Result<(Value, CacheHint), RpcError> {
        spans::about(method, &params);
        let version = context.protocol_version();
        let bind = || Binding::of(context.principal().owner(), method, &params);
        let binding = version.is_modern().then(bind);
        let replay = binding.as_ref();
        let replay = replay.map(|binding| self.0.sealer.replay(binding, &params));
        let replay = replay.transpose()?;
        let progress_token = params.pointer("/_meta/progressToken").cloned();
        let changes = Some(self.changes().clone());
        let answer_within = self.0.config.input_deadline.get();
        let clock = CallClock::new(answer_within, self.0.metrics.clone());
        let class = self.0.policy.class(context.principal());
        let context = context.of_class(class);
        let context = context.with(progress_token, changes, |client| {
            client.clock = clock;
            if let Some(replay) = replay {
                client.way = Way::Replay(replay);
            }
        });
        let answered = match (now.delegate_of(method, &params), method) {
            (Some(delegate), _) => {
                let delegated = self.delegated(now, delegate, &context, method, params);
                delegated.await
            }
            (None, Method::ToolsCall) => self.call_tool(now, &context, params).await,
            (None, Method::PromptsGet) => self.get_prompt(now, &context, params).await,
            (None, Method::ResourcesRead) => self.read_resource(now, &context, params).await,
            (None, _) => completed(now, params)
                .map(|result| (result, CacheHint::None))
                .map_err(ToolError::from),
        };
        let replayed = match (&binding, &context.client().way) {
            (Some(binding), Way::Replay(replay)) => Some((binding, replay)),
            _ => None,
        };
        match (answered, replayed) {
            (Ok((result, hint)), Some(replayed)) if asks_for_input(&result) => {
                Ok((self.0.sealer.carried(replayed, result)?, hint))
            }
            (Ok((mut result, hint)), _) => {
                fit_result(method, version, &mut result);
                Ok((result, hint))
            }
            (Err(ToolError::Rpc(error)), _) => Err(error),
            (Err(ToolError::InputRequired(_)), Some(replayed)) => {
                let asked = self.0.sealer.input_required(replayed)?;
                Ok((asked, CacheHint::None))
            }
            (Err(ToolError::Failed(text)), _) if *method == Method::ToolsCall => {
                Ok((json!(CallToolResult::error(text)), CacheHint::None))
            }
            (Err(error), _) => Err(RpcError::new(codes::INTERNAL_ERROR, error.to_string())),
        }
    }

    async fn call_tool(
        &self,
        now: &Entries,
        context: &CallContext,
        params: Value,
    ) -> Result<(Value, CacheHint), ToolError> {
        let params: CallToolParams = fitting(params)?;
        let tool = now.tool(&params.name)?;
        let version = context.protocol_version();
        let arguments = params.arguments.unwrap_or_default();
        // Where nothing can be a task, nobody was told that it could (2025-11-25, task support).
        let wanted = params.task.filter(|_| now.has_tasks());
        let client = context.client().capabilities();
        if let Plan::Task(ttl) = plan(tool.supports_tasks(), version, client, wanted.as_ref())? {
            let work = Work::of_tool(tool, arguments);
            let result = self.call_as_task(context, work, ttl).await?;
            return Ok((result, CacheHint::None));
        }
        let run = tool.run(context.clone(), arguments);
        let result = self
            .guarded(&context.client().clock, tool.name(), version, run)
            .await?;
        Ok((json!(result), CacheHint::None))
    }

    async fn get_prompt(
        &self,
        now: &Entries,
        context: &CallContext,
        params: Value,
    ) -> Result<(Value, CacheHint), ToolError> {
        let params: GetPromptParams = fitting(params)?;
        let prompt = now.prompt(&params.name)?;
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
        let messages = self
            .guarded(&context.client().clock, &description.name, version, fill)
            .await?;
        let result = json!({ "description": description.description, "messages": messages });
        Ok((result, CacheHint::None))
    }

    async fn read_resource(
        &self,
        now: &Entries,
        context: &CallContext,
        params: Value,
    ) -> Result<(Value, CacheHint), ToolError> {
        let params: ReadResourceParams = fitting(params)?;
        let version = context.protocol_version();
        let (found, variables) = now
            .resource(&params.uri)
            .ok_or_else(|| resource_not_found(&params.uri, version))?;
        let read = match found {
            Found::Resource(resource) => (resource.read)(context.clone(), variables),
            Found::Template(template) => (template.read)(context.clone(), variables),
            Found::File(_, file) => Box::pin(ready(Ok(vec![skills::contents(&params.uri, file)]))),
        };
        let mut contents = self
            .guarded(&context.client().clock, "resources/read", version, read)
            .await?;
        for piece in &mut contents {
            if piece.mime_type.is_none() {
                piece.mime_type = found.mime_type().map(str::to_owned);
            }
        }
        Ok((
            json!({ "contents": contents }),
            CacheHint::Private { ttl_ms: 0 },
        ))
    }
}
