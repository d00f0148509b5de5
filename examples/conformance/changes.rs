//! Tools that say that something the server offers has changed.

use mcp_usher::handler::{Change, Changes, NoArguments, Tool};

use crate::resources::WATCHED;

pub(crate) fn tools(changes: &Changes) -> Vec<Tool> {
    vec![
        announcing("test_trigger_tool_change", changes, Change::Tools),
        announcing("test_trigger_prompt_change", changes, Change::Prompts),
        announcing("test_trigger_resource_change", changes, Change::Resources),
        announcing(
            "test_trigger_resource_update",
            changes,
            Change::Resource(WATCHED.to_owned()),
        ),
    ]
}

fn announcing(name: &str, changes: &Changes, change: Change) -> Tool {
    let changes = changes.clone();
    let description = "Tells every client that listens of a change.";
    Tool::new(name, description, move |_, _: NoArguments| {
        changes.announce(change.clone());
        async { Ok("Announced.") }
    })
}
