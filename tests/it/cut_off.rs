//! Callers that are cut off while their tokens live, and what ends by itself when its token does.

use std::time::{Duration, Instant};

use mcp_usher::{
    auth::{CutOff, Whom},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::kit::{
    Ask, Events, Mcp, Scene, Sse, eventually, issuer::signing::SigningKey, mcp::call, scene::NOW,
    tools::Gate,
};

/// How soon everything of a caller that is cut off has to be over.
const SOON: Duration = Duration::from_secs(2);

fn whom(client_id: Option<&str>, subject: Option<&str>) -> Whom {
    Whom {
        issuer: None,
        client_id: client_id.map(str::to_owned),
        subject: subject.map(str::to_owned),
    }
}

fn cut(scene: &Scene, whom: Whom) -> CutOff {
    let now = scene.clock.now();
    CutOff::before(now, whom, now)
}

fn whoami(scene: &Scene, token: &str) -> Ask {
    Ask::modern(scene, token, 1, "tools/call", json!({ "name": "whoami" }))
}

/// A `subscriptions/listen` stream that was acknowledged.
async fn listen(scene: &Scene, token: &str) -> Events {
    let wish = json!({ "notifications": { "toolsListChanged": true } });
    let ask = Ask::modern(scene, token, 1, "subscriptions/listen", wish);
    let mut events = scene.events(&ask).await;
    let acknowledged = events.message().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    events
}

/// The error a stream's request was answered with.
async fn reason(events: &mut Events) -> Value {
    let answer = events.message().await;
    assert_eq!(events.event().await, None);
    answer["error"]["data"]["reason"].clone()
}

// X15, P8: a known caller and an unknown one, with sessions and without.
#[actix_web::test]
async fn who_is_cut_off_is_refused_while_the_token_lives() {
    let scene = Scene::new().await;
    let (old, unseen) = (
        scene.token("alice"),
        scene.token_with("alice", &json!({ "jti": "b" })),
    );
    let mut mcp = Mcp::ready(&scene, &old).await;
    let mut stream = scene.events(&mcp.stream(&scene)).await;
    let mut sse = Sse::ready(&scene, &old).await;
    let mut listening = listen(&scene, &old).await;
    let mut bob = Mcp::ready(&scene, &scene.token("bob")).await;
    scene.ask(&whoami(&scene, &old)).await.is(200);

    let cut = cut(&scene, whom(Some("agent"), Some("alice")));
    let started = Instant::now();
    assert_eq!(scene.running().cut_off(&cut).await, Ok(2));

    assert_eq!(stream.farewell().await, "closed: access was withdrawn");
    assert_eq!(sse.events.farewell().await, "closed: access was withdrawn");
    assert_eq!(reason(&mut listening).await, "cut_off");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    for token in [&old, &unseen] {
        let refused = scene.ask(&whoami(&scene, token)).await.is(401);
        assert!(refused.challenge().contains("access was withdrawn"));
    }
    mcp.post(&call(7, "whoami")).await.is(401);
    let refusals = "usher_verifier_refusals_total{reason=\"cut_off\"}";
    assert_eq!(scene.metric(refusals), 3);
    assert_eq!(scene.metric("usher_cut_offs"), 1);
    assert!(bob.call(8, "whoami").await["result"].is_object());

    // Who signs in anew comes back: at once, and by another agent of hers.
    let again = scene.token_with("alice", &json!({ "iat": NOW }));
    scene.ask(&whoami(&scene, &again)).await.is(200);
    let other = scene.token_with("alice", &json!({ "client_id": "other" }));
    scene.ask(&whoami(&scene, &other)).await.is(200);
}

// P8: the sweep finds what has been opened in the meantime.
#[actix_web::test]
async fn a_ban_refuses_later_tokens_too_until_it_ends() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let ban = cut(&scene, whom(None, Some("alice"))).and_ban_for(Duration::from_secs(60));
    let again = scene.token_with("alice", &json!({ "iat": NOW }));

    // Only the verifier's table, as if the router had been too busy: its sweep ends them.
    scene.running().verifier().cut_offs().add(&ban).unwrap();

    assert_eq!(sse.events.farewell().await, "closed: access was withdrawn");
    scene.ask(&whoami(&scene, &again)).await.is(401);
    scene.clock.advance(Duration::from_secs(60));
    scene.ask(&whoami(&scene, &again)).await.is(200);
    scene
        .ask(&whoami(&scene, &scene.token("alice")))
        .await
        .is(200);
}

// P8: a call of 2026-07-28 that runs is answered with the reason.
#[actix_web::test]
async fn a_call_without_a_session_ends_with_its_callers_leave() {
    let gate = Gate::default();
    let scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let token = scene.token("alice");
    let ask = Ask::modern(&scene, &token, 1, "tools/call", json!({ "name": "wait" }));
    let mut wire = scene.wire().await;
    wire.send_ask(&ask).await;
    eventually("the call runs", || gate.begun() == 1).await;

    let cut = cut(&scene, whom(Some("agent"), None));
    assert_eq!(scene.running().cut_off(&cut).await, Ok(0));

    let answer = wire.reply().await.is(200).json();
    assert_eq!(answer["error"]["data"]["reason"], "cut_off");
    assert_eq!((gate.gone(), gate.ended()), (1, 0));
}

// P9: streams without a session end with their token too, leeway and all.
#[actix_web::test]
async fn a_stream_without_a_session_ends_with_its_token() {
    let scene = Scene::new().await;
    let short = scene.token_with("alice", &json!({ "exp": NOW + 30 }));
    let mut listening = listen(&scene, &short).await;

    scene.clock.set(Timestamp::from_unix_seconds(NOW + 89));
    assert!(listening.is_silent_for(Duration::from_millis(1_200)).await);
    scene.clock.set(Timestamp::from_unix_seconds(NOW + 90));

    assert_eq!(reason(&mut listening).await, "token_expired");
    scene.ask(&whoami(&scene, &short)).await.is(401);
}

// K37: what a withdrawn key keeps open ends at the sweep's pace, sessions or not; others' streams go on.
#[actix_web::test]
async fn a_key_that_is_withdrawn_takes_the_streams_of_its_callers() {
    let scene = Scene::new().await;
    let staying = SigningKey::new("ES256", "staying");
    scene.issuer.publish(&[&scene.key, &staying]);
    scene.running().verifier().forget_all();
    let (leaves, stays) = (scene.token("alice"), staying.token(&scene.claims("alice")));
    let mut bob = Sse::ready(&scene, &staying.token(&scene.claims("bob"))).await;
    let mut sse = Sse::ready(&scene, &leaves).await;
    let mcp = Mcp::ready(&scene, &leaves).await;
    let mut stream = scene.events(&mcp.stream(&scene)).await;
    let mut listening = listen(&scene, &leaves).await;

    scene.issuer.publish(&[&staying]);
    scene.running().verifier().forget_all();

    let revoked = "closed: the access token is good no more";
    assert_eq!(sse.events.farewell().await, revoked);
    assert_eq!(stream.farewell().await, revoked);
    assert_eq!(reason(&mut listening).await, "token_revoked");
    scene.ask(&mcp.message(&call(1, "whoami"))).await.is(401);
    let again = mcp.message(&call(2, "whoami"));
    let again = again.with("Authorization", &format!("Bearer {stays}"));
    scene.ask(&again).await.is(200);
    bob.call(3, "whoami").await;
    scene.sessions(2).await;
}
