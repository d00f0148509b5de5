#![expect(clippy::unused_self, reason = "so do rmcp's own examples")]
#![expect(
    deprecated,
    reason = "logging is still what clients of old versions have"
)]

mod lasting;
mod listening;
mod session;
mod tasks;

use ::rmcp::{
    ErrorData, Peer, RoleServer,
    handler::server::{common::Extension, wrapper::Parameters},
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, InputRequiredResult,
        ListToolsResult, LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams,
        ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, ResourceContents, ResourceUpdatedNotificationParam, ServerCapabilities,
        Tool as RmcpTool,
    },
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    auth::{Identity, Method as VerifiedBy, Principal},
    handler::{
        CallContext, Client, Config, Conversation, Entries, Handler, HandlerError, Introduction,
        Lists, NoArguments, SessionStream, Tool,
    },
    outlet::{self as queue, Frames, outlet},
    policy::Policy,
    protocol::{ClientMessage, LogLevel, Method, ProtocolVersion, RpcError, codes},
    telemetry::Metrics,
    time::{Clock, Timestamp},
};

/// Written as rmcp's own documentation has it.
#[derive(Clone)]
struct Notes;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

::rmcp::elicit_safe!(Name);

#[tool_router]
impl Notes {
    #[tool(description = "Adds")]
    fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> String {
        (a + b).to_string()
    }

    #[tool(description = "Says who calls")]
    fn me(&self, Extension(caller): Extension<Principal>) -> String {
        caller.subject().to_owned()
    }

    #[tool(description = "Panics")]
    fn broken(&self) -> String {
        let nothing: Vec<String> = Vec::new();
        nothing[0].clone()
    }

    #[tool(description = "Waits for its end")]
    async fn stuck(&self, context: RequestContext<RoleServer>) -> String {
        context.ct.cancelled().await;
        "cancelled".to_owned()
    }

    #[tool(description = "Says which trace it is of")]
    async fn trace(&self, context: RequestContext<RoleServer>) -> String {
        let meta = serde_json::to_value(context.meta).unwrap();
        json!([meta["traceparent"], meta["tracestate"], meta["baggage"]]).to_string()
    }

    #[tool(description = "Asks")]
    async fn greet(&self, peer: Peer<RoleServer>) -> Result<String, ErrorData> {
        let answer = peer.elicit::<Name>("Your name?").await;
        let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(answer.map_or("Nobody".to_owned(), |Name { name }| name))
    }

    #[tool(description = "Tells")]
    #[expect(
        deprecated,
        reason = "logging is still what clients of old versions have"
    )]
    async fn tell(&self, context: RequestContext<RoleServer>) -> String {
        let level = LoggingLevel::Warning;
        let log = LoggingMessageNotificationParam::new(level, json!("careful"));
        context.peer.notify_logging_message(log).await.ok();
        if let Some(token) = context.meta.get_progress_token() {
            let progress = ProgressNotificationParam::new(token, 1.0);
            context.peer.notify_progress(progress).await.ok();
        }
        "told".to_owned()
    }
}

#[tool_handler(name = "notes", version = "7", instructions = "Take notes")]
impl ServerHandler for Notes {}

/// Written by hand, and asking as 2026-07-28 has it.
struct Plain;

impl ServerHandler for Plain {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder();
        ServerConfig::new(offered.enable_tools().enable_resources().build())
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let first = page.is_none_or(|page| page.cursor.is_none());
        let name = if first { "first" } else { "second" };
        let tool = RmcpTool::new(name, "", Map::new());
        let mut page = ListToolsResult::with_all_items(vec![tool]);
        page.next_cursor = first.then(|| "more".to_owned());
        Ok(page)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(state) = params.request_state else {
            return Ok(InputRequiredResult::from_request_state("halfway").into());
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(state)]).into())
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if params.uri != "test://a" {
            return Err(ErrorData::resource_not_found("no such resource", None));
        }
        let mut text = ResourceContents::text("hello", params.uri);
        if let ResourceContents::TextResourceContents { meta, .. } = &mut text {
            *meta = serde_json::from_value(json!({ "a": 1 })).ok();
        }
        Ok(ReadResourceResult::new(vec![text]).into())
    }
}

fn handler(served: impl Into<Rmcp>) -> Handler {
    build(served).unwrap()
}

