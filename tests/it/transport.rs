//! Group T: how messages travel, attacked with raw bytes.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::kit::{
    Ask, BOUND, Item, Mcp, Scene, Sse, eventually,
    mcp::{call, initialize},
    notification, request,
    tools::{Gate, ODD},
    within,
};
use mcp_usher::units::HumanDuration;

/// Long enough for something that must not come to have come.
const MOMENT: Duration = Duration::from_millis(150);

const EVIL: &str = "https://evil.example";

// === T01 to T10 ===

// T01
#[tokio::test]
async fn a_stream_begins_with_its_endpoint_and_is_never_stored_or_buffered() {
    let scene = Scene::new().await;

    let mut events = scene
        .events(&Ask::stream(&scene, "/sse", &scene.token("alice")))
        .await;

    let head = &events.head;
    assert!(head.header("cache-control").unwrap().contains("no-store"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    let (name, endpoint) = events.event().await.unwrap();
    assert_eq!(name, "endpoint");
    assert!(endpoint.starts_with("/messages?sessionId="), "{endpoint}");
    assert_eq!(scene.running().sessions(), 1);
    assert_eq!(scene.metric("usher_streams_open"), 1);
}

// T02
#[tokio::test]
async fn a_page_of_another_origin_gets_nothing_and_leaves_nothing() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let stream = Ask::stream(&scene, "/sse", &token);
    let post = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));
    let message = Ask::post(&scene, "/messages?sessionId=x", &token, &json!({}));

    for origin in [
        EVIL,
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        &format!("http://{}.evil.example", scene.authority()),
        &format!("http://{}/", scene.authority()),
        &format!("https://{}", scene.authority()),
        "",
    ] {
        for ask in [
            &stream,
            &post,
            &message,
            &stream.clone().with("Accept", "*/*"),
        ] {
            let reply = scene
                .ask(&ask.clone().header("Origin", origin))
                .await
                .is(403);
            assert!(reply.header("access-control-allow-origin").is_none());
        }
    }
    scene.assert_no_state();
    assert_eq!(scene.running().verifier().usage().entries, 0);
}

// T02: the check can't be got around by a path that metadata's rule lets through.
#[tokio::test]
async fn a_path_that_looks_public_does_not_let_another_origin_in() {
    let scene = Scene::new().await;
    let token = scene.token("alice");

    for target in [
        "/.well-known/../sse",
        "/.well-known/%2e%2e/sse",
        "/.well-known/..%2fsse",
        "/.well-known//../sse",
        "//sse",
        "/sse/",
        "/%2e/sse",
        "/.well-known/oauth-protected-resource/../../sse",
    ] {
        let ask = Ask::stream(&scene, target, &token).header("Origin", EVIL);
        let reply = scene.ask(&ask).await;
        assert!(matches!(reply.status, 403 | 404), "{target}: {reply:?}");
    }
    scene.assert_no_state();
}

// T02
#[tokio::test]
async fn our_own_pages_may_call_and_read() {
    let scene = Scene::new().await;
    let origin = format!("http://localhost:{}", scene.address().port());
    let ask = Ask::post(
        &scene,
        "/mcp",
        &scene.token("alice"),
        &initialize(0, "2025-11-25"),
    );

    let reply = scene.ask(&ask.header("Origin", &origin)).await.is(200);

    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some(origin.as_str())
    );
}

// T02: where pages of this machine are let in, those are all.
#[tokio::test]
async fn pages_of_this_machine_are_let_in_where_that_is_set_and_no_others() {
    let scene = Scene::with(|config| config.transport.gate.allow_loopback_origins = true).await;
    let token = scene.token("alice");
    let hello = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));

    for origin in [
        "http://localhost:6274",
        "http://127.0.0.1:1",
        "http://[::1]:9",
    ] {
        let reply = scene
            .ask(&hello.clone().header("Origin", origin))
            .await
            .is(200);
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
    }
    for origin in [
        EVIL,
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1.nip.io",
        "http://localhost@evil.example",
        "http://0.0.0.0:6274",
        "http://192.168.0.1",
        "file://",
        "localhost:6274",
    ] {
        scene
            .ask(&hello.clone().header("Origin", origin))
            .await
            .is(403);
    }
}

