//! Batches: several messages in one body, in sessions of 2025-03-26 (T28, O06, K22).

use std::sync::{Arc, Mutex};

use mcp_usher::{
    handler::{CallContext, NoArguments, Tool},
    protocol::LogLevel,
};
use serde_json::{Value, json};

use crate::kit::{
    Ask, Mcp, Reply, Scene, Sse, eventually,
    mcp::{call, initialize},
    notification, request,
    tools::{self, Gate},
};

const VERSION: &str = "2025-03-26";

async fn ready(scene: &Scene) -> Mcp {
    Mcp::ready_in(scene, &scene.token("alice"), VERSION).await
}

async fn ready_over_sse(scene: &Scene, version: &str) -> Sse {
    let mut sse = Sse::open(scene, &scene.token("alice")).await;
    sse.ask(&initialize(0, version)).await;
    sse.tell(&notification("notifications/initialized")).await;
    sse
}

fn cancel(id: u64) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
}

fn calls_of(scene: &Scene, tool: &str) -> u64 {
    scene.metric(&format!(
        "usher_calls_total{{tool=\"{tool}\",outcome=\"ok\"}}"
    ))
}

/// The array's answers, sorted by id: they come in no order.
#[track_caller]
fn answers(reply: &Reply) -> Vec<Value> {
    let Value::Array(mut answers) = reply.json() else {
        panic!("no array: {}", reply.text());
    };
    assert_eq!(reply.header("content-type"), Some("application/json"));
    answers.sort_by_key(|answer| answer["id"].to_string());
    answers
}

/// The answers in a stream, sorted by id, and how many other messages it held.
fn events(reply: &Reply) -> (Vec<Value>, usize) {
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let text = reply.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let messages: Vec<Value> = data
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (others, mut answers): (Vec<_>, Vec<_>) = messages
        .into_iter()
        .partition(|message| message.get("method").is_some());
    answers.sort_by_key(|answer| answer["id"].to_string());
    (answers, others.len())
}

// T28
#[tokio::test]
async fn every_request_of_a_batch_is_answered_and_nothing_else_is() {
    let scene = Scene::new().await;
    let mut mcp = ready(&scene).await;
    let batch = json!([
        call(1, "whoami"),
        notification("notifications/roots/list_changed"),
        request(2, "ping", &json!({})),
        { "jsonrpc": "2.0", "id": 99, "result": {} },
        request(3, "nothing/here", &json!({})),
        request("text", "tools/list", &json!({})),
    ]);

    let answers = answers(&mcp.post(&batch).await.is(200));

    assert_eq!(answers.len(), 4, "{answers:?}");
    assert_eq!(answers[0]["id"], "text");
    assert!(answers[0]["result"]["tools"].is_array());
    let said = answers[1]["result"]["content"][0]["text"].as_str();
    assert!(said.is_some_and(|said| said.contains("alice")));
    assert_eq!(answers[2]["result"], json!({}));
    assert_eq!(answers[3]["error"]["code"], -32601);
    // A batch of one is still a batch.
    let alone = mcp.post(&json!([call(5, "whoami")])).await.is(200).json();
    assert_eq!(alone[0]["id"], 5);
}

#[tokio::test]
async fn a_session_may_be_confirmed_and_used_in_one_batch() {
    let scene = Scene::new().await;
    let mut mcp = Mcp::open(&scene, &scene.token("alice"), VERSION).await;

    let too_early = json!([
        call(1, "whoami"),
        notification("notifications/initialized"),
        call(2, "whoami"),
    ]);
    let answers = answers(&mcp.post(&too_early).await.is(200));

    assert_eq!(answers[0]["error"]["code"], -32600);
    assert!(answers[1]["result"].is_object(), "{answers:?}");
}

#[tokio::test]
async fn a_batch_that_asks_nothing_is_taken_without_a_word() {
    let scene = Scene::new().await;
    let mut mcp = ready(&scene).await;
    let told = notification("notifications/roots/list_changed");
    let answered = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });

    for batch in [
        json!([told, told]),
        json!([answered]),
        json!([told, answered]),
    ] {
        let reply = mcp.post(&batch).await.is(202);
        assert!(reply.body.is_empty(), "{reply:?}");
    }
}

