//! What is remembered, for how long, and how often the issuer is asked.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{NOW, RESOURCE, Scene, eventually, token, with};
use crate::{
    auth::{
        Audiences, AuthError, Method, Outcome, Reason, Verification,
        fake_issuer::{Behaviour, Endpoint, signing::SigningKey},
        judge,
    },
    scope::Scopes,
    time::Timestamp,
    units::{ByteSize, HumanDuration},
};

const MINUTE: Duration = Duration::from_secs(60);

#[actix::test]
async fn a_known_caller_is_recognised_without_asking_anybody() {
    let scene = Scene::new(|_| ());
    let token = scene.good_token();

    for _ in 0..5 {
        assert_eq!(scene.verify(&token).await.unwrap().subject(), "alice");
    }

    let counters = scene.verifier.counters();
    assert_eq!((counters.misses(), counters.hits()), (1, 4));
    assert_eq!(counters.verdicts_of(Method::Jwt, Outcome::Verified), 1);
    assert_eq!(scene.issuer.count(Endpoint::Keys), 1);
}

// K19
#[actix::test]
async fn a_remembered_caller_is_taken_until_the_leeway_has_passed_and_no_longer() {
    let scene = Scene::new(|_| ());
    let remembered = scene.good_token();
    scene.verify(&remembered).await.unwrap();

    scene.clock.advance(Duration::from_secs(600 + 59));
    assert!(scene.verify(&remembered).await.is_ok());
    let fresh = scene.good_tokens().next().unwrap();
    assert!(scene.verify(&fresh).await.is_ok());

    scene.clock.advance(Duration::from_secs(2));
    let fresh = scene.good_tokens().nth(1).unwrap();
    for token in [remembered, fresh] {
        assert_eq!(
            scene.verify(&token).await.unwrap_err(),
            Reason::Expired.into()
        );
    }
}

// K24
#[actix::test]
async fn tokens_that_look_alike_are_told_apart() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    let (head, tail) = ("h".repeat(64), "t".repeat(64));
    let (mine, other) = (format!("{head}0{tail}"), format!("{head}1{tail}"));
    scene
        .issuer
        .know(&mine, json!({ "sub": "alice", "client_id": "agent" }));

    assert_eq!(scene.verify(&mine).await.unwrap().subject(), "alice");
    let refused = scene.verify(&other).await.unwrap_err();

    assert_eq!(refused, Reason::Inactive.into());
}

// K25
#[actix::test]
async fn a_caller_remembered_from_reading_is_judged_anew_when_it_writes() {
    let scene = Scene::new(|_| ());
    let token = scene.good_token();
    let audiences = scene.verifier.audiences([RESOURCE.to_owned()]);
    let [read, write]: [Scopes; 2] =
        ["notes:read", "notes:write"].map(|text| text.parse().unwrap());

    let reader = scene.verify(&token).await.unwrap();
    assert_eq!(judge(&reader, &audiences, &read), Ok(()));
    let writer = scene.verify(&token).await.unwrap();

    assert_eq!(
        judge(&writer, &audiences, &write),
        Err(AuthError::InsufficientScope { needed: write })
    );
    let elsewhere = Audiences::new(["https://other".to_owned()]);
    assert_eq!(
        judge(&writer, &elsewhere, &read),
        Err(Reason::WrongAudience.into())
    );
}

// K27
#[actix::test]
async fn an_answer_without_a_lifetime_counts_for_a_minute() {
    let scene = Scene::opaque(Verification::Userinfo, |_| ());
    scene.issuer.know("opaque", json!({ "sub": "alice" }));

    scene.verify("opaque").await.unwrap();
    scene.time_passes(Duration::from_secs(59)).await;
    scene.verify("opaque").await.unwrap();
    assert_eq!(scene.issuer.count(Endpoint::Userinfo), 1);

    scene.time_passes(Duration::from_secs(2)).await;
    scene.verify("opaque").await.unwrap();
    assert_eq!(scene.issuer.count(Endpoint::Userinfo), 2);
}

