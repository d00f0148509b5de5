//! An inspection says what verification says, and why.

use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{
        Audiences, Check, Inspected, Inspection, Reason,
        fake_issuer::{Behaviour, Endpoint},
        judge,
    },
    scope::Scopes,
};

fn ours() -> Audiences {
    Audiences::new([RESOURCE.to_owned()])
}

fn required() -> Scopes {
    "mcp:tools".parse().unwrap()
}

impl Scene {
    async fn inspect(&self, text: &str) -> Inspection {
        let token = token(text);
        self.verifier.inspect(&token, &ours(), &required()).await
    }

    /// What a request with this token comes to.
    async fn serve(&self, text: &str) -> Result<(), AuthError> {
        let principal = self.verify(text).await?;
        judge(&principal, &ours(), &required())
    }
}

/// How one check went.
fn outcome(inspection: &Inspection, check: Check) -> &Inspected {
    let found = inspection
        .findings
        .iter()
        .find(|finding| finding.check == check);
    &found
        .unwrap_or_else(|| panic!("{check:?} in {inspection:?}"))
        .outcome
}

fn seen(inspection: &Inspection, check: Check) -> &str {
    let mut findings = inspection.findings.iter();
    &findings.find(|one| one.check == check).unwrap().seen
}

#[actix::test]
async fn an_inspection_comes_to_what_verification_comes_to() {
    let scene = Scene::new(|_| ());
    let issuer = scene.issuer.issuer();
    let (good, key) = (scene.good_token(), &scene.key);
    let changed = |name: &str, value: Value| key.token(&with(issuer, name, value));
    let headed = |header: Value| key.token_with(&header, &claims(issuer).to_string());
    let stranger = SigningKey::new("ES256", "stranger");
    let impostor = SigningKey::new("ES256", "first");
    let mut verdicts = Vec::new();
    for text in [
        good.clone(),
        changed("iss", json!("https://elsewhere")),
        changed("iss", Value::Null),
        changed("exp", json!(NOW - 61)),
        changed("exp", json!("soon")),
        changed("nbf", json!(NOW + 61)),
        changed("iat", json!(NOW + 61)),
        changed("sub", Value::Null),
        changed("client_id", json!(7)),
        changed("aud", json!(7)),
        changed("aud", Value::Null),
        changed("aud", json!("https://other")),
        changed("scope", json!("openid")),
        headed(json!({ "alg": "none", "typ": "at+jwt", "kid": "first" })),
        headed(json!({ "alg": "ES256", "typ": "JWT", "kid": "first" })),
        headed(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "first", "crit": ["x"] })),
        headed(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k".repeat(257) })),
        headed(json!({ "alg": "RS256", "typ": "at+jwt", "kid": "first" })),
        stranger.token(&claims(issuer)),
        impostor.token(&claims(issuer)),
        "opaque".to_owned(),
        "a.b".to_owned(),
        "a.b.c".to_owned(),
        good[..good.len() - 10].to_owned(),
    ] {
        let inspection = scene.inspect(&text).await;
        let served = scene.serve(&text).await;

        let inspected = inspection.verdict().map_err(Clone::clone);
        assert_eq!(inspected, served, "{inspection:?}");
        verdicts.push(served);
    }
    assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 1);
}

#[actix::test]
async fn a_check_that_fails_keeps_no_other_from_being_looked_at() {
    let scene = Scene::new(|_| ());
    let mut changed = with(scene.issuer.issuer(), "exp", json!(NOW - 3_600));
    changed["aud"] = json!("https://other\u{1b}[2J");
    let text = scene.key.token(&changed);

    let inspection = scene.inspect(&text).await;

    let expired = Reason::Expired.into();
    assert_eq!(inspection.verdict(), Err(&expired));
    for check in [Check::Form, Check::Issuer, Check::Subject, Check::Signature] {
        assert_eq!(*outcome(&inspection, check), Inspected::Passed, "{check:?}");
    }
    assert_eq!(*outcome(&inspection, Check::Audience), Inspected::Skipped);
    assert!(seen(&inspection, Check::Expiry).ends_with("60 min ago"));
    let shown = inspection.findings.iter().map(|finding| &*finding.seen);
    let shown: String = shown.collect();
    assert!(!shown.contains('\u{1b}'), "{shown}");
    for part in text.split('.') {
        assert!(!shown.contains(part), "a part of the token in {shown}");
    }
    assert!(!format!("{inspection:?}").contains("alice"));
    assert_eq!(scene.verifier.usage(), super::super::Usage::default());
}

