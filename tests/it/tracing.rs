//! What a request is known by: its id, the log lines about it, and the trace it belongs to (X10).

use mcp_usher::{
    handler::{CallContext, NoArguments, Structured, Tool},
    protocol::TaskSupport,
};
use serde_json::{Value, json};

use crate::kit::{
    Ask, Mcp, Reply, Scene, Sse,
    logs::{KEPT, lines, listen},
    mcp::{call, initialize},
    notification, request, tools,
};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-00000000000000000000000000000001-0000000000000002-00";

// === Ids ===

#[track_caller]
fn id_of(reply: &Reply) -> String {
    reply.header("x-request-id").expect("an id").to_owned()
}

// Every answer has one: the kit looks at each.
#[tokio::test]
async fn an_answer_names_its_request_and_no_two_have_the_same_name() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let mut mcp = Mcp::ready(&scene, &token).await;

    let mut ids = vec![
        id_of(&mcp.post(&call(1, "whoami")).await.is(200)),
        id_of(&mcp.post(&notification("notifications/x")).await.is(202)),
        id_of(&scene.ask(&Ask::get(&scene, "/")).await.is(200)),
        id_of(&scene.ask(&Ask::get(&scene, "/nothing")).await.is(404)),
        id_of(&scene.ask(&Ask::get(&scene, "/sse")).await.is(401)),
        id_of(&scene.ask(&Ask::new(&scene, "PUT", "/mcp")).await.is(405)),
        id_of(&scene.events(&mcp.stream(&scene)).await.head),
        id_of(&scene.ask(&mcp.end(&scene)).await.is(204)),
    ];
    let evil = Ask::get(&scene, "/").with("Host", "evil.example");
    ids.push(id_of(&scene.ask(&evil).await.is(403)));
    let metadata = Ask::get(&scene, "/.well-known/oauth-protected-resource");
    ids.push(id_of(&scene.ask(&metadata).await.is(200)));

    let number = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), number, "{ids:?}");
}

#[tokio::test]
async fn an_id_that_was_brought_is_kept_unless_it_is_none() {
    let scene = Scene::new().await;
    let ask = Ask::get(&scene, "/sse");

    let kept = scene
        .ask(&ask.clone().header("X-Request-ID", "abc-1"))
        .await;
    assert_eq!(id_of(&kept), "abc-1");
    assert_eq!(kept.json()["error"]["data"]["requestId"], "abc-1");
    for bad in ["", "a b", "\u{e4}", &"x".repeat(65), "a\tb"] {
        let reply = scene.ask(&ask.clone().header("X-Request-ID", bad)).await;
        assert_eq!(id_of(&reply).len(), 16, "{bad:?}");
    }
    let twice = ask
        .header("X-Request-ID", "abc-1")
        .header("X-Request-ID", "abc-1");
    assert_ne!(id_of(&scene.ask(&twice).await), "abc-1");
}

#[tokio::test]
async fn an_id_stands_beside_what_else_an_error_has_to_say() {
    let scene = Scene::new().await;
    let ask = Ask::post(&scene, "/mcp", &scene.token("alice"), &call(1, "whoami"))
        .header("MCP-Protocol-Version", "1999-01-01")
        .header("X-Request-ID", "abc-2");

    let data = scene.ask(&ask).await.is(400).json()["error"]["data"].clone();

    assert_eq!(data["requestId"], "abc-2");
    assert_eq!(data["requested"], "1999-01-01");
    assert!(data["supported"].is_array());
}

// === Log lines ===

#[tokio::test]
async fn a_refusal_is_one_line_with_its_reason_and_its_id() {
    listen();
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let post = |message| Ask::post(&scene, "/mcp", &token, &message);

    for (nth, ask, status, reason, route) in [
        (
            0,
            Ask::get(&scene, "/sse"),
            401,
            "token_missing",
            Some("/sse"),
        ),
        (1, Ask::get(&scene, "/nothing"), 404, "not_found", None),
        (2, post(json!([])), 400, "parse_error", Some("/mcp")),
        (
            3,
            post(call(1, "whoami")),
            400,
            "session_missing",
            Some("/mcp"),
        ),
        (
            4,
            post(call(1, "whoami")).header("Mcp-Session-Id", "AAAAAAAAAAAAAAAAAAAAAA"),
            404,
            "session_unknown",
            Some("/mcp"),
        ),
        (
            5,
            Ask::get(&scene, "/").with("Host", "evil.example"),
            403,
            "host",
            Some("/"),
        ),
    ] {
        let id = format!("{KEPT}refusal-{nth}");
        scene.ask(&ask.header("X-Request-ID", &id)).await.is(status);

        let lines = lines(&id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "request refused");
        assert_eq!(line["reason"], reason);
        assert_eq!(line["status"], status);
        assert_eq!(line["spans"][0]["http.route"].as_str(), route);
    }
}

