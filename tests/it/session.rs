//! Group S: sessions, and those who want somebody else's.

use std::{
    collections::HashSet,
    fmt::Write as _,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use mcp_usher::{
    handler::{CallContext, NoArguments, Tool},
    units::HumanDuration,
};
use serde_json::{Value, json};

use crate::kit::{
    Ask, BOUND, Mcp, Scene, Sse, eventually,
    mcp::{call, initialize},
    notification, request,
    tools::Gate,
    within,
};

/// Long enough for something that must not come to have come.
const MOMENT: Duration = Duration::from_millis(150);

/// Well-formed, and nobody's.
const UNKNOWN: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn millis(milliseconds: u64) -> HumanDuration {
    HumanDuration::new(Duration::from_millis(milliseconds))
}

/// The same request for another session.
fn of_session(ask: &Ask, id: &str) -> Ask {
    if ask.target.starts_with("/messages") {
        let mut ask = ask.clone();
        ask.target = format!("/messages?sessionId={id}");
        return ask;
    }
    ask.clone().with("Mcp-Session-Id", id)
}

// S01
#[tokio::test]
async fn session_ids_are_unique_and_have_nothing_in_common() {
    let scene = Scene::with(|config| config.router.per_principal_max = 1_000).await;
    let token = scene.token("alice");
    let mut ids = HashSet::new();
    let mut wire = scene.wire().await;
    let hello = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));

    for _ in 0..200 {
        let reply = wire.ask(&hello).await.is(200);
        ids.insert(reply.header("mcp-session-id").unwrap().to_owned());
    }
    let mut streams = Vec::new();
    for _ in 0..50 {
        let sse = Sse::open(&scene, &token).await;
        ids.insert(sse.id().to_owned());
        streams.push(sse);
    }

    assert_eq!(ids.len(), 250);
    // 128 bits in base64url; each place takes many values, so none is a counter or a clock.
    for place in 0..21 {
        let values: HashSet<_> = ids.iter().map(|id| id.as_bytes()[place]).collect();
        assert!(
            values.len() > 32,
            "place {place} takes {} values",
            values.len()
        );
    }
}

// S02
#[tokio::test]
async fn a_stranger_is_told_what_is_told_of_a_session_that_is_none() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut got = scene.events(&mcp.stream(&scene)).await;
    got.next().await;
    let bob = scene.token("bob");
    let by_bob = |ask: Ask| ask.with("Authorization", &format!("Bearer {bob}"));
    let requests = [
        sse.message(&call(1, "whoami")),
        sse.message(&notification("notifications/cancelled")),
        sse.message(&json!({ "not": "json-rpc" })),
        sse.message(&json!({})).body("{"),
        mcp.message(&call(1, "whoami")),
        mcp.message(&call("text", "whoami")),
        mcp.message(&notification("notifications/cancelled")),
        mcp.message(&json!({ "jsonrpc": "2.0", "id": 1, "result": {} })),
        mcp.stream(&scene),
        mcp.end(&scene),
    ];
    let mut mismatches = 0;
    // Known from now on, so that both questions take the same way.
    scene
        .ask(&by_bob(Ask::get(&scene, "/sse")).with("Accept", "x/y"))
        .await
        .is(406);

    for ask in requests {
        let strangers = by_bob(ask);
        let nobodys = of_session(&strangers, UNKNOWN);
        let told = scene.ask(&strangers).await.is(404);
        let unknown = scene.ask(&nobodys).await.is(404);

        assert_eq!(told.comparable(), unknown.comparable(), "{strangers:?}");
        assert_eq!(told.code(), -32001);
        mismatches += 1;
        assert_eq!(
            scene.metric("usher_session_owner_mismatch_total"),
            mismatches
        );
    }

    assert!(sse.events.is_silent_for(MOMENT).await);
    assert!(got.is_silent_for(MOMENT).await);
    assert_eq!(
        sse.call(2, "whoami").await["result"]["structuredContent"]["sub"],
        "alice"
    );
    assert_eq!(
        mcp.call(2, "whoami").await["result"]["structuredContent"]["sub"],
        "alice"
    );
}

