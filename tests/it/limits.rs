//! Groups O and F, as far as one connection shows them: sizes, depths, deadlines, and tools that fail.

use std::{io::Write as _, time::Duration};

use mcp_usher::{
    handler::{CallContext, NoArguments, Tool},
    units::ByteSize,
};
use serde_json::{Value, json};

use crate::kit::{
    Ask, Mcp, Scene, Sse, eventually,
    mcp::{call, initialize},
    within,
};

/// `initialize` with so many bytes of white space around it.
fn padded(length: usize) -> String {
    let message = initialize(0, "2025-11-25").to_string();
    format!("{message}{}", " ".repeat(length - message.len()))
}

// O01
#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_unread() {
    let scene = Scene::with(|config| config.transport.body.max = ByteSize::from_kib(64)).await;
    let token = scene.token("alice");
    let post = Ask::post(&scene, "/mcp", &token, &Value::Null);

    scene
        .ask(&post.clone().body(padded(64 * 1024)))
        .await
        .is(200);
    let mut wire = scene.wire().await;
    let announced = post
        .clone()
        .body("{")
        .header("Content-Length", &(64 * 1024 + 1).to_string());
    wire.ask(&announced).await.is(413);
    assert!(wire.rest().await.is_empty());
    let sse = Sse::ready(&scene, &token).await;
    scene
        .ask(&sse.message(&Value::Null).body(padded(64 * 1024 + 1)))
        .await
        .is(413);
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"transport.body_max\"}"),
        2
    );
}

// O01
#[tokio::test]
async fn a_body_without_an_end_is_cut_off_at_the_limit() {
    let scene = Scene::with(|config| config.transport.body.max = ByteSize::from_kib(64)).await;
    let post = Ask::post(&scene, "/mcp", &scene.token("alice"), &Value::Null)
        .body("")
        .header("Transfer-Encoding", "chunked");
    let mut wire = scene.wire().await;
    wire.send_ask(&post).await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));

    for _ in 0..32 {
        wire.send(&chunk).await;
    }

    wire.reply().await.is(413);
    assert!(wire.rest().await.is_empty());
    scene.assert_no_state();
}

// O01, O07: a body that nobody reads ends its connection, or whoever sends it could keep that for ever.
#[tokio::test]
async fn a_stranger_does_not_keep_a_connection_by_a_body_without_an_end() {
    let scene = Scene::new().await;
    let token = scene.token("alice");

    for (ask, status) in [
        (Ask::new(&scene, "POST", "/mcp"), 401),
        (Ask::new(&scene, "POST", "/messages?sessionId=x"), 401),
        (Ask::new(&scene, "GET", "/sse"), 401),
        (Ask::new(&scene, "POST", "/nothing"), 404),
        (Ask::new(&scene, "PUT", "/mcp"), 405),
        (
            Ask::new(&scene, "POST", "/mcp").with("Host", "evil.example"),
            403,
        ),
        (
            Ask::new(&scene, "POST", "/mcp").header("Origin", "null"),
            403,
        ),
        (
            Ask::post(&scene, "/messages?sessionId=x", &token, &Value::Null).body(""),
            404,
        ),
        (Ask::new(&scene, "GET", "/"), 200),
    ] {
        let mut wire = scene.wire().await;
        let reply = wire
            .ask(&ask.header("Transfer-Encoding", "chunked"))
            .await
            .is(status);
        assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
        let answered = std::time::Instant::now();
        while wire.is_silent_for(Duration::from_millis(50)).await {
            wire.send("1\r\n \r\n").await;
            assert!(
                answered.elapsed() < Duration::from_secs(4),
                "{status}: still open"
            );
        }
    }
}

// O01: small pieces of one body arrive as one body.
#[tokio::test]
async fn a_body_in_many_small_chunks_is_one_body() {
    let scene = Scene::new().await;
    let message = initialize(0, "2025-11-25").to_string();
    let post = Ask::post(&scene, "/mcp", &scene.token("alice"), &Value::Null)
        .body("")
        .header("Transfer-Encoding", "chunked");
    let mut wire = scene.wire().await;
    wire.send_ask(&post).await;

    for byte in message.bytes() {
        wire.send([b"1\r\n".as_slice(), &[byte], b"\r\n"].concat())
            .await;
    }
    wire.send("0\r\n\r\n").await;

    wire.reply().await.is(200);
}

// O02
#[tokio::test]
async fn json_that_is_too_deep_is_no_json() {
    let scene = Scene::new().await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut sse = Sse::ready(&scene, &scene.token("bob")).await;
    // The message itself, its params and its arguments are three levels.
    let body = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 3), "]".repeat(depth - 3));
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":\
             {{\"name\":\"echo\",\"arguments\":{{\"text\":{open}{close}}}}}}}"
        )
    };

    let deepest = mcp.message(&Value::Null).body(body(64));
    assert!(mcp.posts.ask(&deepest).await.is(200).json()["result"].is_object());
    for depth in [65, 129, 100_000] {
        for ask in [mcp.message(&Value::Null), sse.message(&Value::Null)] {
            assert_eq!(
                scene.ask(&ask.body(body(depth))).await.is(400).code(),
                -32700
            );
        }
    }
    let unclosed = mcp.message(&Value::Null).body("[".repeat(1_000_000));
    assert_eq!(scene.ask(&unclosed).await.is(400).code(), -32700);
    sse.call(2, "whoami").await;
    mcp.call(2, "whoami").await;
}

