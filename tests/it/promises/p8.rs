//! P8: how long somebody is still let in whose access was withdrawn.

use std::{
    fs,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use mcp_usher::{
    auth::{CutOff, Whom},
    units::HumanDuration,
};
use serde_json::json;

use super::{SECOND, eventually_let_in, header, introspecting, milliseconds, percentile, token};
use crate::{
    kit::{Ask, Scene, Sse, scene::NOW},
    notices,
};

/// 60 s are promised: a twelfth.
const TTL: Duration = Duration::from_secs(5);
const TOKENS: usize = 200;
const STREAMS: usize = 20;

/// Sessions with their streams open.
async fn sessions(scene: &Scene, tokens: &[String]) -> Vec<Sse> {
    let mut sessions = Vec::new();
    for token in tokens {
        sessions.push(Sse::ready(scene, token).await);
    }
    sessions
}

/// Waits until a stream is over, and says when that was.
async fn ended(mut session: Sse) -> Instant {
    session.events.farewell().await;
    Instant::now()
}

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_opaque_tokens_that_are_revoked() {
    let scene = Scene::with(|config| {
        introspecting(config);
        config.verifier.cache.answer_ttl = HumanDuration::new(TTL);
    })
    .await;
    let verifier = scene.running().verifier().clone();
    let know = |text: &str| {
        let audiences = [scene.url("/mcp"), scene.url("/sse")];
        scene.issuer.know(
            text,
            json!({ "sub": text, "client_id": "agent", "aud": audiences, "exp": NOW + 600 }),
        );
    };
    let names: Vec<_> = (0..TOKENS).map(|number| format!("t{number}")).collect();
    let headers: Vec<_> = names.iter().map(|name| header(name)).collect();
    for (name, header) in names.iter().zip(&headers) {
        know(name);
        eventually_let_in(&verifier, &token(header)).await;
    }
    let of_streams: Vec<_> = (0..STREAMS).map(|number| format!("s{number}")).collect();
    for name in &of_streams {
        know(name);
    }
    let streams = sessions(&scene, &of_streams).await;
    let watched = tokio::spawn(join_all(streams.into_iter().map(ended)));

    // Revoked one after the other over a TTL, in an order that has nothing to do with their answers'.
    let revoke = |name: &str| scene.issuer.know(name, json!({ "active": false }));
    let mut revoked_at = vec![None; TOKENS];
    let mut accepted_at = vec![Instant::now(); TOKENS];
    let mut streams_revoked_at = Vec::new();
    let started = Instant::now();
    let mut refused = 0;
    while refused < TOKENS {
        assert!(started.elapsed() < TTL * 4, "{refused} refused");
        let due = started.elapsed().as_millis() * TOKENS as u128 / TTL.as_millis();
        for turn in 0..TOKENS.min(usize::try_from(due).unwrap()) {
            let number = turn * 77 % TOKENS;
            if revoked_at[number].is_none() {
                revoke(&names[number]);
                revoked_at[number] = Some(Instant::now());
            }
            if turn % (TOKENS / STREAMS) == 0
                && turn / (TOKENS / STREAMS) >= streams_revoked_at.len()
            {
                revoke(&of_streams[streams_revoked_at.len()]);
                streams_revoked_at.push(Instant::now());
            }
        }
        refused = 0;
        for (number, header) in headers.iter().enumerate() {
            match verifier.verify(&token(header)).await {
                Ok(_) => accepted_at[number] = Instant::now(),
                Err(_) => refused += 1,
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let late = |(revoked, last): (&Option<Instant>, &Instant)| {
        last.saturating_duration_since(revoked.unwrap())
    };
    let late: Vec<_> = revoked_at.iter().zip(&accepted_at).map(late).collect();
    let worst = *late.iter().max().unwrap();
    assert!(worst <= TTL + SECOND, "{worst:?}");
    println!(
        "P8: {TOKENS} opaque tokens revoked over {:.0} s, answers count {:.0} s: let in for {:.1} s more \
         at most, half of them for {:.1} s",
        TTL.as_secs_f64(),
        TTL.as_secs_f64(),
        worst.as_secs_f64(),
        percentile(late, 50).as_secs_f64(),
    );

    let in_time = tokio::time::timeout(TTL * 3, watched);
    let ended_at = in_time.await.expect("every stream ends").unwrap();
    let late = streams_revoked_at.iter().zip(&ended_at);
    let late = late.map(|(revoked, ended)| ended.saturating_duration_since(*revoked));
    let worst = late.max().unwrap();
    assert!(worst <= TTL + SECOND * 5, "{worst:?}");
    println!(
        "P8: {STREAMS} open streams of such tokens: closed {:.1} s later at most",
        worst.as_secs_f64()
    );

    know("purged");
    let purged = header("purged");
    eventually_let_in(&verifier, &token(&purged)).await;
    revoke("purged");
    let started = Instant::now();
    verifier.forget_all();
    while verifier.verify(&token(&purged)).await.is_ok() {
        assert!(started.elapsed() < SECOND * 2, "still let in");
    }
    println!(
        "P8: a revoked token after a purge: refused after {:.0} ms",
        milliseconds(started.elapsed())
    );
}

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_callers_that_are_cut_off() {
    let file = notices::key_file("p8");
    let path = file.clone();
    let scene = Scene::with(move |config| {
        config.notices.webhook_secret_file = Some(path);
        config.issuer.logout_clients = vec!["*".to_owned()];
    })
    .await;
    for way in ["operator", "webhook", "logout token"] {
        let of_user = |number: usize| scene.token_with(way, &json!({ "jti": number }));
        let tokens: Vec<_> = (0..STREAMS).map(of_user).collect();
        let sessions = sessions(&scene, &tokens).await;
        let watched = tokio::spawn(join_all(sessions.into_iter().map(ended)));

        let started = Instant::now();
        match way {
            "operator" => {
                let now = scene.clock.now();
                let whom = Whom {
                    issuer: None,
                    client_id: None,
                    subject: Some(way.to_owned()),
                };
                let cut = CutOff::before(now, whom, now);
                assert_eq!(scene.running().cut_off(&cut).await, Ok(STREAMS));
            }
            "webhook" => {
                let data = json!({ "id": way, "isSuspended": true });
                let event = notices::event("User.SuspensionStatus.Updated", NOW, &data);
                notices::hook(&scene, &event, notices::KEY).await.is(204);
            }
            _ => {
                let claims = notices::logout(&scene, &json!({ "sub": way }));
                let signed = notices::sign(&scene.key, "logout+jwt", &claims);
                notices::log_out(&scene, &signed).await.is(200);
            }
        }
        let whoami = json!({ "name": "whoami" });
        let ask = Ask::modern(&scene, &tokens[0], 1, "tools/call", whoami);
        scene.ask(&ask).await.is(401);
        let refused = started.elapsed();
        let in_time = tokio::time::timeout(SECOND * 5, watched);
        let last = in_time.await.expect("every stream ends").unwrap();
        let closed = last.into_iter().max().unwrap() - started;

        assert!(refused.max(closed) < SECOND * 2, "{refused:?} {closed:?}");
        println!(
            "P8: cut off by {way}: refused after {:.0} ms, the last of {STREAMS} streams closed after \
             {:.0} ms",
            milliseconds(refused),
            milliseconds(closed),
        );
    }
    fs::remove_file(file).unwrap();
}