// S02: nor does `initialize` tell whether a session of that name lives.
#[tokio::test]
async fn a_stranger_learns_nothing_from_initialize_either() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let hello = Ask::post(
        &scene,
        "/mcp",
        &scene.token("bob"),
        &initialize(0, "2025-11-25"),
    );

    let named = scene
        .ask(&hello.clone().header("Mcp-Session-Id", &mcp.id))
        .await
        .is(200);
    let unnamed = scene
        .ask(&hello.header("Mcp-Session-Id", UNKNOWN))
        .await
        .is(200);

    assert_eq!(named.text(), unnamed.text());
    assert_ne!(named.header("mcp-session-id"), Some(mcp.id.as_str()));
}

// S02: ids of one transport are unknown to the other, even to their owner.
#[tokio::test]
async fn a_session_of_the_other_transport_is_unknown() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let mut sse = Sse::ready(&scene, &token).await;
    let mut mcp = Mcp::ready(&scene, &token).await;

    for ask in [
        mcp.message(&call(1, "whoami")),
        mcp.stream(&scene),
        mcp.end(&scene),
    ] {
        scene.ask(&of_session(&ask, sse.id())).await.is(404);
    }
    scene
        .ask(&of_session(&sse.message(&call(1, "whoami")), &mcp.id))
        .await
        .is(404);
    sse.call(2, "whoami").await;
    mcp.call(2, "whoami").await;
}

// S03
#[tokio::test]
async fn another_agent_of_the_same_user_is_a_stranger() {
    let scene = Scene::new().await;
    let sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    for changes in [
        json!({ "client_id": "other" }),
        json!({ "client_id": null }),
        json!({ "client_id": null, "azp": "other" }),
        json!({ "client_id": "Agent" }),
        json!({ "client_id": "agent " }),
    ] {
        let token = format!("Bearer {}", scene.token_with("alice", &changes));
        for ask in [
            sse.message(&call(1, "whoami")),
            mcp.message(&call(1, "whoami")),
            mcp.stream(&scene),
            mcp.end(&scene),
        ] {
            scene.ask(&ask.with("Authorization", &token)).await.is(404);
        }
    }
    assert_eq!(scene.running().sessions(), 2);
}

// S06
#[tokio::test]
async fn a_refreshed_token_carries_its_session_on() {
    let scene = Scene::new().await;
    let first = scene.token_with(
        "alice",
        &json!({ "jti": "1", "exp": crate::kit::scene::NOW + 100 }),
    );
    let fresh = scene.token_with(
        "alice",
        &json!({ "jti": "2", "exp": crate::kit::scene::NOW + 900 }),
    );
    let mut kept = Sse::ready(&scene, &first).await;
    let mut left = Sse::ready(&scene, &first).await;

    let refreshed = kept
        .message(&call(1, "whoami"))
        .with("Authorization", &format!("Bearer {fresh}"));
    scene.ask(&refreshed).await.is(202);
    assert_eq!(
        kept.events.message().await["result"]["structuredContent"]["jti"],
        "2"
    );
    scene.clock.advance(Duration::from_secs(200));

    // The one whose token is over ends, and says so; the other lives on.
    assert_eq!(
        left.events.farewell().await,
        "closed: the access token has expired"
    );
    scene.sessions(1).await;
    scene.ask(&refreshed).await.is(202);
    assert_eq!(kept.events.message().await["id"], 1);
    scene.ask(&kept.message(&call(2, "whoami"))).await.is(401);
    scene.clock.advance(Duration::from_secs(800));
    assert_eq!(
        kept.events.farewell().await,
        "closed: the access token has expired"
    );
    scene.sessions(0).await;
}

