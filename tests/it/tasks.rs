//! Tasks: calls that outlive their requests, in both protocols, and whose they are.

use std::time::{Duration, Instant};

use mcp_usher::{
    handler::{CallContext, NoArguments, Tool},
    protocol::TaskSupport,
    units::HumanDuration,
};
use serde_json::{Value, json};

use crate::kit::{
    Ask, BOUND, Events, Mcp, Reply, Scene, Sse, eventually, mcp::initialize_with, notification,
    request, tools::Gate,
};

const VERSION: &str = "2026-07-28";
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

fn tools(gate: &Gate) -> Vec<Tool> {
    let asks = |call: CallContext, _: NoArguments| async move {
        let Name { name } = call.elicit("name", "Who?").await?.accepted()?;
        Ok(format!("Hello, {name}"))
    };
    let secret = |_: CallContext, _: NoArguments| async { Ok("hidden") };
    vec![
        gate.tool().task_support(TaskSupport::Optional),
        Tool::new("asks", "Asks.", asks).task_support(TaskSupport::Optional),
        Tool::new("required", "Is a task.", secret).task_support(TaskSupport::Required),
        Tool::new("secret", "Needs a scope.", secret)
            .task_support(TaskSupport::Optional)
            .needs("notes:read".parse().unwrap()),
    ]
}

async fn scene(gate: &Gate) -> Scene {
    Scene::of(|_| (), tools(gate)).await
}

/// A good request of 2026-07-28 by a client that can show forms and knows tasks.
fn modern(scene: &Scene, token: &str, method: &str, params: Value) -> Ask {
    let capabilities = json!({ "elicitation": {}, "extensions": { EXTENSION: {} } });
    modern_declaring(scene, token, method, params, &capabilities)
}

fn modern_declaring(
    scene: &Scene,
    token: &str,
    method: &str,
    mut params: Value,
    client: &Value,
) -> Ask {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": client,
    });
    let named = params.get("taskId").or_else(|| params.get("name"));
    let named = named.and_then(Value::as_str).map(str::to_owned);
    let ask = Ask::post(scene, "/mcp", token, &request(1, method, &params))
        .header("MCP-Protocol-Version", VERSION)
        .header("Mcp-Method", method);
    match named {
        Some(named) => ask.header("Mcp-Name", &named),
        None => ask,
    }
}

fn of_task(scene: &Scene, token: &str, method: &str, id: &str) -> Ask {
    let mut params = json!({ "taskId": id });
    if method == "tasks/update" {
        params["inputResponses"] = json!({});
    }
    modern(scene, token, method, params)
}

/// The id of a new task of 2026-07-28.
async fn begin(scene: &Scene, token: &str, tool: &str) -> String {
    let ask = modern(scene, token, "tools/call", json!({ "name": tool }));
    let begun = scene.ask(&ask).await.is(200).json();
    assert_eq!(begun["result"]["resultType"], "task", "{begun}");
    begun["result"]["taskId"].as_str().unwrap().to_owned()
}