// JSON-RPC 2.0 §6: each member by itself.
#[tokio::test]
async fn a_bad_member_gets_its_own_error_and_spoils_no_other() {
    let scene = Scene::new().await;
    let mut mcp = ready(&scene).await;
    let batch = json!([
        1,
        { "jsonrpc": "1.0", "id": 2, "method": "ping" },
        request(3, "tools/call", &json!({ "name": "whoami", "_meta": 7 })),
        initialize(4, VERSION),
        call(5, "whoami"),
    ]);

    let answers = answers(&mcp.post(&batch).await.is(200));

    let codes: Vec<_> = answers
        .iter()
        .map(|answer| (answer["id"].clone(), answer["error"]["code"].as_i64()))
        .collect();
    assert_eq!(
        codes,
        [
            (json!(2), Some(-32600)),
            (json!(3), Some(-32602)),
            (json!(4), Some(-32600)),
            (json!(5), None),
            (Value::Null, Some(-32600)),
        ]
    );
    assert_eq!(calls_of(&scene, "whoami"), 1);
    assert_eq!(scene.running().sessions(), 1);
}

// T28, O06
#[tokio::test]
async fn what_is_wrong_with_a_batch_as_a_whole_refuses_it_and_nothing_of_it_runs() {
    let scene = Scene::with(|config| config.transport.body.batch_max = 4).await;
    let mcp = ready(&scene).await;
    let mut sse = ready_over_sse(&scene, VERSION).await;
    let long: Vec<_> = (0..10_000).map(|id| call(id, "whoami")).collect();

    for batch in [
        json!([]),
        json!(long[..5]),
        json!(long),
        json!([call(1, "whoami"), call(1, "whoami")]),
        json!([call(1, "whoami"), initialize(1, VERSION)]),
    ] {
        for ask in [mcp.message(&batch), sse.message(&batch)] {
            assert_eq!(scene.ask(&ask).await.is(400).code(), -32600);
        }
    }
    for body in ["[", "[1,]", "[1]x", "[1,2,3,4,5,6"] {
        for ask in [mcp.message(&Value::Null), sse.message(&Value::Null)] {
            assert_eq!(scene.ask(&ask.body(body)).await.is(400).code(), -32700);
        }
    }
    assert_eq!(calls_of(&scene, "whoami"), 0);
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"transport.batch_max\"}"),
        4
    );
    // Neither session has suffered.
    scene.ask(&mcp.message(&json!(long[..4]))).await.is(200);
    sse.call(1, "whoami").await;
}

// O02: the array is a level like any other.
#[tokio::test]
async fn a_batch_does_not_lift_the_bound_on_depth() {
    let scene = Scene::new().await;
    let mcp = ready(&scene).await;
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        let params = format!("{{\"name\":\"echo\",\"arguments\":{{\"text\":{open}{close}}}}}");
        format!("[{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{params}}}]")
    };
    let ask = |levels| mcp.message(&Value::Null).body(nested(levels));

    scene.ask(&ask(60)).await.is(200);
    assert_eq!(scene.ask(&ask(61)).await.is(400).code(), -32700);
    let bare = mcp.message(&Value::Null).body("[".repeat(1_000_000));
    assert_eq!(scene.ask(&bare).await.is(400).code(), -32700);
}

