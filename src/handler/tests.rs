use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Map;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    auth::{Identity, Method as VerifiedBy, Principal},
    protocol::{ClientMessage, Implementation},
};

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

fn handler() -> Handler {
    let add = Tool::new(
        "add",
        "Adds",
        |_, Add { a, b }: Add| async move { Ok(a + b) },
    );
    let broken = Tool::new("broken", "Panics", |_, _: NoArguments| async move {
        let nothing: Vec<String> = Vec::new();
        Ok(nothing[0].clone())
    });
    let stuck = Tool::new("stuck", "Never answers", |_, _: NoArguments| async move {
        std::future::pending::<()>().await;
        Ok("never")
    });
    let guarded = Tool::new("guarded", "Needs a scope", |_, _: NoArguments| async move {
        Ok("in")
    })
    .needs("notes:write notes:read".parse().unwrap());
    let info = ServerInfo {
        implementation: Implementation {
            name: "test".into(),
            title: None,
            version: "0".into(),
        },
        instructions: None,
    };
    Handler::new(
        Config::default(),
        info,
        [add, broken, stuck, guarded, whoami()],
        Metrics::new(),
    )
}

fn context(version: ProtocolVersion) -> CallContext {
    let mut claims = Map::new();
    claims.insert("sub".into(), json!("alice"));
    let principal = Principal::new(Identity {
        issuer: "https://issuer".into(),
        subject: "alice".into(),
        client_id: None,
        audiences: Vec::new(),
        scopes: Scopes::none(),
        expires_at: None,
        verified_by: VerifiedBy::Jwt,
        claims,
    });
    CallContext::new(principal, version, CancellationToken::new())
}

async fn handle(version: ProtocolVersion, method: &str, params: Value) -> Result<Value, RpcError> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    handler()
        .handle(context(version), &request.method, request.params.as_ref())
        .await
}

async fn call(name: &str, arguments: Value) -> Result<Value, RpcError> {
    let params = json!({ "name": name, "arguments": arguments });
    handle(ProtocolVersion::V2025_11_25, "tools/call", params).await
}

#[tokio::test]
async fn whoami_returns_the_claims_as_data_and_as_text() {
    let result = call("whoami", json!({})).await.unwrap();

    assert_eq!(result["structuredContent"], json!({ "sub": "alice" }));
    assert_eq!(result["content"][0]["text"], r#"{"sub":"alice"}"#);
    assert_eq!(result["isError"], false);
}

#[tokio::test]
async fn an_old_client_gets_no_member_it_does_not_know() {
    let old = ProtocolVersion::V2024_11_05;
    let result = handle(old, "tools/call", json!({ "name": "whoami" }))
        .await
        .unwrap();
    let list = handle(old, "tools/list", json!({})).await.unwrap();

    assert!(result.get("structuredContent").is_none());
    assert!(list["tools"][4].get("title").is_none(), "{list}");
    assert!(list["tools"][4].get("annotations").is_none());
}

#[tokio::test]
async fn a_modern_result_says_that_it_is_complete_and_whose_it_is() {
    let list = handle(ProtocolVersion::V2026_07_28, "tools/list", json!({}))
        .await
        .unwrap();

    assert_eq!(list["resultType"], "complete");
    assert_eq!(list["cacheScope"], "private");
    assert_eq!(
        list["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "test"
    );
}

#[tokio::test]
async fn tools_are_listed_in_order_with_an_object_schema() {
    let list = handle(ProtocolVersion::V2025_11_25, "tools/list", json!({}))
        .await
        .unwrap();
    let names: Vec<_> = list["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["name"])
        .collect();

    assert_eq!(names, ["add", "broken", "guarded", "stuck", "whoami"]);
    assert_eq!(
        list["tools"][0]["inputSchema"]["required"],
        json!(["a", "b"])
    );
    assert_eq!(list["tools"][4]["inputSchema"]["type"], "object");
}

#[tokio::test]
async fn wrong_arguments_are_the_models_to_mend() {
    let result = call("add", json!({ "a": 1 })).await.unwrap();

    assert_eq!(result["isError"], true);
    assert!(
        result["content"][0]["text"].as_str().unwrap().contains('b'),
        "{result}"
    );
    assert_eq!(
        call("add", json!({ "a": 1, "b": 2 })).await.unwrap()["content"][0]["text"],
        "3"
    );
}

#[tokio::test]
async fn a_panicking_tool_fails_its_own_call_only() {
    let result = call("broken", json!({})).await.unwrap();

    assert_eq!(result["isError"], true);
    assert!(
        !result.to_string().contains("bounds"),
        "the panic's text leaked: {result}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_tool_is_answered_for_at_the_deadline() {
    let error = call("stuck", json!({})).await.unwrap_err();

    assert!(error.message.contains("1min"), "{error:?}");
}

#[tokio::test]
async fn an_unknown_tool_is_invalid_params_and_an_unknown_method_is_not_found() {
    assert_eq!(
        call("nope", json!({})).await.unwrap_err().code,
        codes::INVALID_PARAMS
    );
    let unknown = handle(ProtocolVersion::V2025_11_25, "nope", json!({})).await;
    assert_eq!(unknown.unwrap_err().code, codes::METHOD_NOT_FOUND);
    let legacy = handle(ProtocolVersion::V2025_11_25, "server/discover", json!({})).await;
    assert_eq!(legacy.unwrap_err().code, codes::METHOD_NOT_FOUND);
}

#[test]
fn all_scopes_of_a_tool_are_named_at_once() {
    let needed = handler().needed_scopes(&Method::ToolsCall, Some("guarded"));

    assert_eq!(needed.to_string(), "notes:read notes:write");
    assert!(
        handler()
            .needed_scopes(&Method::ToolsCall, Some("add"))
            .is_empty()
    );
}

// K22
#[tokio::test]
async fn a_tool_does_not_run_without_its_scopes_even_if_nobody_asked_before() {
    let refusal = handle(
        ProtocolVersion::V2025_11_25,
        "tools/call",
        json!({ "name": "guarded" }),
    )
    .await
    .unwrap_err();

    assert_eq!(refusal.code, codes::INVALID_REQUEST);
    assert!(refusal.message.contains("notes:read notes:write"));
}