/// What `tasks/get` says once the task stands there.
async fn settled(scene: &Scene, token: &str, id: &str, status: &str) -> Value {
    let started = Instant::now();
    loop {
        let ask = of_task(scene, token, "tasks/get", id);
        let shown = scene.ask(&ask).await.is(200).json()["result"].clone();
        if shown["status"] == status {
            return shown;
        }
        assert!(started.elapsed() < BOUND, "not {status}: {shown}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn call(id: u64, tool: &str) -> Value {
    request(id, "tools/call", &json!({ "name": tool, "task": {} }))
}

fn about(id: u64, method: &str, task: &str) -> Value {
    request(id, method, &json!({ "taskId": task }))
}

fn task_of(answer: &Value) -> String {
    let id = answer["result"]["task"]["taskId"].as_str();
    id.unwrap_or_else(|| panic!("no task: {answer}")).to_owned()
}

fn with_forms() -> Value {
    json!({ "elicitation": {} })
}

fn accepted(asked: &Value) -> Value {
    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    json!({ "jsonrpc": "2.0", "id": asked["id"], "result": answer })
}

// === 2026-07-28 ===

#[tokio::test]
async fn a_task_outlives_its_request_and_needs_no_session() {
    let gate = Gate::default();
    let scene = scene(&gate).await;
    let token = scene.token("alice");
    let id = begin(&scene, &token, "wait").await;

    // Each request is on a connection of its own, and that of the call is gone.
    let shown = settled(&scene, &token, &id, "working").await;
    assert_eq!(shown["ttlMs"], 3_600_000);
    gate.release(1);
    let shown = settled(&scene, &token, &id, "completed").await;

    assert_eq!(shown["result"]["content"][0]["text"], "done");
    scene.assert_no_state();
    assert_eq!(
        scene.metric("usher_tasks_ended_total{status=\"completed\"}"),
        1
    );
}

#[tokio::test]
async fn a_task_that_asks_goes_on_with_an_answer_from_anywhere() {
    let scene = scene(&Gate::default()).await;
    let token = scene.token("alice");
    let id = begin(&scene, &token, "asks").await;
    let shown = settled(&scene, &token, &id, "input_required").await;
    let asked = shown["inputRequests"].as_object().unwrap();
    let (key, asked) = asked.iter().next().unwrap();
    assert_eq!(asked["method"], "elicitation/create");

    // A token that was refreshed meanwhile is as good.
    let fresh = scene.token_with("alice", &json!({ "jti": "another" }));
    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    let params = json!({ "taskId": id, "inputResponses": { key.as_str(): answer } });
    let update = modern(&scene, &fresh, "tasks/update", params);
    assert_eq!(
        scene.ask(&update).await.is(200).json()["result"]["resultType"],
        "complete"
    );

    let shown = settled(&scene, &fresh, &id, "completed").await;
    assert_eq!(shown["result"]["content"][0]["text"], "Hello, Ada");
}

#[tokio::test]
async fn the_task_that_a_header_names_is_that_of_the_body() {
    let scene = scene(&Gate::default()).await;
    let token = scene.token("alice");
    let id = begin(&scene, &token, "wait").await;

    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let good = of_task(&scene, &token, method, &id);
        for wrong in [
            good.clone().with("Mcp-Name", "another"),
            good.clone().without("Mcp-Name"),
            good.clone().header("Mcp-Name", &id),
        ] {
            let reply = scene.ask(&wrong).await.is(400);
            assert_eq!(reply.code(), -32_020, "{method}");
        }
    }
    settled(&scene, &token, &id, "working").await;
}

#[tokio::test]
async fn without_the_extension_there_is_no_task_and_no_word_of_one() {
    let scene = scene(&Gate::default()).await;
    let token = scene.token("alice");
    let id = begin(&scene, &token, "wait").await;
    let ask = |method, params| modern_declaring(&scene, &token, method, params, &json!({}));
    let listen = json!({ "notifications": { "taskIds": [id] } });

    for refused in [
        ask("tools/call", json!({ "name": "required" })),
        ask("tasks/get", json!({ "taskId": id })),
        ask("tasks/cancel", json!({ "taskId": id })),
        ask("tasks/get", json!({ "taskId": "unknown" })),
        ask("subscriptions/listen", listen),
    ] {
        let reply = scene.ask(&refused).await.is(400);
        assert_eq!(reply.code(), -32_021, "{}", reply.text());
        let required = &reply.json()["error"]["data"]["requiredCapabilities"];
        assert_eq!(*required, json!({ "extensions": { EXTENSION: {} } }));
    }
    for gone in ["tasks/result", "tasks/list"] {
        let params = json!({ "taskId": id });
        let ask = modern(&scene, &token, gone, params);
        assert_eq!(scene.ask(&ask).await.is(404).code(), -32_601);
    }
}

#[tokio::test]
async fn a_stranger_can_not_tell_a_task_from_none() {
    let scene = scene(&Gate::default()).await;
    let owner = scene.token_with("alice", &json!({ "scope": "openid notes:read" }));
    let strangers = [
        scene.token("mallory"),
        scene.token_with("alice", &json!({ "client_id": "another" })),
    ];
    for tool in ["wait", "secret"] {
        let id = begin(&scene, &owner, tool).await;
        let unknown = "A".repeat(id.len());
        for stranger in &strangers {
            for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
                let ask = |id| of_task(&scene, stranger, method, id);
                let theirs = scene.ask(&ask(&id)).await;
                let nobodys = scene.ask(&ask(&unknown)).await;
                assert_eq!(theirs.code(), -32_602);
                assert_eq!(theirs.comparable(), nobodys.comparable(), "{method}");
            }
            let events = listen(&scene, stranger, &[&id]).await;
            assert_eq!(events.0, json!({}), "a stranger may listen");
        }
        // Nothing of it has changed a thing.
        let expected = if tool == "wait" {
            "working"
        } else {
            "completed"
        };
        settled(&scene, &owner, &id, expected).await;
    }
}