fn build(served: impl Into<Rmcp>) -> Result<Handler, HandlerError> {
    let (info, delegate) = served.into().into_parts();
    let mut entries = Entries::default();
    entries.add_tool(Tool::new("own", "Ours", |_, _: NoArguments| async move {
        Ok("ours")
    }));
    entries.delegate_to(delegate);
    let clock = Clock::manual(Timestamp::from_unix_seconds(1_000));
    Handler::new(
        Config::default(),
        Policy::default(),
        info,
        entries,
        Metrics::new(),
        clock,
    )
}

/// A call's surroundings, with what stands at their ends.
struct Surroundings {
    context: CallContext,
    frames: Frames,
    conversation: Conversation,
    stream: SessionStream,
    cancelled: CancellationToken,
    /// Ends the session.
    over: CancellationToken,
}

impl Surroundings {
    /// The stream for what belongs to no call.
    fn open_stream(&self) -> Frames {
        let (outlet, frames) = outlet(queue::Config::default());
        self.stream.set(outlet);
        frames
    }

    /// The surroundings of a further call in the same session.
    fn another_call(&self) -> CallContext {
        let (outlet, frames) = outlet(queue::Config::default());
        // Nobody reads what it says.
        std::mem::forget(frames);
        let client = Client::in_session(self.conversation.clone(), outlet);
        let id = protocol::RequestId::Integer(2);
        let principal = self.context.principal().clone();
        CallContext::new(principal, id, CancellationToken::new(), client)
    }
}

async fn next(frames: &mut Frames) -> Value {
    serde_json::from_slice(frames.next().await.unwrap().bytes()).unwrap()
}

fn surroundings(subject: &str, version: ProtocolVersion) -> Surroundings {
    surroundings_of(subject, version, &json!({ "elicitation": {}, "roots": {} }))
}

fn surroundings_of(subject: &str, version: ProtocolVersion, declared: &Value) -> Surroundings {
    let principal = Principal::new(Identity {
        issuer: "https://issuer".into(),
        subject: subject.into(),
        client_id: None,
        audiences: Vec::new(),
        scopes: Scopes::none(),
        expires_at: None,
        verified_by: VerifiedBy::Jwt,
        claims: Map::new(),
    });
    let (outlet, frames) = outlet(queue::Config::default());
    let introduction = Introduction {
        version,
        info: serde_json::from_value(json!({ "name": "tests", "version": "1" })).ok(),
        capabilities: serde_json::from_value(declared.clone()).unwrap(),
    };
    let over = CancellationToken::new();
    let stream = SessionStream::default();
    let conversation = Conversation::new(stream.downgrade(), over.clone());
    let client = if version.is_modern() {
        Client::of_request(introduction, outlet, Some(LogLevel::Info))
    } else {
        conversation.introduce(introduction);
        conversation.declare(every_list());
        Client::in_session(conversation.clone(), outlet)
    };
    let cancelled = CancellationToken::new();
    let id = protocol::RequestId::Integer(1);
    Surroundings {
        context: CallContext::new(principal, id, cancelled.clone(), client),
        frames,
        conversation,
        stream,
        cancelled,
        over,
    }
}

fn every_list() -> Lists {
    let mut entries = Entries::default();
    entries.declare_resources();
    entries.declare_prompts();
    entries.lists()
}

async fn ask_in(
    handler: &Handler,
    context: CallContext,
    method: &str,
    mut params: Value,
) -> Result<Value, RpcError> {
    if context.protocol_version().is_modern() {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
            json!({ "elicitation": {} });
    }
    send(handler, context, method, &params).await
}

async fn send(
    handler: &Handler,
    context: CallContext,
    method: &str,
    params: &Value,
) -> Result<Value, RpcError> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let answer = handler.handle(context, &request.method, request.params.as_ref());
    answer.await
}

async fn ask(
    handler: &Handler,
    version: ProtocolVersion,
    method: &str,
    params: Value,
) -> Result<Value, RpcError> {
    let surroundings = surroundings("alice", version);
    ask_in(handler, surroundings.context, method, params).await
}

const LEGACY: ProtocolVersion = ProtocolVersion::NEWEST_LEGACY;
const MODERN: ProtocolVersion = ProtocolVersion::V2026_07_28;

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_tool_knows_the_verified_caller_in_every_version() {
    let handler = handler(Notes);
    for version in ProtocolVersion::ALL {
        let result = ask(&handler, version, "tools/call", json!({ "name": "me" })).await;
        let result = result.unwrap();

        assert_eq!(text(&result), "alice", "{version}");
        let is_modern = version.is_modern();
        assert_eq!(result.get("resultType").is_some(), is_modern, "{version}");
    }
}

