//! Clients of three generations at once, on one handler: 2024-11-05 over HTTP+SSE, 2025-11-25 over
//! Streamable HTTP with sessions, 2026-07-28 without; a hundred of each, and a few that know tasks. Every
//! call asks its client something, and among them are those who read slowly, break off, or never answer.
//!
//! `cargo test` runs it for a few seconds. For longer:
//! `cargo test --test it mixed::for_thirty_seconds -- --ignored --nocapture`

mod clients;
mod desk;
mod tasks;
mod trouble;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use mcp_usher::{config::Config, units::HumanDuration};

use crate::kit::{
    BOUND, Scene,
    crowd::{alone, nothing_is_left, open_files},
    eventually, within,
};
use clients::{Legacy, Modern, Streamable};
use desk::Desk;
use tasks::Tasked;

/// Clients of each generation.
const CLIENTS: usize = 100;
/// Clients of tasks beside them.
const TASKED: usize = 10;
/// How long a task is kept, whatever became of its client.
const TTL: HumanDuration = HumanDuration::from_secs(5);
/// Troublemakers of each kind.
const TROUBLEMAKERS: usize = 3;

#[test]
fn three_generations_at_once_each_get_their_own_answers_and_leave_nothing() {
    alone("mixed::for_three_seconds");
}

#[ignore = "run by three_generations_at_once_…, in a process of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_three_seconds() {
    mixed_load(Duration::from_secs(3)).await;
}

#[ignore = "the long form of three_generations_at_once_…"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_thirty_seconds() {
    mixed_load(Duration::from_secs(30)).await;
}

async fn mixed_load(duration: Duration) {
    let desk = Desk::default();
    // Enough for those who begin tasks and forget them.
    let change = |config: &mut Config| {
        config.handler.tasks.ttl = TTL;
        config.handler.tasks.per_principal_max = 1_000;
        // What is left is to be seen gone.
        config.router.session.grace_after_expiry = HumanDuration::from_secs(2);
    };
    let scene = Arc::new(Scene::of(change, desk.tools()).await);
    // Threads for tasks are started with the first, and stay.
    let mut wire = scene.wire().await;
    tasks::begin(&scene, &mut wire, &scene.token("first"), 1, "hello?").await;
    drop(wire);
    let files = open_files();

    let users = 0..CLIENTS;
    let legacy = join_all(users.clone().map(|user| Legacy::open(&scene, user))).await;
    let streamable = join_all(users.clone().map(|user| Streamable::open(&scene, user))).await;
    let modern = users.map(|user| Modern::of(&scene, user));
    let tasked = (0..TASKED).map(|user| Tasked::of(&scene, user));
    assert_eq!(scene.running().sessions(), 2 * CLIENTS);
    // A stream for each of HTTP+SSE, and for every other one of Streamable HTTP.
    assert_eq!(
        scene.metric("usher_streams_open"),
        (CLIENTS + CLIENTS / 2) as u64
    );

    let until = Instant::now() + duration;
    let trouble = trouble::begin(&scene, until);
    let legacy = legacy
        .into_iter()
        .map(|client| tokio::spawn(client.work(until)));
    let streamable = streamable
        .into_iter()
        .map(|client| tokio::spawn(client.work(until)));
    let modern = modern.map(|client| tokio::spawn(client.work(until)));
    let tasked = tasked.map(|client| tokio::spawn(client.work(until)));
    let (legacy, streamable, modern, tasked) = tokio::join!(
        join_all(legacy.collect::<Vec<_>>()),
        join_all(streamable.collect::<Vec<_>>()),
        join_all(modern.collect::<Vec<_>>()),
        join_all(tasked.collect::<Vec<_>>()),
    );
    let caused = join_all(trouble).await;

    let right = [legacy, streamable, modern, tasked].map(|counts| {
        let counts: Vec<u64> = counts.into_iter().map(Result::unwrap).collect();
        assert!(counts.iter().all(|right| *right > 0), "{counts:?}");
        counts.iter().sum::<u64>()
    });
    let caused: u64 = caused.into_iter().map(Result::unwrap).sum();
    println!("{right:?} answers, {caused} disturbances");
    assert!(caused >= (trouble::KINDS * TROUBLEMAKERS) as u64);
    assert_eq!(
        scene.metric("usher_calls_total{tool=\"ask\",outcome=\"ok\"}"),
        right.iter().sum::<u64>()
    );

    // Those who went without a word are still waited for, some with a question open, until their tokens
    // are over.
    let abandoned = CLIENTS / 2 + trouble::KINDS * TROUBLEMAKERS;
    scene.sessions(abandoned).await;
    scene.clock.advance(Duration::from_secs(2 * 60 * 60));
    // Nobody asks for a forgotten task, and it goes all the same.
    within(TTL.get() + BOUND, "no task is left", || {
        scene.metric("usher_tasks_kept") == 0 && scene.metric("usher_tasks_running") == 0
    })
    .await;
    eventually("no call is left", || desk.running() == 0).await;
    nothing_is_left(&scene, files).await;
}
