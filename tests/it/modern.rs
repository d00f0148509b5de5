//! 2026-07-28: requests that stand alone (T13, T14, and what its headers must repeat).

use std::time::{Duration, Instant};

use mcp_usher::{
    handler::{CallContext, NoArguments, Tool},
    protocol::LogLevel,
};
use serde_json::{Value, json};

use crate::kit::{Ask, BOUND, Mcp, Scene, eventually, request, tools::Gate, within};

const VERSION: &str = "2026-07-28";

fn whoami(scene: &Scene, token: &str) -> Ask {
    let params = json!({ "name": "whoami", "arguments": {} });
    Ask::modern(scene, token, 1, "tools/call", params)
}

#[tokio::test]
async fn a_call_without_a_session_is_answered_and_leaves_nothing() {
    let scene = Scene::new().await;

    let reply = scene
        .ask(&whoami(&scene, &scene.token("alice")))
        .await
        .is(200);

    let result = &reply.json()["result"];
    assert_eq!(result["structuredContent"]["sub"], "alice");
    assert_eq!(result["resultType"], "complete");
    assert!(reply.header("mcp-session-id").is_none());
    scene.assert_no_state();
}

#[tokio::test]
async fn discovery_names_the_version_and_lists_are_private_to_their_caller() {
    let scene = Scene::new().await;
    let token = scene.token("alice");

    let ask = Ask::modern(&scene, &token, 1, "server/discover", json!({}));
    let found = scene.ask(&ask).await.is(200).json();
    assert_eq!(found["result"]["supportedVersions"], json!([VERSION]));
    let ask = Ask::modern(&scene, &token, 2, "tools/list", json!({}));
    let listed = scene.ask(&ask).await.is(200).json();
    assert_eq!(listed["result"]["cacheScope"], "private");
}

// T13
#[tokio::test]
async fn an_unknown_method_is_not_found_with_its_id() {
    let scene = Scene::new().await;

    for method in [
        "nothing/here",
        "initialize",
        "ping",
        "logging/setLevel",
        "Tools/list",
        "",
    ] {
        let ask = Ask::modern(&scene, &scene.token("alice"), 7, method, json!({}));
        let reply = scene.ask(&ask).await.is(404);
        assert_eq!(reply.code(), -32601, "{method}");
        assert_eq!(reply.json()["id"], 7);
    }
    scene.assert_no_state();
}

// T14
#[tokio::test]
async fn session_headers_mean_nothing_to_a_modern_request() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    for id in [mcp.id.as_str(), "nobodys"] {
        let ask = whoami(&scene, &scene.token("bob"))
            .header("Mcp-Session-Id", id)
            .header("Last-Event-ID", "1");
        let reply = scene.ask(&ask).await.is(200);
        assert!(reply.header("mcp-session-id").is_none());
        assert_eq!(reply.json()["result"]["structuredContent"]["sub"], "bob");
    }
    assert_eq!(scene.metric("usher_session_owner_mismatch_total"), 0);
    for ask in [mcp.stream(&scene), mcp.end(&scene)] {
        let reply = scene
            .ask(&ask.with("MCP-Protocol-Version", VERSION))
            .await
            .is(405);
        assert_eq!(reply.header("allow"), Some("POST"));
    }
    assert_eq!(scene.running().sessions(), 1);
}

// What a proxy decided by must be what we decide by.
#[tokio::test]
async fn a_header_that_does_not_repeat_the_body_is_a_mismatch() {
    let scene = Scene::new().await;
    let good = whoami(&scene, &scene.token("alice"));

    for ask in [
        good.clone().without("Mcp-Method"),
        good.clone().with("Mcp-Method", "tools/list"),
        good.clone().with("Mcp-Method", "Tools/Call"),
        good.clone().header("Mcp-Method", "tools/call"),
        good.clone().without("Mcp-Name"),
        good.clone().with("Mcp-Name", "echo"),
        good.clone().header("Mcp-Name", "whoami"),
        good.clone().with("Mcp-Name", "=?base64?!!?="),
        good.clone().without("MCP-Protocol-Version"),
        good.clone().with("MCP-Protocol-Version", "2025-11-25"),
    ] {
        let reply = scene.ask(&ask).await.is(400);
        assert_eq!(reply.code(), -32020, "{ask:?}");
        assert_eq!(reply.json()["id"], 1);
    }
    let encoded = good.with("Mcp-Name", "=?base64?d2hvYW1p?=");
    scene.ask(&encoded).await.is(200);
}

#[tokio::test]
async fn a_modern_request_without_its_members_is_refused_with_the_code_for_it() {
    let scene = Scene::new().await;
    let good = whoami(&scene, &scene.token("alice"));
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";

    for (meta, code) in [
        (json!({}), -32602),
        (json!({ version: VERSION }), -32602),
        (json!({ version: VERSION, capabilities: null }), -32602),
        (json!({ version: VERSION, capabilities: [] }), -32602),
        (json!({ version: 7, capabilities: {} }), -32602),
    ] {
        let params = json!({ "name": "whoami", "_meta": meta });
        let ask = good
            .clone()
            .body(request(1, "tools/call", &params).to_string());
        let reply = scene.ask(&ask).await.is(400);
        assert_eq!(reply.code(), code, "{params}");
    }
    for unserved in ["2025-11-25", "2027-01-01", ""] {
        let params = json!({ "name": "whoami", "_meta": { version: unserved, capabilities: {} } });
        let ask = good
            .clone()
            .with("MCP-Protocol-Version", unserved)
            .body(request(1, "tools/call", &params).to_string());
        let reply = scene.ask(&ask).await.is(400);
        assert_eq!(reply.code(), -32022, "{unserved}");
        let error = &reply.json()["error"]["data"];
        assert_eq!(error["supported"], json!([VERSION]));
        assert_eq!(error["requested"], unserved);
    }
}