// Even what we would not believe: the handler has its own readers.
#[tokio::test]
async fn what_a_request_says_of_its_trace_reaches_the_handler_as_it_came() {
    let handler = handler(Notes);
    for version in ProtocolVersion::ALL {
        let meta = json!({ "traceparent": "00-1-2-3", "tracestate": "A=1", "baggage": "a=b;c" });
        let params = json!({ "name": "trace", "_meta": meta });
        let result = ask(&handler, version, "tools/call", params).await.unwrap();

        assert_eq!(text(&result), r#"["00-1-2-3","A=1","a=b;c"]"#, "{version}");
    }
}

#[tokio::test]
async fn the_handlers_name_instructions_and_tools_stand_beside_ours() {
    let handler = handler(Notes);
    let opened = handler.initialize_result(LEGACY);
    assert_eq!(opened["serverInfo"]["name"], "notes");
    assert_eq!(opened["instructions"], "Take notes");
    assert!(opened["capabilities"]["prompts"].is_null());

    let listed = ask(&handler, LEGACY, "tools/list", json!({}))
        .await
        .unwrap();
    let names: Vec<_> = listed["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["name"])
        .collect();
    assert_eq!(names[0], "own");
    assert!(names.contains(&&json!("add")), "{names:?}");
    let ours = ask(&handler, MODERN, "tools/call", json!({ "name": "own" })).await;
    assert_eq!(text(&ours.unwrap()), "ours");
}

#[tokio::test]
async fn pages_are_the_handlers_own() {
    let handler = handler(Plain);
    let first = ask(&handler, MODERN, "tools/list", json!({}))
        .await
        .unwrap();
    let names = |page: &Value| page["tools"].as_array().unwrap().len();
    assert_eq!((names(&first), &first["nextCursor"]), (2, &json!("more")));
    assert_eq!(first["cacheScope"], "private");

    let second = ask(&handler, MODERN, "tools/list", json!({ "cursor": "more" }))
        .await
        .unwrap();
    assert_eq!(second["tools"][0]["name"], "second");
    assert_eq!(names(&second), 1);
}

#[tokio::test]
async fn arguments_are_read_and_wrong_ones_refused() {
    let handler = handler(Notes);
    let right = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    assert_eq!(
        text(&ask(&handler, LEGACY, "tools/call", right).await.unwrap()),
        "3"
    );

    let wrong = json!({ "name": "add", "arguments": { "a": "x" } });
    let refused = ask(&handler, LEGACY, "tools/call", wrong).await;
    let is_refused = refused
        .as_ref()
        .map_or(true, |result| result["isError"] == true);
    assert!(is_refused, "{refused:?}");
    let unknown = ask(&handler, LEGACY, "tools/call", json!({ "name": "nope" })).await;
    assert_eq!(unknown.unwrap_err().code, codes::INVALID_PARAMS);
    let no_name = ask(&handler, LEGACY, "tools/call", json!({})).await;
    assert_eq!(no_name.unwrap_err().code, codes::INVALID_PARAMS);
}

#[tokio::test]
async fn a_resource_that_is_not_there_has_each_versions_code() {
    let handler = handler(Plain);
    for (version, code) in [
        (LEGACY, codes::RESOURCE_NOT_FOUND),
        (MODERN, codes::INVALID_PARAMS),
    ] {
        let there = ask(
            &handler,
            version,
            "resources/read",
            json!({ "uri": "test://a" }),
        )
        .await;
        let there = there.unwrap()["contents"][0].clone();
        assert_eq!(there["text"], "hello");
        assert_eq!(there["_meta"], json!({ "a": 1 }));
        let gone = ask(
            &handler,
            version,
            "resources/read",
            json!({ "uri": "test://b" }),
        )
        .await;
        assert_eq!(gone.unwrap_err().code, code);
    }
    let asked = json!({ "uri": "test://a" });
    let old = ask(
        &handler,
        ProtocolVersion::V2025_03_26,
        "resources/read",
        asked,
    );
    assert!(old.await.unwrap()["contents"][0].get("_meta").is_none());
}

#[tokio::test]
async fn a_panic_ends_its_own_call_only() {
    let handler = handler(Notes);
    let broken = ask(&handler, LEGACY, "tools/call", json!({ "name": "broken" })).await;
    let broken = broken.unwrap();

    assert_eq!(broken["isError"], true);
    assert!(!broken.to_string().contains("bounds"), "{broken}");
    let after = ask(&handler, LEGACY, "tools/call", json!({ "name": "me" })).await;
    assert_eq!(text(&after.unwrap()), "alice");
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_in_the_handler() {
    let handler = handler(Notes);
    let Surroundings {
        context,
        cancelled,
        frames: _frames,
        ..
    } = surroundings("alice", LEGACY);
    cancelled.cancel();
    let ended = ask_in(&handler, context, "tools/call", json!({ "name": "stuck" })).await;

    assert_eq!(text(&ended.unwrap()), "cancelled");
}

#[tokio::test]
async fn what_a_tool_tells_comes_before_its_result() {
    let handler = handler(Notes);
    let Surroundings {
        context, frames, ..
    } = surroundings("alice", LEGACY);
    let params = json!({ "name": "tell", "_meta": { "progressToken": "p" } });
    ask_in(&handler, context, "tools/call", params)
        .await
        .unwrap();

    let told: Vec<Value> = frames
        .map(|frame| serde_json::from_slice(frame.bytes()).unwrap())
        .collect()
        .await;
    assert_eq!(told[0]["method"], "notifications/message");
    assert_eq!(
        told[0]["params"],
        json!({ "level": "warning", "data": "careful" })
    );
    assert_eq!(told[1]["method"], "notifications/progress");
    assert_eq!(told[1]["params"]["progressToken"], "p");
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn a_question_is_asked_at_once_in_a_session() {
    let handler = handler(Notes);
    let Surroundings {
        context,
        mut frames,
        conversation,
        ..
    } = surroundings("alice", LEGACY);
    let call = ask_in(&handler, context, "tools/call", json!({ "name": "greet" }));
    let client = async {
        let asked = next(&mut frames).await;
        assert_eq!(asked["method"], "elicitation/create");
        assert!(asked["params"].get("_meta").is_none(), "{asked}");
        let answer = json!({ "jsonrpc": "2.0", "id": asked["id"],
            "result": { "action": "accept", "content": { "name": "Ada" } } });
        match ClientMessage::parse(&Bytes::from(answer.to_string())) {
            Ok(ClientMessage::Response(answer)) => {
                conversation.questions().answer(&answer.id, answer.outcome);
            }
            other => panic!("no response: {other:?}"),
        }
    };
    let (greeted, ()) = tokio::join!(call, client);

    assert_eq!(text(&greeted.unwrap()), "Ada");
}

#[tokio::test]
async fn a_question_ends_a_modern_call_which_is_run_again_with_the_answer() {
    let handler = handler(Notes);
    let first = ask(&handler, MODERN, "tools/call", json!({ "name": "greet" }))
        .await
        .unwrap();
    assert_eq!(first["resultType"], "input_required");
    let (key, asked) = first["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(asked["method"], "elicitation/create");

    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    let again = json!({
        "name": "greet", "requestState": first["requestState"], "inputResponses": { key: answer }
    });
    let done = ask(&handler, MODERN, "tools/call", again).await.unwrap();
    assert_eq!(text(&done), "Ada");
    assert_eq!(done["resultType"], "complete");
}

#[tokio::test]
async fn a_handlers_own_state_is_sealed_to_its_caller() {
    let handler = handler(Plain);
    let first = ask(&handler, MODERN, "tools/call", json!({ "name": "first" }))
        .await
        .unwrap();
    assert_eq!(first["resultType"], "input_required");
    let state = first["requestState"].as_str().unwrap();
    assert!(!state.contains("halfway"));

    let again = json!({ "name": "first", "requestState": state });
    let done = ask(&handler, MODERN, "tools/call", again.clone())
        .await
        .unwrap();
    assert_eq!(text(&done), "halfway");
    let bob = surroundings("bob", MODERN).context;
    let stolen = ask_in(&handler, bob, "tools/call", again).await;
    assert_eq!(stolen.unwrap_err().code, codes::INVALID_PARAMS);
    let forged = json!({ "name": "first", "requestState": "halfway" });
    let forged = ask(&handler, MODERN, "tools/call", forged).await;
    assert_eq!(forged.unwrap_err().code, codes::INVALID_PARAMS);
}

#[tokio::test]
async fn a_tool_does_not_run_without_the_scopes_it_was_given() {
    let handler = handler(Rmcp::new(Notes).needs("me", "notes:read".parse().unwrap()));
    let caller = surroundings("alice", LEGACY).context.principal().clone();
    let peek = serde_json::from_value(json!({ "name": "me" })).unwrap();
    let needed = handler.needed_scopes(&caller, &Method::ToolsCall, &peek);
    assert_eq!(needed.to_string(), "notes:read");

    let refused = ask(&handler, LEGACY, "tools/call", json!({ "name": "me" })).await;
    assert!(refused.unwrap_err().message.contains("notes:read"));
}
