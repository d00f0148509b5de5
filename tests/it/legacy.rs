//! HTTP+SSE (2024-11-05), which no conformance suite knows: what its clients rely on, rule by rule.
//!
//! The opening event is T01 in `transport`, who may speak to a session S02, S07 and S08 in `session`,
//! sizes and forms of what is posted O01, O02 and T06, other methods T30, its end S31 and T33.

use std::time::Duration;

use mcp_usher::{
    handler::{CallContext, NoArguments, Tool},
    protocol::LogLevel,
};
use serde_json::{Value, json};

use crate::kit::{
    Ask, Scene, Sse,
    mcp::{call, initialize, initialize_with},
    notification, request,
    tools::Gate,
};

/// Long enough for something that must not come to have come.
const MOMENT: Duration = Duration::from_millis(150);

/// Says something, asks the client's model, and answers with what that said.
fn talks() -> Tool {
    Tool::new(
        "talks",
        "Talks.",
        |call: CallContext, _: NoArguments| async move {
            call.log(LogLevel::Info, "about to ask");
            call.progress(1.0, Some(2.0), Some("half-way"));
            call.close_stream();
            let answer = call.sample("one", json!({ "messages": [], "maxTokens": 1 }));
            Ok(answer.await?["content"]["text"].to_string())
        },
    )
}

#[tokio::test]
async fn a_post_is_accepted_with_a_word_and_answered_on_the_stream() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;

    let reply = sse.post(&call("seven", "whoami")).await.is(202);

    assert_eq!(reply.text(), "Accepted");
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert!(reply.header("mcp-session-id").is_none());
    let answer = sse.events.message().await;
    assert_eq!(answer["id"], "seven");
    assert_eq!(answer["result"]["structuredContent"]["sub"], "alice");
}

#[tokio::test]
async fn a_notification_and_a_response_are_accepted_and_say_nothing() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;

    for message in [
        notification("notifications/of-another-age"),
        json!({ "jsonrpc": "2.0", "id": 7, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": "ping-1", "error": { "code": 1, "message": "no" } }),
    ] {
        sse.tell(&message).await;
    }

    assert!(sse.events.is_silent_for(MOMENT).await);
}

#[tokio::test]
async fn what_is_no_message_is_a_bad_request_and_the_session_goes_on() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;

    for (body, code) in [
        ("{", -32700),
        ("", -32700),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0"}"#, -32600),
        ("7", -32600),
    ] {
        let ask = sse.message(&Value::Null).body(body);
        assert_eq!(sse.posts.ask(&ask).await.is(400).code(), code, "{body}");
    }

    assert!(sse.events.is_silent_for(MOMENT).await);
    assert_eq!(sse.call(1, "whoami").await["id"], 1);
}

// A session's id finds it, and never authenticates.
#[tokio::test]
async fn every_post_needs_a_token_of_its_own() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let expired = scene.token_with("alice", &json!({ "exp": 1 }));
    let good = sse.message(&call(1, "wait"));

    for ask in [
        good.clone().without("Authorization"),
        good.clone().with("Authorization", "Bearer nothing"),
        good.with("Authorization", &format!("Bearer {expired}")),
    ] {
        let reply = scene.ask(&ask).await.is(401);
        let metadata = scene.url("/.well-known/oauth-protected-resource/sse");
        assert!(reply.challenge().contains(&metadata), "{reply:?}");
    }

    assert_eq!(gate.begun(), 0);
    assert!(sse.events.is_silent_for(MOMENT).await);
}

#[tokio::test]
async fn every_version_with_sessions_is_negotiated_and_others_get_the_newest_of_them() {
    let scene = Scene::new().await;

    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("2024-10-07", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let mut sse = Sse::open(&scene, &scene.token("alice")).await;
        let hello = sse.ask(&initialize(1, asked)).await;
        assert_eq!(hello["result"]["protocolVersion"], answered, "{asked}");
        sse.tell(&notification("notifications/initialized")).await;

        let answer = &sse.call(2, "whoami").await["result"];

        let has_structure = answer.get("structuredContent").is_some();
        assert_eq!(has_structure, answered >= "2025-06-18", "{asked}: {answer}");
    }
}

// TypeScript's client sends the header once it is initialized, Python's never does.
#[tokio::test]
async fn the_version_header_may_be_there_or_not() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;

    let with = sse
        .message(&call(1, "whoami"))
        .header("MCP-Protocol-Version", "2025-11-25");
    sse.posts.ask(&with).await.is(202);
    assert_eq!(sse.events.message().await["id"], 1);
    assert_eq!(sse.call(2, "whoami").await["id"], 2);
}

