//! Tools that may run as tasks. Each is one function, whether its client knows tasks or not.

use std::time::Duration;

use mcp_usher::{
    handler::{CallContext, NoArguments, Tool, ToolError},
    protocol::{RpcError, TaskSupport},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rounds::Name;

const A_WHILE: Duration = Duration::from_secs(1);

#[derive(Deserialize, JsonSchema)]
struct Computation {
    /// How long it takes
    seconds: u32,
    /// Named in the result
    #[serde(default)]
    label: String,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    filename: String,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmed {
    confirm: bool,
}

pub(crate) fn tools() -> Vec<Tool> {
    let fails = |_, _: NoArguments| async {
        tokio::time::sleep(A_WHILE).await;
        Err::<String, _>(ToolError::failed("The job failed."))
    };
    let breaks = |_, _: NoArguments| async { Err::<String, _>(RpcError::internal().into()) };
    vec![
        Tool::new("greet", "Greets, at once.", |_, Name { name }| async move {
            Ok(format!("Hello, {name}!"))
        }),
        Tool::new("slow_compute", "Takes as long as it is told.", compute)
            .task_support(TaskSupport::Optional),
        Tool::new("failing_job", "Fails, after a while.", fails)
            .task_support(TaskSupport::Required),
        Tool::new("protocol_error_job", "Breaks.", breaks).task_support(TaskSupport::Optional),
        Tool::new("confirm_delete", "Asks once.", confirm).task_support(TaskSupport::Optional),
        Tool::new("multi_input", "Asks twice at once.", ask_twice)
            .task_support(TaskSupport::Optional),
        Tool::new("test_tool_with_task", "Asks, and then works.", ask_and_work)
            .task_support(TaskSupport::Required)
            .asks_first(),
    ]
}

async fn compute(call: CallContext, computation: Computation) -> Result<String, ToolError> {
    let Computation { seconds, label } = computation;
    for second in 0..seconds {
        call.progress(second.into(), Some(seconds.into()), None);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(format!("{label}: computed for {seconds} s"))
}

async fn confirm(call: CallContext, File { filename }: File) -> Result<String, ToolError> {
    let question = format!("Delete {filename}?");
    let Confirmed { confirm } = call.elicit("confirm", &question).await?.accepted()?;
    let done = if confirm { "deleted" } else { "kept" };
    Ok(format!("{filename} is {done}."))
}

async fn ask_twice(call: CallContext, _: NoArguments) -> Result<String, ToolError> {
    let (one, other) = tokio::join!(
        call.elicit("one", "What is your name?"),
        call.elicit("other", "And your other name?"),
    );
    let (Name { name }, Name { name: other }) = (one?.accepted()?, other?.accepted()?);
    Ok(format!("{name} {other}"))
}

/// The question is answered before there is a task, where the client can answer it then.
async fn ask_and_work(call: CallContext, _: NoArguments) -> Result<String, ToolError> {
    let Name { name } = call
        .elicit("user_name", "What is your name?")
        .await?
        .accepted()?;
    let call = call.begin_task()?;
    call.progress(0.0, None, Some("Working on it."));
    tokio::time::sleep(A_WHILE).await;
    Ok(format!("Done for {name}."))
}
