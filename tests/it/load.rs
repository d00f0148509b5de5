//! Five hundred at once: every answer for the right caller, and nothing left when they are gone.
//!
//! Each of these runs in a process of its own, so that open files can be counted.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;

use crate::kit::{
    Ask, Mcp, Scene, Sse,
    crowd::{alone, nothing_is_left, open_files},
    mcp::call,
};

/// Calls of each session.
const CALLS: u64 = 20;

/// A server that would hold so many users.
async fn crowded(users: usize) -> (Scene, Vec<String>) {
    let scene = Scene::new().await;
    let tokens = (0..users)
        .map(|user| scene.token(&user_name(user)))
        .collect();
    (scene, tokens)
}

fn user_name(user: usize) -> String {
    format!("user-{user}")
}

// S24: all of them use the same ids.
#[test]
fn five_hundred_users_over_sse_each_get_their_own_answers_and_leave_nothing() {
    alone("load::sse");
}

#[test]
fn a_hundred_users_over_streamable_http_each_get_their_own_answers_and_leave_nothing() {
    alone("load::streamable_http");
}

#[test]
fn a_crowd_that_comes_and_goes_leaves_no_file_open() {
    alone("load::coming_and_going");
}

#[ignore = "run by five_hundred_users_over_sse_…, in a process of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sse() {
    const USERS: usize = 500;
    let (scene, tokens) = crowded(USERS).await;
    let files = open_files();
    let started = Instant::now();

    let mut sessions = Vec::new();
    for some in tokens.chunks(50) {
        sessions.extend(join_all(some.iter().map(|token| Sse::ready(&scene, token))).await);
    }
    assert_eq!(scene.running().sessions(), USERS);
    assert_eq!(scene.running().session_owners(), USERS);
    assert_eq!(scene.metric("usher_streams_open"), USERS as u64);
    let ids: HashSet<_> = sessions.iter().map(|sse| sse.id().to_owned()).collect();
    assert_eq!(ids.len(), USERS);
    println!("{USERS} sessions after {:?}", started.elapsed());

    let working = sessions.into_iter().enumerate().map(|(user, mut sse)| {
        tokio::spawn(async move {
            let name = user_name(user);
            let mut right = 0;
            // Half of them ask one after the other, half all at once.
            if user % 2 == 0 {
                for id in 0..CALLS {
                    right += usize::from(is_of(&sse.call(id, "whoami").await, &name));
                }
            } else {
                for id in 0..CALLS {
                    sse.tell(&call(id, "whoami")).await;
                }
                let mut answered = HashSet::new();
                for _ in 0..CALLS {
                    let answer = sse.events.message().await;
                    answered.insert(answer["id"].as_u64().unwrap());
                    right += usize::from(is_of(&answer, &name));
                }
                assert_eq!(answered, (0..CALLS).collect());
            }
            (sse, right)
        })
    });
    let done = join_all(working.collect::<Vec<_>>()).await;
    let right: usize = done.iter().map(|done| done.as_ref().unwrap().1).sum();
    assert_eq!(right, 10_000);
    println!("{right} answers after {:?}", started.elapsed());
    assert_eq!(
        scene.metric("usher_calls_total{tool=\"whoami\",outcome=\"ok\"}"),
        10_000
    );

    drop(done);
    nothing_is_left(&scene, files).await;
    println!("nothing left after {:?}", started.elapsed());
    assert!(scene.running().verifier().usage().entries <= USERS);
    assert_eq!(scene.running().verifier().counters().misses(), USERS as u64);
}

#[ignore = "run by a_hundred_users_over_streamable_http_…, in a process of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streamable_http() {
    const USERS: usize = 100;
    let (scene, tokens) = crowded(USERS).await;
    let files = open_files();

    let mut sessions = Vec::new();
    for some in tokens.chunks(50) {
        sessions.extend(join_all(some.iter().map(|token| Mcp::ready(&scene, token))).await);
    }
    let streams = join_all(sessions.iter().map(|mcp| {
        let ask = mcp.stream(&scene);
        let scene = &scene;
        async move { scene.events(&ask).await }
    }))
    .await;
    assert_eq!(scene.metric("usher_streams_open"), USERS as u64);

    let working = sessions.into_iter().enumerate().map(|(user, mut mcp)| {
        tokio::spawn(async move {
            let mut right = 0;
            for id in 0..CALLS {
                right += usize::from(is_of(&mcp.call(id, "whoami").await, &user_name(user)));
            }
            (mcp, right)
        })
    });
    let done = join_all(working.collect::<Vec<_>>()).await;
    let right: usize = done.iter().map(|done| done.as_ref().unwrap().1).sum();
    assert_eq!(right, 2_000);

    for mut stream in streams {
        assert!(
            stream.is_silent_for(Duration::from_millis(1)).await || {
                // The first comment may not have been read yet.
                stream.next().await.is_some()
            }
        );
    }
    let ends = done.iter().map(|done| {
        let ask = done.as_ref().unwrap().0.end(&scene);
        let scene = &scene;
        async move { scene.ask(&ask).await.is(204) }
    });
    join_all(ends.collect::<Vec<_>>()).await;
    drop(done);
    nothing_is_left(&scene, files).await;
    assert!(scene.running().verifier().usage().entries <= USERS);
}

#[ignore = "run by a_crowd_that_comes_and_goes_…, in a process of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coming_and_going() {
    let (scene, tokens) = crowded(40).await;
    let modern = Ask::modern(
        &scene,
        &tokens[0],
        1,
        "tools/call",
        json!({ "name": "whoami" }),
    );
    let files = open_files();

    for round in 0..5 {
        let visits = tokens.iter().enumerate().map(|(user, token)| {
            let (scene, modern) = (&scene, &modern);
            async move {
                match (user + round) % 5 {
                    // Leaves with a word, without one, before its answer, in the middle of its
                    // request, or is refused.
                    0 => Sse::ready(scene, token).await.events.finish().await,
                    1 => Sse::ready(scene, token).await.events.reset(),
                    2 => {
                        let mut wire = scene.wire().await;
                        wire.send_ask(modern).await;
                        wire.reset();
                    }
                    3 => {
                        let bytes = modern.bytes();
                        scene.wire().await.send(&bytes[..bytes.len() - 3]).await;
                    }
                    _ => {
                        scene.ask(&Ask::get(scene, "/sse")).await.is(401);
                    }
                }
            }
        });
        join_all(visits.collect::<Vec<_>>()).await;
    }

    nothing_is_left(&scene, files).await;
}

/// Whether an answer is the claims of this user.
fn is_of(answer: &serde_json::Value, user: &str) -> bool {
    answer["result"]["structuredContent"]["sub"] == user
}
