//! A handler written for rmcp, over sockets: the same from 2024-11-05 to 2026-07-28, and nothing of it
//! is left when its clients are gone.

#![expect(
    deprecated,
    clippy::unused_self,
    clippy::needless_pass_by_value,
    reason = "old clients log; tools are methods, and what they want of a call is values"
)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use mcp_usher::{auth::Principal, config::Config, rmcp::Rmcp};
use rmcp::{
    ErrorData, Peer, RoleServer, ServerHandler,
    handler::server::common::Extension,
    model::{
        ErrorCode, InitializeRequestParams, InitializeResult, LoggingLevel,
        LoggingMessageNotificationParam, ResourceUpdatedNotificationParam, ServerCapabilities,
        ServerConfig, SubscribeRequestParams, UnsubscribeRequestParams,
    },
    service::{NotificationContext, RequestContext},
    tool, tool_handler, tool_router,
};
use serde_json::{Value, json};

use crate::kit::{
    Ask, Mcp, Scene, Sse, eventually,
    mcp::{call, initialize},
    notification, request,
};

const VERSION: &str = "2026-07-28";

/// How many handlers live, and how often one was told that its client is ready.
#[derive(Clone, Default)]
struct Seen {
    alive: Arc<AtomicUsize>,
    ready: Arc<AtomicUsize>,
}

impl Seen {
    fn alive(&self) -> usize {
        self.alive.load(SeqCst)
    }

    fn ready(&self) -> usize {
        self.ready.load(SeqCst)
    }
}

/// Says who calls, asks, tells, and is seen to live and end.
struct Host(Seen);

impl Host {
    fn new(seen: &Seen) -> Self {
        seen.alive.fetch_add(1, SeqCst);
        Self(seen.clone())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, SeqCst);
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

rmcp::elicit_safe!(Name);

#[tool_router]
impl Host {
    #[tool(description = "Says who calls, and with what")]
    fn who(
        &self,
        Extension(caller): Extension<Principal>,
        context: RequestContext<RoleServer>,
    ) -> String {
        let client = context.client_info().map(|info| info.name);
        format!("{} {}", caller.subject(), client.unwrap_or_default())
    }

    #[tool(description = "Asks for a name")]
    async fn greet(&self, peer: Peer<RoleServer>) -> Result<String, ErrorData> {
        let answer = peer.elicit::<Name>("Your name?").await;
        let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(answer.map_or_else(String::new, |Name { name }| format!("Hello, {name}!")))
    }

    #[tool(description = "Logs, and says that its tools are different now")]
    async fn tell(&self, peer: Peer<RoleServer>) -> String {
        let log = LoggingMessageNotificationParam::new(LoggingLevel::Warning, json!("careful"));
        peer.notify_logging_message(log).await.unwrap();
        peer.notify_tool_list_changed().await.unwrap();
        "told".to_owned()
    }

    #[tool(description = "Panics")]
    fn panic(&self) -> String {
        let nothing: Vec<String> = Vec::new();
        nothing[0].clone()
    }
}

#[tool_handler]
impl ServerHandler for Host {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe();
        ServerConfig::new(offered.build())
    }

    async fn initialize(
        &self,
        asked: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let caller = context.extensions.get::<Principal>().unwrap();
        if caller.subject() == "mallory" {
            return Err(ErrorData::new(ErrorCode(-32001), "not you", None));
        }
        self.negotiate_initialize(&asked)
    }

    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {
        self.0.ready.fetch_add(1, SeqCst);
    }

    async fn subscribe(
        &self,
        asked: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tokio::spawn(async move {
            let changed = ResourceUpdatedNotificationParam::new(asked.uri);
            context.peer.notify_resource_updated(changed).await
        });
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}

/// A server with one handler for each session. One more is the server's.
async fn scene() -> (Scene, Seen) {
    let seen = Seen::default();
    let made = seen.clone();
    let each = Rmcp::for_each_session(move || Ok(Host::new(&made))).unwrap();
    let change = |config: &mut Config| config.router.per_principal_max = 2_000;
    let scene = Scene::serving(change, |server| server.rmcp(each)).await;
    (scene, seen)
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
}

fn answer_of(asked: &Value) -> Value {
    assert_eq!(asked["method"], "elicitation/create");
    json!({ "jsonrpc": "2.0", "id": asked["id"],
        "result": { "action": "accept", "content": { "name": "Ada" } } })
}

/// `initialize` of a client that asks its user.
fn hello(version: &str) -> Value {
    let mut hello = initialize(0, version);
    hello["params"]["capabilities"] = json!({ "elicitation": {} });
    hello
}

#[tokio::test]
async fn a_client_of_2024_11_05_is_served_over_its_one_stream() {
    let (scene, _) = scene().await;
    let mut sse = Sse::open(&scene, &scene.token("alice")).await;
    let opened = sse.ask(&hello("2024-11-05")).await;
    assert_eq!(opened["result"]["protocolVersion"], "2024-11-05");
    sse.tell(&notification("notifications/initialized")).await;

    assert_eq!(text(&sse.call(1, "who").await), "alice it");
    sse.tell(&call(2, "greet")).await;
    let asked = sse.events.message().await;
    sse.tell(&answer_of(&asked)).await;
    assert_eq!(text(&sse.events.message().await), "Hello, Ada!");
    sse.tell(&call(3, "tell")).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        let message = sse.events.message().await;
        told.push(message["method"].as_str().unwrap_or("answer").to_owned());
    }
    told.sort_unstable();
    let list = "notifications/tools/list_changed";
    assert_eq!(told, ["answer", "notifications/message", list]);
}