// K22
#[tokio::test]
async fn whoever_asks_for_a_task_needs_the_scopes_of_its_tool_then() {
    let scene = scene(&Gate::default()).await;
    let enough = scene.token_with("alice", &json!({ "scope": "openid notes:read" }));
    let less = scene.token("alice");
    let id = begin(&scene, &enough, "secret").await;
    settled(&scene, &enough, &id, "completed").await;

    let challenged = |reply: Reply| {
        let challenge = reply.is(403).challenge().to_owned();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
        assert!(challenge.contains("notes:read"), "{challenge}");
    };
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        challenged(scene.ask(&of_task(&scene, &less, method, &id)).await);
    }
    let mut mcp = Mcp::ready(&scene, &less).await;
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        challenged(mcp.post(&about(7, method, &id)).await);
    }
    let listed = mcp.ask(&request(8, "tasks/list", &json!({}))).await;
    assert_eq!(listed["result"]["tasks"], json!([]));
    assert_eq!(listen(&scene, &less, &[&id]).await.0, json!({}));
}

/// Opens a stream for these tasks, and returns what is honoured.
async fn listen(scene: &Scene, token: &str, ids: &[&str]) -> (Value, Events) {
    let params = json!({ "notifications": { "taskIds": ids } });
    let ask = modern(scene, token, "subscriptions/listen", params);
    let mut events = scene.events(&ask).await;
    let acknowledged = events.message().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    (acknowledged["params"]["notifications"].clone(), events)
}