// Python 2.x begins with this on every transport, with everything that 2026-07-28 wants of it.
#[tokio::test]
async fn a_whole_modern_probe_is_refused_on_the_stream_and_initialize_follows() {
    let scene = Scene::new().await;
    let mut sse = Sse::open(&scene, &scene.token("alice")).await;
    let params = json!({ "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "it", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    } });

    let probe = sse
        .message(&request(1, "server/discover", &params))
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "server/discover");
    sse.posts.ask(&probe).await.is(202);

    let refused = sse.events.message().await;
    assert_eq!(refused["id"], 1);
    assert_eq!(refused["error"]["code"], -32601);
    let hello = sse.ask(&initialize(2, "2025-11-25")).await;
    assert_eq!(hello["result"]["protocolVersion"], "2025-11-25");
}

// Who tries Streamable HTTP first takes a 405 for the word to open the stream, unless the body looks
// like a modern server's refusal (2025-03-26 and 2026-07-28, backwards compatibility).
#[tokio::test]
async fn a_client_of_streamable_http_is_sent_to_get_the_stream() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let post = Ask::post(&scene, "/sse", &token, &initialize(0, "2025-11-25"));

    scene
        .ask(&post.clone().without("Authorization"))
        .await
        .is(401);
    let reply = scene.ask(&post).await.is(405);

    assert_eq!(reply.header("allow"), Some("GET"));
    assert!(
        ![-32020, -32021, -32022].contains(&reply.code()),
        "{reply:?}"
    );
    scene.assert_no_state();
    Sse::ready(&scene, &token).await;
}

// There are no event ids here in any version, and nothing to come back to: log message, progress,
// question and answer all come on the one stream, in the order they were said.
#[tokio::test]
async fn everything_that_is_said_comes_in_order_on_the_one_stream() {
    let scene = Scene::of(|_| (), vec![talks()]).await;

    for version in ["2024-11-05", "2025-11-25"] {
        let hello = initialize_with(0, version, &json!({ "sampling": {} }));
        let mut sse = Sse::ready_with(&scene, &scene.token("alice"), &hello).await;
        let params = json!({ "name": "talks", "_meta": { "progressToken": "p" } });
        sse.tell(&request(1, "tools/call", &params)).await;

        let logged = sse.events.message().await;
        assert_eq!(logged["params"]["data"], "about to ask");
        let progress = sse.events.message().await;
        assert_eq!(progress["params"]["progressToken"], "p");
        let knows_message = progress["params"].get("message").is_some();
        assert_eq!(knows_message, version > "2024-11-05", "{progress}");
        let question = sse.events.message().await;
        assert_eq!(question["method"], "sampling/createMessage");
        let content = json!({ "type": "text", "text": "yes" });
        let said = json!({ "role": "assistant", "model": "it", "content": content });
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": said });
        sse.tell(&answer).await;
        let answer = sse.events.message().await;
        assert_eq!(answer["result"]["content"][0]["text"], "\"yes\"");
        assert_eq!(sse.events.last_id, None);
    }
}

#[tokio::test]
async fn answers_come_when_they_are_ready_and_posts_by_any_connection() {
    let gate = Gate::default();
    let mut tools = crate::kit::tools::all();
    tools.push(gate.tool());
    let scene = Scene::of(|_| (), tools).await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;

    sse.tell(&call(1, "wait")).await;
    scene.ask(&sse.message(&call(2, "whoami"))).await.is(202);

    assert_eq!(sse.events.message().await["id"], 2);
    gate.release(1);
    assert_eq!(sse.events.message().await["id"], 1);
}

// A stream that broke is over, and whoever comes back begins anew.
#[tokio::test]
async fn who_comes_back_gets_a_session_of_its_own_and_nothing_of_the_last() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let mut first = Sse::ready(&scene, &token).await;
    first.call(1, "whoami").await;
    let left = first.id().to_owned();
    first.events.reset();
    scene.sessions(0).await;

    for target in ["/sse", &format!("/sse?sessionId={left}")] {
        let again = Ask::stream(&scene, target, &token).header("Last-Event-ID", "1-1");
        let mut events = scene.events(&again).await;
        let (name, endpoint) = events.event().await.expect("an event");
        assert_eq!(name, "endpoint");
        assert!(!endpoint.contains(&left), "{endpoint}");
        assert!(events.is_silent_for(MOMENT).await);
    }
}

// Two sessions of one caller are two conversations.
#[tokio::test]
async fn a_callers_sessions_hear_only_their_own_answers() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let mut one = Sse::ready(&scene, &token).await;
    let mut other = Sse::ready(&scene, &token).await;

    for id in 1..=20 {
        one.tell(&call(id, "whoami")).await;
        let params = json!({ "name": "echo", "arguments": { "text": id } });
        other.tell(&request(id, "tools/call", &params)).await;
    }

    for _ in 1..=20 {
        let answer = one.events.message().await;
        assert!(
            answer["result"]["structuredContent"].get("sub").is_some(),
            "{answer}"
        );
        let answer = other.events.message().await;
        assert_eq!(answer["result"]["structuredContent"]["said"], answer["id"]);
    }
    assert!(one.events.is_silent_for(MOMENT).await);
    assert!(other.events.is_silent_for(MOMENT).await);
}
