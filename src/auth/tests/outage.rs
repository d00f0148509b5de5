//! The issuer is down, slow, or somebody else.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use super::{NOW, Scene, eventually, token, with};
use crate::{
    auth::{
        AuthError, Config, Reason, Verification,
        fake_issuer::{Behaviour, Endpoint, FakeIssuer, RETRY_AFTER, signing::SigningKey},
    },
    fetch::FAILURES_MAX,
    units::HumanDuration,
};

const SECOND: Duration = Duration::from_secs(1);

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
            let asked = scene.issuer.count(endpoint);
            scene.issuer.behave(endpoint, trouble.clone());
            let verdict = scene.verify("opaque").await;
            assert!(is_unavailable(&verdict), "{trouble:?}: {verdict:?}");
            assert_eq!(scene.issuer.count(endpoint), asked + 1, "{trouble:?}");
            // Past whatever time it named.
            scene.time_passes(SECOND * 60).await;
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

    let retry_after = Duration::from_secs(RETRY_AFTER);
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

fn introspecting(change: impl FnOnce(&mut Config)) -> Scene {
    Scene::opaque(Verification::Introspection, change)
}

/// What hangs is given up soon.
fn impatient(config: &mut Config) {
    config.limits.verdict_within = HumanDuration::new(Duration::from_millis(300));
}

impl Scene {
    /// How often the issuer was asked about a token.
    fn questions(&self) -> usize {
        self.issuer.count(Endpoint::Introspection)
    }

    /// Strangers, one after another, all of whom have to come back later.
    async fn strangers(&self, number: u32) {
        for stranger in 0..number {
            let verdict = self.verify(&format!("stranger{stranger}")).await;
            assert!(is_unavailable(&verdict), "{verdict:?}");
        }
    }
}

