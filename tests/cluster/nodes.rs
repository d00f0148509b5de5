//! Any node takes any request, and what one node says all do.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use mcp_usher::{
    auth::{CutOff, Whom},
    handler::Change,
    server::Server,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    kit::{
        Ask, Mcp, Scene, Sse, eventually, mcp::call, notification, request, tools::Gate, within,
    },
    scenes::{Node, Nodes, echo, said},
};

const SOON: Duration = Duration::from_secs(2);

fn announce(node: &Scene) {
    let changes = node.running().catalog().changes().clone();
    changes.announce(Change::Tools);
}

// L01, L21, L22
#[tokio::test]
async fn any_node_takes_any_request_and_nobody_gets_anothers_answer() {
    let Some(nodes) = Nodes::start(3).await else {
        return;
    };
    nodes.settled().await;
    let mut sessions = Vec::new();
    for number in 0..12_usize {
        let token = nodes.token(&format!("user-{number}"));
        sessions.push(Mcp::ready(&nodes.all[number % 3], &token).await);
    }

    for round in 0..9_usize {
        for (number, session) in sessions.iter().enumerate() {
            let nonce = format!("{round}-{number}");
            // All ids are equal, and all sessions are at it.
            let ask = session.message(&echo(round as u64, &nonce));
            let answer = nodes.all[(round + number) % 3].ask(&ask).await.is(200);
            assert_eq!(said(&answer.json()), nonce);
        }
    }

    let forwarded: u64 = nodes
        .all
        .iter()
        .map(|node| node.metric("usher_cluster_forwards_total{outcome=\"answered\"}"))
        .sum();
    assert!(forwarded >= 60, "{forwarded}");
    for (number, session) in sessions.iter().enumerate() {
        let other = &nodes.all[(number + 1) % 3];
        other.ask(&session.end(other)).await.is(204);
        for node in &nodes.all {
            let gone = node.ask(&session.message(&call(99, "whoami"))).await;
            assert_eq!(gone.is(404).code(), -32001);
        }
    }
}

#[tokio::test]
async fn a_stream_that_another_node_has_comes_through_as_it_is() {
    let Some(nodes) = Nodes::start(2).await else {
        return;
    };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    let session = Mcp::ready(a, &nodes.token("alice")).await;
    let mut events = b.events(&session.stream(b)).await;
    eventually("the stream is open", || a.metric("usher_streams_open") == 1).await;
    // One stream at a time, whichever node is asked.
    a.ask(&session.stream(a)).await.is(409);
    b.ask(&session.stream(b)).await.is(409);

    announce(a);
    let told = events.message().await;
    assert_eq!(told["method"], "notifications/tools/list_changed");

    drop(events);
    within(SOON, "the stream's end is noticed there", || {
        a.metric("usher_streams_open") == 0
    })
    .await;
    let mut events = b.events(&session.stream(b)).await;
    a.ask(&session.end(a)).await.is(204);
    assert_eq!(
        events.farewell().await,
        "closed: the client ended the session"
    );
}

#[tokio::test]
async fn a_slow_call_becomes_a_stream_before_the_other_node_is_taken_for_gone() {
    let gate = Gate::default();
    let made = gate.clone();
    let Some(nodes) = Nodes::with_tools(2, move || vec![made.tool()]).await else {
        return;
    };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    let session = Mcp::ready(a, &nodes.token("alice")).await;
    // Longer than one node waits for another without a stream.
    let mut events = b.events(&session.message(&call(1, "wait"))).await;
    assert_eq!(gate.ended(), 0);

    gate.release(1);

    assert_eq!(
        events.message().await["result"]["content"][0]["text"],
        "done"
    );
}