// From 2026-07-28 on, to leave is to cancel.
#[tokio::test]
async fn a_client_that_leaves_cancels_its_call() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let ask = Ask::modern(
        &scene,
        &scene.token("alice"),
        1,
        "tools/call",
        json!({ "name": "wait" }),
    );

    for number in 1..=2 {
        let mut wire = scene.wire().await;
        wire.send_ask(&ask).await;
        eventually("the call runs", || gate.begun() == number).await;
        if number == 1 {
            wire.reset();
        } else {
            drop(wire);
        }
        within(Duration::from_secs(2), "the call is gone", || {
            gate.gone() == number
        })
        .await;
    }
    assert_eq!(gate.ended(), 0);
    let cancelled = "usher_calls_total{tool=\"wait\",outcome=\"cancelled\"}";
    eventually("both are counted", || scene.metric(cancelled) == 2).await;
}

// Names and texts of a stranger's making come back only where they belong, and short.
#[tokio::test]
async fn what_a_client_invents_is_not_said_again_at_length() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let long = "x".repeat(10_000);

    let ask = Ask::modern(&scene, &token, 1, &long, json!({}));
    assert!(scene.ask(&ask).await.body.len() < 400);
    let ask = Ask::modern(&scene, &token, 1, "tools/call", json!({ "name": long }));
    assert!(scene.ask(&ask).await.body.len() < 400);
    let id = "i".repeat(300);
    let body = request(Value::String(id), "tools/list", &json!({})).to_string();
    let reply = scene.ask(&whoami(&scene, &token).body(body)).await.is(400);
    assert_eq!(reply.code(), -32600);
    let version = format!("2{}", "9".repeat(5_000));
    let ask = whoami(&scene, &token).with("MCP-Protocol-Version", &version);
    assert!(scene.ask(&ask).await.is(400).body.len() < 600);
}

/// A tool that can't do without the client's model, and logs before it says so.
fn asks() -> Tool {
    Tool::new(
        "asks",
        "Asks the client's model.",
        |call: CallContext, _: NoArguments| async move {
            call.log(LogLevel::Info, "about to ask");
            let question = json!({ "messages": [], "maxTokens": 1 });
            call.sample("question", question)
                .await
                .map(|answer| answer.to_string())
        },
    )
}

#[tokio::test]
async fn a_call_that_needs_what_the_client_lacks_is_a_bad_request_that_names_it() {
    let scene = Scene::of(|_| (), vec![asks()]).await;
    let params = json!({ "name": "asks" });
    let ask = Ask::modern(&scene, &scene.token("alice"), 1, "tools/call", params);

    let reply = scene.ask(&ask).await.is(400);

    assert_eq!(reply.code(), -32021);
    let lacking = &reply.json()["error"]["data"]["requiredCapabilities"];
    assert_eq!(*lacking, json!({ "sampling": {} }));
}

// The status is for an answer that comes alone: a stream has said 200 before.
#[tokio::test]
async fn an_error_after_a_log_message_ends_a_stream_that_is_well() {
    let scene = Scene::of(|_| (), vec![asks()]).await;
    let params = json!({ "name": "asks", "_meta": {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/logLevel": "info",
    } });
    let body = request(1, "tools/call", &params).to_string();
    let params = json!({ "name": "asks" });
    let ask = Ask::modern(&scene, &scene.token("alice"), 1, "tools/call", params).body(body);

    let reply = scene.ask(&ask).await.is(200);

    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let text = reply.text();
    assert!(text.contains("about to ask"), "{text}");
    assert!(text.contains("-32021"), "{text}");
}

// S32: without sessions there is a bound as well, for calls and streams together.
#[tokio::test]
async fn what_one_caller_has_open_is_bounded_and_others_are_not_disturbed() {
    let gate = Gate::default();
    let scene = Scene::of(
        |config| config.router.calls_per_principal_max = 2,
        vec![gate.tool()],
    )
    .await;
    let (alice, bob) = (scene.token("alice"), scene.token("bob"));
    let mut waiting = scene.wire().await;
    let params = json!({ "name": "wait" });
    let ask = Ask::modern(&scene, &alice, 1, "tools/call", params);
    waiting.send_ask(&ask).await;
    eventually("the call runs", || gate.begun() == 1).await;
    let wish = json!({ "notifications": { "toolsListChanged": true } });
    let ask = Ask::modern(&scene, &alice, 2, "subscriptions/listen", wish);
    let mut stream = scene.events(&ask).await;
    stream.message().await;

    let refused = scene.ask(&whoami(&scene, &alice)).await.is(429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["id"], 1);
    scene.ask(&whoami(&scene, &bob)).await.is(200);
    let hits = "usher_limit_hit_total{limit=\"call.per_principal_max\"}";
    assert_eq!(scene.metric(hits), 1);

    // Of a client that leaves, nothing is held.
    stream.reset();
    let started = Instant::now();
    while scene.ask(&whoami(&scene, &alice)).await.status == 429 {
        assert!(started.elapsed() < BOUND, "its place is held");
    }
    gate.release(1);
    waiting.reply().await.is(200);
    scene.assert_no_state();
}
