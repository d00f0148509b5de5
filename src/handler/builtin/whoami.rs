//! `whoami`: the claims of the caller's access token.

use serde_json::Value;

use crate::{
    handler::{CallContext, NoArguments, Structured, Tool},
    protocol::ToolAnnotations,
};

/// The tool that tells a caller what this server knows of them: the claims that the authorization
/// server vouched for, and so nothing that the user did not consent to.
#[must_use]
pub fn whoami() -> Tool {
    Tool::new(
        "whoami",
        "Tells who you are to this server: the claims that the authorization server vouched for.",
        |context: CallContext, _: NoArguments| async move {
            Ok(Structured(Value::Object(
                context.principal().claims().clone(),
            )))
        },
    )
    .title("Who am I?")
    .annotations(ToolAnnotations {
        read_only_hint: Some(true),
        destructive_hint: Some(false),
        idempotent_hint: Some(true),
        open_world_hint: Some(false),
    })
}
