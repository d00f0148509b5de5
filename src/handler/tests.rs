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
        ClientCapabilities, ClientMessage, Content, Implementation, LogLevel, ResourceContents,
    },
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
            title: None,
            version: "0".into(),
        },
        instructions: None,
    };
    let mut catalog = Catalog::default();
    for tool in [add, broken, stuck, guarded, whoami()] {
        catalog.add_tool(tool);
    }
    offer_more(&mut catalog);
    Handler::new(Config::default(), info, catalog, Metrics::new(), clock()).unwrap()
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_unix_seconds(1_000))
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

fn offer_more(catalog: &mut Catalog) {
    catalog.add_tool(Tool::new(
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
    catalog.add_resource(
        Resource::new("test://text", "text", |call: CallContext| async move {
            let subject = call.principal().subject().to_owned();
            Ok(ResourceContents::text("test://text", subject))
        })
        .mime_type("text/plain"),
    );
    let family = ResourceTemplate::new("test://{id}/data", "data", |_, at: Variables| async move {
        Ok(ResourceContents::text(at.uri(), at.get("id")))
    });
    catalog.add_template(family.unwrap().needs("data:read".parse().unwrap()));
    catalog.add_prompt(
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
        version,
        CancellationToken::new(),
        client(version, outlet),
    )
}

fn client(version: ProtocolVersion, outlet: Outlet) -> Client {
    let declared = json!({ "elicitation": {}, "roots": {} });
    let capabilities = serde_json::from_value(declared).unwrap();
    if version.is_modern() {
        return Client::of_request(capabilities, outlet, None);
    }
    let threshold = LogThreshold::from_level(LogLevel::Info);
    Client::in_session(capabilities, outlet, threshold, Questions::default())
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

    assert_eq!(
        names,
        ["add", "broken", "greet", "guarded", "stuck", "whoami"]
    );
    assert_eq!(
        list["tools"][0]["inputSchema"]["required"],
        json!(["a", "b"])
    );
    assert_eq!(list["tools"][5]["inputSchema"]["type"], "object");
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
    let needed = handler().needed_scopes(&Method::ResourcesRead, Some("test://7/data"));
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

async fn modern(handler: &Handler, params: &Value) -> Result<Value, RpcError> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let context = context(ProtocolVersion::V2026_07_28);
    handler
        .handle(context, &request.method, request.params.as_ref())
        .await
}

#[tokio::test]
async fn a_modern_call_that_needs_input_is_run_again_with_every_answer() {
    let handler = handler();
    let first = modern(&handler, &json!({ "name": "greet" })).await.unwrap();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(
        first["inputRequests"]["name"]["method"],
        "elicitation/create"
    );

    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    let second = json!({
        "name": "greet", "requestState": first["requestState"],
        "inputResponses": { "name": answer }
    });
    let second = modern(&handler, &second).await.unwrap();
    assert_eq!(
        second["inputRequests"]["roots"],
        json!({ "method": "roots/list" })
    );

    let third = json!({
        "name": "greet", "arguments": {}, "requestState": second["requestState"],
        "inputResponses": { "roots": { "roots": [{ "uri": "file:///a" }] }, "extra": 1 }
    });
    let done = modern(&handler, &third).await.unwrap();
    assert_eq!(done["content"][0]["text"], "Ada in 1 folders");
    assert_eq!(done["resultType"], "complete");
}

#[tokio::test]
async fn a_state_that_was_changed_or_belongs_to_another_request_is_refused() {
    let handler = handler();
    let first = modern(&handler, &json!({ "name": "greet" })).await.unwrap();
    let state = first["requestState"].as_str().unwrap();
    let mut forged = state.to_owned();
    forged.replace_range(20..21, if &state[20..21] == "A" { "B" } else { "A" });

    for (name, arguments, state) in [
        ("greet", json!({}), forged.as_str()),
        ("greet", json!({}), "AAAA"),
        ("greet", json!({ "other": 1 }), state),
        ("whoami", json!({}), state),
    ] {
        let params = json!({ "name": name, "arguments": arguments, "requestState": state });
        let error = modern(&handler, &params).await.unwrap_err();
        assert_eq!(error.code, codes::INVALID_PARAMS, "{name} {arguments}");
    }
}

#[tokio::test]
async fn a_modern_client_without_the_capability_is_told_which() {
    let (outlet, _frames) = outlet(queue::Config::default());
    let client = Client::of_request(ClientCapabilities::default(), outlet, None);
    let context = context(ProtocolVersion::V2026_07_28).with(None, |known| *known = client);
    let params = json!({ "name": "greet" });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let asked = handler()
        .handle(context, &request.method, request.params.as_ref())
        .await;

    let error = asked.unwrap_err();
    assert_eq!(error.code, codes::MISSING_REQUIRED_CLIENT_CAPABILITY);
    assert_eq!(
        error.data.unwrap()["requiredCapabilities"],
        json!({ "elicitation": { "form": {} } })
    );
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    name: String,
}

/// A server with this tool and no other.
fn handler_of(tool: Tool) -> Handler {
    let mut catalog = Catalog::default();
    catalog.add_tool(tool);
    let implementation = Implementation {
        name: "test".into(),
        title: None,
        version: "0".into(),
    };
    let info = ServerInfo {
        implementation,
        instructions: None,
    };
    Handler::new(Config::default(), info, catalog, Metrics::new(), clock()).unwrap()
}

fn form_and_folders() -> Handler {
    handler_of(Tool::new(
        "both",
        "Asks twice",
        |call, _: NoArguments| async move {
            let (form, roots) =
                tokio::join!(call.elicit::<Named>("name", "Who?"), call.roots("roots"));
            let (Elicited::Accepted(Named { name }), roots) = (form?, roots?) else {
                return Ok("nobody".to_owned());
            };
            Ok(format!("{name} in {} folders", roots.len()))
        },
    ))
}

#[tokio::test]
async fn what_is_asked_together_is_asked_in_one_round_trip() {
    let handler = form_and_folders();

    let first = modern(&handler, &json!({ "name": "both" })).await.unwrap();
    let asked: Vec<_> = first["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(asked, ["name", "roots"]);

    let answers = json!({
        "name": { "action": "accept", "content": { "name": "Ada" } },
        "roots": { "roots": [] }
    });
    let second = json!({
        "name": "both", "requestState": first["requestState"], "inputResponses": answers
    });
    let done = modern(&handler, &second).await.unwrap();
    assert_eq!(done["content"][0]["text"], "Ada in 0 folders");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again_and_no_other_is() {
    let handler = form_and_folders();
    for unfit in [
        json!(12345),
        json!({ "action": "perhaps" }),
        json!({ "action": "accept", "content": { "name": 7 } }),
        json!({ "action": "accept" }),
    ] {
        let params = json!({
            "name": "both", "inputResponses": { "name": unfit, "roots": { "roots": [] }, "x": 1 }
        });
        let asked = modern(&handler, &params).await.unwrap();
        assert_eq!(asked["resultType"], "input_required", "{unfit}");
        let keys: Vec<_> = asked["inputRequests"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["name"], "{unfit}");

        let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
        let params = json!({
            "name": "both", "requestState": asked["requestState"],
            "inputResponses": { "name": answer }
        });
        let done = modern(&handler, &params).await.unwrap();
        assert_eq!(done["content"][0]["text"], "Ada in 0 folders");
    }
}

#[tokio::test]
async fn a_tool_can_ask_what_the_client_supports() {
    let handler = handler_of(Tool::new("can", "", |call, _: NoArguments| async move {
        let can = |capability| call.client_supports(capability);
        Ok(format!(
            "{} {} {} {}",
            can(ClientCapability::ElicitForm),
            can(ClientCapability::ElicitUrl),
            can(ClientCapability::Sample),
            can(ClientCapability::Roots),
        ))
    }));

    let answer = modern(&handler, &json!({ "name": "can" })).await.unwrap();

    assert_eq!(answer["content"][0]["text"], "true false false true");
}

#[tokio::test]
async fn a_schema_written_by_hand_is_listed_as_it_is_and_arguments_come_as_they_are() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "$defs": { "a": { "$anchor": "x" } }, "if": {}, "then": {}, "additionalProperties": false
    });
    let echo = |_, arguments: Value| async move { Ok(arguments.to_string()) };
    let handler = handler_of(Tool::with_schema("echo", "Echoes", schema.clone(), echo));

    let listed = handler
        .handle(
            context(ProtocolVersion::V2025_11_25),
            &Method::ToolsList,
            None,
        )
        .await;
    assert_eq!(listed.unwrap()["tools"][0]["inputSchema"], schema);

    let params = json!({ "name": "echo", "arguments": { "a": [1, null] } });
    let answer = modern(&handler, &params).await.unwrap();
    assert_eq!(answer["content"][0]["text"], r#"{"a":[1,null]}"#);
}

#[test]
fn a_form_has_no_references() {
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Form {
        size: Size,
    }
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Size {
        Small,
        Large,
    }

    let form = schema::form_of::<Form>();

    assert_eq!(
        form["properties"]["size"]["enum"],
        json!(["Small", "Large"])
    );
    assert!(!form.to_string().contains("$ref"), "{form}");
}

#[derive(serde::Serialize, JsonSchema)]
struct Length {
    metres: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Of {
    what: String,
}

fn measuring() -> Handler {
    let measure = Tool::new("measure", "Measures", |_, Of { what }| async move {
        Ok(match what.as_str() {
            "table" => CallToolResult::structured(json!({ "metres": 2.5 })),
            "nothing" => CallToolResult::error("there is nothing"),
            _ => CallToolResult::structured(json!({ "metres": "long" })),
        })
    })
    .output::<Length>();
    let list = Tool::new("list", "Lists", |_, _: NoArguments| async move {
        Ok(Structured([1, 2, 3]))
    })
    .output::<Vec<u8>>();
    offering([measure, list]).unwrap()
}

fn offering(tools: impl IntoIterator<Item = Tool>) -> Result<Handler, HandlerError> {
    let info = handler().0.info.clone();
    let mut catalog = Catalog::default();
    for tool in tools {
        catalog.add_tool(tool);
    }
    Handler::new(Config::default(), info, catalog, Metrics::new(), clock())
}

async fn measured(version: ProtocolVersion, name: &str, arguments: Value) -> Value {
    let params = json!({ "name": name, "arguments": arguments });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let handler = measuring();
    let answer = handler.handle(context(version), &request.method, request.params.as_ref());
    answer.await.unwrap()
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_a_tool_error_in_every_version() {
    for version in ProtocolVersion::ALL {
        let result = measured(version, "measure", json!({ "what": 7 })).await;

        assert_eq!(result["isError"], true, "{version}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("/what: value is not of type"), "{text}");
    }
}

#[tokio::test]
async fn a_result_that_is_not_what_its_tool_declares_does_not_leave() {
    let version = ProtocolVersion::V2025_11_25;
    let wrong = measured(version, "measure", json!({ "what": "road" })).await;
    assert_eq!(wrong["isError"], true);
    assert!(!wrong.to_string().contains("long"), "{wrong}");

    let right = measured(version, "measure", json!({ "what": "table" })).await;
    assert_eq!(right["structuredContent"], json!({ "metres": 2.5 }));
    let failed = measured(version, "measure", json!({ "what": "nothing" })).await;
    assert_eq!(failed["content"][0]["text"], "there is nothing");
}

#[tokio::test]
async fn a_declared_list_is_an_object_with_a_result() {
    let list = measured(ProtocolVersion::V2025_11_25, "list", json!({})).await;

    assert_eq!(list["structuredContent"], json!({ "result": [1, 2, 3] }));
    assert_eq!(list["isError"], false);
}

struct Elsewhere;

impl JsonSchema for Elsewhere {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Elsewhere".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "$ref": "https://example.com/schema.json" })
    }
}

#[test]
fn a_server_is_not_built_with_a_schema_that_lies_elsewhere() {
    let tool = Tool::new(
        "far",
        "Refers to elsewhere",
        |_, _: NoArguments| async move { Ok("never") },
    );
    let error = offering([tool.output::<Elsewhere>()]).unwrap_err();

    assert!(
        error.to_string().contains("outputSchema of the tool far"),
        "{error}"
    );
}
