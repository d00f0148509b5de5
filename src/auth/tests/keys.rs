//! Keys that come, go and are asked for in vain.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{Scene, eventually, token};
use crate::{
    auth::{
        AuthError, Reason, Standing,
        fake_issuer::{Behaviour, Endpoint, FakeIssuer, signing::SigningKey},
    },
    units::HumanDuration,
};

/// A token of this scene's issuer, signed with another key.
fn signed_by(key: &SigningKey, scene: &Scene) -> String {
    key.token(&scene.claims())
}

// K35
#[actix::test]
async fn any_number_of_unknown_keys_makes_us_fetch_once_in_the_pause() {
    let scene = Scene::new(|_| ());
    scene.verify(&scene.good_token()).await.unwrap();
    assert_eq!(scene.issuer.count(Endpoint::Keys), 1);
    let key = SigningKey::new("EdDSA", "made up");
    let tokens: Vec<_> = (0..500)
        .map(|number| {
            let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": format!("k{number}") });
            token(&key.token_with(&header, &scene.claims().to_string()))
        })
        .collect();

    let verdicts = join_all(tokens.iter().map(|text| scene.verifier.verify(text))).await;

    assert!(
        verdicts
            .into_iter()
            .all(|verdict| verdict.unwrap_err() == Reason::UnknownKey.into())
    );
    assert_eq!(scene.issuer.count(Endpoint::Keys), 2);
    assert!(scene.verify(&scene.good_token()).await.is_ok());
}

// P7
#[actix::test]
async fn a_new_key_is_taken_at_its_first_token() {
    let scene = Scene::new(|_| ());
    scene.verify(&scene.good_token()).await.unwrap();
    let next = SigningKey::new("RS256", "next");
    scene.issuer.publish(&[&next, &scene.key]);

    let verdict = scene.verify(&signed_by(&next, &scene)).await;

    assert_eq!(verdict.unwrap().subject(), "alice");
    assert_eq!(scene.status().keys, Some(2));
}

// K38
#[actix::test]
async fn a_stale_copy_of_the_keys_refuses_new_tokens_until_one_fetch_past_caches_succeeds() {
    let scene = Scene::new(|_| ());
    let old = scene.good_tokens().next().unwrap();
    scene.verify(&old).await.unwrap();
    let next = SigningKey::new("ES384", "next");
    let new = signed_by(&next, &scene);

    // Still served: the copy without the new key.
    for _ in 0..20 {
        let refused = scene.verify(&new).await.unwrap_err();
        assert_eq!(refused, Reason::UnknownKey.into());
        assert!(scene.verify(&old).await.is_ok());
    }
    let asked = scene.issuer.asked(Endpoint::Keys);
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.cache_control == "no-cache"));

    scene.issuer.publish(&[&next, &scene.key]);
    assert!(scene.verify(&new).await.is_err(), "within the pause");
    scene.time_passes(Duration::from_secs(31)).await;
    assert_eq!(scene.verify(&new).await.unwrap().subject(), "alice");
    assert_eq!(scene.issuer.count(Endpoint::Keys), 3);
}

// K37
#[actix::test]
async fn a_withdrawn_key_is_gone_after_the_next_refresh_for_remembered_callers_too() {
    let leaving = SigningKey::new("ES256", "leaving");
    let staying = SigningKey::new("ES256", "staying");
    let issuer = FakeIssuer::start(&[&leaving, &staying]);
    let scene = Scene::with_issuer(issuer, leaving, |config| {
        config.issuer.keys.refresh_every = HumanDuration::new(Duration::from_millis(20));
    });
    let remembered = scene.good_token();
    scene.verify(&remembered).await.unwrap();
    let unharmed = signed_by(&staying, &scene);
    scene.verify(&unharmed).await.unwrap();

    scene.issuer.publish(&[&staying]);

    let refusal = eventually("a refusal", async || scene.verify(&remembered).await.err()).await;
    assert_eq!(refusal, Reason::UnknownKey.into());
    assert!(scene.verify(&unharmed).await.is_ok());
}

#[actix::test]
async fn a_key_added_makes_no_caller_new() {
    let scene = Scene::new(|_| ());
    let known = scene.good_token();
    scene.verify(&known).await.unwrap();
    let next = SigningKey::new("ES256", "next");
    scene.issuer.publish(&[&next, &scene.key]);
    scene.verify(&signed_by(&next, &scene)).await.unwrap();
    let misses = scene.verifier.counters().misses();

    scene.verify(&known).await.unwrap();

    assert_eq!(scene.verifier.counters().misses(), misses);
}

