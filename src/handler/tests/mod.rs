//! A handler through its door: one method, one answer.

mod asking;
mod changing;
mod entries;
mod forms;
mod schemas;
mod skills;
mod tasks;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Map;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    auth::{Identity, Method as VerifiedBy, Principal},
    outlet::{self as queue, Outlet, outlet},
    protocol::{
        CallToolResult, ClientMessage, Content, Implementation, LogLevel, RequestId,
        ResourceContents, codes,
    },
    scope::Scopes,
    time::Timestamp,
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
            version: "0".into(),
            ..Implementation::default()
        },
        instructions: None,
    };
    let mut entries = Entries::default();
    for tool in [add, broken, stuck, guarded, whoami()] {
        entries.add_tool(tool);
    }
    offer_more(&mut entries);
    serving(info, entries).unwrap()
}

/// A handler that offers this and nothing else, by the defaults.
fn serving(info: ServerInfo, entries: Entries) -> Result<Handler, HandlerError> {
    Handler::new(
        Config::default(),
        Policy::default(),
        info,
        entries,
        Metrics::new(),
        clock(),
    )
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_unix_seconds(1_000))
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

fn offer_more(entries: &mut Entries) {
    entries.add_tool(Tool::new(
        "greet",
        "Asks twice",
        |call: CallContext, _: NoArguments| async move {
            call.progress(1.0, Some(2.0), Some("asking"));
            call.log(LogLevel::Info, "asking");
            let Elicited::Accepted(Name { name }) = call.elicit("name", "Your name?").await? else {
                return Ok("Nobody".to_owned());
            };
            let roots = call.roots("roots").await?;
            Ok(format!("{name} in {} folders", roots.len()))
        },
    ));
    entries.add_resource(
        Resource::new("test://text", "text", |call: CallContext| async move {
            let subject = call.principal().subject().to_owned();
            Ok(ResourceContents::text("test://text", subject))
        })
        .mime_type("text/plain"),
    );
    let family = ResourceTemplate::new("test://{id}/data", "data", |_, at: Variables| async move {
        Ok(ResourceContents::text(at.uri(), at.get("id")))
    });
    entries.add_template(family.unwrap().needs("data:read".parse().unwrap()));
    entries.add_prompt(
        Prompt::new(
            "hello",
            "Says hello",
            |_, arguments: PromptArguments| async move {
                let text = format!("Hello, {}", arguments.get("who"));
                Ok(vec![PromptMessage::user(Content::text(text))])
            },
        )
        .argument("who", "Whom to greet")
        .complete(|_, typed| vec![format!("{typed}!")]),
    );
}

/// What a request of these params needs, as `transport` asks for it.
fn needed(handler: &Handler, method: &Method, params: Value) -> Scopes {
    let context = context(ProtocolVersion::V2025_11_25);
    let peek = serde_json::from_value(params).unwrap();
    handler.needed_scopes(context.principal(), method, &peek)
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
    let (outlet, frames) = outlet(queue::Config::default());
    // Nobody reads in these tests what a call says meanwhile.
    std::mem::forget(frames);
    CallContext::new(
        principal,
        RequestId::Integer(1),
        CancellationToken::new(),
        client(version, outlet),
    )
}

fn client(version: ProtocolVersion, outlet: Outlet) -> Client {
    let introduction = introduction(version, json!({ "elicitation": {}, "roots": {} }));
    if version.is_modern() {
        return Client::of_request(introduction, outlet, None);
    }
    Client::in_session(conversation(introduction), outlet)
}

fn introduction(version: ProtocolVersion, capabilities: Value) -> Introduction {
    Introduction {
        version,
        info: None,
        capabilities: serde_json::from_value(capabilities).unwrap(),
    }
}

fn conversation(introduction: Introduction) -> Conversation {
    let conversation = Conversation::new(SessionStreamRef::default(), CancellationToken::new());
    conversation.introduce(introduction);
    conversation.declare(every_list());
    conversation
}

fn every_list() -> Lists {
    let mut entries = Entries::default();
    entries.declare_resources();
    entries.declare_prompts();
    entries.lists()
}