// S07
#[tokio::test]
async fn a_message_for_no_session_is_not_given_to_the_only_one() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    for target in [
        "/messages",
        "/messages?",
        "/messages?sessionId",
        "/messages?x=1",
    ] {
        let mut ask = sse.message(&call(1, "whoami"));
        target.clone_into(&mut ask.target);
        let reply = scene.ask(&ask).await;
        assert!(matches!(reply.status, 400 | 404), "{target}: {reply:?}");
    }
    let mut bare = sse.message(&call(1, "whoami"));
    "/messages".clone_into(&mut bare.target);
    scene.ask(&bare).await.is(400);
    for ask in [
        mcp.message(&call(1, "whoami")),
        mcp.stream(&scene),
        mcp.end(&scene),
    ] {
        scene.ask(&ask.without("Mcp-Session-Id")).await.is(400);
    }

    assert!(sse.events.is_silent_for(MOMENT).await);
    assert_eq!(mcp.call(3, "whoami").await["id"], 3);
}

// S08
#[tokio::test]
async fn a_session_that_is_named_twice_or_otherwise_is_not_named() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let id = sse.id().to_owned();
    let other = Sse::ready(&scene, &scene.token("alice")).await;

    for query in [
        format!("sessionId={id}&sessionId={}", other.id()),
        format!("sessionId={id}&sessionId={id}"),
        format!("sessionid={id}"),
        format!("SessionId={id}"),
        format!("sessionId[]={id}"),
        format!("sessionId;={id}"),
        format!("session_id={id}"),
    ] {
        let mut ask = sse.message(&call(1, "whoami"));
        ask.target = format!("/messages?{query}");
        scene.ask(&ask).await.is(400);
    }
    for query in [
        format!("sessionId={id}%00"),
        format!("sessionId=%20{id}"),
        format!("sessionId={id}="),
        format!("sessionId={id}%3D%3D"),
        format!("sessionId=%25{:02x}{}", id.as_bytes()[0], &id[1..]),
        format!("sessionId={}", id.to_ascii_lowercase()),
    ] {
        let mut ask = sse.message(&call(1, "whoami"));
        ask.target = format!("/messages?{query}");
        let reply = scene.ask(&ask).await;
        // An id that is in small letters already is the same id.
        let same = query == format!("sessionId={id}");
        assert!(reply.status == 404 || same, "{query}: {reply:?}");
    }
    assert!(sse.events.is_silent_for(MOMENT).await);

    // Encoded once, a name is the same name.
    let mut encoded = String::new();
    for byte in id.bytes() {
        let _always = write!(encoded, "%{byte:02x}");
    }
    let mut ask = sse.message(&call(2, "whoami"));
    ask.target = format!("/messages?sessionId={encoded}");
    scene.ask(&ask).await.is(202);
    assert_eq!(sse.events.message().await["id"], 2);

    let twice = mcp
        .message(&call(1, "whoami"))
        .header("Mcp-Session-Id", &mcp.id);
    scene.ask(&twice).await.is(400);
    assert_eq!(mcp.call(2, "whoami").await["id"], 2);
}

// S09
#[tokio::test]
async fn an_unknown_session_is_not_found_whatever_it_is_called() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let template = Ask::post(&scene, "/mcp", &token, &call(1, "whoami"));
    let long = "A".repeat(4_096);

    for id in [
        UNKNOWN,
        "1",
        "__proto__",
        "../../etc/passwd",
        "' OR 1=1 --",
        "AAAAAAAAAAAAAAAAAAAAAB",
        "*",
        &long,
    ] {
        let reply = scene
            .ask(&template.clone().header("Mcp-Session-Id", id))
            .await
            .is(404);
        assert_eq!(reply.code(), -32001);
        assert_eq!(reply.json()["error"]["message"], "session not found");
        assert!(
            !reply.text().contains(id) || id.len() < 3,
            "{}",
            reply.text()
        );
    }
    scene.assert_no_state();
}