// K30
#[actix::test]
async fn keys_that_can_not_be_had_anew_leave_the_old_ones_in_use() {
    let scene = Scene::new(|config| {
        config.issuer.keys.refresh_every = HumanDuration::new(Duration::from_millis(10));
    });
    let mut tokens = scene.good_tokens();
    scene.verify(&tokens.next().unwrap()).await.unwrap();

    for answer in [
        Behaviour::Answer(500, String::new()),
        Behaviour::Answer(200, "<html>".to_owned()),
        Behaviour::Answer(200, r#"{"keys":[]}"#.to_owned()),
        Behaviour::Answer(200, r#"{"keys":"none"}"#.to_owned()),
        Behaviour::Cut,
    ] {
        let failures = scene.verifier.counters().key_fetch_failures();
        scene.issuer.behave(Endpoint::Keys, answer);
        eventually("two failed fetches", async || {
            (scene.verifier.counters().key_fetch_failures() >= failures + 2).then_some(())
        })
        .await;

        assert!(scene.verify(&tokens.next().unwrap()).await.is_ok());
        assert!(scene.verifier.is_ready());
        assert!(scene.status().trouble.is_some());
    }
    // Whether the issuer has this key by now can't be known: that is no refusal.
    let unknown = signed_by(&SigningKey::new("ES256", "unknown"), &scene);
    let verdict = scene.verify(&unknown).await;
    assert!(matches!(verdict, Err(AuthError::Unavailable { .. })));
}

#[actix::test]
async fn a_key_that_can_not_be_used_spoils_no_other() {
    let key = SigningKey::new("ES256", "good");
    let issuer = FakeIssuer::start(&[]);
    issuer.publish_jwks(&[
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "hmac" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "no point" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "short" }),
        json!({ "kty": 7 }),
        json!(null),
        key.jwk(),
    ]);
    let scene = Scene::with_issuer(issuer, key, |_| ());

    assert!(scene.verify(&scene.good_token()).await.is_ok());
    assert_eq!(scene.status().keys, Some(1));

    let unfit = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "no point" });
    let refused = scene.key.token_with(&unfit, &scene.claims().to_string());
    let verdict = scene.verify(&refused).await.unwrap_err();
    assert_eq!(verdict, Reason::KeyMismatch.into());
    assert_eq!(
        scene.issuer.count(Endpoint::Keys),
        1,
        "nobody was asked again"
    );
}

// K38: a replica that is behind is asked after the one that is not.
#[actix::test]
async fn a_replica_that_is_behind_locks_nobody_out() {
    let scene = Scene::new(|_| ());
    scene.verify(&scene.good_token()).await.unwrap();
    let next = SigningKey::new("ES384", "next");
    scene.issuer.publish(&[&next, &scene.key]);
    let known = signed_by(&next, &scene);
    scene.verify(&known).await.unwrap();
    let look = async |after: u64| {
        let fetches = scene.issuer.count(Endpoint::Keys);
        scene.time_passes(Duration::from_secs(after)).await;
        eventually("another look", async || {
            let fetched = scene.verifier.desks()[0].issuer().keys().fetched();
            (fetched > fetches as u64).then_some(())
        })
        .await;
    };

    scene.issuer.publish(&[&scene.key]);
    look(301).await;
    assert_eq!(scene.verifier.counters().stale_key_sets(), 1);
    assert!(scene.verify(&known).await.is_ok(), "from memory");
    let fresh = || next.token(&scene.claims());
    assert!(scene.verify(&fresh()).await.is_ok(), "by the newer key");

    // It is looked at again soon, and believed once it has been served for so long.
    look(31).await;
    assert!(scene.verify(&fresh()).await.is_ok());
    look(31).await;
    let refused = scene.verify(&known).await.unwrap_err();
    assert_eq!(refused, Reason::UnknownKey.into());
    assert_eq!(scene.verifier.counters().stale_key_sets(), 2);
}

// F26
#[actix::test]
async fn an_operator_who_has_all_forgotten_has_keys_looked_at_again() {
    let scene = Scene::new(|_| ());
    let next = SigningKey::new("ES384", "next");
    scene.issuer.publish(&[&next, &scene.key]);
    let known = signed_by(&next, &scene);
    scene.verify(&known).await.unwrap();
    scene.issuer.publish(&[&scene.key]);

    scene.verifier.forget_all();

    let refused = eventually("a refusal", async || scene.verify(&known).await.err()).await;
    assert_eq!(refused, Reason::UnknownKey.into());
    assert_eq!(scene.verifier.counters().stale_key_sets(), 0);
}