async fn handle(version: ProtocolVersion, method: &str, params: Value) -> Result<Value, RpcError> {
    ask(&handler(), version, method, params).await
}

/// What a handler of a test's own answers.
async fn ask(
    handler: &Handler,
    version: ProtocolVersion,
    method: &str,
    params: Value,
) -> Result<Value, RpcError> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    handler
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
    assert!(list["tools"][5].get("title").is_none(), "{list}");
    assert!(list["tools"][5].get("annotations").is_none());
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

    // `guarded` needs a scope that the caller lacks.
    assert_eq!(names, ["add", "broken", "greet", "stuck", "whoami"]);
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
    let needed = |name| needed(&handler(), &Method::ToolsCall, json!({ "name": name }));

    assert_eq!(needed("guarded").to_string(), "notes:read notes:write");
    assert!(needed("add").is_empty());
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

#[tokio::test]
async fn resources_are_read_by_their_uri_or_by_a_familys() {
    let version = ProtocolVersion::V2025_11_25;
    let read = |uri| handle(version, "resources/read", json!({ "uri": uri }));

    let text = read("test://text").await.unwrap();
    assert_eq!(
        text["contents"],
        json!([{ "uri": "test://text", "mimeType": "text/plain", "text": "alice" }])
    );
    let missing = read("test://nope").await.unwrap_err();
    assert_eq!(
        (missing.code, &missing.data.unwrap()["uri"]),
        (-32002, &json!("test://nope"))
    );
    let modern = handle(
        ProtocolVersion::V2026_07_28,
        "resources/read",
        json!({ "uri": "test://nope" }),
    );
    assert_eq!(modern.await.unwrap_err().code, codes::INVALID_PARAMS);
}

// K22
#[tokio::test]
async fn a_resource_that_needs_a_scope_is_not_read_without_it() {
    let needed = needed(
        &handler(),
        &Method::ResourcesRead,
        json!({ "uri": "test://7/data" }),
    );
    assert_eq!(needed.to_string(), "data:read");

    let version = ProtocolVersion::V2025_11_25;
    let read = handle(version, "resources/read", json!({ "uri": "test://7/data" })).await;
    assert!(read.unwrap_err().message.contains("data:read"));
}

#[tokio::test]
async fn a_prompt_is_filled_in_and_completed() {
    let version = ProtocolVersion::V2025_11_25;
    let arguments = json!({ "name": "hello", "arguments": { "who": "you" } });
    let prompt = handle(version, "prompts/get", arguments).await.unwrap();
    assert_eq!(prompt["messages"][0]["content"]["text"], "Hello, you");

    let missing = handle(version, "prompts/get", json!({ "name": "hello" }))
        .await
        .unwrap_err();
    assert_eq!(missing.code, codes::INVALID_PARAMS);

    let typed = json!({
        "ref": { "type": "ref/prompt", "name": "hello" },
        "argument": { "name": "who", "value": "a" }
    });
    let suggested = handle(version, "completion/complete", typed).await.unwrap();
    assert_eq!(suggested["completion"]["values"], json!(["a!"]));
}

// K22
#[tokio::test]
async fn suggestions_need_the_scopes_of_what_they_are_for() {
    let family = ResourceTemplate::new(
        "notes://{id}/text",
        "notes",
        |_, at: Variables| async move { Ok(ResourceContents::text(at.uri(), "a note")) },
    );
    let family = family.unwrap().needs("notes:read".parse().unwrap());
    let mut entries = Entries::default();
    entries.add_template(family.complete(|_, _| vec!["a secret name".to_owned()]));
    let info = handler().0.info.clone();
    let handler = serving(info, entries).unwrap();
    let params = json!({
        "ref": { "type": "ref/resource", "uri": "notes://{id}/text" },
        "argument": { "name": "id", "value": "" }
    });
    let version = ProtocolVersion::V2025_11_25;
    let refused = ask(&handler, version, "completion/complete", params).await;

    assert!(refused.unwrap_err().message.contains("notes:read"));
}