// Legacy: the stream stays where it was opened, and messages come from anywhere.
#[tokio::test]
async fn messages_of_http_sse_reach_the_stream_from_every_node() {
    let Some(nodes) = Nodes::start(3).await else {
        return;
    };
    nodes.settled().await;
    let mut sse = Sse::ready(&nodes.all[0], &nodes.token("alice")).await;
    for (id, node) in [(1, 1), (2, 2), (3, 0), (4, 1)] {
        let node: &Scene = &nodes.all[node];
        node.ask(&sse.message(&echo(id, &id.to_string())))
            .await
            .is(202);
        let answer = sse.events.message().await;
        assert_eq!(
            (answer["id"].as_u64(), said(&answer)),
            (Some(id), &*id.to_string())
        );
    }
    let late = sse.message(&call(9, "whoami"));

    drop(sse);

    let node = &nodes.all[1];
    let started = Instant::now();
    while node.ask(&late).await.status != 404 {
        assert!(
            started.elapsed() < SOON,
            "the session does not end with its stream"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

// L17, S02, S03
#[tokio::test]
async fn a_stranger_learns_nothing_of_a_session_on_another_node() {
    let Some(nodes) = Nodes::start(2).await else {
        return;
    };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    nodes.settled().await;
    let session = Mcp::ready(a, &nodes.token("alice")).await;
    let mallory = nodes.token("mallory");
    let theirs = session
        .message(&call(1, "whoami"))
        .without("Authorization")
        .bearer(&mallory);

    let found = b.ask(&theirs).await;
    let nobody = theirs
        .clone()
        .with("Mcp-Session-Id", "AAAAAAAAAAAAAAAAAAAAAA");
    let unknown = b.ask(&nobody).await;

    assert_eq!(found.comparable(), unknown.comparable());
    assert_eq!(found.status, 404);
    assert_eq!(b.metric("usher_session_owner_mismatch_total"), 1);
    b.ask(&theirs.with("Authorization", "Bearer none"))
        .await
        .is(401);
    b.ask(&session.message(&call(2, "whoami"))).await.is(200);
}

// L03, L20
#[tokio::test]
async fn what_no_node_has_sealed_is_refused_where_nodes_speak() {
    let Some(nodes) = Nodes::start(1).await else {
        return;
    };
    let node = &nodes.all[0];
    let address = node.running().nodes().unwrap();
    let session = Mcp::ready(node, &nodes.token("alice")).await;
    let plain = session.message(&call(1, "whoami"));

    for (body, status, reason) in [
        // What begins as nothing that is sealed here is another version's.
        (plain.body.clone(), 503, "version"),
        (Vec::new(), 401, "forged"),
        (vec![1; 200], 401, "forged"),
        (vec![7; 200], 503, "version"),
    ] {
        let refused = say_to(address, &plain.clone().body(body)).await;
        assert!(
            refused.starts_with(&format!("HTTP/1.1 {status} ")),
            "{refused}"
        );
        assert!(
            refused.contains(&format!("usher-not-taken: {reason}\r\n")),
            "{refused}"
        );
    }
    let elsewhere = say_to(address, &Ask::get(node, "/livez")).await;
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
    assert_eq!(
        node.metric("usher_calls_total{tool=\"whoami\",outcome=\"ok\"}"),
        0
    );
}

/// What a listener answers that is not for clients, and keeps to other rules than theirs.
async fn say_to(address: SocketAddr, ask: &Ask) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let ask = ask.clone().header("Connection", "close");
    stream.write_all(&ask.bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

// X15, F26
#[tokio::test]
async fn what_is_ordered_at_one_node_is_done_at_all() {
    let Some(nodes) = Nodes::start(3).await else {
        return;
    };
    let (alice, bob) = (nodes.token("alice"), nodes.token("bob"));
    let mut hers = Mcp::ready(&nodes.all[1], &alice).await;
    let mut his = Mcp::ready(&nodes.all[2], &bob).await;
    let mut stream = nodes.all[0].events(&hers.stream(&nodes.all[0])).await;
    let now = nodes.all[0].clock.now();
    let whom = Whom {
        issuer: None,
        client_id: None,
        subject: Some("alice".to_owned()),
    };

    let started = Instant::now();
    let cut = CutOff::before(now, whom, now);
    nodes.all[0].running().cut_off(&cut).await.unwrap();

    // Its own end, or its node's: whichever is first.
    stream.farewell().await;
    eventually("her session is over", || {
        nodes.all[1].running().sessions() == 0
    })
    .await;
    for node in &nodes.all {
        eventually("the cut-off is in force", || {
            node.metric("usher_cut_offs") == 1
        })
        .await;
        node.ask(&hers.message(&call(1, "whoami"))).await.is(401);
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert!(hers.post(&call(2, "whoami")).await.status == 401);
    his.call(1, "whoami").await;

    // Who comes later learns of it too.
    let mut nodes = nodes;
    let issuer = nodes.all[0].issuer.issuer().to_owned();
    let late = Scene::serving(
        |config| {
            crate::scenes::join(config, &nodes.redis, &nodes.key);
            config.issuer.url = Some(issuer.parse().unwrap());
        },
        |server: Server| server,
    )
    .await;
    eventually("it is told", || late.metric("usher_cut_offs") == 1).await;
    nodes.all.push(late);
}

// F17, L11, L07
#[tokio::test]
async fn a_store_that_is_gone_ends_no_session_and_is_found_again() {
    let Some(mut nodes) = Nodes::start(2).await else {
        return;
    };
    let mut session = Mcp::ready(&nodes.all[0], &nodes.token("alice")).await;
    let mut other = Mcp::ready(&nodes.all[1], &nodes.token("bob")).await;
    let mut events = nodes.all[0].events(&session.stream(&nodes.all[0])).await;

    nodes.redis.kill();
    for _ in 0..20 {
        session.call(1, "whoami").await;
    }
    let started = Instant::now();
    let away = nodes.all[1]
        .ask(&session.message(&call(2, "whoami")))
        .await
        .is(503);
    assert_eq!(away.header("retry-after"), Some("1"));
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    let mut born = Mcp::ready(&nodes.all[0], &nodes.token("carol")).await;
    for node in &nodes.all {
        assert_eq!(node.admin("/readyz").await.0, 200);
    }
    // Longer than every lease.
    sleep(crate::scenes::LEASE + Duration::from_millis(500)).await;
    session.call(3, "whoami").await;

    nodes.redis.run();
    let started = Instant::now();
    for (session, node) in [(&session, 1), (&born, 1), (&other, 0)] {
        loop {
            let reply = nodes.all[node]
                .ask(&session.message(&call(4, "whoami")))
                .await;
            if reply.status == 200 {
                break;
            }
            reply.is(503);
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "not found again"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }
    other.call(5, "whoami").await;
    born.call(5, "whoami").await;
    announce(&nodes.all[0]);
    let told = events.message().await;
    assert_eq!(told["method"], "notifications/tools/list_changed");
}

// F12, P11
#[tokio::test]
async fn a_node_that_leaves_hands_its_sessions_on_and_no_call_fails() {
    let Some(mut nodes) = Nodes::start(2).await else {
        return;
    };
    let token = nodes.token("alice");
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(Mcp::ready(&nodes.all[0], &token).await);
    }
    let level = request(1, "logging/setLevel", &json!({ "level": "debug" }));
    sessions[0].post(&level).await;
    let mut stream = nodes.all[0]
        .events(&sessions[0].stream(&nodes.all[0]))
        .await;
    let mut sse = Sse::ready(&nodes.all[0], &token).await;

    let leaving = nodes.all[0].stop();
    let mut calls = 0_u64;
    while !leaving.is_finished() {
        for session in &sessions {
            calls += 1;
            let nonce = calls.to_string();
            let reply = nodes.all[1]
                .ask(&session.message(&echo(calls, &nonce)))
                .await;
            assert_eq!(said(&reply.is(200).json()), nonce);
        }
    }
    leaving.await.unwrap();

    assert_eq!(stream.farewell().await, "closed: the server is stopping");
    assert_eq!(
        sse.events.farewell().await,
        "closed: the server is stopping"
    );
    let b = &nodes.all[1];
    for session in &sessions {
        b.ask(&session.message(&call(1, "whoami"))).await.is(200);
        b.ask(&session.message(&notification("notifications/initialized")))
            .await
            .is(202);
    }
    assert_eq!(b.running().sessions(), sessions.len());
    // That protocol has no way to come back.
    b.ask(&sse.message(&call(1, "whoami"))).await.is(404);
    let mut again = b.events(&sessions[0].stream(b)).await;
    announce(b);
    assert_eq!(
        again.message().await["method"],
        "notifications/tools/list_changed"
    );
    assert_eq!(
        b.gauge("usher_cluster_claims_total{outcome=\"won\"}").await,
        8
    );
}