// K27
#[actix::test]
async fn an_unverified_expiry_can_shorten_that_minute_and_never_lengthen_it() {
    let scene = Scene::opaque(Verification::Userinfo, |config| {
        config.issuer.leeway = HumanDuration::from_secs(0);
    });
    let token = |exp: u64| {
        scene
            .key
            .token(&with("https://elsewhere", "exp", json!(exp)))
    };
    let (soon, late) = (token(NOW + 5), token(NOW + 86_400));
    for token in [&soon, &late] {
        scene.issuer.know(token, json!({ "sub": "alice" }));
        scene.verify(token).await.unwrap();
    }

    scene.time_passes(Duration::from_secs(6)).await;
    scene.verify(&soon).await.unwrap();
    assert_eq!(scene.issuer.count(Endpoint::Userinfo), 3);
    scene.verify(&late).await.unwrap();
    assert_eq!(scene.issuer.count(Endpoint::Userinfo), 3);
    scene.time_passes(MINUTE).await;
    scene.verify(&late).await.unwrap();
    assert_eq!(scene.issuer.count(Endpoint::Userinfo), 4);
}

// K29
#[actix::test]
async fn a_refusal_is_remembered_for_ten_seconds_only() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    for _ in 0..3 {
        let refused = scene.verify("new").await.unwrap_err();
        assert_eq!(refused, Reason::Inactive.into());
    }
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1);
    assert_eq!(scene.verifier.usage().refusals, 1);

    // The replica that was asked has caught up.
    scene.issuer.know("new", json!({ "sub": "alice" }));
    assert!(scene.verify("new").await.is_err());
    scene.time_passes(Duration::from_secs(11)).await;

    assert_eq!(scene.verify("new").await.unwrap().subject(), "alice");
}

// K32
#[actix::test]
async fn a_fresh_answer_does_not_outlive_the_token() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    scene
        .issuer
        .know("opaque", json!({ "sub": "alice", "exp": NOW + 5 }));
    scene.verify("opaque").await.unwrap();

    scene.clock.advance(Duration::from_secs(5 + 59));
    assert!(scene.verify("opaque").await.is_ok());
    scene.clock.advance(Duration::from_secs(1));

    assert_eq!(
        scene.verify("opaque").await.unwrap_err(),
        Reason::Expired.into()
    );
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1);
}

// K33, scaled: garbage fills its own store and pushes nobody out of the other.
#[actix::test]
async fn a_flood_of_garbage_pushes_no_known_caller_out() {
    let scene = Scene::opaque(Verification::Auto, |config| {
        config.cache.refusals_max = 64;
        config.cache.bytes_max = ByteSize::from_kib(512);
    });
    let known: Vec<_> = scene.good_tokens().take(50).collect();
    for token in &known {
        scene.verify(token).await.unwrap();
    }

    for number in 0..1_000 {
        let garbage = format!("garbage{number}");
        assert!(scene.verify(&garbage).await.is_err());
        let forged = format!("{}x", known[0]);
        assert!(scene.verify(&forged).await.is_err());
    }
    let misses = scene.verifier.counters().misses();
    for token in &known {
        scene.verify(token).await.unwrap();
    }

    assert_eq!(scene.verifier.counters().misses(), misses);
    assert!(scene.verifier.usage().refusals <= 64);
}

// K33
#[actix::test]
async fn the_memory_for_callers_is_bounded_in_bytes() {
    let limit = 256 * 1024;
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.cache.bytes_max = ByteSize::from_bytes(limit);
    });
    for number in 0..200 {
        let token = format!("token{number}");
        let claims = json!({ "sub": token, "note": "x".repeat(4_096) });
        scene.issuer.know(&token, claims);
        scene.verify(&token).await.unwrap();
        assert!(scene.verifier.usage().bytes <= limit as u64);
    }

    let usage = scene.verifier.usage();
    assert!(usage.entries < 64 && usage.entries > 16, "{usage:?}");
}

// K40
#[actix::test]
async fn a_revoked_opaque_token_is_refused_once_its_answer_has_aged() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    scene
        .issuer
        .know("opaque", json!({ "sub": "alice", "exp": NOW + 3_600 }));
    scene.verify("opaque").await.unwrap();

    scene.issuer.know("opaque", json!({ "active": false }));
    assert!(scene.verify("opaque").await.is_ok());
    scene.time_passes(MINUTE + Duration::from_secs(1)).await;

    assert_eq!(
        scene.verify("opaque").await.unwrap_err(),
        Reason::Inactive.into()
    );
    assert_eq!(scene.verifier.usage().entries, 0);
}