// T04
#[tokio::test]
async fn a_name_that_is_not_ours_is_refused_however_it_is_said() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let stream = Ask::stream(&scene, "/sse", &token);

    for host in [
        "evil.example:8080",
        "evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example:80@127.0.0.1",
        "0.0.0.0",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "localhost.",
        "localhost.localdomain",
        "",
        ":80",
    ] {
        scene.ask(&stream.clone().with("Host", host)).await.is(403);
    }
    let absolute = Ask::stream(&scene, "http://evil.example/sse", &token);
    scene.ask(&absolute).await.is(403);
    // Two names, or none, are refused by the HTTP layer or by us.
    let two = stream.clone().header("Host", "evil.example");
    assert!(matches!(scene.ask(&two).await.status, 400 | 403));
    assert!(matches!(
        scene.ask(&stream.without("Host")).await.status,
        400 | 403
    ));
    let old = format!("GET /sse HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
    scene.raw(old).await.is(403);
    scene.assert_no_state();
}

// T04: every page of the server, not only those that need a token.
#[tokio::test]
async fn another_name_sees_neither_home_page_nor_metadata() {
    let scene = Scene::new().await;

    for target in ["/", "/.well-known/oauth-protected-resource", "/nothing"] {
        let ask = Ask::get(&scene, target).with("Host", "evil.example");
        scene.ask(&ask).await.is(403);
    }
}

// T06
#[tokio::test]
async fn what_a_form_can_send_is_not_dispatched() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("bob")).await;

    for content_type in [
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("text/plain; application/json"),
        Some("application/json, text/plain"),
        Some("application/jsonp"),
        Some("application/vnd.api+json"),
        Some(""),
        None,
    ] {
        for ask in [
            sse.message(&call(7, "whoami")),
            mcp.message(&call(7, "whoami")),
        ] {
            let ask = ask.without("Content-Type");
            let ask = match content_type {
                Some(content_type) => ask.header("Content-Type", content_type),
                None => ask,
            };
            scene.ask(&ask).await.is(415);
        }
    }
    assert!(sse.events.is_silent_for(MOMENT).await);
    let charset = sse
        .message(&call(8, "whoami"))
        .with("Content-Type", "Application/JSON; charset=utf-8");
    scene.ask(&charset).await.is(202);
    assert_eq!(sse.events.message().await["id"], 8);
    assert_eq!(mcp.call(9, "whoami").await["id"], 9);
}

// T07
#[tokio::test]
async fn a_client_that_takes_no_stream_or_does_not_say_is_not_acceptable() {
    let scene = Scene::new().await;
    let ask = Ask::post(
        &scene,
        "/mcp",
        &scene.token("alice"),
        &initialize(0, "2025-11-25"),
    );

    for accept in [
        "application/json",
        "text/event-stream",
        "text/html",
        "*",
        "",
    ] {
        scene.ask(&ask.clone().with("Accept", accept)).await.is(406);
    }
    scene.ask(&ask.without("Accept")).await.is(406);
    scene.assert_no_state();
    // A client of 2024-11-05 says nothing when it opens its stream.
    let stream = Ask::stream(&scene, "/sse", &scene.token("alice"));
    scene.events(&stream.clone().without("Accept")).await;
    scene
        .ask(&stream.with("Accept", "application/json"))
        .await
        .is(406);
}