// T28
#[tokio::test]
async fn no_other_version_has_batches() {
    let scene = Scene::new().await;
    let batch = json!([call(1, "whoami"), call(2, "whoami")]);

    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let mut mcp = Mcp::ready_in(&scene, &scene.token("alice"), version).await;
        assert_eq!(mcp.post(&batch).await.is(400).code(), -32600, "{version}");
        let mut sse = ready_over_sse(&scene, version).await;
        assert_eq!(sse.post(&batch).await.is(400).code(), -32600, "{version}");
    }
    // Before anything is agreed, nobody knows which version it would be.
    let mut sse = Sse::open(&scene, &scene.token("alice")).await;
    assert_eq!(sse.post(&batch).await.is(400).code(), -32600);
    let mcp = ready(&scene).await;
    let modern = mcp
        .message(&batch)
        .header("MCP-Protocol-Version", "2026-07-28");
    assert_eq!(scene.ask(&modern).await.is(400).code(), -32600);
    let unknown = mcp
        .message(&batch)
        .header("MCP-Protocol-Version", "1999-01-01");
    assert_eq!(scene.ask(&unknown).await.is(400).code(), -32022);
    let params = json!({ "name": "whoami", "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    } });
    let among_others = json!([call(1, "whoami"), request(2, "tools/call", &params)]);
    let ask = mcp.message(&among_others);
    assert_eq!(scene.ask(&ask).await.is(400).code(), -32600);
    let without_session = Ask::post(&scene, "/mcp", &scene.token("alice"), &batch);
    scene.ask(&without_session).await.is(400);
    assert_eq!(calls_of(&scene, "whoami"), 0);
}

// S02
#[tokio::test]
async fn a_stranger_learns_nothing_by_a_batch() {
    let scene = Scene::new().await;
    let mcp = ready(&scene).await;
    let ask = |id: &str| {
        Ask::post(
            &scene,
            "/mcp",
            &scene.token("bob"),
            &json!([call(1, "whoami")]),
        )
        .header("Mcp-Session-Id", id)
    };

    let others = scene.ask(&ask(&mcp.id)).await.is(404);
    let nobodys = scene.ask(&ask(&mcp.id.replace(|_| true, "A"))).await;

    assert_eq!(others.comparable(), nobodys.comparable());
    assert_eq!(calls_of(&scene, "whoami"), 0);
}

// K22: a batch is no way past a scope, and one challenge names all that are needed.
#[tokio::test]
async fn one_call_without_its_scope_refuses_the_whole_batch() {
    let scene = Scene::new().await;
    let token = scene.token_with("alice", &json!({ "scope": "openid" }));
    let mut mcp = Mcp::ready_in(&scene, &token, VERSION).await;
    let batch = json!([
        call(1, "whoami"),
        call(2, "notes_read"),
        call(3, "notes_write"),
    ]);

    let refused = mcp.post(&batch).await.is(403);

    let challenge = refused.challenge();
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    assert!(
        challenge.contains("scope=\"notes:read notes:write\""),
        "{challenge}"
    );
    for tool in ["whoami", "notes_read", "notes_write"] {
        assert_eq!(calls_of(&scene, tool), 0, "{tool}");
    }
    let granted = scene.token_with("alice", &json!({ "scope": "notes:read notes:write" }));
    let ask = mcp
        .message(&batch)
        .with("Authorization", &format!("Bearer {granted}"));
    assert_eq!(answers(&scene.ask(&ask).await.is(200)).len(), 3);
}

#[tokio::test]
async fn an_id_that_runs_already_is_refused_alone() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), [tools::all(), vec![gate.tool()]].concat()).await;
    let mcp = ready(&scene).await;
    let mut first = scene.wire().await;
    first.send_ask(&mcp.message(&call(1, "wait"))).await;
    eventually("the call runs", || gate.begun() == 1).await;

    let batch = json!([call(1, "wait"), call(2, "whoami")]);
    let answers = answers(&scene.ask(&mcp.message(&batch)).await.is(200));

    assert_eq!(answers[0]["error"]["code"], -32600);
    assert!(answers[1]["result"].is_object());
    gate.release(1);
    let answer = first.reply().await.is(200).json();
    assert_eq!(answer["result"]["content"][0]["text"], "done");
}

// What is cancelled in a batch must come after what it cancels, as if each had come alone.
#[tokio::test]
async fn a_call_that_its_own_batch_cancels_is_not_answered() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), [tools::all(), vec![gate.tool()]].concat()).await;
    let mut mcp = ready(&scene).await;

    let batch = json!([cancel(1), call(1, "whoami"), call(2, "wait"), cancel(2)]);
    let answers = answers(&mcp.post(&batch).await.is(200));
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0]["id"], 1);

    // Nothing to answer is no array, but nothing at all.
    let batch = json!([call(3, "wait"), cancel(3)]);
    let (answers, others) = events(&mcp.post(&batch).await.is(200));
    assert_eq!((answers.len(), others), (0, 0));
    assert_eq!(gate.ended(), 0);
    // Both places were given back.
    mcp.call(3, "whoami").await;
}

// X17
#[tokio::test]
async fn calls_over_the_limit_are_refused_by_themselves() {
    let gate = Gate::default();
    let scene = Scene::of(
        |config| config.router.session.calls_max = 2,
        vec![gate.tool()],
    )
    .await;
    let mcp = ready(&scene).await;
    let batch: Vec<_> = (1..=4).map(|id| call(id, "wait")).collect();
    let mut wire = scene.wire().await;
    wire.send_ask(&mcp.message(&json!(batch))).await;
    eventually("two calls run", || gate.begun() == 2).await;
    gate.release(2);

    let answers = answers(&wire.reply().await.is(200));

    for answer in &answers[..2] {
        assert_eq!(answer["result"]["content"][0]["text"], "done");
    }
    for answer in &answers[2..] {
        assert_eq!(answer["error"]["code"], -32000);
    }
    assert_eq!(gate.begun(), 2);
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"session.calls_max\"}"),
        2
    );
}

fn logs() -> Tool {
    Tool::new(
        "logs",
        "Logs.",
        |call: CallContext, _: NoArguments| async move {
            call.log(LogLevel::Info, "logged");
            Ok("done")
        },
    )
}

