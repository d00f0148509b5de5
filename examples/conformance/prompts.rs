//! Prompts: plain, filled in, with more than text, and one that asks the user first.

use mcp_usher::{
    handler::{CallContext, Prompt, PromptArguments, PromptMessage, ToolError},
    protocol::{Content, ResourceContents},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::content::picture;

#[derive(Deserialize, JsonSchema)]
struct Context {
    context: String,
}

type Messages = Result<Vec<PromptMessage>, ToolError>;

pub(crate) fn all() -> Vec<Prompt> {
    vec![
        Prompt::new("test_simple_prompt", "A plain prompt.", |_, _| async {
            Ok(vec![said("This is a simple prompt for testing.")])
        }),
        Prompt::new(
            "test_prompt_with_arguments",
            "A prompt to fill in.",
            with_arguments,
        )
        .argument("arg1", "First test argument")
        .argument("arg2", "Second test argument")
        .complete(suggestions),
        Prompt::new(
            "test_prompt_with_embedded_resource",
            "A prompt with a resource.",
            with_resource,
        )
        .argument("resourceUri", "URI of the resource to embed"),
        Prompt::new(
            "test_prompt_with_image",
            "A prompt with a picture.",
            |_, _| async {
                let seen = PromptMessage::user(picture());
                Ok(vec![seen, said("Please analyze the image above.")])
            },
        ),
        Prompt::new(
            "test_input_required_result_prompt",
            "A prompt that asks the user for its context.",
            with_context,
        ),
    ]
}

async fn with_arguments(_: CallContext, arguments: PromptArguments) -> Messages {
    let (arg1, arg2) = (arguments.get("arg1"), arguments.get("arg2"));
    let text = format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'");
    Ok(vec![said(text)])
}

async fn with_resource(_: CallContext, arguments: PromptArguments) -> Messages {
    let text = "Embedded resource content for testing.";
    let resource = ResourceContents::text(arguments.get("resourceUri"), text);
    let embedded = Content::resource(resource.mime_type("text/plain"));
    let request = said("Please process the embedded resource above.");
    Ok(vec![PromptMessage::user(embedded), request])
}

async fn with_context(call: CallContext, _: PromptArguments) -> Messages {
    let asked = call.elicit("user_context", "What context should the prompt use?");
    let Context { context } = asked.await?.accepted()?;
    Ok(vec![said(format!("Use this context: {context}"))])
}

/// Places that begin with what was typed.
fn suggestions(_argument: &str, typed: &str) -> Vec<String> {
    let places = ["paris", "park", "party"].into_iter();
    places
        .filter(|place| place.starts_with(typed))
        .map(str::to_owned)
        .collect()
}

fn said(text: impl Into<String>) -> PromptMessage {
    PromptMessage::user(Content::text(text))
}