// T08
#[tokio::test]
async fn any_form_is_acceptable_and_q_zero_is_none() {
    let scene = Scene::new().await;
    let ask = Ask::post(
        &scene,
        "/mcp",
        &scene.token("alice"),
        &initialize(0, "2025-11-25"),
    );

    for accept in ["*/*", "text/*, application/*;q=0.1", "*/*;q=0.5"] {
        scene.ask(&ask.clone().with("Accept", accept)).await.is(200);
    }
    for accept in [
        "text/event-stream;q=0, application/json",
        "text/event-stream; Q=0.000, */*",
        "*/*, application/json;q=0",
    ] {
        scene.ask(&ask.clone().with("Accept", accept)).await.is(406);
    }
    let twice = ask
        .with("Accept", "application/json")
        .header("Accept", "text/event-stream");
    scene.ask(&twice).await.is(200);
}

// T09
#[tokio::test]
async fn a_version_that_is_not_served_is_refused_and_those_that_are_are_named() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    for version in [
        "1999-01-01",
        "2025-11-25 ; x",
        "draft",
        "",
        "\u{e9}",
        "2026-07-28x",
    ] {
        for ask in [
            mcp.message(&call(1, "whoami")),
            mcp.stream(&scene),
            mcp.end(&scene),
        ] {
            let reply = scene
                .ask(&ask.with("MCP-Protocol-Version", version))
                .await
                .is(400);
            assert_eq!(reply.code(), -32022);
            let text = reply.text();
            for served in [
                "2024-11-05",
                "2025-03-26",
                "2025-06-18",
                "2025-11-25",
                "2026-07-28",
            ] {
                assert!(text.contains(served), "{served} is not named: {text}");
            }
        }
    }
    assert_eq!(scene.running().sessions(), 1);
}

// T10
#[tokio::test]
async fn without_a_version_header_the_negotiated_version_counts() {
    let scene = Scene::new().await;
    let has_title = |reply: &Value| reply["result"]["tools"][0].get("title").is_some();
    let list = request(1, "tools/list", &json!({}));
    let titled = "whoami";

    for (version, titles) in [
        ("2025-03-26", false),
        ("2025-06-18", true),
        ("2025-11-25", true),
    ] {
        let mcp = Mcp::ready_in(&scene, &scene.token("alice"), version).await;
        assert_eq!(mcp.version, version);

        let ask = mcp.message(&list).without("MCP-Protocol-Version");
        let mut answer = scene.ask(&ask).await.is(200).json();

        let tools = answer["result"]["tools"].as_array_mut().unwrap();
        tools.retain(|tool| tool["name"] == titled);
        assert_eq!(has_title(&answer), titles, "{version}: {answer}");
    }
}

// === T13 to T35, those that hold ===

// T15
#[tokio::test]
async fn a_request_with_two_lengths_is_refused_and_what_follows_is_never_read() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let smuggled = String::from_utf8(Ask::stream(&scene, "/sse", &token).bytes()).unwrap();
    let authority = scene.authority();

    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4, 4",
        "Content-Length: +4",
        "Content-Length: -1",
        "Content-Length: 0x4",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nContent-Length: 4",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\0\r\nContent-Length: 4",
    ] {
        let mut wire = scene.wire().await;
        let ask = format!(
            "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nAccept: */*\r\n{framing}\r\n\r\n0\r\n\r\n{smuggled}"
        );
        wire.send(ask).await;
        wire.reply().await.is(400);
        let rest = wire.rest().await;
        assert!(rest.is_empty(), "{framing}: {rest}");
    }
    scene.assert_no_state();
}

// T15: an HTTP/1.0 request can't carry chunks either. The HTTP layer may close without a word.
#[tokio::test]
async fn chunks_that_are_none_end_the_connection() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let authority = scene.authority();

    for (version, chunks) in [
        ("1.1", "zz\r\n"),
        ("1.1", "fffffffffffffffff\r\n"),
        ("1.1", "-1\r\n"),
        ("1.1", "1\r\nab\r\n0\r\n\r\n"),
        ("1.0", "0\r\n\r\n"),
    ] {
        let ask = format!(
            "POST /mcp HTTP/{version}\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nAccept: */*\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}"
        );
        let mut wire = scene.wire().await;
        wire.send(ask).await;
        let rest = wire.rest().await;
        assert!(
            rest.is_empty() || rest.contains(" 400 "),
            "{chunks}: {rest}"
        );
    }
    scene.assert_no_state();
}