// S12
#[tokio::test]
async fn a_client_does_not_choose_its_session_id() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let hello = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));

    for id in [UNKNOWN, "chosen", ""] {
        let reply = scene
            .ask(&hello.clone().header("Mcp-Session-Id", id))
            .await
            .is(200);
        assert_ne!(reply.header("mcp-session-id"), Some(id));
        let ask =
            Ask::post(&scene, "/mcp", &token, &call(1, "whoami")).header("Mcp-Session-Id", id);
        assert!(matches!(scene.ask(&ask).await.status, 400 | 404));
    }
    let mut events = scene
        .events(&Ask::stream(
            &scene,
            &format!("/sse?sessionId={UNKNOWN}"),
            &token,
        ))
        .await;
    let (_, endpoint) = events.event().await.unwrap();
    assert!(!endpoint.contains(UNKNOWN), "{endpoint}");
}

// S13
#[tokio::test]
async fn a_stranger_neither_takes_nor_ends_somebodys_stream() {
    let scene = Scene::new().await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut got = scene.events(&mcp.stream(&scene)).await;
    got.next().await;
    let bob = format!("Bearer {}", scene.token("bob"));

    for _ in 0..3 {
        let stolen = mcp.stream(&scene).with("Authorization", &bob);
        scene.ask(&stolen).await.is(404);
        scene
            .ask(&stolen.header("Last-Event-ID", "1"))
            .await
            .is(404);
    }

    assert!(got.is_silent_for(MOMENT).await);
    assert_eq!(scene.metric("usher_streams_open"), 1);
    mcp.call(1, "whoami").await;
}

// S14
#[tokio::test]
async fn a_second_stream_is_refused_and_the_first_still_receives() {
    let scene = Scene::with(|config| config.router.session.idle_after = millis(3_000)).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut first = scene.events(&mcp.stream(&scene)).await;
    first.next().await;

    scene.ask(&mcp.stream(&scene)).await.is(409);

    // What the server has to say, here its ping of a silent client, comes on the first.
    let ping = first.message().await;
    assert_eq!(ping["method"], "ping");
    let answer = json!({ "jsonrpc": "2.0", "id": ping["id"], "result": {} });
    mcp.post(&answer).await.is(202);
    assert_eq!(scene.running().sessions(), 1);
}

// S14
#[tokio::test]
async fn of_many_streams_at_once_one_is_opened() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let stream = mcp.stream(&scene);

    let mut wires = Vec::new();
    for _ in 0..10 {
        wires.push(scene.wire().await);
    }
    let opened = wires.iter_mut().map(|wire| async {
        wire.send_ask(&stream).await;
        wire.head().await.status
    });
    let mut statuses = join_all(opened).await;

    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![409; 9]].concat());
    assert_eq!(scene.metric("usher_streams_open"), 1);
}

// S16
#[tokio::test]
async fn a_deleted_session_is_gone_from_everywhere() {
    let scene = Scene::new().await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut got = scene.events(&mcp.stream(&scene)).await;

    scene.ask(&mcp.end(&scene)).await.is(204);

    for ask in [
        mcp.message(&call(1, "whoami")),
        mcp.stream(&scene),
        mcp.end(&scene),
    ] {
        assert_eq!(scene.ask(&ask).await.is(404).code(), -32001);
    }
    mcp.post(&notification("notifications/initialized"))
        .await
        .is(404);
    assert_eq!(got.farewell().await, "closed: the client ended the session");
    scene.sessions(0).await;
    eventually("streams are closed", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
    scene.assert_no_state();
    assert_eq!(
        scene.metric("usher_sessions_live{transport=\"streamable_http\"}"),
        0
    );
}

// S18
#[tokio::test]
async fn of_two_deletes_at_once_one_ends_the_session() {
    let scene = Scene::new().await;

    for _ in 0..30 {
        let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
        let end = mcp.end(&scene);
        let replies = join_all((0..4).map(|_| scene.ask(&end))).await;
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 404, 404, 404]);
    }
    scene.sessions(0).await;
    scene.assert_no_state();
}