// K42
#[actix::test]
async fn five_thousand_callers_at_once_with_one_token_ask_once() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    scene.issuer.know("opaque", json!({ "sub": "alice" }));
    let gate = scene.issuer.hold(Endpoint::Introspection);
    let text = token("opaque");

    let callers = join_all((0..5_000).map(|_| scene.verifier.verify(&text)));
    let release = async {
        eventually("all callers waiting", async || {
            (scene.verifier.usage().waiting == 5_000).then_some(())
        })
        .await;
        gate.add_permits(1);
    };
    let (verdicts, ()) = tokio::join!(callers, release);

    assert!(
        verdicts
            .iter()
            .all(|verdict| verdict.as_ref().unwrap().subject() == "alice")
    );
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1);
    assert_eq!(scene.verifier.usage().waiting, 0);
}

// K42
#[actix::test]
async fn a_caller_that_leaves_cancels_nothing_for_those_who_wait() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    scene.issuer.know("opaque", json!({ "sub": "alice" }));
    let gate = scene.issuer.hold(Endpoint::Introspection);
    let text = token("opaque");

    {
        let first = scene.verifier.verify(&text);
        let asked = eventually("the question", async || {
            (scene.issuer.count(Endpoint::Introspection) == 1).then_some(())
        });
        tokio::select! {
            _ = first => panic!("answered before the issuer did"),
            () = asked => {}
        }
    }
    gate.add_permits(1);

    assert_eq!(scene.verify("opaque").await.unwrap().subject(), "alice");
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1);
}

// K43: promise P5
#[actix::test]
async fn questions_and_waiting_callers_are_bounded() {
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.limits.upstream_max = 4;
        config.limits.waiters_max = 10;
    });
    // Metadata first, so that all that is counted below are questions.
    scene.verify("warm").await.unwrap_err();
    let gate = scene.issuer.hold(Endpoint::Introspection);
    let texts: Vec<_> = (0..50).map(|number| token(&format!("t{number}"))).collect();

    let callers = join_all(texts.iter().map(|text| scene.verifier.verify(text)));
    let watch = async {
        eventually("three questions", async || {
            (scene.issuer.count(Endpoint::Introspection) == 4).then_some(())
        })
        .await;
        let waiting = scene.verifier.usage().waiting;
        gate.add_permits(100);
        waiting
    };
    let (verdicts, waiting) = tokio::join!(callers, watch);

    // A quarter of the places, and of the questions, is not for strangers.
    assert_eq!(waiting, 8);
    let turned_away = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Err(AuthError::Unavailable { .. })))
        .count();
    assert_eq!(turned_away, 42);
    assert_eq!(scene.verifier.counters().turned_away(), 42);
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 9);
}

// K43: promise P5
#[actix::test]
async fn tokens_that_wait_are_bounded_and_a_crowd_with_one_of_them_is_not_turned_away() {
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.limits.tokens_max = 8;
    });
    scene.verify("warm").await.unwrap_err();
    scene.issuer.know("t0", json!({ "sub": "alice" }));
    let gate = scene.issuer.hold(Endpoint::Introspection);
    let texts: Vec<_> = (0..50).map(|number| token(&format!("t{number}"))).collect();
    let same = std::iter::repeat_n(&texts[0], 50);

    let callers = join_all(
        texts
            .iter()
            .chain(same)
            .map(|text| scene.verifier.verify(text)),
    );
    let release = async {
        eventually("those beyond six are turned away", async || {
            (scene.verifier.counters().turned_away() == 44).then_some(())
        })
        .await;
        gate.add_permits(100);
    };
    let (verdicts, ()) = tokio::join!(callers, release);

    assert!(verdicts[0].is_ok());
    assert!(verdicts[50..].iter().all(Result::is_ok));
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1 + 6);
}

#[actix::test]
async fn a_caller_is_not_kept_waiting_longer_than_the_limit() {
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.limits.verdict_within = HumanDuration::new(Duration::from_millis(50));
    });
    let _never_opened = scene.issuer.hold(Endpoint::Introspection);

    let verdict = scene.verify("opaque").await;

    assert!(matches!(verdict, Err(AuthError::Unavailable { .. })));
    assert_eq!(scene.verifier.usage().waiting, 0);
    scene
        .issuer
        .behave(Endpoint::Introspection, Behaviour::Normal);
    scene.issuer.know("opaque", json!({ "sub": "alice" }));
    eventually("a verdict", async || scene.verify("opaque").await.ok()).await;
}