// T18
#[tokio::test]
async fn pipelined_requests_are_answered_in_order_each_under_its_own_token() {
    let scene = Scene::new().await;
    let tokens = [scene.token("alice"), scene.token("bob")];
    let subjects = ["alice", "bob"];
    let mut wire = scene.wire().await;
    let mut all = Vec::new();
    for id in 0..32 {
        let params = json!({ "name": "whoami", "arguments": {} });
        let ask = Ask::modern(&scene, &tokens[id % 2], id as u64, "tools/call", params);
        wire.note(&ask);
        all.extend(ask.bytes());
    }

    wire.send(all).await;

    for id in 0..32 {
        let answer = wire.reply().await.is(200).json();
        assert_eq!(answer["id"], id);
        let claims = &answer["result"]["structuredContent"];
        assert_eq!(claims["sub"], subjects[id % 2], "{answer}");
    }
}

// T19
#[tokio::test]
async fn of_two_authorization_headers_neither_is_used() {
    let scene = Scene::new().await;
    let (alice, bob) = (scene.token("alice"), scene.token("bob"));

    for second in [&bob, &alice, "", "x"] {
        for target in ["/sse", "/mcp"] {
            let ask = Ask::stream(&scene, target, &alice).bearer(second);
            // Whoever is let in gets a stream, which does not end.
            let reply = timeout(BOUND, scene.ask(&ask)).await.expect("no stream");
            let reply = reply.is(400);
            assert!(reply.challenge().contains("error=\"invalid_request\""));
        }
    }
    scene.assert_no_state();
    assert_eq!(scene.running().verifier().usage().entries, 0);
}

// T21
#[tokio::test]
async fn a_header_with_underscores_is_another_header() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    let renamed = mcp
        .message(&call(1, "whoami"))
        .without("Mcp-Session-Id")
        .header("Mcp_Session_Id", &mcp.id);
    scene.ask(&renamed).await.is(400);
    for name in [
        "AUTHORIZATION_",
        "_Authorization",
        "HTTP_AUTHORIZATION",
        "X-Authorization",
    ] {
        let ask = mcp
            .message(&call(1, "whoami"))
            .without("Authorization")
            .header(name, &format!("Bearer {}", mcp.token));
        scene.ask(&ask).await.is(401);
    }
}

// T23
#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_closes() {
    let scene = Scene::new().await;
    let mut many = Ask::stream(&scene, "/sse", &scene.token("alice"));
    while many.headers.len() < 97 {
        many = many.header("X", "y");
    }
    let long = Ask::get(&scene, "/").header("X", &"y".repeat(129 * 1024));

    for ask in [many, long] {
        let mut wire = scene.wire().await;
        wire.ask(&ask).await.is(431);
        assert!(wire.rest().await.is_empty());
    }
    // The HTTP layer calls this one malformed; it is refused and closed all the same.
    let target = format!("/{}", "a".repeat(64 * 1024));
    let mut wire = scene.wire().await;
    let reply = wire.ask(&Ask::get(&scene, &target)).await;
    assert!(matches!(reply.status, 400 | 414 | 431), "{reply:?}");
    assert!(wire.rest().await.is_empty());
    scene.assert_no_state();
}

// T24
#[tokio::test]
async fn whatever_a_tool_says_is_one_event_and_comes_back_the_same() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    let answer = sse.call(1, "odd").await;
    assert_eq!(answer["result"]["content"][0]["text"], ODD);
    let answer = mcp.call(1, "odd").await;
    assert_eq!(answer["result"]["content"][0]["text"], ODD);
    let params = json!({ "name": "echo", "arguments": { "text": ODD } });
    let answer = sse.ask(&request(2, "tools/call", &params)).await;
    assert_eq!(answer["result"]["structuredContent"]["said"], ODD);

    // What is no text at all is refused, not repaired.
    let lone = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"echo","arguments":{"text":"\ud800"}}}"#;
    let reply = scene.ask(&mcp.message(&json!({})).body(lone)).await;
    assert_eq!(reply.code(), -32602, "{reply:?}");
}

