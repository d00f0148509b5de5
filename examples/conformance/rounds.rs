//! Tools that need several round trips from 2026-07-28 on. They are written as if the answers were
//! there at once, and so work in every version.

use mcp_usher::handler::{CallContext, ClientCapability, NoArguments, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::sampling::{question, text_of};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Name {
    pub(crate) name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Color {
    color: String,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    ok: bool,
}

pub(crate) fn tools() -> Vec<Tool> {
    let tool = |name: &str| format!("test_input_required_result_{name}");
    vec![
        Tool::new(tool("elicitation"), "Asks for a name.", greet),
        Tool::new(tool("sampling"), "Asks the client's model.", capital),
        Tool::new(tool("list_roots"), "Asks for folders.", folders),
        Tool::new(tool("request_state"), "Asks for a yes.", confirm),
        Tool::new(tool("tampered_state"), "Asks for a yes.", confirm),
        Tool::new(tool("multiple_inputs"), "Asks all at once.", all_at_once),
        Tool::new(tool("multi_round"), "Asks twice.", one_by_one),
        Tool::new(tool("capabilities"), "Asks what it may.", what_it_may),
    ]
}

async fn greet(call: CallContext, _: NoArguments) -> Result<String, ToolError> {
    let asked = call.elicit("user_name", "What is your name?").await?;
    let Name { name } = asked.accepted()?;
    Ok(format!("Hello, {name}!"))
}

async fn capital(call: CallContext, _: NoArguments) -> Result<String, ToolError> {
    let asked = question("What is the capital of France?", 100);
    let answer = call.sample("capital_question", asked).await?;
    Ok(text_of(&answer).to_owned())
}

async fn folders(call: CallContext, _: NoArguments) -> Result<String, ToolError> {
    let roots = call.roots("client_roots").await?;
    let uris: Vec<_> = roots.into_iter().map(|root| root.uri).collect();
    Ok(format!("Folders: {}", uris.join(", ")))
}

async fn confirm(call: CallContext, _: NoArguments) -> Result<&'static str, ToolError> {
    let asked = call.elicit("confirm", "Please confirm").await?;
    let Confirmation { ok } = asked.accepted()?;
    Ok(if ok { "state-ok" } else { "not confirmed" })
}

/// Three questions in one round trip.
async fn all_at_once(call: CallContext, _: NoArguments) -> Result<String, ToolError> {
    let (asked, greeting, roots) = tokio::join!(
        call.elicit("user_name", "What is your name?"),
        call.sample("greeting", question("Generate a greeting", 50)),
        call.roots("client_roots"),
    );
    let (Name { name }, greeting, roots) = (asked?.accepted()?, greeting?, roots?);
    Ok(format!(
        "{} {name} works in {} folders.",
        text_of(&greeting),
        roots.len()
    ))
}

/// The second question knows the first one's answer.
async fn one_by_one(call: CallContext, _: NoArguments) -> Result<String, ToolError> {
    let asked = call.elicit("step1", "Step 1: What is your name?").await?;
    let Name { name } = asked.accepted()?;
    let asked = call
        .elicit("step2", "Step 2: What is your favorite color?")
        .await?;
    let Color { color } = asked.accepted()?;
    Ok(format!("{name} likes {color}."))
}

/// Only what the client supports.
async fn what_it_may(call: CallContext, _: NoArguments) -> Result<String, ToolError> {
    let mut said = Vec::new();
    if call.client_supports(ClientCapability::Sample) {
        said.push(capital(call.clone(), NoArguments {}).await?);
    }
    if call.client_supports(ClientCapability::ElicitForm) {
        said.push(greet(call.clone(), NoArguments {}).await?);
    }
    if call.client_supports(ClientCapability::Roots) {
        said.push(folders(call, NoArguments {}).await?);
    }
    Ok(said.join(" "))
}
