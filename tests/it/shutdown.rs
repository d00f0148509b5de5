//! F12, F13: the server stops, and nobody is cut off who had a call running.

use std::time::{Duration, Instant};

use mcp_usher::units::HumanDuration;
use serde_json::json;

use crate::kit::{
    Ask, BOUND, Mcp, Scene, Sse, eventually,
    issuer::Endpoint,
    mcp::{call, initialize},
    process::Usher,
    scene::admin,
    tools::Gate,
};

/// Flags that have every token asked about, so that a test can hold a call back at the issuer.
const INTROSPECTING: [&str; 6] = [
    "--set",
    "issuer.verification=introspection",
    "--set",
    "issuer.introspection_client_id=usher",
    "--set",
    "issuer.introspection_client_secret=s3cret",
];

/// Waits until the admin listener says that the server is stopping.
async fn draining(usher: &Usher) {
    let started = Instant::now();
    while !admin(usher.admin(), "/readyz").await.1.contains("stopping") {
        assert!(started.elapsed() < BOUND, "not draining");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

// F12, F13
#[tokio::test]
async fn a_signal_ends_streams_with_a_reason_and_the_process_with_zero() {
    for signal in ["TERM", "INT"] {
        let (scene, mut usher) = Scene::of_binary(&[]).await;
        let token = scene.token("alice");
        let mut sse = Sse::ready(&scene, &token).await;
        let mcp = Mcp::ready(&scene, &token).await;
        let mut got = scene.events(&mcp.stream(&scene)).await;
        sse.call(1, "whoami").await;

        usher.signal(signal);

        assert_eq!(
            sse.events.farewell().await,
            "closed: the server is stopping"
        );
        assert_eq!(got.farewell().await, "closed: the server is stopping");
        let (code, logs) = usher.end(Duration::from_secs(10));
        assert_eq!(code, Some(0), "{logs}");
        assert!(logs.contains("stopped") && !logs.contains("WARN"), "{logs}");
    }
}

// F12
#[tokio::test]
async fn a_call_in_flight_is_finished_before_the_process_ends() {
    let (scene, mut usher) = Scene::of_binary(&INTROSPECTING).await;
    let audience = scene.url("/mcp");
    scene
        .issuer
        .know("good", json!({ "sub": "alice", "aud": audience }));
    let gate = scene.issuer.hold(Endpoint::Introspection);
    let ask = Ask::modern(&scene, "good", 1, "tools/call", json!({ "name": "whoami" }));
    let mut wire = scene.wire().await;
    wire.send_ask(&ask).await;
    eventually("the issuer is asked", || {
        scene.issuer.count(Endpoint::Introspection) == 1
    })
    .await;

    usher.signal("TERM");
    draining(&usher).await;
    gate.add_permits(1);

    let answer = wire.reply().await.is(200).json();
    assert_eq!(answer["result"]["structuredContent"]["sub"], "alice");
    let (code, logs) = usher.end(Duration::from_secs(10));
    assert_eq!(code, Some(0), "{logs}");
}

// F13
#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let (scene, mut usher) = Scene::of_binary(&INTROSPECTING).await;
    let _held = scene.issuer.hold(Endpoint::Introspection);
    let ask = Ask::modern(&scene, "good", 1, "tools/call", json!({ "name": "whoami" }));
    let mut wire = scene.wire().await;
    wire.send_ask(&ask).await;
    eventually("the issuer is asked", || {
        scene.issuer.count(Endpoint::Introspection) == 1
    })
    .await;

    usher.signal("TERM");
    draining(&usher).await;
    let second = Instant::now();
    usher.signal("TERM");

    let (code, logs) = usher.end(Duration::from_secs(10));
    assert!(
        second.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        second.elapsed()
    );
    assert!(code.is_some(), "{logs}");
    assert!(logs.contains("at once"), "{logs}");
}

// F12
#[tokio::test]
async fn while_it_stops_calls_end_and_nothing_new_begins() {
    let gate = Gate::default();
    let mut scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let token = scene.token("alice");
    let mut sse = Sse::ready(&scene, &token).await;
    let mcp = Mcp::ready(&scene, &token).await;
    let mut idle = Sse::ready(&scene, &token).await;
    sse.tell(&call(1, "wait")).await;
    let mut waiting = scene.wire().await;
    waiting.send_ask(&mcp.message(&call(2, "wait"))).await;
    eventually("the calls run", || gate.begun() == 2).await;
    let admin_address = scene.running().admin();

    let stopping = scene.stop();

    // Who has nothing running is let go at once, the others when they are done.
    assert_eq!(
        idle.events.farewell().await,
        "closed: the server is stopping"
    );
    assert_eq!(admin(admin_address, "/readyz").await.0, 503);
    assert_eq!(admin(admin_address, "/livez").await.0, 200);
    scene
        .ask(&Ask::stream(&scene, "/sse", &token))
        .await
        .is(503);
    let hello = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));
    scene.ask(&hello).await.is(503);
    scene.ask(&sse.message(&call(3, "whoami"))).await.is(503);
    assert!(!stopping.is_finished());
    gate.release(2);

    assert_eq!(sse.events.message().await["id"], 1);
    assert_eq!(
        sse.events.farewell().await,
        "closed: the server is stopping"
    );
    assert_eq!(waiting.reply().await.is(200).json()["id"], 2);
    stopping.await.unwrap();
    assert!(
        tokio::net::TcpStream::connect(scene.address())
            .await
            .is_err()
    );
}

// F12
#[tokio::test]
async fn a_call_that_never_ends_does_not_hold_the_server() {
    let gate = Gate::default();
    let mut scene = Scene::of(
        |config| config.server.drain_after = HumanDuration::from_secs(1),
        vec![gate.tool()],
    )
    .await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    sse.tell(&call(1, "wait")).await;
    eventually("the call runs", || gate.begun() == 1).await;

    let started = Instant::now();
    scene.stop().await.unwrap();

    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(gate.ended(), 0);
}