// K35: the same token again costs neither a question nor a look at the keys.
#[actix::test]
async fn a_token_of_an_unknown_key_is_refused_from_memory_until_keys_are_fetched_again() {
    let scene = Scene::new(|_| ());
    scene.verify(&scene.good_token()).await.unwrap();
    let next = SigningKey::new("ES256", "next");
    let early = signed_by(&next, &scene);
    for _ in 0..5 {
        let refused = scene.verify(&early).await.unwrap_err();
        assert_eq!(refused, Reason::UnknownKey.into());
    }
    assert_eq!(scene.verifier.counters().refusal_hits(), 4);

    // Somebody else's unknown key makes us look, and brings this one too.
    scene.issuer.publish(&[&next, &scene.key]);
    scene.verifier.desks()[0].issuer().keys().look_again();

    eventually("a verdict", async || scene.verify(&early).await.ok()).await;
}

// K33: garbage of unknown keys fills its own store.
#[actix::test]
async fn unknown_keys_push_no_refusal_out() {
    let scene = Scene::opaque(crate::auth::Verification::Auto, |config| {
        config.cache.refusals_max = 32;
    });
    for number in 0..16 {
        scene.verify(&format!("opaque{number}")).await.unwrap_err();
    }
    let key = SigningKey::new("EdDSA", "unknown");
    for number in 0..500 {
        let claims = super::with(scene.issuer.issuer(), "jti", json!(number));
        scene.verify(&key.token(&claims)).await.unwrap_err();
    }
    let asked = scene.issuer.count(Endpoint::Introspection);

    for number in 0..16 {
        scene.verify(&format!("opaque{number}")).await.unwrap_err();
    }

    assert_eq!(scene.issuer.count(Endpoint::Introspection), asked);
    assert!(scene.verifier.usage().refusals <= 64);
}

// F01: while keys can't be had nobody waits for them, not even for a fetch that hangs.
#[actix::test]
async fn an_unknown_key_waits_for_no_fetch_that_is_known_to_fail() {
    let scene = Scene::new(|config| {
        config.issuer.keys.refresh_every = HumanDuration::new(Duration::from_millis(10));
    });
    scene.verify(&scene.good_token()).await.unwrap();
    scene
        .issuer
        .behave(Endpoint::Keys, Behaviour::Answer(500, String::new()));
    eventually("a failure", async || scene.status().trouble).await;
    let _never_opened = scene.issuer.hold(Endpoint::Keys);
    let fetches = scene.issuer.count(Endpoint::Keys);
    eventually("a fetch that hangs", async || {
        (scene.issuer.count(Endpoint::Keys) > fetches).then_some(())
    })
    .await;

    let unknown = signed_by(&SigningKey::new("ES256", "unknown"), &scene);
    let start = std::time::Instant::now();
    let verdict = scene.verify(&unknown).await;

    assert!(matches!(verdict, Err(AuthError::Unavailable { .. })));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[actix::test]
async fn keys_that_could_not_be_had_anew_for_too_long_verify_nothing() {
    let scene = Scene::new(|config| {
        config.issuer.keys.refresh_every = HumanDuration::new(Duration::from_millis(10));
        config.issuer.keys.stale_max = HumanDuration::from_secs(3_600);
    });
    let known = scene.good_token();
    scene.verify(&known).await.unwrap();
    scene
        .issuer
        .behave(Endpoint::Keys, Behaviour::Answer(500, String::new()));
    eventually("a failure", async || scene.status().trouble).await;
    let caller = scene.verify(&known).await.unwrap();
    assert_eq!(scene.verifier.standing(&caller), Standing::Good);

    scene.time_passes(Duration::from_secs(3_601)).await;

    eventually("no keys", async || {
        scene.status().keys.is_none().then_some(())
    })
    .await;
    for token in [known.clone(), scene.key.token(&scene.claims())] {
        let verdict = scene.verify(&token).await;
        assert!(
            matches!(verdict, Err(AuthError::Unavailable { .. })),
            "{verdict:?}"
        );
    }
    assert!(!scene.verifier.is_ready());
    assert_eq!(scene.verifier.standing(&caller), Standing::Unknown);
    scene.issuer.behave(Endpoint::Keys, Behaviour::Normal);
    eventually("the way back", async || scene.verify(&known).await.ok()).await;
    assert_eq!(scene.verifier.standing(&caller), Standing::Good);
}