/// A tool that has something to say to whoever runs the server.
fn complains() -> Tool {
    Tool::new(
        "complains",
        "Complains.",
        |_: CallContext, _: NoArguments| async move {
            tracing::warn!("it complains");
            Ok("done")
        },
    )
}

#[tokio::test]
async fn what_a_call_logs_says_which_call_it_was() {
    listen();
    let scene = Scene::of(|_| (), vec![complains()]).await;
    let token = scene.token("alice");
    let mcp = Mcp::ready(&scene, &token).await;
    let sse = Sse::ready(&scene, &token).await;
    let old = Mcp::ready_in(&scene, &token, "2025-03-26").await;
    let params = json!({ "name": "complains", "_meta": { "traceparent": PARENT } });
    let traced = request("seven", "tools/call", &params);
    let modern = Ask::modern(&scene, &token, 7, "tools/call", params.clone());

    for (nth, ask, version) in [
        (0, mcp.message(&traced), "2025-11-25"),
        (1, sse.message(&traced), "2025-11-25"),
        (2, old.message(&json!([traced])), "2025-03-26"),
        (3, modern.header("traceparent", PARENT), "2026-07-28"),
    ] {
        let id = format!("{KEPT}call-{nth}");
        scene.ask(&ask.header("X-Request-ID", &id)).await;
        crate::kit::eventually("it was logged", || !lines(&id).is_empty()).await;

        let line = &lines(&id)[0];
        assert_eq!(line["message"], "it complains");
        let call = &line["span"];
        for (field, value) in [
            ("name", "mcp"),
            ("otel.name", "tools/call complains"),
            ("otel.kind", "server"),
            ("mcp.method.name", "tools/call"),
            ("mcp.protocol.version", version),
            ("gen_ai.tool.name", "complains"),
            ("gen_ai.operation.name", "execute_tool"),
            ("jsonrpc.request.id", if nth == 3 { "7" } else { "seven" }),
            ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ] {
            assert_eq!(call[field], value, "{nth}: {line}");
        }
        assert_eq!(call.get("mcp.session.id").is_none(), nth == 3, "{line}");
        let around = &line["spans"][0];
        let route = if nth == 1 { "/messages" } else { "/mcp" };
        assert_eq!(around["otel.name"], format!("POST {route}"));
        assert_eq!(around["http.request.method"], "POST");
    }
}

// Tasks run on threads of their own.
#[tokio::test]
async fn what_a_task_logs_says_which_call_began_it() {
    listen();
    let task = || complains().task_support(TaskSupport::Optional);
    for (nth, tool) in [task(), task().asks_first()].into_iter().enumerate() {
        let scene = Scene::of(|_| (), vec![tool]).await;
        let id = format!("{KEPT}task-{nth}");
        let extensions = json!({ "io.modelcontextprotocol/tasks": {} });
        let params = json!({ "name": "complains", "_meta": {
            "io.modelcontextprotocol/clientCapabilities": { "extensions": extensions },
        } });
        let ask = Ask::modern(&scene, &scene.token("alice"), 7, "tools/call", params);

        scene.ask(&ask.header("X-Request-ID", &id)).await.is(200);
        crate::kit::eventually("it was logged", || !lines(&id).is_empty()).await;

        let line = &lines(&id)[0];
        assert_eq!(line["message"], "it complains");
        assert_eq!(line["span"]["otel.name"], "tools/call complains");
    }
}

// Names and ids of a client's making that could forge a line, or tell a story, are not shown.
#[tokio::test]
async fn what_a_client_invents_is_not_logged() {
    listen();
    let scene = Scene::new().await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let forged = "a\nINFO b";
    let id = format!("{KEPT}forged");
    let message = request(forged, "tools/call", &json!({ "name": forged }));
    let ask = mcp.message(&message).header("X-Request-ID", &id);

    let answer = mcp.posts.ask(&ask).await.is(200).json();
    assert_eq!(answer["error"]["code"], -32602);
    let path = format!("/nothing/{forged}")
        .replace('\n', "%0a")
        .replace(' ', "%20");
    let ask = Ask::new(&scene, "M\u{61}DE-UP", &path).header("X-Request-ID", &id);
    scene.ask(&ask).await.is(404);

    let lines = lines(&id);
    assert!(!lines.is_empty());
    for line in lines {
        let line = line.to_string();
        assert!(
            !line.contains("INFO b") && !line.contains("nothing/"),
            "{line}"
        );
        assert!(!line.contains("MaDE-UP"), "{line}");
    }
}

// O22
#[tokio::test]
async fn lines_about_refusals_are_bounded_and_the_rest_is_counted() {
    listen();
    let scene = Scene::with(|config| config.transport.refusal_lines = 1).await;
    let mut wire = scene.wire().await;
    let started = std::time::Instant::now();
    for nth in 0..200 {
        let id = format!("{KEPT}flood-{nth}");
        let ask = Ask::get(&scene, "/sse").header("X-Request-ID", &id);
        wire.ask(&ask).await.is(401);
    }
    let seconds = started.elapsed().as_secs() + 1;

    let written: usize = (0..200)
        .map(|nth| lines(&format!("{KEPT}flood-{nth}")).len())
        .sum();

    assert!((1..=seconds + 1).contains(&(written as u64)), "{written}");
    let left_out = scene.metric("usher_limit_hit_total{limit=\"log.refusals_per_second\"}");
    assert_eq!(left_out, 200 - written as u64);
    assert_eq!(
        scene.metric("usher_refusals_total{reason=\"token_missing\"}"),
        200
    );
}

