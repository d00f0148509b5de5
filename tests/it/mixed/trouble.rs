//! Those who read slowly, break off, or never answer. Each says how often it was a nuisance; none of it
//! is the others' business.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    TROUBLEMAKERS,
    clients::{ask_call, forms, model},
    tasks,
};
use crate::kit::{
    Ask, Events, Mcp, Scene, Sse,
    mcp::{call, initialize_with},
    notification,
};

/// Kinds of trouble.
pub(super) const KINDS: usize = 7;

type Trouble = for<'a> fn(&'a Scene, &'a str) -> BoxFuture<'a, ()>;

const TROUBLE: [Trouble; KINDS] = [
    |scene, token| Box::pin(reads_nothing(scene, token)),
    |scene, token| Box::pin(breaks_off_when_asked(scene, token)),
    |scene, token| Box::pin(ends_its_session_when_asked(scene, token)),
    |scene, token| Box::pin(cancels_and_answers_all_the_same(scene, token)),
    |scene, token| Box::pin(leaves_before_its_answer(scene, token)),
    |scene, token| Box::pin(sends_half_a_request(scene, token)),
    |scene, token| Box::pin(forgets_its_task(scene, token)),
];

/// Makes trouble of every kind until then, and at least once. Each is a user of its own.
pub(super) fn begin(scene: &Arc<Scene>, until: Instant) -> Vec<JoinHandle<u64>> {
    let kinds = TROUBLE.into_iter().enumerate();
    let makers = kinds.flat_map(|kind| (0..TROUBLEMAKERS).map(move |maker| (kind, maker)));
    let spawned = makers.map(|((kind, trouble), maker)| {
        let scene = Arc::clone(scene);
        tokio::spawn(async move {
            let token = scene.token(&format!("trouble-{kind}-{maker}"));
            let mut caused = 0;
            loop {
                trouble(&scene, &token).await;
                caused += 1;
                // Enough to be a nuisance, and not the whole load.
                tokio::time::sleep(Duration::from_millis(50)).await;
                if Instant::now() >= until {
                    // The last one is gone without a word, with a question open.
                    let (_mcp, _stream) = asked(&scene, &token).await;
                    return caused;
                }
            }
        })
    });
    spawned.collect()
}

/// HTTP+SSE: calls for more than it reads, until its session is gone.
async fn reads_nothing(scene: &Scene, token: &str) {
    let mut sse = Sse::ready(scene, token).await;
    for id in 0..200 {
        let reply = sse.post(&call(id, "large")).await;
        match reply.status {
            202 | 429 => {}
            404 => return,
            other => panic!("{other}: {reply:?}"),
        }
    }
    panic!("200 MiB were queued");
}

/// HTTP+SSE: is asked, and cuts its stream.
async fn breaks_off_when_asked(scene: &Scene, token: &str) {
    let hello = initialize_with(0, "2024-11-05", &model());
    let mut sse = Sse::ready_with(scene, token, &hello).await;
    sse.tell(&ask_call(1, "hello?")).await;
    let question = sse.events.message().await;
    assert_eq!(question["method"], "sampling/createMessage");
    sse.events.reset();
}

/// Streamable HTTP: a session whose call has asked something.
async fn asked(scene: &Scene, token: &str) -> (Mcp, Events) {
    let hello = initialize_with(0, "2025-11-25", &forms());
    let mut mcp = Mcp::open_with(scene, token, &hello).await;
    mcp.post(&notification("notifications/initialized"))
        .await
        .is(202);
    let mut stream = scene.events(&mcp.message(&ask_call(1, "hello?"))).await;
    let question = stream.message().await;
    assert_eq!(question["method"], "elicitation/create");
    (mcp, stream)
}

async fn ends_its_session_when_asked(scene: &Scene, token: &str) {
    let (mcp, mut stream) = asked(scene, token).await;
    scene.ask(&mcp.end(scene)).await.is(204);
    while stream.next().await.is_some() {}
}

async fn cancels_and_answers_all_the_same(scene: &Scene, token: &str) {
    let (mut mcp, stream) = asked(scene, token).await;
    let mut cancelled = notification("notifications/cancelled");
    cancelled["params"] = json!({ "requestId": 1 });
    mcp.post(&cancelled).await.is(202);
    let answer: Value = json!({ "jsonrpc": "2.0", "id": 1, "result": { "action": "decline" } });
    mcp.post(&answer).await.is(202);
    stream.reset();
    scene.ask(&mcp.end(scene)).await.is(204);
}

/// 2026-07-28: leaves while its call runs.
async fn leaves_before_its_answer(scene: &Scene, token: &str) {
    let mut wire = scene.wire().await;
    let params = json!({ "name": "wait" });
    let ask = Ask::modern(scene, token, 1, "tools/call", params);
    wire.send_ask(&ask).await;
    assert!(wire.is_silent_for(Duration::from_millis(10)).await);
    wire.reset();
}

/// 2026-07-28: begins a task that asks, and never comes back.
async fn forgets_its_task(scene: &Scene, token: &str) {
    let mut wire = scene.wire().await;
    tasks::begin(scene, &mut wire, token, 1, "hello?").await;
}

async fn sends_half_a_request(scene: &Scene, token: &str) {
    let params = json!({ "name": "ask", "arguments": { "nonce": "never" } });
    let bytes = Ask::modern(scene, token, 1, "tools/call", params).bytes();
    scene.wire().await.send(&bytes[..bytes.len() - 3]).await;
}
