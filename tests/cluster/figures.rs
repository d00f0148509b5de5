//! What it costs to be on the wrong node: measured by hand, with
//! `cargo test --test cluster figures -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use crate::{
    kit::{Mcp, Scene, mcp::call},
    scenes::Nodes,
};

const CALLS: usize = 2_000;

async fn measure(node: &Scene, session: &Mcp) -> Vec<Duration> {
    let mut wire = node.wire().await;
    let ask = session.message(&call(1, "whoami"));
    let mut took = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = Instant::now();
        wire.ask(&ask).await.is(200);
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took
}

// P27
#[tokio::test]
#[ignore = "a measurement, on a quiet machine"]
async fn what_forwarding_adds() {
    let Some(nodes) = Nodes::start(2).await else {
        return;
    };
    let session = Mcp::ready(&nodes.all[0], &nodes.token("alice")).await;
    let redis = |nodes: &Nodes| {
        let stats = nodes.redis.ask("INFO stats").unwrap();
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    for round in 0..3 {
        let here = measure(&nodes.all[0], &session).await;
        let before = redis(&nodes);
        let there = measure(&nodes.all[1], &session).await;
        let commands = redis(&nodes) - before;
        let at = |took: &[Duration], percent: usize| took[took.len() * percent / 100 - 1];
        eprintln!(
            "round {round}: local p50 {:?} p99 {:?}; forwarded p50 {:?} p99 {:?}; {commands} commands for {CALLS} calls",
            at(&here, 50),
            at(&here, 99),
            at(&there, 50),
            at(&there, 99),
        );
    }
    let memory = nodes
        .redis
        .ask(&format!("MEMORY USAGE usher:s:{}", session.id))
        .unwrap();
    eprintln!(
        "one session in the store: {} bytes",
        memory.trim().trim_start_matches(':')
    );
}