// F01: promise P4
#[actix::test]
async fn an_outage_costs_strangers_no_wait_and_the_issuer_one_question_a_second() {
    let hanging = || Behaviour::Held(std::sync::Arc::new(tokio::sync::Semaphore::new(0)));
    for trouble in [
        Behaviour::Answer(500, String::new()),
        Behaviour::Answer(401, r#"{"error":"invalid_client"}"#.to_owned()),
        Behaviour::Cut,
        hanging(),
    ] {
        let scene = introspecting(impatient);
        scene.issuer.know("known", json!({ "sub": "alice" }));
        eventually("a verdict", async || scene.verify("known").await.ok()).await;
        scene
            .issuer
            .behave(Endpoint::Introspection, trouble.clone());
        let before = scene.questions();
        scene.strangers(FAILURES_MAX).await;
        let asked = scene.questions();
        assert_eq!(asked - before, FAILURES_MAX as usize, "{trouble:?}");

        let start = Instant::now();
        scene.strangers(100).await;
        assert!(start.elapsed() < Duration::from_millis(50) * 100);
        assert!(scene.questions() <= asked + 1, "{trouble:?}");
        assert!(scene.verifier.usage().resting);

        let (asked, start) = (scene.questions(), Instant::now());
        for _ in 0..5 {
            scene.time_passes(SECOND).await;
            scene.strangers(3).await;
        }
        let most = usize::try_from(start.elapsed().as_secs()).unwrap() + 1;
        let probes = scene.questions() - asked;
        assert!((1..=most).contains(&probes), "{trouble:?}: {probes}");

        scene.time_passes(SECOND * 60).await;
        for _ in 0..5 {
            assert_eq!(scene.verify("known").await.unwrap().subject(), "alice");
        }
        assert_eq!(scene.verifier.usage().refusals, 0, "nobody was told no");

        scene
            .issuer
            .behave(Endpoint::Introspection, Behaviour::Normal);
        scene.issuer.know("stranger0", json!({ "sub": "bob" }));
        scene.time_passes(SECOND).await;
        eventually("the way back", async || {
            scene.verify("stranger0").await.ok()
        })
        .await;
        assert!(!scene.verifier.usage().resting);
    }
}

// F01: of known callers, one question each is in vain; then they are left alone for a while.
#[actix::test]
async fn known_callers_wait_for_an_issuer_that_hangs_no_more_than_once() {
    let scene = introspecting(impatient);
    scene.issuer.know("known", json!({ "sub": "alice" }));
    eventually("a verdict", async || scene.verify("known").await.ok()).await;
    let asked = scene.questions();
    let gate = scene.issuer.hold(Endpoint::Introspection);
    scene.time_passes(SECOND * 61).await;

    for _ in 0..50 {
        scene.verify("known").await.unwrap();
    }

    assert_eq!(scene.questions(), asked + 1);
    assert_eq!(scene.verifier.counters().stale_hits(), 1);
    gate.add_permits(100);
    scene.time_passes(SECOND * 3).await;
    scene.verify("known").await.unwrap();
    assert_eq!(
        scene.questions(),
        asked + 2,
        "asked again once it may be back"
    );
}

// F05
#[actix::test]
async fn an_issuer_that_says_when_to_come_back_is_left_alone_until_then() {
    for status in [429, 503] {
        let scene = introspecting(|_| ());
        scene.issuer.know("known", json!({ "sub": "alice" }));
        scene.verify("known").await.unwrap();
        scene.time_passes(SECOND * 61).await;
        scene.issuer.behave(
            Endpoint::Introspection,
            Behaviour::Answer(status, String::new()),
        );
        scene.strangers(1).await;
        let asked = scene.questions();

        for _ in 1..RETRY_AFTER {
            scene.time_passes(Duration::from_millis(980)).await;
            scene.strangers(3).await;
            scene.verify("known").await.unwrap();
        }
        assert_eq!(scene.questions(), asked, "{status}");

        scene
            .issuer
            .behave(Endpoint::Introspection, Behaviour::Normal);
        scene.time_passes(SECOND * 2).await;
        assert_eq!(
            scene.verify("stranger0").await.unwrap_err(),
            Reason::Inactive.into()
        );
    }
}

// F05
#[actix::test]
async fn keys_and_metadata_are_asked_for_no_sooner_than_their_issuer_says() {
    let scene = Scene::new(|config| {
        config.issuer.keys.refresh_every = HumanDuration::new(Duration::from_millis(10));
        config.issuer.discovery.refresh_every = HumanDuration::new(Duration::from_millis(10));
    });
    scene.verify(&scene.good_token()).await.unwrap();
    for endpoint in [Endpoint::Keys, Endpoint::Metadata] {
        scene
            .issuer
            .behave(endpoint, Behaviour::Answer(429, String::new()));
    }
    eventually("both failing", async || {
        scene.status().trouble?;
        (scene.verifier.counters().key_fetch_failures() == 1).then_some(())
    })
    .await;
    let counts = || [Endpoint::Keys, Endpoint::Metadata].map(|of| scene.issuer.count(of));
    let before = counts();

    scene.time_passes(SECOND * 5).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(counts(), before);

    scene.time_passes(SECOND * 3).await;
    eventually("both asked again", async || {
        let now = counts();
        (now[0] > before[0] && now[1] > before[1]).then_some(())
    })
    .await;
}

// K30: what one token can bring about must not look like an outage to everybody else.
#[actix::test]
async fn an_answer_that_may_be_due_to_one_token_shuts_nobody_out() {
    let scene = introspecting(|_| ());
    for status in [400, 403, 404, 413] {
        scene.issuer.behave(
            Endpoint::Introspection,
            Behaviour::Answer(status, "<html>".to_owned()),
        );
        scene.strangers(FAILURES_MAX * 2).await;
    }
    scene
        .issuer
        .behave(Endpoint::Introspection, Behaviour::Normal);
    scene.issuer.know("good", json!({ "sub": "alice" }));

    assert!(scene.verify("good").await.is_ok());
}

// F01: promise P4
#[actix::test]
async fn a_caller_who_can_not_be_asked_about_is_let_in_for_as_long_as_was_set() {
    let scene = introspecting(|config| {
        config.cache.stale_if_error = HumanDuration::from_secs(300);
    });
    scene.issuer.know("known", json!({ "sub": "alice" }));
    scene.verify("known").await.unwrap();
    scene.issuer.behave(Endpoint::Introspection, Behaviour::Cut);

    for by in [61, 100, 138] {
        scene.time_passes(SECOND * by).await;
        assert!(scene.verify("known").await.is_ok());
    }
    scene.time_passes(SECOND * 2).await;

    assert!(is_unavailable(&scene.verify("known").await));
}

#[actix::test]
async fn nobody_is_let_in_unasked_where_that_is_switched_off() {
    let scene = introspecting(|config| {
        config.cache.stale_if_error = HumanDuration::from_secs(0);
    });
    scene.issuer.know("known", json!({ "sub": "alice" }));
    scene.verify("known").await.unwrap();
    scene.issuer.behave(Endpoint::Introspection, Behaviour::Cut);

    assert!(
        scene.verify("known").await.is_ok(),
        "its answer has not aged"
    );
    scene.time_passes(SECOND * 61).await;

    assert!(is_unavailable(&scene.verify("known").await));
}

// K32, promise P9: an outage makes no token live longer.
#[actix::test]
async fn a_caller_who_can_not_be_asked_about_is_sent_away_at_the_end_of_its_token() {
    let scene = introspecting(|_| ());
    let claims = json!({ "sub": "alice", "exp": NOW + 100 });
    scene.issuer.know("known", claims);
    scene.verify("known").await.unwrap();
    scene.issuer.behave(Endpoint::Introspection, Behaviour::Cut);
    scene.time_passes(SECOND * 61).await;

    scene.clock.advance(SECOND * 159);
    assert!(scene.verify("known").await.is_ok());
    scene.clock.advance(SECOND);

    let refused = scene.verify("known").await.unwrap_err();
    assert_eq!(refused, Reason::Expired.into());
}

// K27: nor does a claim that nobody verified.
#[actix::test]
async fn an_unverified_expiry_ends_what_an_outage_allows() {
    let scene = Scene::opaque(Verification::Userinfo, |config| {
        config.issuer.leeway = HumanDuration::from_secs(0);
    });
    let token = scene
        .key
        .token(&with("https://elsewhere", "exp", json!(NOW + 100)));
    scene.issuer.know(&token, json!({ "sub": "alice" }));
    scene.verify(&token).await.unwrap();
    scene.issuer.behave(Endpoint::Userinfo, Behaviour::Cut);

    scene.time_passes(SECOND * 61).await;
    assert!(scene.verify(&token).await.is_ok());
    scene.time_passes(SECOND * 40).await;

    assert!(is_unavailable(&scene.verify(&token).await));
}

// K40: an outage that ends is followed by the truth.
#[actix::test]
async fn a_caller_revoked_during_an_outage_is_refused_when_it_is_over() {
    let scene = introspecting(|_| ());
    scene.issuer.know("known", json!({ "sub": "alice" }));
    scene.verify("known").await.unwrap();
    scene.issuer.behave(Endpoint::Introspection, Behaviour::Cut);
    scene.time_passes(SECOND * 61).await;
    scene.verify("known").await.unwrap();

    scene.issuer.know("known", json!({ "active": false }));
    scene
        .issuer
        .behave(Endpoint::Introspection, Behaviour::Normal);
    scene.time_passes(SECOND * 3).await;

    let refused = scene.verify("known").await.unwrap_err();
    assert_eq!(refused, Reason::Inactive.into());
    assert_eq!(scene.verifier.usage().entries, 0);
}

// K40: made-up tokens must not keep us from hearing that a known one was revoked.
#[actix::test]
async fn a_crowd_of_strangers_does_not_delay_the_question_about_a_known_caller() {
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.limits.upstream_max = 4;
        config.limits.waiters_max = 8;
    });
    scene.issuer.know("known", json!({ "sub": "alice" }));
    scene.verify("known").await.unwrap();
    scene.time_passes(SECOND * 61).await;
    let gate = scene.issuer.hold(Endpoint::Introspection);
    let texts: Vec<_> = (0..50).map(|number| token(&format!("t{number}"))).collect();

    let crowd = join_all(texts.iter().map(|text| scene.verifier.verify(text)));
    let known = async {
        eventually("three strangers' questions", async || {
            (scene.questions() == 4).then_some(())
        })
        .await;
        scene.issuer.know("known", json!({ "active": false }));
        let asked = eventually("the question about the known one", async || {
            (scene.questions() == 5).then_some(())
        });
        let release = async {
            asked.await;
            gate.add_permits(100);
        };
        tokio::join!(scene.verify("known"), release).0
    };
    let (_, verdict) = tokio::join!(crowd, known);

    assert_eq!(verdict.unwrap_err(), Reason::Inactive.into());
}