#[tokio::test]
async fn a_batch_that_has_more_to_say_is_answered_by_a_stream() {
    let gate = Gate::default();
    let tools = [tools::all(), vec![logs(), gate.tool()]].concat();
    let scene = Scene::of(|_| (), tools).await;
    let mcp = ready(&scene).await;
    let batch = json!([
        1,
        call(1, "whoami"),
        call(2, "logs"),
        call(3, "logs"),
        call(4, "wait"),
    ]);
    let mut wire = scene.wire().await;
    wire.send_ask(&mcp.message(&batch)).await;
    eventually("the last call runs", || gate.begun() == 1).await;
    gate.release(1);

    let (answers, others) = events(&wire.reply().await.is(200));

    assert_eq!(others, 2);
    let ids: Vec<_> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(
        ids,
        [&json!(1), &json!(2), &json!(3), &json!(4), &Value::Null]
    );
    eventually("its stream is over", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
}

#[tokio::test]
async fn large_answers_of_one_batch_all_arrive() {
    let large = Tool::new(
        "large",
        "Says much.",
        |_: CallContext, _: NoArguments| async move { Ok("x".repeat(1 << 20)) },
    );
    let scene = Scene::of(|_| (), vec![large]).await;
    let mut mcp = ready(&scene).await;
    let batch: Vec<_> = (0..8).map(|id| call(id, "large")).collect();

    let answers = answers(&mcp.post(&json!(batch)).await.is(200));

    assert_eq!(answers.len(), 8);
    for answer in &answers {
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text.len(), 1 << 20);
    }
}

/// A tool whose context outlives its call.
fn hoards(kept: &Arc<Mutex<Vec<CallContext>>>) -> Tool {
    let kept = Arc::clone(kept);
    Tool::new(
        "hoards",
        "Keeps.",
        move |call: CallContext, _: NoArguments| {
            let kept = Arc::clone(&kept);
            async move {
                kept.lock().unwrap().push(call);
                Ok("kept")
            }
        },
    )
}

#[tokio::test]
async fn a_tool_that_keeps_its_context_does_not_keep_the_batch() {
    let kept = Arc::default();
    let scene = Scene::of(|_| (), vec![hoards(&kept)]).await;
    let mut mcp = ready(&scene).await;

    let batch = json!([call(1, "hoards"), call(2, "hoards")]);
    let answers = answers(&mcp.post(&batch).await.is(200));

    assert_eq!(answers.len(), 2);
    assert_eq!(kept.lock().unwrap().len(), 2);
    drop(kept);
}

// S18
#[tokio::test]
async fn a_session_that_ends_under_a_batch_answers_for_each_of_its_calls() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let mcp = ready(&scene).await;
    let mut wire = scene.wire().await;
    let batch = json!([call(1, "wait"), call(2, "wait")]);
    wire.send_ask(&mcp.message(&batch)).await;
    eventually("both calls run", || gate.begun() == 2).await;

    scene.ask(&mcp.end(&scene)).await.is(204);

    let answers = answers(&wire.reply().await.is(200));
    for answer in &answers {
        assert_eq!(answer["error"]["code"], -32000);
    }
    assert_eq!(answers.len(), 2);
    eventually("both calls are gone", || gate.gone() == 2).await;
}

// Over HTTP+SSE the POST is taken, and each answer is an event of its own.
#[tokio::test]
async fn answers_to_a_batch_over_sse_come_one_by_one() {
    let scene = Scene::new().await;
    let mut sse = ready_over_sse(&scene, VERSION).await;
    let batch = json!([
        "bad",
        call(1, "whoami"),
        notification("notifications/roots/list_changed"),
        call(2, "whoami"),
    ]);

    sse.tell(&batch).await;

    let mut answers = Vec::new();
    for _answer in 0..3 {
        answers.push(sse.events.message().await);
    }
    answers.sort_by_key(|answer| answer["id"].to_string());
    assert!(answers[0]["result"].is_object() && answers[1]["result"].is_object());
    assert_eq!(answers[2]["error"]["code"], -32600);
    assert!(answers[2]["id"].is_null());
    let token = scene.token_with("alice", &json!({ "scope": "openid" }));
    let ask = sse
        .message(&json!([call(3, "whoami"), call(4, "notes_read")]))
        .with("Authorization", &format!("Bearer {token}"));
    scene.ask(&ask).await.is(403);
    assert_eq!(calls_of(&scene, "whoami"), 2);
}