// === Traces ===

/// A tool that says what it knows of its trace.
fn trace() -> Tool {
    Tool::new(
        "trace",
        "Says what trace it is of.",
        |call: CallContext, _: NoArguments| async move {
            let trace = call.trace_context();
            let parent = trace.parent().map(|parent| parent.to_string());
            Ok(Structured(json!({
                "parent": parent, "state": trace.tracestate(), "baggage": trace.baggage(),
            })))
        },
    )
}

fn of(meta: &Value) -> Value {
    request(1, "tools/call", &json!({ "name": "trace", "_meta": meta }))
}

/// What the tool said, over whichever way.
fn said(answer: &Value) -> Value {
    let text = answer["result"]["content"][0]["text"].as_str();
    serde_json::from_str(text.expect("a text")).unwrap()
}

#[tokio::test]
async fn a_tool_knows_its_trace_in_every_version_and_over_every_transport() {
    let scene = Scene::of(|_| (), vec![trace()]).await;
    let token = scene.token("alice");
    let meta = json!({ "traceparent": PARENT, "tracestate": "a=1", "baggage": "user=x" });
    let whole = json!({ "parent": PARENT, "state": "a=1", "baggage": "user=x" });

    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut mcp = Mcp::ready_in(&scene, &token, version).await;
        assert_eq!(said(&mcp.ask(&of(&meta)).await), whole, "{version}");
    }
    let mut old = Mcp::ready_in(&scene, &token, "2025-03-26").await;
    let batch = old.post(&json!([of(&meta)])).await.is(200).json();
    assert_eq!(said(&batch[0]), whole);
    let mut sse = Sse::open(&scene, &token).await;
    sse.ask(&initialize(0, "2024-11-05")).await;
    sse.tell(&notification("notifications/initialized")).await;
    assert_eq!(said(&sse.ask(&of(&meta)).await), whole);
    // Of a modern request, the headers around it, since `_meta` says nothing.
    let ask = Ask::modern(&scene, &token, 1, "tools/call", json!({ "name": "trace" }))
        .header("traceparent", PARENT)
        .header("tracestate", "a=1")
        .header("baggage", "user=x");
    assert_eq!(said(&scene.ask(&ask).await.is(200).json()), whole);
}

#[tokio::test]
async fn what_the_message_says_of_its_trace_counts_before_the_headers() {
    let scene = Scene::of(|_| (), vec![trace()]).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let around = |ask: Ask| {
        ask.header("traceparent", OTHER)
            .header("tracestate", "o=2")
            .header("tracestate", "p=3")
            .header("baggage", "from=header")
    };
    let both = around(mcp.message(&of(&json!({ "traceparent": PARENT }))));
    let only_around = around(mcp.message(&of(&json!({}))));

    let both = said(&scene.ask(&both).await.is(200).json());
    assert_eq!(
        both,
        json!({ "parent": PARENT, "state": null, "baggage": "from=header" })
    );
    let only_around = said(&scene.ask(&only_around).await.is(200).json());
    assert_eq!(
        only_around,
        json!({ "parent": OTHER, "state": "o=2,p=3", "baggage": "from=header" })
    );
}

#[tokio::test]
async fn what_is_no_trace_is_ignored_and_never_an_error() {
    let scene = Scene::of(|_| (), [tools::all(), vec![trace()]].concat()).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let nothing = json!({ "parent": null, "state": null, "baggage": null });

    for meta in [
        json!({ "traceparent": 7, "tracestate": [], "baggage": {} }),
        json!({ "traceparent": null, "tracestate": null, "baggage": null }),
        json!({ "traceparent": "", "tracestate": "a=1", "baggage": "" }),
        json!({ "traceparent": PARENT.to_uppercase(), "baggage": "no baggage" }),
        json!({ "traceparent": "x".repeat(100_000), "baggage": "a=".repeat(100_000) }),
    ] {
        assert_eq!(said(&mcp.ask(&of(&meta)).await), nothing, "{meta}");
    }
    for (name, value) in [
        ("traceparent", "00-zz-00f067aa0ba902b7-01"),
        ("traceparent", &"0".repeat(30_000)),
        ("baggage", &"a".repeat(30_000)),
        ("tracestate", "\u{e4}=1"),
    ] {
        let ask = mcp.message(&of(&json!({}))).header(name, value);
        assert_eq!(said(&mcp.posts.ask(&ask).await.is(200).json()), nothing);
    }
}