// F15: promise P25
#[actix::test]
async fn a_dead_examiner_lets_nobody_in_and_is_replaced() {
    let scene = Scene::new(|_| ());
    let known = scene.good_token();
    scene.verify(&known).await.unwrap();
    let forged = SigningKey::new("ES256", "first").token(&scene.claims());

    for token in scene.good_tokens().take(5) {
        let examiner = scene.verifier.desks()[0].examiner();
        let _dead = examiner.send(crate::auth::examiner::Crash).await;

        assert!(scene.verify(&known).await.is_ok(), "a known caller");
        assert!(scene.verify(&forged).await.is_err(), "a forger");
        let verdict = eventually("a verdict", async || match scene.verify(&token).await {
            Err(AuthError::Unavailable { .. }) => None,
            verdict => Some(verdict),
        });
        assert!(verdict.await.is_ok(), "a new caller, 503 while it restarts");
    }
    assert_eq!(scene.verifier.counters().examiner_restarts(), 5);
}

#[actix::test]
async fn forgetting_all_makes_every_caller_new() {
    let scene = Scene::new(|_| ());
    let token = scene.good_token();
    scene.verify(&token).await.unwrap();

    scene.verifier.forget_all();
    scene.verify(&token).await.unwrap();

    assert_eq!(scene.verifier.counters().misses(), 2);
}

#[actix::test]
async fn what_has_ended_is_cleared_away() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    scene.issuer.know("opaque", json!({ "sub": "alice" }));
    let stranger = SigningKey::new("ES256", "stranger");
    for (text, lets_in) in [
        ("opaque".to_owned(), true),
        (scene.good_token(), true),
        ("unknown".to_owned(), false),
        (stranger.token(&scene.claims()), false),
    ] {
        assert_eq!(scene.verify(&text).await.is_ok(), lets_in);
    }
    let usage = scene.verifier.usage();
    assert_eq!((usage.entries, usage.refusals), (2, 2));

    // Refusals go first, then the answer that nobody may rely on any more, then the token's end.
    for (seconds, left) in [(20, 2), (300, 1)] {
        scene.time_passes(Duration::from_secs(seconds)).await;
        eventually("a sweep", async || {
            let usage = scene.verifier.usage();
            (usage.refusals == 0 && usage.entries == left).then_some(())
        })
        .await;
    }
    scene.clock.advance(Duration::from_secs(700));
    scene.time_passes(Duration::from_secs(20)).await;
    eventually("the last sweep", async || {
        (scene.verifier.usage().entries == 0).then_some(())
    })
    .await;
    assert_eq!(scene.verifier.counters().swept(), 4);
    assert_eq!(scene.verifier.usage().bytes, 0);
}

// F08
#[actix::test]
async fn a_step_of_the_wall_clock_moves_tokens_and_no_ages() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    scene.issuer.know("opaque", json!({ "sub": "alice" }));
    let hour = Duration::from_secs(3_600);
    let long = with(scene.issuer.issuer(), "exp", json!(NOW + 2 * 3_600));
    let (short, long) = (scene.good_token(), scene.key.token(&long));
    for text in ["opaque", &short, &long] {
        scene.verify(text).await.unwrap();
    }

    scene.clock.advance(hour);
    let refused = scene.verify(&short).await.unwrap_err();
    assert_eq!(refused, Reason::Expired.into());
    assert!(scene.verify(&long).await.is_ok());
    assert!(scene.verify("opaque").await.is_ok(), "it names no end");
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1);

    // Back again: the clock was wrong, not the token. But an answer that aged has aged.
    scene.time_passes(MINUTE + Duration::from_secs(1)).await;
    scene.clock.set(Timestamp::from_unix_seconds(NOW));
    assert!(scene.verify(&short).await.is_ok());
    scene.verify("opaque").await.unwrap();
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 2);
}

// F10
#[actix::test]
async fn a_token_of_the_future_is_counted_if_its_issuer_signed_it() {
    let scene = Scene::new(|_| ());
    scene.verify(&scene.good_token()).await.unwrap();
    let ahead = |seconds: u64| with(scene.issuer.issuer(), "iat", json!(NOW + seconds));

    assert!(scene.verify(&scene.key.token(&ahead(45))).await.is_ok());
    for (key, skews) in [
        (SigningKey::new("ES256", "first"), 0),
        (SigningKey::new("ES256", "unknown"), 0),
    ] {
        let forged = key.token(&ahead(90));
        let refused = scene.verify(&forged).await.unwrap_err();
        assert_eq!(refused, Reason::IssuedInFuture.into());
        assert_eq!(scene.verifier.counters().clock_skews(), skews);
    }
    let refused = scene
        .verify(&scene.key.token(&ahead(90)))
        .await
        .unwrap_err();
    assert_eq!(refused, Reason::IssuedInFuture.into());
    assert_eq!(scene.verifier.counters().clock_skews(), 1);
}