// T27
#[tokio::test]
async fn a_member_that_is_misspelt_or_there_twice_is_not_dispatched() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let template = mcp.message(&json!({}));

    for body in [
        r#"{"jsonrpc":"2.0","id":1,"Method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"METHOD":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#,
        r#"{"id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r"7",
        r"null",
        r#""tools/list""#,
    ] {
        let reply = scene.ask(&template.clone().body(body)).await.is(400);
        assert_eq!(reply.code(), -32600, "{body}");
    }
    // Params that are misspelt are no params.
    for body in [
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"param\u{17f}\":{\"name\":\"whoami\"}}",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{"name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","name":"echo"}}"#,
    ] {
        let reply = scene.ask(&template.clone().body(body)).await;
        assert_eq!(reply.code(), -32602, "{body}: {reply:?}");
    }
    assert_eq!(
        scene.metric("usher_calls_total{tool=\"whoami\",outcome=\"ok\"}"),
        0
    );
}

// T28
#[tokio::test]
async fn a_batch_is_refused_and_nothing_of_it_runs() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready_in(&scene, &scene.token("alice"), "2025-06-18").await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let batch = json!([call(1, "whoami"), call(2, "whoami")]);

    for body in [batch, json!([]), json!([call(3, "whoami")])] {
        for ask in [mcp.message(&body), sse.message(&body)] {
            assert_eq!(scene.ask(&ask).await.is(400).code(), -32600);
        }
    }
    assert!(sse.events.is_silent_for(MOMENT).await);
    assert_eq!(
        scene.metric("usher_calls_total{tool=\"whoami\",outcome=\"ok\"}"),
        0
    );
}

// T29
#[tokio::test]
async fn a_body_that_is_no_json_in_utf8_is_a_parse_error() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let sse = Sse::ready(&scene, &scene.token("alice")).await;
    let good = call(1, "whoami").to_string();
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(good.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();

    for body in [
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec(),
        utf16,
        [b"\xef\xbb\xbf".as_slice(), good.as_bytes()].concat(),
        format!("{good}{good}").into_bytes(),
        format!("{good}x").into_bytes(),
        good.as_bytes()[..good.len() - 1].to_vec(),
        b"{'jsonrpc':'2.0'}".to_vec(),
        b"{\"jsonrpc\":\"2.0\",}".to_vec(),
        b"NaN".to_vec(),
        b"[1".to_vec(),
        b"\0".to_vec(),
        Vec::new(),
    ] {
        for ask in [mcp.message(&Value::Null), sse.message(&Value::Null)] {
            let reply = scene.ask(&ask.body(body.clone())).await.is(400);
            assert_eq!(reply.code(), -32700, "{body:?}");
        }
    }
}

// T30
#[tokio::test]
async fn a_method_that_an_endpoint_does_not_have_is_refused_with_those_it_has() {
    let scene = Scene::new().await;
    let token = scene.token("alice");

    for (target, allowed, not) in [
        (
            "/mcp",
            "GET, POST, DELETE",
            &["HEAD", "PUT", "PATCH", "TRACE", "OPTIONS", "X"][..],
        ),
        (
            "/sse",
            "GET",
            &["HEAD", "PUT", "PATCH", "TRACE", "DELETE", "POST"],
        ),
        (
            "/messages",
            "POST",
            &["HEAD", "GET", "PUT", "PATCH", "TRACE", "DELETE"],
        ),
        (
            "/.well-known/oauth-protected-resource",
            "GET, HEAD",
            &["POST", "PUT", "DELETE", "TRACE"],
        ),
        (
            "/",
            "GET, HEAD",
            &["POST", "PUT", "DELETE", "TRACE", "OPTIONS"],
        ),
    ] {
        for method in not {
            let mut wire = scene.wire().await;
            let ask = Ask::new(&scene, method, target)
                .bearer(&token)
                .header("X-Canary", "c4nary");

            let reply = wire.ask(&ask).await.is(405);

            assert_eq!(reply.header("allow"), Some(allowed), "{method} {target}");
            assert!(!reply.text().contains("c4nary"));
            // The connection is in step: the next answer is the next request's.
            wire.ask(&Ask::get(&scene, "/nothing")).await.is(404);
        }
    }
    scene.assert_no_state();
}

