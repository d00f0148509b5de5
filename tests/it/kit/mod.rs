//! What the tests are made with: a server with its issuer, a raw client, and a small MCP client.

pub(crate) mod ask;
pub(crate) mod check;
pub(crate) mod crowd;
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the issuer is shared with the tests of the auth room, which use the rest of it"
)]
pub(crate) mod issuer;
pub(crate) mod logs;
pub(crate) mod mcp;
pub(crate) mod process;
pub(crate) mod reply;
pub(crate) mod scene;
pub(crate) mod tools;
pub(crate) mod wire;

use std::time::{Duration, Instant};

pub(crate) use ask::Ask;
pub(crate) use mcp::{Mcp, Sse, notification, request};
pub(crate) use reply::Reply;
pub(crate) use scene::Scene;
pub(crate) use wire::{Events, Item, Wire};

/// Longest wait for anything that is meant to happen: far more than it takes, on a busy machine too.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    within(BOUND, what, condition)
}

/// Waits until `condition` holds, and fails after `bound`.
#[track_caller]
pub(crate) fn within(
    bound: Duration,
    what: &str,
    mut condition: impl FnMut() -> bool,
) -> impl Future<Output = ()> {
    let started = Instant::now();
    async move {
        while !condition() {
            assert!(started.elapsed() < bound, "not within {bound:?}: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