#[tokio::test]
async fn a_client_of_2025_11_25_hears_what_it_subscribed_to() {
    let (scene, _) = scene().await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut own = scene.events(&mcp.stream(&scene)).await;

    assert_eq!(text(&mcp.call(1, "who").await), "alice it");
    let wish = request(2, "resources/subscribe", &json!({ "uri": "test://a" }));
    assert_eq!(mcp.ask(&wish).await["result"], json!({}));
    let told = own.message().await;
    assert_eq!(told["method"], "notifications/resources/updated");
    assert_eq!(told["params"]["uri"], "test://a");
}

#[tokio::test]
async fn a_client_of_2026_07_28_is_asked_in_rounds_and_hears_of_changes() {
    let (scene, _) = scene().await;
    let token = scene.token("alice");
    let listen = json!({ "notifications": {
        "toolsListChanged": true, "resourceSubscriptions": ["test://a"],
    } });
    let listen = Ask::modern(&scene, &token, 7, "subscriptions/listen", listen);
    let mut stream = scene.events(&listen).await;
    let acknowledged = stream.message().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    // Its subscription is the handler's own, made for the stream.
    let told = stream.message().await;
    assert_eq!(told["params"]["uri"], "test://a");
    assert_eq!(
        told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        7
    );

    let tell = Ask::modern(&scene, &token, 1, "tools/call", json!({ "name": "tell" }));
    assert_eq!(text(&scene.ask(&tell).await.is(200).json()), "told");
    let told = stream.message().await;
    assert_eq!(told["method"], "notifications/tools/list_changed");

    let params = |more: Value| {
        let mut params = json!({ "name": "greet", "_meta": {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
        } });
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        params
    };
    let greet = |id: u64, more: Value| {
        let body = request(id, "tools/call", &params(more)).to_string();
        Ask::modern(&scene, &token, id, "tools/call", json!({ "name": "greet" })).body(body)
    };
    let first = scene.ask(&greet(2, json!({}))).await.is(200).json();
    let (key, _) = first["result"]["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let again = json!({
        "requestState": first["result"]["requestState"],
        "inputResponses": { key: { "action": "accept", "content": { "name": "Ada" } } },
    });
    let done = scene.ask(&greet(3, again)).await.is(200).json();
    assert_eq!(text(&done), "Hello, Ada!");
}

#[tokio::test]
async fn a_panic_in_a_handler_is_one_calls_error() {
    let (mut scene, _) = scene().await;
    scene.expect_panics(1);
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    let broken = mcp.call(1, "panic").await;
    assert_eq!(broken["result"]["isError"], true);
    assert_eq!(text(&mcp.call(2, "who").await), "alice it");
}

// A handler's no is a no: what was refused is no session.
#[tokio::test]
async fn a_session_that_the_handler_refuses_is_over() {
    let (scene, seen) = scene().await;
    let token = scene.token("mallory");
    let reply = scene
        .ask(&Ask::post(&scene, "/mcp", &token, &hello("2025-11-25")))
        .await;
    assert_eq!(reply.code(), -32001);
    scene.sessions(0).await;

    let mut sse = Sse::open(&scene, &token).await;
    for message in [
        hello("2024-11-05"),
        notification("notifications/initialized"),
        call(1, "who"),
    ] {
        // Each on a connection of its own: one that was refused is closed.
        scene.ask(&sse.message(&message)).await;
    }
    let refused = sse.events.message().await;
    assert_eq!(refused["error"]["code"], -32001);
    let rest = sse.events.farewell().await;
    assert!(!rest.contains("mallory"), "{rest}");
    scene.sessions(0).await;
    eventually("no handler is left", || seen.alive() == 1).await;
}

#[tokio::test]
async fn a_thousand_sessions_leave_no_handler_behind() {
    let (scene, seen) = scene().await;
    let token = scene.token("alice");

    for told in (0..1_000).step_by(10) {
        let mut open = Vec::new();
        for _ in 0..10 {
            let mut mcp = Mcp::ready(&scene, &token).await;
            assert_eq!(text(&mcp.call(1, "who").await), "alice it");
            open.push(mcp);
        }
        assert_eq!(seen.alive(), 11);
        eventually("each was told of its client", || seen.ready() == told + 10).await;
        for mcp in open {
            scene.ask(&mcp.end(&scene)).await.is(204);
        }
        eventually("no handler is left", || seen.alive() == 1).await;
    }
    scene.assert_no_state();
}