// T30: what is only to be read, and what is not there at all.
#[tokio::test]
async fn no_method_is_answered_but_by_what_knows_it() {
    let scene = Scene::new().await;

    for method in ["HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS"] {
        for target in ["/nothing", "/%6dcp", "/mc%70", "/ss%65"] {
            let mut wire = scene.wire().await;
            let reply = wire.ask(&Ask::new(&scene, method, target)).await;
            assert!(
                matches!(reply.status, 401 | 404 | 405),
                "{method} {target}: {reply:?}"
            );
            wire.ask(&Ask::get(&scene, "/nothing")).await.is(404);
        }
    }
    // However it is written, an endpoint wants its token.
    for target in ["/%6dcp", "/ss%65", "/mcp?x", "/sse?sessionId=x", "/mcp#x"] {
        let reply = scene.ask(&Ask::get(&scene, target)).await;
        assert!(
            matches!(reply.status, 400 | 401 | 404),
            "{target}: {reply:?}"
        );
    }
    scene.assert_no_state();
}

// T30: who only wants to know whether there is a page.
#[tokio::test]
async fn the_home_page_has_a_head() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;

    let reply = wire.ask(&Ask::new(&scene, "HEAD", "/")).await.is(200);

    assert_eq!(reply.text(), "");
    wire.ask(&Ask::get(&scene, "/nothing")).await.is(404);
}

// T30
#[tokio::test]
async fn a_tunnel_is_not_opened() {
    let scene = Scene::new().await;
    let authority = scene.authority();

    for target in [authority.as_str(), "/mcp", "/sse", "evil.example:443"] {
        let mut wire = scene.wire().await;
        let ask = Ask::new(&scene, "CONNECT", target).bearer(&scene.token("alice"));
        let reply = wire.ask(&ask).await;
        assert!(reply.status >= 400, "{target}: {reply:?}");
        wire.send(Ask::get(&scene, "/").bytes()).await;
        wire.finish().await;
        assert!(!wire.rest().await.contains(" 200 "), "{target}");
    }
}

// T30
#[tokio::test]
async fn a_preflight_from_elsewhere_allows_nothing_and_from_ours_no_more_than_needed() {
    let scene = Scene::new().await;
    let preflight = Ask::new(&scene, "OPTIONS", "/mcp")
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization, mcp-session-id",
        );

    let reply = scene
        .ask(&preflight.clone().header("Origin", EVIL))
        .await
        .is(403);
    assert!(
        reply
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("access-control"))
    );

    let ours = format!("http://{}", scene.authority());
    let reply = scene
        .ask(&preflight.clone().header("Origin", &ours))
        .await
        .is(204);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some(ours.as_str())
    );
    assert!(reply.header("access-control-allow-credentials").is_none());
    // Without an origin there is nobody to allow anything to.
    scene.ask(&preflight).await.is(405);
}

