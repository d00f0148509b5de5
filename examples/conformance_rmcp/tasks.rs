//! Tools that may run as tasks. They are tools like any other: that they may, `main.rs` says.

use std::time::Duration;

use mcp_usher::handler::{CallContext, ToolError};
use rmcp::{
    ErrorData, Peer, RoleServer,
    handler::server::{common::Extension, wrapper::Parameters},
    service::RequestContext,
    tool, tool_router,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Fixture,
    asking::{ask, line},
};

const A_WHILE: Duration = Duration::from_secs(1);

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

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

#[tool_router(router = tasks, vis = "pub(crate)")]
impl Fixture {
    /// Greets, at once.
    #[tool]
    fn greet(&self, Parameters(Name { name }): Parameters<Name>) -> String {
        format!("Hello, {name}!")
    }

    /// Takes as long as it is told.
    #[tool]
    async fn slow_compute(
        &self,
        Parameters(Computation { seconds, label }): Parameters<Computation>,
    ) -> String {
        tokio::time::sleep(seconds * A_WHILE).await;
        format!("{label}: computed for {seconds} s")
    }

    /// Fails, after a while.
    #[tool]
    async fn failing_job(&self) -> Result<String, String> {
        tokio::time::sleep(A_WHILE).await;
        Err("The job failed.".to_owned())
    }

    /// Breaks.
    #[tool]
    async fn protocol_error_job(&self) -> Result<String, ErrorData> {
        Err(ErrorData::internal_error("broken", None))
    }

    /// Asks once.
    #[tool]
    async fn confirm_delete(
        &self,
        Parameters(File { filename }): Parameters<File>,
        peer: Peer<RoleServer>,
    ) -> Result<String, ErrorData> {
        let schema = json!({
            "type": "object",
            "properties": { "confirm": { "type": "boolean" } },
            "required": ["confirm"],
        });
        let answer = ask(&peer, &format!("Delete {filename}?"), schema).await?;
        let confirmed = answer.content.unwrap_or_default()["confirm"] == true;
        let done = if confirmed { "deleted" } else { "kept" };
        Ok(format!("{filename} is {done}."))
    }

    /// Asks twice at once.
    #[tool]
    async fn multi_input(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let peer = &context.peer;
        let (one, other) = tokio::join!(
            ask(peer, "What is your name?", line("name")),
            ask(peer, "And your other name?", line("name")),
        );
        let names = [one?, other?].map(|answer| {
            let content = answer.content.unwrap_or_default();
            content["name"].as_str().unwrap_or_default().to_owned()
        });
        Ok(names.join(" "))
    }

    /// Asks, and then works. That it is a task from there on, rmcp has no word for; Usher's is an
    /// extension.
    #[tool]
    async fn test_tool_with_task(
        &self,
        peer: Peer<RoleServer>,
        Extension(call): Extension<CallContext>,
    ) -> Result<String, ErrorData> {
        let answer = ask(&peer, "What is your name?", line("name")).await?;
        let call = call.begin_task().map_err(refused)?;
        call.progress(0.0, None, Some("Working on it."));
        tokio::time::sleep(A_WHILE).await;
        let name: Value = answer.content.unwrap_or_default()["name"].clone();
        Ok(format!("Done for {}.", name.as_str().unwrap_or_default()))
    }
}

fn refused(error: ToolError) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
