//! Tools that ask the user to fill in a form, and one that asks to open a page.

use mcp_usher::handler::{CallContext, Elicited, NoArguments, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schemas::{choices, defaults};

#[derive(Deserialize, JsonSchema)]
struct Question {
    /// What to ask the user
    message: String,
}

/// A form from a type: its schema is derived, and the answer comes checked.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Account {
    /// User's response
    username: String,
    /// User's email address
    email: String,
}

pub(crate) fn tools() -> Vec<Tool> {
    vec![
        Tool::new(
            "test_elicitation",
            "Asks the user for a name and an address.",
            |call: CallContext, Question { message }| async move {
                let answer = call.elicit::<Account>("account", &message).await?;
                Ok(format!("User response: {}", shown(&answer)))
            },
        ),
        Tool::new(
            "test_streaming_elicitation",
            "Asks the user for a name, on the call's own stream.",
            |call: CallContext, _: NoArguments| async move {
                let answer = call.elicit::<Account>("account", "Who are you?").await?;
                Ok(format!("User response: {}", shown(&answer)))
            },
        ),
        Tool::new(
            "test_elicitation_url",
            "Asks the user to open a page.",
            |call: CallContext, _: NoArguments| async move {
                let page = "https://pay.example/bill/7";
                let answer = call.elicit_url("bill", "Please pay the bill", page).await?;
                Ok(format!("User response: {}", shown(&answer)))
            },
        ),
        asking("test_elicitation_sep1034_defaults", defaults),
        asking("test_elicitation_sep1330_enums", choices),
    ]
}

/// A tool that asks with a schema written by hand.
fn asking(name: &str, schema: fn() -> Value) -> Tool {
    Tool::new(
        name,
        "Asks the user to fill in a form.",
        move |call: CallContext, _: NoArguments| async move {
            let answer = call.elicit_with("form", "Please fill in the form", schema());
            Ok(format!("Elicitation completed: {}", shown(&answer.await?)))
        },
    )
}

fn shown(answer: &Elicited<impl Serialize>) -> String {
    match answer {
        Elicited::Accepted(content) => format!("action=accept, content={}", json!(content)),
        Elicited::Declined => "action=decline".to_owned(),
        Elicited::Cancelled => "action=cancel".to_owned(),
    }
}