// K33, promise P6: not only at once, but in the long run.
#[actix::test]
async fn strangers_make_us_ask_only_so_often() {
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.limits.upstream_per_second = 20;
        config.limits.verdict_within = HumanDuration::from_secs(1);
    });
    let texts: Vec<_> = (0..500)
        .map(|number| token(&format!("t{number}")))
        .collect();
    let start = Instant::now();

    let verdicts = join_all(texts.iter().map(|text| scene.verifier.verify(text))).await;

    assert!(verdicts.iter().all(Result::is_err));
    let most = 20.0 + 20.0 * start.elapsed().as_secs_f64() + 1.0;
    #[expect(clippy::cast_precision_loss, reason = "some forty")]
    let asked = scene.questions() as f64;
    assert!((20.0..=most).contains(&asked), "{asked} of {most}");
}

// O25: promise P5
#[actix::test]
async fn a_thousand_tokens_at_once_are_no_more_than_so_many_questions_at_once() {
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.limits.upstream_max = 16;
        config.limits.upstream_per_second = 10_000;
        config.limits.waiters_max = 400;
    });
    scene.issuer.behave(
        Endpoint::Introspection,
        Behaviour::Late(Duration::from_millis(50)),
    );
    let texts: Vec<_> = (0..1_000)
        .map(|number| token(&format!("t{number}")))
        .collect();

    let verdicts = join_all(texts.iter().map(|text| scene.verifier.verify(text))).await;

    let turned_away = verdicts.iter().filter(|verdict| is_unavailable(verdict));
    assert_eq!(turned_away.count(), 700, "a quarter of the places is kept");
    assert_eq!(scene.issuer.peak(), 12, "and of the questions");
}