// S18
#[tokio::test]
async fn a_delete_cancels_what_is_running() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut running = scene.wire().await;
    running.send_ask(&mcp.message(&call(1, "wait"))).await;
    eventually("the call runs", || gate.begun() == 1).await;

    scene.ask(&mcp.end(&scene)).await.is(204);

    within(Duration::from_secs(1), "the call is cancelled", || {
        gate.gone() == 1
    })
    .await;
    assert_eq!(gate.ended(), 0);
    within(Duration::from_secs(1), "the actor is gone", || {
        scene.running().sessions() == 0
    })
    .await;
    // Whoever still waited for the answer is not left waiting.
    let reply = running.reply().await;
    assert!(!reply.text().contains("done"), "{}", reply.text());
}

// S18: the client's own word for it, and only for calls of that session.
#[tokio::test]
async fn a_cancelled_call_ends_and_others_go_on() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mut stranger = Sse::ready(&scene, &scene.token("bob")).await;
    for id in [1, 2] {
        sse.tell(&call(id, "wait")).await;
    }
    eventually("the calls run", || gate.begun() == 2).await;
    let cancel = |id: Value| {
        json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id },
        })
    };

    for id in [json!(1), json!(2), json!("1"), json!(null), json!([])] {
        stranger.tell(&cancel(id)).await;
    }
    assert!(sse.events.is_silent_for(MOMENT).await);
    assert_eq!(gate.gone(), 0);
    for id in [json!(1), json!("2"), json!(99)] {
        sse.tell(&cancel(id)).await;
    }
    eventually("the first is gone", || gate.gone() == 1).await;
    gate.release(1);

    assert_eq!(sse.events.message().await["id"], 2);
    assert!(sse.events.is_silent_for(MOMENT).await);
}

// S19
#[tokio::test]
async fn before_a_session_is_initialized_no_tool_runs() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let token = scene.token("alice");
    let mut sse = Sse::open(&scene, &token).await;

    assert_eq!(sse.call(1, "wait").await["error"]["code"], -32600);
    assert_eq!(
        sse.ask(&request(2, "tools/list", &json!({}))).await["error"]["code"],
        -32600
    );
    assert_eq!(
        sse.ask(&request(3, "ping", &json!({}))).await["result"],
        json!({})
    );
    // Too early, and so in vain.
    sse.tell(&notification("notifications/initialized")).await;
    assert_eq!(sse.call(4, "wait").await["error"]["code"], -32600);
    assert!(sse.ask(&initialize(5, "2025-06-18")).await["result"].is_object());
    assert_eq!(sse.call(6, "wait").await["error"]["code"], -32600);

    let mut mcp = Mcp::open(&scene, &token, "2025-06-18").await;
    assert_eq!(mcp.call(1, "wait").await["error"]["code"], -32600);
    assert_eq!(
        mcp.ask(&request(2, "ping", &json!({}))).await["result"],
        json!({})
    );
    // Without a session at all.
    let ask = Ask::post(&scene, "/mcp", &token, &call(1, "wait"));
    scene.ask(&ask).await.is(400);
    assert_eq!(gate.begun(), 0);
}

// S19: Python's client asks for the modern era first, on the legacy stream.
#[tokio::test]
async fn a_modern_probe_on_a_legacy_stream_is_answered_and_the_session_lives() {
    let scene = Scene::new().await;
    let mut sse = Sse::open(&scene, &scene.token("alice")).await;

    let answer = sse.ask(&request(0, "server/discover", &json!({}))).await;

    assert_eq!(answer["error"]["code"], -32601);
    assert!(sse.ask(&initialize(1, "2025-11-25")).await["result"].is_object());
}

