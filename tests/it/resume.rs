//! Coming back to a stream (2025-11-25): rows S28 to S30, and polling.

use mcp_usher::handler::{CallContext, NoArguments, Tool};
use serde_json::json;

use crate::kit::{Item, Mcp, Scene, eventually, mcp::call, request, tools::Gate};

/// Says how far it is, waits at the gate, says it again.
pub(crate) fn telling(gate: &Gate, lets_go: bool) -> Tool {
    let gate = gate.clone();
    Tool::new(
        "tell",
        "Tells.",
        move |call: CallContext, _: NoArguments| {
            let gate = gate.clone();
            async move {
                call.log(mcp_usher::protocol::LogLevel::Info, "before");
                if lets_go {
                    call.close_stream();
                }
                gate.pass().await;
                call.log(mcp_usher::protocol::LogLevel::Info, "after");
                Ok("done")
            }
        },
    )
}

// S30
#[tokio::test]
async fn a_client_whose_stream_broke_goes_on_after_the_last_event_it_saw() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![telling(&gate, false)]).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut stream = scene.events(&mcp.message(&call(1, "tell"))).await;
    assert_eq!(
        stream.next().await,
        Some(Item::Comment("primed".to_owned()))
    );
    assert_eq!(stream.message().await["params"]["data"], "before");
    let seen = stream.last_id.clone().expect("an event id");

    stream.reset();
    eventually("the stream is gone", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
    gate.release(1);

    let again = mcp.stream(&scene).header("Last-Event-ID", &seen);
    let mut stream = scene.events(&again).await;
    assert_eq!(stream.message().await["params"]["data"], "after");
    let answer = stream.message().await;
    assert_eq!(answer["result"]["content"][0]["text"], "done");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_client_that_was_let_go_comes_back_for_the_rest() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![telling(&gate, true)]).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut stream = scene.events(&mcp.message(&call(1, "tell"))).await;
    while stream.next().await.is_some() {}
    let seen = stream.last_id.clone().expect("an event id");
    gate.release(1);

    let mut stream = scene
        .events(&mcp.stream(&scene).header("Last-Event-ID", &seen))
        .await;

    let mut last = stream.message().await;
    while last.get("id").is_none() {
        last = stream.message().await;
    }
    assert_eq!(last["result"]["content"][0]["text"], "done");
}

// S28
#[tokio::test]
async fn nobody_comes_back_to_a_stream_of_another_session() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![telling(&gate, false)]).await;
    let alice = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut stream = scene.events(&alice.message(&call(1, "tell"))).await;
    stream.message().await;
    let seen = stream.last_id.clone().expect("an event id");
    let bob = Mcp::ready(&scene, &scene.token("bob")).await;

    scene
        .ask(&bob.stream(&scene).header("Last-Event-ID", &seen))
        .await
        .is(400);

    gate.release(1);
    assert_eq!(stream.message().await["params"]["data"], "after");
}

// S28: an id belongs to one stream, and brings back what was said on that one.
#[tokio::test]
async fn an_event_id_brings_back_its_own_stream_and_no_other() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![telling(&gate, false)]).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut seen = Vec::new();
    for id in [1, 2] {
        let mut stream = scene.events(&mcp.message(&call(id, "tell"))).await;
        stream.message().await;
        seen.push((id, stream.last_id.clone().expect("an event id")));
        stream.reset();
    }
    eventually("both streams are gone", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
    gate.release(2);

    for (id, seen) in seen.into_iter().rev() {
        let again = mcp.stream(&scene).header("Last-Event-ID", &seen);
        let mut stream = scene.events(&again).await;
        assert_eq!(stream.message().await["params"]["data"], "after");
        assert_eq!(stream.message().await["id"], id);
        assert_eq!(stream.next().await, None);
    }
}

// S29
#[tokio::test]
async fn what_gave_way_to_later_events_is_refused_and_the_rest_is_still_there() {
    const SAID: usize = 12;
    let gate = Gate::default();
    let held = gate.clone();
    let talks = Tool::new(
        "talks",
        "Talks.",
        move |call: CallContext, _: NoArguments| {
            let gate = held.clone();
            async move {
                for number in 0..SAID {
                    call.log(mcp_usher::protocol::LogLevel::Info, number);
                    gate.pass().await;
                }
                Ok("done")
            }
        },
    );
    let few = |config: &mut mcp_usher::config::Config| config.transport.stream.frames_max = 4;
    let scene = Scene::of(few, vec![talks]).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut stream = scene.events(&mcp.message(&call(1, "talks"))).await;
    let mut ids = Vec::new();
    for number in 0..SAID {
        assert_eq!(stream.message().await["params"]["data"], number);
        ids.push(stream.last_id.clone().expect("an event id"));
        if number + 1 < SAID {
            gate.release(1);
        }
    }
    stream.reset();
    eventually("the stream is gone", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;

    let after = |id: &str| mcp.stream(&scene).header("Last-Event-ID", id);
    scene.ask(&after(&ids[0])).await.is(400);
    let mut stream = scene.events(&after(&ids[SAID - 2])).await;
    assert_eq!(stream.message().await["params"]["data"], SAID - 1);
    gate.release(1);
    assert_eq!(
        stream.message().await["result"]["content"][0]["text"],
        "done"
    );
}

// T33: to leave is to cancel only from 2026-07-28 on.
#[tokio::test]
async fn a_call_whose_client_lost_its_connection_runs_to_its_end() {
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let gate = Gate::default();
        let scene = Scene::of(|_| (), vec![gate.tool()]).await;
        let mut mcp = Mcp::ready_in(&scene, &scene.token("alice"), version).await;
        let mut wire = scene.wire().await;
        wire.send_ask(&mcp.message(&call(1, "wait"))).await;
        eventually("the call runs", || gate.begun() == 1).await;

        wire.reset();

        // What is asked afterwards is answered after the end of the connection was noticed.
        mcp.ask(&request(2, "ping", &json!({}))).await;
        gate.release(1);
        eventually("the call has ended", || gate.gone() == 1).await;
        assert_eq!(gate.ended(), 1, "cancelled in {version}");
    }
}

// S29
#[tokio::test]
async fn an_event_that_never_was_is_no_place_to_go_on_from() {
    let scene = Scene::new().await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    mcp.call(1, "whoami").await;
    let long = "9".repeat(64 * 1024 - 1);

    for id in [
        "1",
        "0",
        "-1",
        "1-0",
        "1-99",
        "-",
        "1-",
        "18446744073709551616-1",
        "%00",
        &long,
    ] {
        let reply = scene
            .ask(&mcp.stream(&scene).header("Last-Event-ID", id))
            .await
            .is(400);
        assert_eq!(reply.code(), -32000, "{id:.20}");
    }
    assert_eq!(scene.metric("usher_streams_open"), 0);
    mcp.call(2, "whoami").await;
}
