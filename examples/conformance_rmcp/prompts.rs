//! Prompts: plain, filled in, with more than text, and one that asks the user first.

use rmcp::{
    ErrorData, Peer, RoleServer,
    handler::server::wrapper::Parameters,
    model::{CompleteResult, CompletionInfo, PromptMessage, Role},
    prompt, prompt_router,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Fixture,
    asking::{ask, line},
    content::{embedded, picture},
};

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    /// First test argument
    arg1: String,
    /// Second test argument
    arg2: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Embedded {
    /// URI of the resource to embed
    resource_uri: String,
}

#[prompt_router(router = "prompts", vis = "pub(crate)")]
impl Fixture {
    /// A plain prompt.
    #[prompt]
    async fn test_simple_prompt(&self) -> Vec<PromptMessage> {
        vec![said("This is a simple prompt for testing.")]
    }

    /// A prompt to fill in.
    #[prompt]
    async fn test_prompt_with_arguments(
        &self,
        Parameters(Arguments { arg1, arg2 }): Parameters<Arguments>,
    ) -> Vec<PromptMessage> {
        let text = format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'");
        vec![said(text)]
    }

    /// A prompt with a resource.
    #[prompt]
    async fn test_prompt_with_embedded_resource(
        &self,
        Parameters(Embedded { resource_uri }): Parameters<Embedded>,
    ) -> Vec<PromptMessage> {
        let text = "Embedded resource content for testing.";
        let embedded = embedded(&resource_uri, text, "text/plain");
        let request = said("Please process the embedded resource above.");
        vec![PromptMessage::new(Role::User, embedded), request]
    }

    /// A prompt with a picture.
    #[prompt]
    async fn test_prompt_with_image(&self) -> Vec<PromptMessage> {
        let seen = PromptMessage::new(Role::User, picture());
        vec![seen, said("Please analyze the image above.")]
    }

    /// A prompt that asks the user for its context.
    #[prompt]
    async fn test_input_required_result_prompt(
        &self,
        peer: Peer<RoleServer>,
    ) -> Result<Vec<PromptMessage>, ErrorData> {
        let answer = ask(
            &peer,
            "What context should the prompt use?",
            line("context"),
        )
        .await?;
        let content = answer.content.unwrap_or_default();
        let context = content["context"].as_str().unwrap_or("none");
        Ok(vec![said(format!("Use this context: {context}"))])
    }
}

/// Places that begin with what was typed.
pub(crate) fn suggestions(typed: &str) -> Result<CompleteResult, ErrorData> {
    let places = ["paris", "park", "party"].into_iter();
    let places = places.filter(|place| place.starts_with(typed));
    let shown = CompletionInfo::with_all_values(places.map(str::to_owned).collect());
    let shown = shown.map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(shown))
}

fn said(text: impl Into<String>) -> PromptMessage {
    PromptMessage::new_text(Role::User, text)
}
