//! Coming back to a stream (2025-11-25): rows S28 to S30, and polling.

use mcp_usher::handler::{CallContext, NoArguments, Tool};

use crate::kit::{Item, Mcp, Scene, eventually, mcp::call, tools::Gate};

/// Says how far it is, waits at the gate, says it again.
fn telling(gate: &Gate, lets_go: bool) -> Tool {
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