// T33
#[tokio::test]
async fn a_client_that_leaves_takes_its_session_along() {
    let scene = Scene::new().await;
    let token = scene.token("alice");

    let mut finished = Sse::ready(&scene, &token).await;
    finished.events.finish().await;
    within(Duration::from_secs(2), "FIN is noticed", || {
        scene.running().sessions() == 0
    })
    .await;

    let reset = Sse::ready(&scene, &token).await;
    reset.events.reset();
    within(Duration::from_secs(2), "RST is noticed", || {
        scene.running().sessions() == 0
    })
    .await;
    eventually("streams are closed", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
    scene.assert_no_state();
}

// T33: with its pipeline full, a server reads no more, and so sees no end; its own comments do.
#[tokio::test]
async fn a_client_that_pipelines_behind_its_stream_and_leaves_is_noticed_too() {
    let scene = Scene::with(|config| {
        config.transport.keep_alive = HumanDuration::new(Duration::from_millis(100));
    })
    .await;
    let stream = Ask::stream(&scene, "/sse", &scene.token("alice"));
    let mut wire = scene.wire().await;
    wire.send_ask(&stream).await;
    scene.sessions(1).await;
    for _ in 0..100 {
        wire.send(Ask::get(&scene, "/").bytes()).await;
    }

    drop(wire);

    within(Duration::from_secs(5), "the end is noticed", || {
        scene.running().sessions() == 0
    })
    .await;
}

// T33: the stream of a Streamable HTTP session ends without the session.
#[tokio::test]
async fn a_stream_that_was_got_may_end_and_be_got_again() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    for _ in 0..3 {
        let events = scene.events(&mcp.stream(&scene)).await;
        events.reset();
        eventually("the stream is closed", || {
            scene.metric("usher_streams_open") == 0
        })
        .await;
    }
    assert_eq!(scene.running().sessions(), 1);
}

// T34
#[tokio::test]
async fn a_notification_or_a_response_is_accepted_without_a_word() {
    let scene = Scene::new().await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    for message in [
        notification("notifications/cancelled"),
        notification("notifications/of-another-age"),
        json!({ "jsonrpc": "2.0", "id": 7, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": "7", "error": { "code": 1, "message": "no" } }),
    ] {
        let reply = mcp.post(&message).await.is(202);
        assert!(reply.body.is_empty(), "{}", reply.text());
    }
}

// T34: nothing is said either where there is no session to hear it in (2026-07-28).
#[tokio::test]
async fn a_notification_without_a_session_is_accepted_without_a_word() {
    let scene = Scene::new().await;
    let token = scene.token("alice");

    for method in ["notifications/cancelled", "notifications/of-another-age"] {
        let mut message = notification(method);
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        let ask = Ask::post(&scene, "/mcp", &token, &message)
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method);
        let reply = scene.ask(&ask).await.is(202);
        assert!(reply.body.is_empty(), "{}", reply.text());
    }
    scene.assert_no_state();
}

// T35, scaled
#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments_that_carry_nothing() {
    let scene = Scene::with(|config| {
        config.transport.keep_alive = HumanDuration::new(Duration::from_millis(50));
    })
    .await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut got = scene.events(&mcp.stream(&scene)).await;
    assert_eq!(
        got.next().await,
        Some(Item::Comment("stream open".to_owned()))
    );

    for _ in 0..5 {
        let comment = Some(Item::Comment("keep-alive".to_owned()));
        assert_eq!(sse.events.next().await, comment);
        assert_eq!(got.next().await, comment);
    }
    sse.tell(&call(1, "whoami")).await;
    assert_eq!(sse.events.message().await["id"], 1);
}

// T35: an answer that takes its time is a stream, and alive meanwhile.
#[tokio::test]
async fn a_slow_answer_becomes_a_stream_with_comments_and_ends_with_the_answer() {
    let gate = Gate::default();
    let scene = Scene::of(
        |config| {
            config.transport.keep_alive = HumanDuration::new(Duration::from_millis(50));
        },
        vec![gate.tool()],
    )
    .await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    let mut events = scene.events(&mcp.message(&call(5, "wait"))).await;
    for comment in ["primed", "keep-alive"] {
        assert_eq!(events.next().await, Some(Item::Comment(comment.to_owned())));
    }
    gate.release(1);

    assert_eq!(events.message().await["id"], 5);
    assert_eq!(events.next().await, None);
    eventually("the stream is closed", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
}
