//! From a call to a task, and from there to its end.
//!
//! A tool's future is spawned on the threads of tasks and kept until it ends, is cancelled, or its time
//! is over. One that asks first runs there from the start too, but with its client waiting, until it
//! says that it is a task.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::{
    sync::oneshot,
    time::{sleep_until, timeout},
};
use tracing::Instrument;

use super::{
    Tasks,
    table::Running,
    task::{Ended, Made, Task},
};
use crate::{
    auth::Owner,
    handler::{CallContext, Handler, Tool, ToolError},
    protocol::{CallToolResult, RpcError, codes, relate_to_task},
    telemetry::CallOutcome,
    units::HumanDuration,
};

/// The shortest life of a task: a client that asks for less could never ask for its result.
const TTL_MIN: Duration = Duration::from_secs(1);

/// A task's time is over with its ttl, which is watched apart.
const UNTIL_ITS_TTL: HumanDuration = HumanDuration::new(Duration::MAX);

/// What a call needs to become a task in the middle.
pub(in crate::handler) struct Beginning {
    tasks: Tasks,
    owner: Owner,
    made: Made,
    begun: oneshot::Sender<Running>,
}

/// What became of a call that asks first.
enum First {
    Answered(Result<CallToolResult, ToolError>),
    Begun(Value),
}

impl Beginning {
    /// Makes the task, and has the call's client answered.
    ///
    /// # Errors
    /// As for [`Tasks::open`], or nobody waits for the call any more.
    pub(in crate::handler) fn begin(self) -> Result<Arc<Task>, RpcError> {
        let running = self.tasks.open(self.owner, self.made)?;
        let task = Arc::clone(running.task());
        // Given up where nobody waits.
        let sent = self.begun.send(running);
        sent.map_err(|_given_up| RpcError::internal())?;
        Ok(task)
    }
}

impl Handler {
    /// Runs a tool as a task; what comes back tells its client of it.
    pub(in crate::handler) async fn call_as_task(
        &self,
        context: &CallContext,
        tool: &Tool,
        arguments: Map<String, Value>,
        ttl: Option<Duration>,
    ) -> Result<Value, ToolError> {
        let tasks = &self.0.tasks;
        let owner = context.principal().owner();
        let version = context.protocol_version();
        let config = tasks.config();
        let ttl = ttl.map_or(config.ttl.get(), |ttl| {
            ttl.max(TTL_MIN).min(config.ttl_max.get())
        });
        let made = Made {
            needs: tool.needed_scopes().clone(),
            version,
            ttl,
            stream: context.client().stream(),
        };
        if tool.is_asking_first() && version.is_modern() {
            let (begun, beginning) = oneshot::channel();
            context.may_begin_task(Beginning {
                tasks: tasks.clone(),
                owner,
                made,
                begun,
            });
            return self.ask_first(context, tool, arguments, beginning).await;
        }
        let threads = tasks.threads()?;
        let running = tasks.open(owner, made)?;
        let task = running.task();
        // Before it runs: a task begins as one that works (2025-11-25, task status lifecycle).
        let created = created(task);
        let run = self.run_of(context.as_task(task), tool, arguments);
        // What it logs belongs to the call that began it.
        threads.spawn(keep(running, run).in_current_span());
        Ok(created)
    }

    async fn ask_first(
        &self,
        context: &CallContext,
        tool: &Tool,
        arguments: Map<String, Value>,
        mut begun: oneshot::Receiver<Running>,
    ) -> Result<Value, ToolError> {
        let run = self.run_of(context.clone(), tool, arguments);
        let (mut sender, first) = oneshot::channel();
        let supervised = async move {
            let mut run = pin!(run);
            let running = tokio::select! {
                biased;
                Ok(running) = &mut begun => running,
                answered = &mut run => {
                    let first = match begun.try_recv() {
                        Ok(running) => {
                            let begun = First::Begun(created(running.task()));
                            running.task().end(ended(answered));
                            begun
                        }
                        Err(_not_begun) => First::Answered(answered),
                    };
                    // The client may have left this very moment.
                    let _gone = sender.send(first);
                    return;
                }
                () = sender.closed() => return,
            };
            let created = created(running.task());
            // Where nobody heard of the task, nobody will ever ask for it.
            if sender.send(First::Begun(created)).is_ok() {
                keep(running, run).await;
            }
        };
        let threads = self.0.tasks.threads()?;
        threads.spawn(supervised.in_current_span());
        // Until it is a task it is a call, and may take no longer than one.
        let deadline = self.0.config.call_deadline;
        match timeout(deadline.get(), first).await {
            Ok(Ok(First::Answered(answered))) => Ok(json!(answered?)),
            Ok(Ok(First::Begun(created))) => Ok(created),
            Ok(Err(_lost)) => Err(RpcError::internal().into()),
            Err(_elapsed) => {
                let metrics = &self.0.metrics;
                metrics.call_ended(tool.name(), CallOutcome::Deadline, deadline.get());
                let text = format!("no answer within {deadline}");
                Err(RpcError::new(codes::INTERNAL_ERROR, text).into())
            }
        }
    }

    /// A tool's run, which borrows nothing.
    fn run_of(
        &self,
        context: CallContext,
        tool: &Tool,
        arguments: Map<String, Value>,
    ) -> impl Future<Output = Result<CallToolResult, ToolError>> + Send + 'static {
        let (handler, tool) = (self.clone(), tool.clone());
        async move {
            let version = context.protocol_version();
            let run = tool.run(context, arguments);
            let result = handler.guarded_for(UNTIL_ITS_TTL, tool.name(), version, run);
            Ok(result.await?.for_version(version))
        }
    }
}

/// Runs a task to its end, however it comes.
async fn keep(running: Running, run: impl Future<Output = Result<CallToolResult, ToolError>>) {
    let task = running.task();
    let ended = tokio::select! {
        biased;
        () = task.cancellation().cancelled() => return,
        () = sleep_until(task.ends()) => {
            task.cancellation().cancel();
            Ended::Error(RpcError::new(codes::INTERNAL_ERROR, "the task's time is over"))
        }
        answered = run => ended(answered),
    };
    task.end(ended);
}

/// How a run's answer ends its task.
fn ended(answered: Result<CallToolResult, ToolError>) -> Ended {
    let result = match answered {
        Ok(result) => result,
        Err(ToolError::Failed(text)) => CallToolResult::error(text),
        Err(ToolError::Rpc(error)) => return Ended::Error(error),
        Err(error @ ToolError::InputRequired(_)) => {
            // Asked by a context of before the task, whose client was answered long ago.
            tracing::error!("a task asks as the call it was");
            return Ended::Error(RpcError::new(codes::INTERNAL_ERROR, error.to_string()));
        }
    };
    Ended::Result {
        is_error: result.is_error,
        result: json!(result),
    }
}

/// What a client is told of its new task.
fn created(task: &Task) -> Value {
    let version = task.version();
    let mut view = task.view(version);
    if version.is_modern() {
        view["resultType"] = json!("task");
        return view;
    }
    let mut result = json!({ "task": view });
    relate_to_task(&mut result, task.id());
    result
}

impl fmt::Debug for Beginning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Beginning")
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}
