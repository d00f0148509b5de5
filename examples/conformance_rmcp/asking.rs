//! Tools that ask through their `Peer`, as rmcp has it up to 2025-11-25: the user for a form, the
//! client for its model.

use rmcp::{
    ErrorData, Peer, RoleServer,
    handler::server::wrapper::Parameters,
    model::{
        CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
        ElicitationAction, SamplingMessage, SamplingMessageContentBlock,
    },
    tool, tool_router,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Fixture,
    schemas::{choices, defaults},
    telling::untold,
};

#[derive(Deserialize, JsonSchema)]
struct Question {
    /// What to ask the user
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Prompt {
    /// What to ask the model
    prompt: String,
}

type Answer = Result<String, ErrorData>;

#[tool_router(router = asking, vis = "pub(crate)")]
impl Fixture {
    /// Asks the user for a name and an address.
    #[tool]
    async fn test_elicitation(
        &self,
        Parameters(Question { message }): Parameters<Question>,
        peer: Peer<RoleServer>,
    ) -> Answer {
        let answer = ask(&peer, &message, account()).await?;
        Ok(format!("User response: {}", shown(&answer)))
    }

    /// Asks the user for a name, on the call's own stream.
    #[tool]
    async fn test_streaming_elicitation(&self, peer: Peer<RoleServer>) -> Answer {
        let answer = ask(&peer, "Who are you?", account()).await?;
        Ok(format!("User response: {}", shown(&answer)))
    }

    /// Asks the user to fill in a form.
    #[tool]
    async fn test_elicitation_sep1034_defaults(&self, peer: Peer<RoleServer>) -> Answer {
        let answer = ask(&peer, "Please fill in the form", defaults()).await?;
        Ok(format!("Elicitation completed: {}", shown(&answer)))
    }

    /// Asks the user to fill in a form.
    #[tool]
    async fn test_elicitation_sep1330_enums(&self, peer: Peer<RoleServer>) -> Answer {
        let answer = ask(&peer, "Please fill in the form", choices()).await?;
        Ok(format!("Elicitation completed: {}", shown(&answer)))
    }

    /// Asks the client's model.
    #[tool]
    async fn test_sampling(
        &self,
        Parameters(Prompt { prompt }): Parameters<Prompt>,
        peer: Peer<RoleServer>,
    ) -> Answer {
        let answer = peer.create_message(question(&prompt, 100)).await;
        Ok(format!(
            "LLM response: {}",
            text_of(&answer.map_err(untold)?)
        ))
    }

    /// Does nothing without the client's model.
    #[tool]
    async fn test_missing_capability(&self, peer: Peer<RoleServer>) -> Answer {
        let answer = peer.create_message(question("Are you there?", 10)).await;
        Ok(text_of(&answer.map_err(untold)?))
    }
}

fn account() -> Value {
    json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
        "required": ["username", "email"],
    })
}

/// A form of one line.
pub(crate) fn line(field: &str) -> Value {
    json!({
        "type": "object",
        "properties": { field: { "type": "string" } },
        "required": [field],
    })
}

pub(crate) async fn ask(
    peer: &Peer<RoleServer>,
    message: &str,
    schema: Value,
) -> Result<ElicitResult, ErrorData> {
    peer.create_elicitation(form(message, schema)?)
        .await
        .map_err(untold)
}

pub(crate) fn form(message: &str, schema: Value) -> Result<ElicitRequestParams, ErrorData> {
    let requested_schema = serde_json::from_value(schema)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.to_owned(),
        requested_schema,
    })
}

fn shown(answer: &ElicitResult) -> String {
    match (&answer.action, &answer.content) {
        (ElicitationAction::Accept, Some(content)) => format!("action=accept, content={content}"),
        (ElicitationAction::Decline, _) => "action=decline".to_owned(),
        _ => "action=cancel".to_owned(),
    }
}

/// One question to a model.
pub(crate) fn question(text: &str, max_tokens: u32) -> CreateMessageRequestParams {
    CreateMessageRequestParams::new(vec![SamplingMessage::user_text(text)], max_tokens)
}

/// What a model said.
pub(crate) fn text_of(answer: &CreateMessageResult) -> String {
    let said = answer.message.content.first();
    let text = said.and_then(SamplingMessageContentBlock::as_text);
    text.map_or("nothing", |text| &text.text).to_owned()
}
