//! From a call to a task, and from there to its end.
//!
//! A tool's future is spawned on the threads of tasks and kept until it ends, is cancelled, or its time
//! is over. One that asks first runs there from the start too, but with its client waiting, until it
//! says that it is a task.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
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
    handler::{CallContext, Handler, Tool, ToolError, replay::asks_for_input},
    protocol::{CallToolResult, Method, RpcError, codes, fit_result, relate_to_task},
    scope::Scopes,
    telemetry::CallOutcome,
    units::HumanDuration,
};

/// The shortest life of a task: a client that asks for less could never ask for its result.
const TTL_MIN: Duration = Duration::from_secs(1);

/// A task's time is over with its ttl, which is watched apart.
const UNTIL_ITS_TTL: HumanDuration = HumanDuration::new(Duration::MAX);

/// A tool's call, ours or a delegate's, that can run as a task. It borrows nothing.
pub(in crate::handler) struct Work {
    /// The tool's.
    pub(in crate::handler) name: String,
    /// What its caller must have been granted.
    pub(in crate::handler) needs: Scopes,
    /// As of [`Tool::asks_first`].
    pub(in crate::handler) asks_first: bool,
    /// Gives the result of `tools/call`.
    pub(in crate::handler) run: Box<Run>,
}

type Run = dyn FnOnce(CallContext) -> BoxFuture<'static, Answered> + Send;

type Answered = Result<Value, ToolError>;

/// What a call needs to become a task in the middle.
pub(in crate::handler) struct Beginning {
    tasks: Tasks,
    owner: Owner,
    made: Made,
    begun: oneshot::Sender<Running>,
}

/// What became of a call that asks first.
enum First {
    Answered(Answered),
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

impl Work {
    /// A call of one of our own tools.
    pub(in crate::handler) fn of_tool(tool: &Tool, arguments: Map<String, Value>) -> Self {
        let (name, needs) = (tool.name().to_owned(), tool.needed_scopes().clone());
        let (asks_first, tool) = (tool.is_asking_first(), tool.clone());
        let run = move |context: CallContext| -> BoxFuture<'static, Answered> {
            Box::pin(async move { Ok(json!(tool.run(context, arguments).await?)) })
        };
        Self {
            name,
            needs,
            asks_first,
            run: Box::new(run),
        }
    }
}

impl Handler {
    /// Runs a call as a task; what comes back tells its client of it.
    pub(in crate::handler) async fn call_as_task(
        &self,
        context: &CallContext,
        work: Work,
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
            tool: work.name.clone(),
            needs: work.needs.clone(),
            version,
            ttl,
            stream: context.client().stream(),
        };
        if work.asks_first && version.is_modern() {
            let (begun, beginning) = oneshot::channel();
            context.may_begin_task(Beginning {
                tasks: tasks.clone(),
                owner,
                made,
                begun,
            });
            return self.ask_first(context, work, beginning).await;
        }
        let threads = tasks.threads()?;
        let running = tasks.open(owner, made)?;
        let task = running.task();
        // Before it runs: a task begins as one that works (2025-11-25, task status lifecycle).
        let created = created(task);
        let run = self.run_of(context.as_task(task), work);
        // What it logs belongs to the call that began it.
        threads.spawn(keep(running, run).in_current_span());
        Ok(created)
    }

    async fn ask_first(
        &self,
        context: &CallContext,
        work: Work,
        mut begun: oneshot::Receiver<Running>,
    ) -> Result<Value, ToolError> {
        let name = work.name.clone();
        let run = self.run_of(context.clone(), work);
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
            Ok(Ok(First::Answered(answered))) => answered,
            Ok(Ok(First::Begun(created))) => Ok(created),
            Ok(Err(_lost)) => Err(RpcError::internal().into()),
            Err(_elapsed) => {
                let metrics = &self.0.metrics;
                metrics.call_ended(&name, CallOutcome::Deadline, deadline.get());
                let text = format!("no answer within {deadline}");
                Err(RpcError::new(codes::INTERNAL_ERROR, text).into())
            }
        }
    }

    /// What runs, contained and counted.
    fn run_of(
        &self,
        context: CallContext,
        work: Work,
    ) -> impl Future<Output = Answered> + Send + 'static {
        let handler = self.clone();
        async move {
            let version = context.protocol_version();
            let clock = context.client().clock.clone();
            let run = (work.run)(context);
            let run = handler.guarded_for(UNTIL_ITS_TTL, &clock, &work.name, version, run);
            let mut result = run.await?;
            fit_result(&Method::ToolsCall, version, &mut result);
            Ok(result)
        }
    }
}

/// Runs a task to its end, however it comes.
async fn keep(running: Running, run: impl Future<Output = Answered>) {
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
fn ended(answered: Answered) -> Ended {
    let result = match answered {
        // In a task there are questions, and no rounds.
        Ok(result) if asks_for_input(&result) => {
            tracing::error!("a task ended with a question");
            return Ended::Error(RpcError::internal());
        }
        Ok(result) => result,
        Err(ToolError::Failed(text)) => json!(CallToolResult::error(text)),
        Err(ToolError::Rpc(error)) => return Ended::Error(error),
        Err(error @ ToolError::InputRequired(_)) => {
            // Asked by a context of before the task, whose client was answered long ago.
            tracing::error!("a task asks as the call it was");
            return Ended::Error(RpcError::new(codes::INTERNAL_ERROR, error.to_string()));
        }
    };
    Ended::Result {
        is_error: result["isError"] == true,
        result,
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
