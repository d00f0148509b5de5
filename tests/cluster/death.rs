//! Nodes that die or stop for a while: real processes, real signals.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    kit::{
        Mcp, Scene, Sse,
        mcp::call,
        process::{File, Usher},
        scene::{admin, number},
    },
    redis::Redis,
    scenes::{AUDIENCE, key_file},
};

struct Pair {
    scene: Scene,
    nodes: Vec<Usher>,
    _redis: Redis,
    _key: File,
}

/// Two processes that share a Redis, and a scene that points at the first.
async fn pair() -> Option<Pair> {
    let redis = Redis::start()?;
    let key = key_file();
    let mut scene = Scene::new().await;
    let settings = [
        format!("cluster.url={}", redis.url()),
        format!("cluster.key_file={}", key.path()),
        "cluster.listen=127.0.0.1:0".to_owned(),
        "cluster.lease=3s".to_owned(),
        format!("resource.audiences={AUDIENCE}"),
    ];
    let flags: Vec<&str> = settings
        .iter()
        .flat_map(|set| ["--set", set.as_str()])
        .collect();
    let nodes: Vec<_> = (0..2)
        .map(|_| Usher::serve(scene.issuer.issuer(), &flags))
        .collect();
    for node in &nodes {
        node.is_ready().await;
        while metric(node, "usher_cluster_suspect").await != 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    scene.move_to(&nodes[0]);
    Some(Pair {
        scene,
        nodes,
        _redis: redis,
        _key: key,
    })
}

async fn metric(node: &Usher, name: &str) -> u64 {
    number(&admin(node.admin(), "/metrics").await.1, name)
}

impl Pair {
    fn token(&self, subject: &str) -> String {
        self.scene.token_with(subject, &json!({ "aud": AUDIENCE }))
    }
}

// F14, L07, P10
#[tokio::test]
async fn a_session_outlives_the_process_that_had_it() {
    let Some(mut pair) = pair().await else { return };
    let session = Mcp::ready(&pair.scene, &pair.token("alice")).await;
    let sse = Sse::ready(&pair.scene, &pair.token("alice")).await;
    let (ask, legacy) = (
        session.message(&call(1, "whoami")),
        sse.message(&call(1, "whoami")),
    );
    pair.scene.move_to(&pair.nodes[1]);
    pair.scene.ask(&ask).await.is(200);
    // Long enough that the other may judge.
    sleep(Duration::from_millis(3_200)).await;

    pair.nodes[0].signal("KILL");

    let started = Instant::now();
    loop {
        let asked = Instant::now();
        let reply = pair.scene.ask(&ask).await;
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "{:?}",
            asked.elapsed()
        );
        if reply.status == 200 {
            let answer = reply.json();
            // Sent in the very moment of its death.
            if answer["error"]["data"]["reason"] == "outcome_unknown" {
                continue;
            }
            assert_eq!(answer["result"]["structuredContent"]["sub"], "alice");
            break;
        }
        let reply = reply.is(503);
        assert!(reply.header("retry-after").is_some());
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "not taken over"
        );
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        metric(
            &pair.nodes[1],
            "usher_cluster_claims_total{outcome=\"won\"}"
        )
        .await,
        1
    );
    loop {
        let reply = pair.scene.ask(&legacy).await;
        if reply.status == 404 {
            break;
        }
        reply.is(503);
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "a stream that is gone is still found"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

// L08, L16: stopped, so that it takes requests into its queue and answers none.
#[tokio::test]
async fn a_call_to_a_node_that_stands_still_is_answered_and_never_runs() {
    let Some(mut pair) = pair().await else { return };
    let session = Mcp::ready(&pair.scene, &pair.token("alice")).await;
    let ask = session.message(&call(7, "whoami"));
    pair.scene.move_to(&pair.nodes[1]);
    pair.scene.ask(&ask).await.is(200);
    let ran = "usher_calls_total{tool=\"whoami\",outcome=\"ok\"}";
    assert_eq!(metric(&pair.nodes[0], ran).await, 1);

    pair.nodes[0].signal("STOP");
    let asked = Instant::now();
    let unclear = pair.scene.ask(&ask).await.is(200).json();
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(unclear["id"], 7);
    assert_eq!(unclear["error"]["data"]["reason"], "outcome_unknown");
    pair.nodes[0].signal("CONT");

    // Whatever it finds in its queue is too late, or it has lost the session meanwhile.
    let started = Instant::now();
    while pair.scene.ask(&ask).await.status != 200 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "no node has the session"
        );
        sleep(Duration::from_millis(100)).await;
    }
    let everywhere = metric(&pair.nodes[0], ran).await + metric(&pair.nodes[1], ran).await;
    assert_eq!(everywhere, 2, "the call that nobody knows of has run");
}