#[actix::test]
async fn an_inspection_names_the_keys_that_there_are_and_the_scopes_that_lack() {
    let scene = Scene::new(|_| ());
    let other = SigningKey::new("ES256", "other");

    let inspection = scene.inspect(&other.token(&scene.claims())).await;
    let found = seen(&inspection, Check::Signature);
    assert_eq!(found, "kid \"other\"; published: \"first\"");

    let poor = scene
        .key
        .token(&with(scene.issuer.issuer(), "scope", json!("openid")));
    let inspection = scene.inspect(&poor).await;
    assert_eq!(*outcome(&inspection, Check::Audience), Inspected::Passed);
    let found = seen(&inspection, Check::Scopes);
    assert_eq!(
        found,
        "granted: \"openid\"; every request needs: \"mcp:tools\""
    );
    let needed = required();
    let lacking = AuthError::InsufficientScope { needed };
    assert_eq!(inspection.verdict(), Err(&lacking));
}

#[actix::test]
async fn an_opaque_token_is_asked_about_as_a_server_would() {
    for verification in [Verification::Introspection, Verification::Userinfo] {
        let scene = Scene::opaque(verification, |_| ());
        let about = json!({
            "sub": "alice", "aud": RESOURCE, "scope": "mcp:tools", "exp": NOW + 60,
        });
        scene.issuer.know("good", about);
        scene
            .issuer
            .know("odd", json!({ "sub": "", "aud": RESOURCE }));

        for text in ["good", "odd", "bad"] {
            let inspection = scene.inspect(text).await;
            let served = scene.serve(text).await;
            assert_eq!(inspection.verdict().map_err(Clone::clone), served, "{text}");
        }
        let answer = scene.inspect("bad").await;
        assert!(seen(&answer, Check::Answer).ends_with("endpoint says no"));
    }
}

// K30
#[actix::test]
async fn an_issuer_in_trouble_makes_an_inspection_say_so() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    scene.issuer.behave(
        Endpoint::Introspection,
        Behaviour::Answer(500, String::new()),
    );
    let inspection = scene.inspect("good").await;
    let unavailable = Err(&AuthError::unavailable());
    assert_eq!(inspection.verdict(), unavailable);

    let scene = Scene::new(|config| {
        config.issuer.issuer = "http://127.0.0.1:1/oidc".parse().unwrap();
    });
    let token = scene.key.token(&claims("http://127.0.0.1:1/oidc"));
    let inspection = scene.inspect(&token).await;
    assert_eq!(inspection.verdict(), unavailable);
    let why = seen(&inspection, Check::Signature);
    assert!(why.contains("could not reach 127.0.0.1:1"), "{why}");
}

#[actix::test]
async fn a_token_of_nobody_we_trust_is_shown_to_nobody() {
    let other = FakeIssuer::start(&[]);
    let name = other.issuer().to_owned();
    let scene = Scene::new(|config| {
        let second = super::super::IssuerConfig::new(name.parse().unwrap());
        config.others = vec![second];
    });
    let text = scene.key.token(&claims("https://elsewhere"));

    let inspection = scene.inspect(&text).await;

    let wrong = Reason::WrongIssuer.into();
    assert_eq!(inspection.verdict(), Err(&wrong));
    assert_eq!(inspection.issuer, None);
    assert_eq!(
        seen(&inspection, Check::Route),
        "names the issuer \"https://elsewhere\""
    );
}