// O02: the same inside of a token.
#[tokio::test]
async fn a_token_that_is_too_deep_is_no_token() {
    let scene = Scene::new().await;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2_500), "]".repeat(2_500));

    let token = scene.key.token_with(&scene.key.header(), &deep);

    scene
        .ask(&Ask::stream(&scene, "/sse", &token))
        .await
        .is(401);
}

// O05
#[tokio::test]
async fn a_compressed_body_is_not_taken() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let sse = Sse::ready(&scene, &scene.token("bob")).await;
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    bomb.write_all(&[0; 4_096]).unwrap();

    for ask in [mcp.message(&Value::Null), sse.message(&Value::Null)] {
        for encoding in [
            "gzip",
            "br",
            "zstd",
            "deflate",
            "gzip, gzip, gzip",
            "identity, gzip",
            "x",
        ] {
            let ask = ask
                .clone()
                .header("Content-Encoding", encoding)
                .body(bomb.clone());
            scene.ask(&ask).await.is(415);
        }
        let twice = ask
            .clone()
            .header("Content-Encoding", "identity")
            .header("Content-Encoding", "gzip")
            .body(bomb.clone());
        scene.ask(&twice).await.is(415);
    }
    let plain = mcp
        .message(&call(1, "whoami"))
        .header("Content-Encoding", "identity");
    scene.ask(&plain).await.is(200);
}

// O07, one of them
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_given_up() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    let started = std::time::Instant::now();
    let head = Ask::stream(&scene, "/sse", &scene.token("alice")).bytes();

    wire.send(&head[..head.len() - 2]).await;
    let said = wire.rest().await;

    assert!(said.is_empty() || said.contains(" 408 "), "{said}");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    scene.assert_no_state();
}

// O15
#[tokio::test]
async fn a_flood_of_bad_tokens_leaves_nothing() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;

    for number in 0..500 {
        let token = scene.token_with(&format!("user{number}"), &json!({ "exp": 1 }));
        let ask = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));
        let reply = wire.ask(&ask).await.is(401);
        // A connection that is not kept is said to be, or the next request would be lost.
        if reply.header("connection") == Some("close") {
            assert!(wire.rest().await.is_empty());
            wire = scene.wire().await;
        }
    }

    scene.assert_no_state();
    assert_eq!(scene.running().verifier().usage().entries, 0);
}

fn large() -> Tool {
    Tool::new(
        "large",
        "Says much.",
        |_: CallContext, _: NoArguments| async move { Ok("x".repeat(1 << 20)) },
    )
}

// O10, one of them: whoever does not read loses the stream, and nobody waits for it.
#[tokio::test]
async fn a_reader_that_does_not_read_loses_its_stream() {
    let scene = Scene::of(|_| (), vec![large()]).await;
    let mut slow = Sse::ready(&scene, &scene.token("alice")).await;
    let mut healthy = Sse::ready(&scene, &scene.token("bob")).await;

    let mut id = 0;
    loop {
        id += 1;
        let ask = slow.message(&call(id, "large"));
        let reply = slow.posts.ask(&ask).await;
        if reply.status != 202 {
            assert_eq!(reply.status, 404, "{reply:?}");
            break;
        }
        assert!(id < 200, "200 MiB were queued");
        assert_eq!(healthy.call(id, "whoami").await["id"], id);
    }

    scene.sessions(1).await;
    assert_eq!(
        scene.metric("usher_sessions_closed_total{reason=\"slow_reader\"}"),
        1
    );
}

// O10: the session is freed at once; what it was written to has to go, too.
#[tokio::test]
async fn a_reader_that_does_not_read_loses_its_connection() {
    let scene = Scene::of(|_| (), vec![large()]).await;
    let mut slow = Sse::ready(&scene, &scene.token("alice")).await;

    for id in 0..200 {
        let ask = slow.message(&call(id, "large"));
        if slow.posts.ask(&ask).await.status != 202 {
            break;
        }
    }

    scene.sessions(0).await;
    within(Duration::from_secs(15), "the stream is closed", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
}

// O07: the deadline for a head counts on a connection's first request only.
#[ignore = "does not hold: actix-http has no deadline for the head of a later request"]
#[tokio::test]
async fn a_later_head_that_never_ends_is_given_up_too() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    wire.ask(&Ask::get(&scene, "/nothing")).await.is(404);

    wire.send("G").await;

    let rest = tokio::time::timeout(Duration::from_secs(8), wire.rest()).await;
    assert!(rest.is_ok(), "still open");
}

// F22
#[tokio::test]
async fn a_tool_that_fails_or_panics_harms_nobody_else() {
    let mut scene = Scene::new().await;
    scene.expect_panics(2);
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut sse = Sse::ready(&scene, &scene.token("bob")).await;

    for answer in [mcp.call(1, "panics").await, sse.call(1, "panics").await] {
        assert_eq!(answer["result"]["isError"], true);
        assert!(!answer.to_string().contains("meant"), "{answer}");
    }
    let failed = mcp.call(2, "broken").await;
    assert_eq!(failed["result"]["isError"], true);
    assert_eq!(failed["result"]["content"][0]["text"], "no such note");
    assert_eq!(mcp.call(3, "nothing").await["error"]["code"], -32602);
    assert_eq!(
        sse.call(4, "whoami").await["result"]["structuredContent"]["sub"],
        "bob"
    );
    eventually("both live", || scene.running().sessions() == 2).await;
}
