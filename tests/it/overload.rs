//! Group O, as far as one session shows it: calls without an end, questions without an answer, floods.

use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

use futures_util::future::join_all;
use mcp_usher::{
    handler::{CallContext, NoArguments, Tool},
    units::HumanDuration,
};
use serde_json::json;

use crate::kit::{
    Ask, Mcp, Scene, Sse, Wire, eventually,
    mcp::{call, initialize_with},
    notification, request,
    tools::Gate,
};

fn millis(milliseconds: u64) -> HumanDuration {
    HumanDuration::new(Duration::from_millis(milliseconds))
}

// O18
#[tokio::test]
async fn a_tool_that_never_answers_is_answered_for() {
    let gate = Gate::default();
    let scene = Scene::of(
        |config| config.handler.call_deadline = millis(300),
        vec![gate.tool()],
    )
    .await;
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    let late = mcp.call(1, "wait").await;

    assert_eq!(late["error"]["code"], -32001);
    assert_eq!(gate.gone(), 1);
    let ask = Ask::modern(
        &scene,
        &scene.token("alice"),
        2,
        "tools/call",
        json!({ "name": "wait" }),
    );
    assert_eq!(scene.ask(&ask).await.is(200).code(), -32603);
    mcp.call(3, "whoami").await;
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"handler.call_deadline\"}"),
        2
    );
}

// O18: nor does a question that is never answered hold its call, or the client's next one, for ever.
#[tokio::test]
async fn a_question_that_is_never_answered_ends_with_its_call() {
    let asks = Tool::new(
        "asks",
        "Asks.",
        |call: CallContext, _: NoArguments| async move {
            call.roots("folders")
                .await
                .map(|roots| roots.len().to_string())
        },
    );
    let scene = Scene::of(
        |config| config.handler.input_deadline = millis(300),
        vec![asks],
    )
    .await;
    let hello = initialize_with(0, "2024-11-05", &json!({ "roots": {} }));
    let mut sse = Sse::ready_with(&scene, &scene.token("alice"), &hello).await;

    sse.tell(&call(1, "asks")).await;
    let question = sse.events.message().await;
    assert_eq!(question["method"], "roots/list");
    let withdrawn = sse.events.message().await;
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    let late = sse.events.message().await;
    assert_eq!(
        (&late["id"], &late["result"]["isError"]),
        (&json!(1), &json!(true))
    );
    let limit = "usher_limit_hit_total{limit=\"handler.input_deadline\"}";
    assert_eq!(scene.metric(limit), 1);

    // Too late, and so in vain.
    let roots = json!({ "roots": [] });
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": roots });
    sse.tell(&answer).await;
    sse.tell(&call(2, "asks")).await;
    let again = sse.events.message().await;
    assert_ne!(again["id"], question["id"]);
    let answer = json!({ "jsonrpc": "2.0", "id": again["id"], "result": roots });
    sse.tell(&answer).await;
    let answered = sse.events.message().await;
    assert_eq!(answered["id"], 2);
    assert_eq!(answered["result"]["content"][0]["text"], "0");
}

// O19, scaled: what is sent faster than a session takes it in is refused at its bound, and is the others'
// business no more than before.
#[tokio::test]
async fn a_flood_of_notifications_is_bounded_and_the_session_goes_on() {
    let (go_on, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let blocks = Tool::new(
        "blocks",
        "Blocks.",
        move |_: CallContext, _: NoArguments| {
            // As bad as a tool can be: it holds the thread that its session lives on.
            let _until = blocked.lock().unwrap().recv_timeout(Duration::from_secs(4));
            async { Ok("done") }
        },
    );
    let few = |config: &mut mcp_usher::config::Config| config.router.session.mailbox_max = 5;
    let scene = Scene::of(few, vec![blocks]).await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let told = sse.message(&notification("notifications/of-another-age"));
    sse.tell(&call(1, "blocks")).await;

    let mut wires = Vec::new();
    for _ in 0..40 {
        let mut wire = scene.wire().await;
        wire.send_ask(&told).await;
        wires.push(wire);
    }
    let busy = "usher_refusals_total{reason=\"session_busy\"}";
    eventually("the rest is refused", || scene.metric(busy) == 35).await;
    go_on.send(()).unwrap();

    let replies = join_all(wires.iter_mut().map(Wire::reply)).await;
    let count = |status| {
        replies
            .iter()
            .filter(|reply| reply.status == status)
            .count()
    };
    assert_eq!((count(202), count(429)), (5, 35));
    assert_eq!(sse.events.message().await["id"], 1);
    for _ in 0..2_000 {
        sse.posts.ask(&told).await.is(202);
    }
    let ping = sse.ask(&request(2, "ping", &json!({}))).await;
    assert_eq!(ping["result"], json!({}));
}
