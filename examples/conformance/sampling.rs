//! Tools that ask the client's model.

use mcp_usher::handler::{CallContext, NoArguments, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Prompt {
    /// What to ask the model
    prompt: String,
}

pub(crate) fn tools() -> Vec<Tool> {
    vec![
        Tool::new(
            "test_sampling",
            "Asks the client's model.",
            |call: CallContext, Prompt { prompt }| async move {
                let answer = call.sample("prompt", question(&prompt, 100)).await?;
                Ok(format!("LLM response: {}", text_of(&answer)))
            },
        ),
        Tool::new(
            "test_missing_capability",
            "Does nothing without the client's model.",
            |call: CallContext, _: NoArguments| async move {
                let answer = call
                    .sample("prompt", question("Are you there?", 10))
                    .await?;
                Ok(text_of(&answer).to_owned())
            },
        ),
    ]
}

/// One question to a model, as `sampling/createMessage` wants it.
pub(crate) fn question(text: &str, max_tokens: u32) -> Value {
    json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
        "maxTokens": max_tokens,
    })
}

/// What a model said.
pub(crate) fn text_of(answer: &Value) -> &str {
    let text = answer.pointer("/content/text");
    text.and_then(Value::as_str).unwrap_or("nothing")
}