// S20
#[tokio::test]
async fn a_session_is_initialized_once() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let mut mcp = Mcp::ready(&scene, &scene.token("bob")).await;

    assert_eq!(
        sse.ask(&initialize(1, "2024-11-05")).await["error"]["code"],
        -32600
    );
    let again = mcp.post(&initialize(1, "2024-11-05")).await.is(400);

    assert_eq!(again.code(), -32600);
    assert!(again.header("mcp-session-id").is_none());
    assert_eq!(scene.running().sessions(), 2);
    mcp.call(2, "whoami").await;
    sse.call(2, "whoami").await;
}

// S20
#[tokio::test]
async fn an_initialize_that_can_not_succeed_opens_nothing() {
    let scene = Scene::new().await;
    let token = scene.token("alice");

    for params in [
        json!({}),
        json!({ "protocolVersion": 7 }),
        json!({ "protocolVersion": null }),
    ] {
        let ask = Ask::post(&scene, "/mcp", &token, &request(0, "initialize", &params));
        let reply = scene.ask(&ask).await.is(400);
        assert_eq!(reply.code(), -32602);
    }
    let told = Ask::post(&scene, "/mcp", &token, &notification("initialize"));
    scene.ask(&told).await.is(400);
    scene.assert_no_state();
}

// S21
#[tokio::test]
async fn a_session_that_is_never_initialized_is_freed_and_told_why() {
    let scene = Scene::with(|config| config.router.session.initialize_deadline = millis(500)).await;
    let token = scene.token("alice");
    let mut silent = Sse::open(&scene, &token).await;
    let mut half = Sse::open(&scene, &token).await;
    half.ask(&initialize(0, "2025-11-25")).await;
    let unconfirmed = Mcp::open(&scene, &token, "2025-11-25").await;

    let reason = "closed: the session was never initialized";
    assert_eq!(silent.events.farewell().await, reason);
    assert_eq!(half.events.farewell().await, reason);
    scene.sessions(0).await;
    scene
        .ask(&unconfirmed.message(&call(1, "whoami")))
        .await
        .is(404);
    eventually("streams are closed", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
    scene.assert_no_state();
}

// S21: a body that is begun and never finished holds nothing for long.
#[tokio::test]
async fn an_initialize_whose_body_never_ends_is_given_up() {
    let scene = Scene::with(|config| config.transport.body.deadline = millis(200)).await;
    let token = scene.token("alice");
    let hello = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));
    let bytes = hello.bytes();

    let mut wire = scene.wire().await;
    wire.note(&hello);
    wire.send(&bytes[..bytes.len() - 5]).await;

    wire.reply().await.is(408);
    assert!(wire.rest().await.is_empty());
    scene.assert_no_state();
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"transport.body_deadline\"}"),
        1
    );
}

// S22, scaled
#[tokio::test]
async fn sessions_that_are_abandoned_leave_nothing() {
    let scene = Scene::with(|config| {
        config.router.session.idle_after = millis(300);
        config.router.per_principal_max = 1_000;
    })
    .await;
    let tokens = [
        scene.token("alice"),
        scene.token("bob"),
        scene.token("carol"),
    ];

    for _cycle in 0..2 {
        for number in 0..100 {
            Mcp::ready(&scene, &tokens[number % 3]).await;
        }
        scene.sessions(0).await;
        scene.assert_no_state();
    }
    assert_eq!(
        scene.metric("usher_sessions_closed_total{reason=\"idle\"}"),
        200
    );
}

// S22: a client that answers when it is asked is not silent.
#[tokio::test]
async fn a_silent_client_is_asked_and_told_why_it_is_left() {
    let scene = Scene::with(|config| config.router.session.idle_after = millis(2_000)).await;
    let mut silent = Sse::ready(&scene, &scene.token("alice")).await;

    let ping = silent.events.message().await;

    assert_eq!(ping["method"], "ping");
    assert_eq!(
        silent.events.farewell().await,
        "closed: the client has been silent for too long"
    );
    scene.sessions(0).await;
}

