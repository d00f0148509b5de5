//! What a client asks of its tasks: `tasks/get`, `tasks/result`, `tasks/list`, `tasks/update`,
//! `tasks/cancel`.
//!
//! A task that is somebody else's, forgotten, or never was, is answered alike.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{inputs::InputRequest, plan::declares_tasks, task::Task};
use crate::{
    auth::Principal,
    handler::{CallContext, Handler, client::Unanswered, listing::page, permit::lacks},
    policy::Decision,
    protocol::{
        Method, ProtocolVersion, Raw, RpcError, codes, read_params, relate_to_task,
        tasks_extension_missing,
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskParams {
    task_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateParams {
    input_responses: Map<String, Value>,
}

/// Whether a method about tasks exists in a version.
pub(in crate::handler) fn serves(method: &Method, version: ProtocolVersion) -> bool {
    match method {
        Method::TasksGet | Method::TasksCancel => version >= ProtocolVersion::V2025_11_25,
        Method::TasksResult | Method::TasksList => version == ProtocolVersion::V2025_11_25,
        Method::TasksUpdate => version.is_modern(),
        _ => false,
    }
}

impl Handler {
    pub(in crate::handler) async fn of_tasks(
        &self,
        context: &CallContext,
        method: &Method,
        params: Option<&Raw>,
    ) -> Result<Value, RpcError> {
        let version = context.protocol_version();
        if version.is_modern() && !declares_tasks(context.client().capabilities()) {
            return Err(tasks_extension_missing());
        }
        if *method == Method::TasksList {
            return self.list_tasks(context, params);
        }
        let TaskParams { task_id } = read_params(params)?;
        let task = self.task_of(context.principal(), &task_id)?;
        match self
            .view(context.principal())
            .judge(task.entry(), task.needs())
        {
            Decision::Allowed(_) => {}
            Decision::Lacks(needed) => return Err(lacks(&needed)),
            Decision::Denied(_) => return Err(no_such_task()),
        }
        match method {
            Method::TasksGet if version.is_modern() => Ok(task.detailed(version)),
            Method::TasksGet => Ok(task.view(version)),
            Method::TasksResult => result_of(context, &task).await,
            Method::TasksUpdate => {
                let UpdateParams { input_responses } = read_params(params)?;
                task.answer_all(input_responses);
                Ok(json!({}))
            }
            Method::TasksCancel => cancel(&task, version),
            _ => Err(RpcError::method_not_found(method)),
        }
    }

    pub(super) fn task_of(&self, principal: &Principal, id: &str) -> Result<Arc<Task>, RpcError> {
        let task = self.0.tasks.find(&principal.owner(), id);
        task.ok_or_else(no_such_task)
    }

    /// One page of the caller's tasks, the oldest first.
    fn list_tasks(&self, context: &CallContext, params: Option<&Raw>) -> Result<Value, RpcError> {
        let view = self.view(context.principal());
        let tasks = self.0.tasks.of(&context.principal().owner());
        let tasks = tasks
            .into_iter()
            .filter(|task| view.allows(task.entry(), task.needs()));
        let in_order: BTreeMap<_, _> = tasks
            .map(|task| {
                let created = task.created().as_unix_seconds();
                (format!("{created:020} {}", task.id()), task)
            })
            .collect();
        let version = context.protocol_version();
        page("tasks", &in_order, params, |_, task| {
            Some(task.view(version))
        })
    }
}

fn no_such_task() -> RpcError {
    RpcError::new(codes::INVALID_PARAMS, "unknown task")
}

/// Ends a task. In 2025-11-25 one that has ended can't be; from 2026-07-28 on that is as good.
fn cancel(task: &Task, version: ProtocolVersion) -> Result<Value, RpcError> {
    let ended_it = task.cancel("its client cancelled it");
    if version.is_modern() {
        return Ok(json!({}));
    }
    if !ended_it {
        let text = "the task has ended already";
        return Err(RpcError::new(codes::INVALID_PARAMS, text));
    }
    Ok(task.view(version))
}

/// Waits for a task's end, and asks the client meanwhile what the task asks (2025-11-25,
/// `input_required`).
///
/// Each question goes out once on each such request, and the first answer counts: a client that lost
/// the stream of one comes back with another.
async fn result_of(context: &CallContext, task: &Arc<Task>) -> Result<Value, RpcError> {
    let mut changes = task.changes();
    let mut asked = FuturesUnordered::new();
    let mut last_asked = 0;
    loop {
        if let Some(outcome) = task.outcome() {
            let mut result = outcome?;
            relate_to_task(&mut result, task.id());
            return Ok(result);
        }
        for request in task.questions() {
            if request.number > last_asked && context.client_supports(request.capability) {
                last_asked = request.number;
                asked.push(hand_on(context, task, request));
            }
        }
        tokio::select! {
            // Its sender lives in the task.
            _changed = changes.changed() => {}
            Some(handed_on) = asked.next() => handed_on?,
        }
    }
}

/// Asks one question for a task, until it is answered, here or elsewhere.
///
/// # Errors
/// The client is gone: it may come back for the question.
async fn hand_on(
    context: &CallContext,
    task: &Task,
    request: InputRequest,
) -> Result<(), RpcError> {
    let number = request.number;
    let mut params = request.params.unwrap_or_else(|| json!({}));
    relate_to_task(&mut params, task.id());
    let mut changes = task.changes();
    let answered_elsewhere =
        async { while task.asks(number) && changes.changed().await.is_ok() {} };
    let client = context.client();
    let asked = client.ask_for_task(request.capability, &params, context.cancellation());
    tokio::select! {
        answer = asked => match answer {
            Ok(answer) => task.answer(number, Ok(answer)),
            Err(Unanswered::Refused(why)) => task.answer(number, Err(why)),
            Err(Unanswered::Gone | Unanswered::Silent) => {
                return Err(RpcError::new(codes::SERVER_ERROR, "the client is gone"));
            }
        },
        () = answered_elsewhere => {}
    }
    Ok(())
}