#[tokio::test]
async fn a_listener_hears_where_its_tasks_stand() {
    let gate = Gate::default();
    let scene = scene(&gate).await;
    let token = scene.token("alice");
    let id = begin(&scene, &token, "wait").await;

    let (honoured, mut events) = listen(&scene, &token, &[&id, "unknown"]).await;
    assert_eq!(honoured, json!({ "taskIds": [id] }));
    let told = events.message().await;
    assert_eq!(told["method"], "notifications/tasks");
    assert_eq!(
        (&told["params"]["taskId"], &told["params"]["status"]),
        (&json!(id), &json!("working"))
    );
    assert_eq!(
        told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        1
    );
    gate.release(1);

    let told = events.message().await;
    assert_eq!(told["params"]["status"], "completed");
    assert_eq!(told["params"]["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn tasks_of_one_caller_are_bounded_and_those_of_another_not_by_them() {
    let scene = Scene::of(
        |config| config.handler.tasks.per_principal_max = 2,
        tools(&Gate::default()),
    )
    .await;
    let alice = scene.token("alice");
    begin(&scene, &alice, "wait").await;
    begin(&scene, &alice, "wait").await;

    let third = modern(&scene, &alice, "tools/call", json!({ "name": "wait" }));
    assert_eq!(scene.ask(&third).await.is(200).code(), -32_000);
    let mut mcp = Mcp::ready(&scene, &alice).await;
    let refused = mcp.ask(&call(1, "wait")).await;
    assert_eq!(refused["error"]["code"], -32_000);

    let metric = "usher_limit_hit_total{limit=\"task.per_principal_max\"}";
    assert_eq!(scene.metric(metric), 2);
    begin(&scene, &scene.token("bob"), "wait").await;
    assert_eq!(scene.metric("usher_tasks_running"), 3);
}

#[tokio::test]
async fn a_task_ends_with_its_ttl_and_is_forgotten() {
    let gate = Gate::default();
    let ttl = HumanDuration::new(Duration::from_millis(300));
    let scene = Scene::of(|config| config.handler.tasks.ttl = ttl, tools(&gate)).await;
    let token = scene.token("alice");
    let id = begin(&scene, &token, "wait").await;
    eventually("the task runs", || gate.begun() == 1).await;

    eventually("the task is ended", || gate.gone() == 1).await;

    let reply = scene.ask(&of_task(&scene, &token, "tasks/get", &id)).await;
    assert_eq!(reply.code(), -32_602);
    eventually("it is swept", || scene.metric("usher_tasks_kept") == 0).await;
    assert_eq!(gate.ended(), 0);
}

// === 2025-11-25 ===

#[tokio::test]
async fn a_task_is_its_callers_and_not_its_sessions() {
    let gate = Gate::default();
    let scene = scene(&gate).await;
    let token = scene.token("alice");
    let mut first = Mcp::ready(&scene, &token).await;
    let id = task_of(&first.ask(&call(1, "wait")).await);
    scene.ask(&first.end(&scene)).await.is(204);

    let mut second = Mcp::ready(&scene, &token).await;
    let shown = second.ask(&about(1, "tasks/get", &id)).await;
    assert_eq!(shown["result"]["status"], "working");
    gate.release(1);
    let answered = second.ask(&about(2, "tasks/result", &id)).await;
    assert_eq!(answered["result"]["content"][0]["text"], "done");
    assert_eq!(answered["result"]["_meta"][RELATED]["taskId"], id.as_str());
    let listed = second.ask(&request(3, "tasks/list", &json!({}))).await;
    assert_eq!(listed["result"]["tasks"][0]["taskId"], id.as_str());

    let mut stranger = Mcp::ready(&scene, &scene.token("mallory")).await;
    let unknown = "A".repeat(id.len());
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let theirs = stranger.post(&about(4, method, &id)).await;
        let nobodys = stranger.post(&about(4, method, &unknown)).await;
        assert_eq!(theirs.comparable(), nobodys.comparable(), "{method}");
    }
    let listed = stranger.ask(&request(5, "tasks/list", &json!({}))).await;
    assert_eq!(listed["result"]["tasks"], json!([]));
}

#[tokio::test]
async fn what_a_task_asks_comes_on_the_stream_of_its_result() {
    let scene = scene(&Gate::default()).await;
    let token = scene.token("alice");
    let hello = initialize_with(0, "2025-11-25", &with_forms());
    let mut mcp = Mcp::open_with(&scene, &token, &hello).await;
    mcp.post(&notification("notifications/initialized"))
        .await
        .is(202);
    let mut heard = scene.events(&mcp.stream(&scene)).await;
    let id = task_of(&mcp.ask(&call(1, "asks")).await);
    let told = heard.message().await;
    assert_eq!(told["method"], "notifications/tasks/status");
    assert_eq!(told["params"]["status"], "input_required");

    let mut result = scene
        .events(&mcp.message(&about(2, "tasks/result", &id)))
        .await;
    let asked = result.message().await;
    assert_eq!(asked["method"], "elicitation/create");
    assert_eq!(asked["params"]["_meta"][RELATED]["taskId"], id.as_str());
    mcp.post(&accepted(&asked)).await.is(202);

    let answered = result.message().await;
    assert_eq!(answered["id"], 2);
    assert_eq!(answered["result"]["content"][0]["text"], "Hello, Ada");
    assert_eq!(heard.message().await["params"]["status"], "working");
    assert_eq!(heard.message().await["params"]["status"], "completed");
}

#[tokio::test]
async fn over_http_sse_a_task_says_everything_on_the_one_stream() {
    let scene = scene(&Gate::default()).await;
    let mut sse = Sse::open(&scene, &scene.token("alice")).await;
    let hello = sse
        .ask(&initialize_with(0, "2025-11-25", &with_forms()))
        .await;
    assert!(
        hello["result"]["capabilities"].get("tasks").is_some(),
        "{hello}"
    );
    sse.tell(&notification("notifications/initialized")).await;
    sse.tell(&call(1, "asks")).await;

    // The task may ask before its client is told of it.
    let (mut begun, mut told) = (Value::Null, Value::Null);
    for _ in 0..2 {
        let message = sse.events.message().await;
        if message.get("id").is_some() {
            begun = message;
        } else {
            told = message;
        }
    }
    let id = task_of(&begun);
    assert_eq!(told["params"]["taskId"], id.as_str());
    sse.tell(&about(2, "tasks/result", &id)).await;
    let asked = sse.events.message().await;
    assert_eq!(asked["method"], "elicitation/create");
    sse.tell(&accepted(&asked)).await;
    let answered = loop {
        let message = sse.events.message().await;
        if message["id"] == 2 {
            break message;
        }
        assert_eq!(message["method"], "notifications/tasks/status");
    };
    assert_eq!(answered["result"]["content"][0]["text"], "Hello, Ada");
}

#[tokio::test]
async fn a_cancelled_task_ends_at_once_for_everybody() {
    let gate = Gate::default();
    let scene = scene(&gate).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let id = task_of(&mcp.ask(&call(1, "wait")).await);
    eventually("the task runs", || gate.begun() == 1).await;
    let mut waiting = scene.wire().await;
    waiting
        .send_ask(&mcp.message(&about(2, "tasks/result", &id)))
        .await;

    let cancelled = mcp.ask(&about(3, "tasks/cancel", &id)).await;

    assert_eq!(cancelled["result"]["status"], "cancelled");
    eventually("its function is let go", || gate.gone() == 1).await;
    let answered = waiting.reply().await.is(200).json();
    assert_eq!(answered["error"]["code"], -32_000);
    let again = mcp.ask(&about(4, "tasks/cancel", &id)).await;
    assert_eq!(again["error"]["code"], -32_602);
    assert_eq!(gate.ended(), 0);
}

#[tokio::test]
async fn versions_before_know_no_tasks() {
    let gate = Gate::default();
    let scene = scene(&gate).await;
    gate.release(1);
    let mut mcp = Mcp::ready_in(&scene, &scene.token("alice"), "2025-06-18").await;

    let answered = mcp.ask(&call(1, "wait")).await;
    assert_eq!(answered["result"]["content"][0]["text"], "done");
    for method in ["tasks/get", "tasks/result", "tasks/list", "tasks/cancel"] {
        let refused = mcp.ask(&about(2, method, "any")).await;
        assert_eq!(refused["error"]["code"], -32_601, "{method}");
    }
    let required = mcp.ask(&call(3, "required")).await;
    assert_eq!(required["error"]["code"], -32_601);
}

// F12
#[tokio::test]
async fn when_the_server_stops_its_tasks_are_cancelled_and_told_so() {
    let gate = Gate::default();
    let mut scene = scene(&gate).await;
    let token = scene.token("alice");
    let mut sse = Sse::ready(&scene, &token).await;
    let id = task_of(&sse.ask(&call(1, "wait")).await);
    sse.tell(&about(2, "tasks/result", &id)).await;
    let (_, mut events) = listen(&scene, &token, &[&id]).await;
    assert_eq!(events.message().await["params"]["status"], "working");
    eventually("the task runs", || gate.begun() == 1).await;

    let started = Instant::now();
    let stopping = scene.stop();

    let told = events.message().await;
    assert_eq!(told["params"]["status"], "cancelled");
    assert_eq!(told["params"]["statusMessage"], "the server is stopping");
    let answered = loop {
        let message = sse.events.message().await;
        if message["id"] == 2 {
            break message;
        }
        assert_eq!(message["params"]["status"], "cancelled");
    };
    let why = answered["error"]["message"].as_str().unwrap();
    assert!(why.contains("the server is stopping"), "{why}");
    stopping.await.unwrap();
    // Nothing had to wait for the task: the drain is 5 s in these tests.
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    eventually("its function is let go", || gate.gone() == 1).await;
    assert_eq!(gate.ended(), 0);
}