// S31
#[tokio::test]
async fn a_legacy_session_ends_with_its_stream_and_what_is_pending_is_thrown_away() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    sse.tell(&call(1, "wait")).await;
    eventually("the call runs", || gate.begun() == 1).await;
    let later = sse.message(&call(2, "whoami"));

    sse.events.reset();

    scene.sessions(0).await;
    within(Duration::from_secs(1), "the call is gone", || {
        gate.gone() == 1
    })
    .await;
    assert_eq!(gate.ended(), 0);
    scene.ask(&later).await.is(404);
    eventually("streams are closed", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
    scene.assert_no_state();
}

// S32
#[tokio::test]
async fn one_callers_sessions_are_bounded_and_others_are_not_affected() {
    let scene = Scene::with(|config| config.router.per_principal_max = 3).await;
    let token = scene.token("alice");
    let hello = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));
    let mcp = Mcp::ready(&scene, &token).await;
    let _held = (
        Sse::ready(&scene, &token).await,
        Sse::ready(&scene, &token).await,
    );

    for ask in [&hello, &Ask::stream(&scene, "/sse", &token)] {
        scene.ask(ask).await.is(429);
    }
    // Nor does a fresh token of the same caller help.
    let fresh = scene.token_with("alice", &json!({ "jti": "2" }));
    scene
        .ask(&Ask::stream(&scene, "/sse", &fresh))
        .await
        .is(429);
    Mcp::ready(&scene, &scene.token("bob")).await;
    scene.ask(&mcp.end(&scene)).await.is(204);
    eventually("a place is free", || scene.running().sessions() == 3).await;
    scene.ask(&hello).await.is(200);
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"session.per_principal_max\"}"),
        3
    );
}

// S32: an agent that crashes and comes back locks itself out no longer than that.
#[tokio::test]
async fn a_quiet_session_gives_way_to_a_new_one_of_its_caller() {
    let gate = Gate::default();
    let scene = Scene::of(
        |config| {
            config.router.per_principal_max = 3;
            config.router.replace_after = HumanDuration::from_secs(0);
        },
        vec![gate.tool()],
    )
    .await;
    let token = scene.token("alice");
    let mut busy = Mcp::ready(&scene, &token).await;
    let waits = busy.message(&call(1, "wait"));
    busy.posts.send_ask(&waits).await;
    eventually("the call runs", || gate.begun() == 1).await;
    let quiet = Mcp::ready(&scene, &token).await;
    let sse = Sse::ready(&scene, &token).await;

    let mut newest = Mcp::ready(&scene, &token).await;

    let list = request(2, "tools/list", &json!({}));
    scene.ask(&quiet.message(&list)).await.is(404);
    newest.ask(&list).await;
    let closed = "usher_sessions_closed_total{reason=\"replaced\"}";
    eventually("it was told", || scene.metric(closed) == 1).await;
    // One with a call, one with a stream, and one that was just used: now the last gives way.
    Mcp::ready(&scene, &token).await;
    scene.ask(&newest.message(&list)).await.is(404);
    gate.release(1);
    busy.posts.reply().await.is(200);
    drop(sse);
}

// S32: nor does it help to come with all at once.
#[tokio::test]
async fn a_crowd_of_one_caller_gets_no_place_more() {
    let scene = Scene::with(|config| config.router.per_principal_max = 5).await;
    let token = scene.token("alice");
    let hello = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));
    let stream = Ask::stream(&scene, "/sse", &token);

    let mut wires = Vec::new();
    for _ in 0..20 {
        wires.push((scene.wire().await, scene.wire().await));
    }
    let both = wires.iter_mut().map(|(post, get)| {
        let (hello, stream) = (&hello, &stream);
        async move {
            post.send_ask(hello).await;
            get.send_ask(stream).await;
            [post.head().await.status, get.head().await.status]
        }
    });
    let statuses = join_all(both).await.concat();

    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 35);
    assert_eq!(scene.running().sessions(), 5);
}

