//! The issuer is down, slow, or somebody else.

use std::time::Duration;

use serde_json::json;

use super::{Scene, eventually};
use crate::{
    auth::{
        AuthError, Verification,
        fake_issuer::{Behaviour, Endpoint, FakeIssuer, signing::SigningKey},
    },
    units::HumanDuration,
};

fn is_unavailable<T>(verdict: &Result<T, AuthError>) -> bool {
    matches!(verdict, Err(AuthError::Unavailable { .. }))
}

// K30
#[actix::test]
async fn an_issuer_in_trouble_is_no_verdict_and_leaves_nothing_behind() {
    for verification in [Verification::Introspection, Verification::Userinfo] {
        let scene = Scene::opaque(verification, |_| ());
        scene.issuer.know("opaque", json!({ "sub": "alice" }));
        let endpoint = match verification {
            Verification::Userinfo => Endpoint::Userinfo,
            _ => Endpoint::Introspection,
        };
        for trouble in [
            Behaviour::Answer(500, r#"{"error":"invalid_token"}"#.to_owned()),
            Behaviour::Answer(502, "<html>".to_owned()),
            Behaviour::Answer(429, String::new()),
            Behaviour::Answer(503, String::new()),
            Behaviour::Answer(200, "<html>sign in to the guest network".to_owned()),
            Behaviour::Answer(302, String::new()),
            Behaviour::Cut,
        ] {
            scene.issuer.behave(endpoint, trouble.clone());
            let verdict = scene.verify("opaque").await;
            assert!(is_unavailable(&verdict), "{trouble:?}: {verdict:?}");
        }
        let usage = scene.verifier.usage();
        assert_eq!((usage.entries, usage.refusals), (0, 0));

        scene.issuer.behave(endpoint, Behaviour::Normal);
        assert!(scene.verify("opaque").await.is_ok(), "at once");
    }
}

// K30
#[actix::test]
async fn an_overloaded_issuer_says_itself_when_to_come_back() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    scene.issuer.behave(
        Endpoint::Introspection,
        Behaviour::Answer(429, String::new()),
    );

    let verdict = scene.verify("opaque").await;

    let retry_after = Duration::from_secs(7);
    assert_eq!(verdict.unwrap_err(), AuthError::Unavailable { retry_after });
}

// K30
#[actix::test]
async fn an_issuer_that_hangs_is_no_verdict() {
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.limits.verdict_within = HumanDuration::new(Duration::from_millis(30));
    });
    let _never_opened = scene.issuer.hold(Endpoint::Introspection);

    assert!(is_unavailable(&scene.verify("opaque").await));
}

// K30
#[actix::test]
async fn an_issuer_that_went_down_refuses_nobody_and_known_callers_stay() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    let known = scene.good_token();
    scene.verify(&known).await.unwrap();
    let _down = scene.issuer.go_down().await;

    assert!(is_unavailable(&scene.verify("opaque").await));
    assert!(scene.verify(&known).await.is_ok(), "from memory");
    let new = scene.good_tokens().next().unwrap();
    assert!(scene.verify(&new).await.is_ok(), "by the keys there are");
    assert!(scene.verifier.is_ready());
}

// M08: promise P24
#[actix::test]
async fn a_server_started_before_its_issuer_heals_by_itself() {
    let key = SigningKey::new("ES256", "first");
    let issuer = FakeIssuer::start(&[&key]);
    let down = issuer.go_down().await;
    let scene = Scene::with_issuer(issuer, key, |_| ());

    assert!(is_unavailable(&scene.verify(&scene.good_token()).await));
    assert!(!scene.verifier.is_ready());
    let status = scene.status();
    assert!(!status.discovered);
    assert!(
        status
            .trouble
            .unwrap()
            .contains("could not reach 127.0.0.1")
    );

    let _issuer = scene.issuer.come_back(down, &[&scene.key]);
    eventually("a verdict", async || {
        scene.verify(&scene.good_token()).await.ok()
    })
    .await;
    assert!(scene.verifier.is_ready());
    assert_eq!(scene.status().trouble, None);
}

// M07
#[actix::test]
async fn metadata_that_turns_bad_is_refused_and_the_last_good_copy_kept() {
    let scene = Scene::new(|config| {
        config.issuer.discovery.refresh_every = HumanDuration::new(Duration::from_millis(10));
    });
    scene.verify(&scene.good_token()).await.unwrap();
    let good = scene.verifier.discovery().current().unwrap();

    for (member, value) in [
        ("issuer", json!("https://evil")),
        ("token_endpoint", json!("javascript:alert(1)")),
        ("jwks_uri", json!("http://mcp.example.com/jwks")),
    ] {
        let before = good.member(member).unwrap().clone();
        scene.issuer.set_metadata(member, value);
        let trouble = eventually("a refusal", async || scene.status().trouble).await;
        assert!(trouble.contains("refused"), "{trouble}");

        let kept = scene.verifier.discovery().current().unwrap();
        assert_eq!(kept.raw(), good.raw());
        assert!(scene.verifier.is_ready());

        scene.issuer.set_metadata(member, before);
        eventually("the end of it", async || {
            scene.status().trouble.is_none().then_some(())
        })
        .await;
    }
}

// M07
#[actix::test]
async fn bad_metadata_at_start_keeps_the_server_from_being_ready() {
    let key = SigningKey::new("ES256", "first");
    let issuer = FakeIssuer::start(&[&key]);
    issuer.set_metadata("issuer", json!(format!("{}/", issuer.issuer())));
    let scene = Scene::with_issuer(issuer, key, |_| ());

    assert!(is_unavailable(&scene.verify(&scene.good_token()).await));
    assert!(!scene.verifier.is_ready());
    let trouble = scene.status().trouble.unwrap();
    assert!(trouble.contains("equal to the character"), "{trouble}");
    assert_eq!(scene.issuer.count(Endpoint::Keys), 0);
}
