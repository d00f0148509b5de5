//! `whoami`: the claims of the caller's access token.

use serde_json::{Value, json};

use crate::{
    auth::Method,
    handler::{CallContext, NoArguments, Tool},
    protocol::{CallToolResult, ToolAnnotations},
};

/// The member of `_meta` that tells how the caller was verified.
const VERIFICATION: &str = "usher/verification";

/// The tool that tells a caller what this server knows of them: the claims that the authorization
/// server vouched for, and so nothing that the user did not consent to.
#[must_use]
pub fn whoami() -> Tool {
    answering(|_, claims| claims)
}

/// The same, with how the caller was verified in the result's `_meta`, for whoever looks for the reason
/// of a refusal.
#[must_use]
pub fn whoami_with_verification() -> Tool {
    answering(|context, claims| claims.meta(VERIFICATION, verification(context)))
}

fn answering(
    shape: impl Fn(&CallContext, CallToolResult) -> CallToolResult + Copy + Send + Sync + 'static,
) -> Tool {
    Tool::new(
        "whoami",
        "Tells who you are to this server: the claims that the authorization server vouched for.",
        move |context: CallContext, _: NoArguments| async move {
            let claims = context.principal().claims().clone();
            let claims = CallToolResult::structured(Value::Object(claims));
            Ok(shape(&context, claims))
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

fn verification(context: &CallContext) -> Value {
    let caller = context.principal();
    let verified_by = caller.verified_by();
    let kind = match verified_by {
        Method::Jwt => "jwt",
        Method::Introspection | Method::Userinfo => "opaque",
    };
    json!({
        "tokenKind": kind,
        "verifiedBy": verified_by.as_str(),
        "verifiedSecondsAgo": caller.age().as_secs(),
        "issuer": caller.issuer(),
        "clientId": caller.client_id(),
        "clientClass": context.client_class().as_str(),
        "scopes": caller.scopes(),
    })
}