// S32
#[tokio::test]
async fn the_servers_sessions_are_bounded() {
    let scene = Scene::with(|config| config.router.sessions_max = 2).await;
    let _alice = Sse::ready(&scene, &scene.token("alice")).await;
    let mut bob = Mcp::ready(&scene, &scene.token("bob")).await;
    let carol = scene.token("carol");

    scene
        .ask(&Ask::stream(&scene, "/sse", &carol))
        .await
        .is(503);
    let hello = Ask::post(&scene, "/mcp", &carol, &initialize(0, "2025-11-25"));
    scene.ask(&hello).await.is(503);

    bob.call(1, "whoami").await;
    assert_eq!(scene.running().session_owners(), 2);
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"session.max\"}"),
        2
    );
}

// S32: calls of one session are bounded too, and an id is used by one call at a time.
#[tokio::test]
async fn one_sessions_calls_are_bounded() {
    let gate = Gate::default();
    let scene = Scene::of(
        |config| config.router.session.calls_max = 2,
        vec![gate.tool()],
    )
    .await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    sse.tell(&call(1, "wait")).await;
    sse.tell(&call("1", "wait")).await;
    eventually("the calls run", || gate.begun() == 2).await;

    let twice = sse.ask(&call(1, "wait")).await;
    assert_eq!(twice["error"]["code"], -32600);
    sse.post(&call(3, "wait")).await.is(429);
    sse.tell(&request(4, "ping", &json!({}))).await;
    assert_eq!(sse.events.message().await["id"], 4);

    gate.release(2);
    let ids = [sse.events.message().await, sse.events.message().await];
    assert!(ids.iter().any(|answer| answer["id"] == 1));
    assert!(ids.iter().any(|answer| answer["id"] == "1"));
    gate.release(1);
    assert_eq!(
        sse.call(1, "wait").await["result"]["content"][0]["text"],
        "done"
    );
}

/// A tool that keeps its session's thread busy until it is told, as no tool should.
fn blocks(begun: &Gate, told: &Arc<(Mutex<bool>, Condvar)>) -> Tool {
    let (begun, told) = (begun.clone(), Arc::clone(told));
    Tool::new(
        "blocks",
        "Blocks.",
        move |_: CallContext, _: NoArguments| {
            let (begun, told) = (begun.clone(), Arc::clone(&told));
            async move {
                begun.release(1);
                let (is_told, changed) = &*told;
                let is_told = is_told.lock().expect("nobody panicked");
                let waited = changed.wait_timeout_while(is_told, BOUND, |told| !*told);
                drop(waited);
                Ok("done")
            }
        },
    )
}

// S21: nobody knows the id of a session whose answer never arrived.
#[tokio::test]
async fn a_session_whose_initialize_was_interrupted_ends_at_once() {
    let (begun, told) = (Gate::default(), Arc::default());
    let tools = vec![blocks(&begun, &told)];
    let scene = Scene::of(|config| config.router.threads = 1, tools).await;
    let token = scene.token("alice");
    let mcp = Mcp::ready(&scene, &token).await;
    let mut busy = scene.wire().await;
    busy.send_ask(&mcp.message(&call(1, "blocks"))).await;
    begun.pass().await;

    let mut wire = scene.wire().await;
    let hello = Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25"));
    wire.send_ask(&hello).await;
    scene.sessions(2).await;
    wire.reset();
    tokio::time::sleep(3 * MOMENT).await;
    *told.0.lock().unwrap() = true;
    told.1.notify_all();

    scene.sessions(1).await;
    let ended = "usher_sessions_closed_total{reason=\"disconnected\"}";
    assert_eq!(scene.metric(ended), 1);
}
