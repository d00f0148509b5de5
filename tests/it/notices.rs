//! What the authorization server tells: Logto's webhooks and OpenID back-channel logout tokens.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use mcp_usher::time::Timestamp;
use serde_json::{Value, json};

use crate::kit::{Ask, Mcp, Reply, Scene, Sse, issuer::signing::SigningKey, mcp::call, scene::NOW};

/// How soon a message of the issuer has to be carried out.
const SOON: Duration = Duration::from_secs(2);

pub(crate) const KEY: &str = "the key that Logto shows";

pub(crate) fn key_file(name: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("usher-it-{}-{name}", std::process::id()));
    fs::write(&file, KEY).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

pub(crate) async fn hook(scene: &Scene, event: &Value, key: &str) -> Reply {
    let body = event.to_string();
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()),
        body.as_bytes(),
    );
    let signature = tag.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let ask = Ask::new(scene, "POST", "/webhooks/logto")
        .header("Content-Type", "application/json")
        .header("logto-signature-sha-256", &signature)
        .body(body);
    scene.ask(&ask).await
}

pub(crate) fn event(name: &str, second: u64, data: &Value) -> Value {
    let at = Timestamp::from_unix_seconds(second).to_rfc3339();
    json!({ "hookId": "h1", "event": name, "createdAt": at, "data": data })
}

// P8: a suspended user is out within two seconds, and stays out until let in again.
#[actix_web::test]
async fn a_signed_webhook_ends_what_its_user_has_open() {
    let file = key_file("hook");
    let path = file.clone();
    let scene = Scene::with(move |config| {
        config.notices.webhook_secret_file = Some(path);
        config.notices.seen_max = 3;
    })
    .await;
    let mut alice = Sse::ready(&scene, &scene.token("alice")).await;
    let mut bob = Mcp::ready(&scene, &scene.token("bob")).await;
    let suspended = |yes: bool| json!({ "id": "alice", "isSuspended": yes });
    let out = event("User.SuspensionStatus.Updated", NOW, &suspended(true));

    hook(&scene, &out, "another key").await.is(403);
    let stale = event("User.SuspensionStatus.Updated", NOW - 301, &suspended(true));
    hook(&scene, &stale, KEY).await.is(400);
    assert_eq!(scene.running().sessions(), 2);
    let started = Instant::now();
    let taken = hook(&scene, &out, KEY).await.is(204);
    assert_eq!(taken.header("cache-control"), Some("no-store"));
    assert_eq!(
        alice.events.farewell().await,
        "closed: access was withdrawn"
    );
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let again = scene.token_with("alice", &json!({ "iat": NOW }));
    let whoami =
        |token: &str| Ask::modern(&scene, token, 1, "tools/call", json!({ "name": "whoami" }));
    scene.ask(&whoami(&again)).await.is(401);

    let back = event("User.SuspensionStatus.Updated", NOW + 1, &suspended(false));
    hook(&scene, &back, KEY).await.is(204);
    scene.ask(&whoami(&again)).await.is(200);
    scene.ask(&whoami(&scene.token("alice"))).await.is(401);
    hook(&scene, &out, KEY).await.is(204);
    scene.ask(&whoami(&again)).await.is(200);
    assert!(bob.call(7, "whoami").await["result"].is_object());

    // A role has changed, and the event names nobody: everybody needs a new token.
    hook(
        &scene,
        &event("Role.Scopes.Updated", NOW, &json!(null)),
        KEY,
    )
    .await
    .is(204);
    bob.post(&call(8, "whoami")).await.is(401);
    scene.ask(&whoami(&again)).await.is(401);
    let refreshed = scene.token_with("alice", &json!({ "iat": NOW, "jti": "new" }));
    scene.ask(&whoami(&refreshed)).await.is(200);
    hook(&scene, &event("PostSignIn", NOW, &json!(null)), KEY)
        .await
        .is(204);
    hook(&scene, &event("Role.Deleted", NOW, &json!(null)), KEY)
        .await
        .is(503);
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"notice.seen_max\"}"),
        1
    );
    let get = Ask::get(&scene, "/webhooks/logto");
    assert_eq!(scene.ask(&get).await.is(405).header("allow"), Some("POST"));
    fs::remove_file(file).unwrap();
}

#[actix_web::test]
async fn what_was_not_set_up_is_not_there() {
    let scene = Scene::new().await;
    for path in ["/webhooks/logto", "/backchannel-logout"] {
        scene.ask(&Ask::new(&scene, "POST", path)).await.is(404);
    }
}

pub(crate) async fn log_out(scene: &Scene, token: &str) -> Reply {
    let ask = Ask::new(scene, "POST", "/backchannel-logout")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(format!("logout_token={token}"));
    scene.ask(&ask).await
}

/// Good claims of a logout token with some changed; `null` takes one away.
pub(crate) fn logout(scene: &Scene, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": scene.issuer.issuer(), "aud": "agent", "sub": "alice", "iat": NOW, "exp": NOW + 120,
        "jti": changes.to_string(), "sid": "s1",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        members.insert(name.clone(), value.clone());
    }
    members.retain(|_, value| !value.is_null());
    claims
}

pub(crate) fn sign(key: &SigningKey, kind: &str, claims: &Value) -> String {
    let mut header = key.header();
    header["typ"] = kind.into();
    key.token_with(&header, &claims.to_string())
}

// OpenID Connect Back-Channel Logout 1.0, §2.6
#[actix_web::test]
async fn a_logout_token_is_checked_in_every_part() {
    let scene = Scene::with(|config| config.issuer.logout_clients = vec!["agent".to_owned()]).await;
    let _alice = Mcp::ready(&scene, &scene.token("alice")).await;
    for (why, changes) in [
        ("of another issuer", json!({ "iss": "https://elsewhere" })),
        ("for another client", json!({ "aud": "other" })),
        ("for nobody", json!({ "aud": null })),
        ("without iat", json!({ "iat": null })),
        ("of the future", json!({ "iat": NOW + 61 })),
        ("too old", json!({ "iat": NOW - 301 })),
        ("without exp", json!({ "exp": null })),
        ("expired", json!({ "exp": NOW - 61 })),
        ("without jti", json!({ "jti": null })),
        ("about nobody", json!({ "sub": null, "sid": null })),
        ("about a number", json!({ "sub": 7 })),
        ("without events", json!({ "events": null })),
        (
            "with another event",
            json!({ "events": { "https://other": {} } }),
        ),
        (
            "with an event that is no object",
            json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": 1 } }),
        ),
        ("with a nonce", json!({ "nonce": "n" })),
    ] {
        let token = sign(&scene.key, "logout+jwt", &logout(&scene, &changes));
        let refused = log_out(&scene, &token).await;
        assert_eq!(refused.status, 400, "{why}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
    let good = logout(&scene, &json!({}));
    let stranger = SigningKey::new("ES256", "first");
    for token in [
        sign(&scene.key, "at+jwt", &good),
        sign(&scene.key, "JWT", &good),
        sign(&stranger, "logout+jwt", &good),
        "none".to_owned(),
    ] {
        log_out(&scene, &token).await.is(400);
    }
    assert_eq!(scene.running().sessions(), 1);
    assert_eq!(scene.metric("usher_cut_offs"), 0);
}

// P8
#[actix_web::test]
async fn a_logout_token_ends_that_users_sessions_with_that_agent() {
    let scene = Scene::with(|config| config.issuer.logout_clients = vec!["*".to_owned()]).await;
    let mut alice = Sse::ready(&scene, &scene.token("alice")).await;
    let other = scene.token_with("alice", &json!({ "client_id": "other", "sid": "s2" }));
    let mut elsewhere = Sse::ready(&scene, &other).await;
    let token = sign(&scene.key, "logout+jwt", &logout(&scene, &json!({})));

    let started = Instant::now();
    let taken = log_out(&scene, &token).await.is(200);

    assert_eq!(taken.header("cache-control"), Some("no-store"));
    assert_eq!(
        alice.events.farewell().await,
        "closed: access was withdrawn"
    );
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert!(elsewhere.call(1, "whoami").await["result"].is_object());
    log_out(&scene, &token).await.is(400);
    let again = scene.token_with("alice", &json!({ "iat": NOW }));
    let _again = Mcp::ready(&scene, &again).await;

    // By the issuer's session alone, where access tokens name it.
    let changes = json!({ "sub": null, "sid": "s2", "aud": ["other"] });
    let token = sign(&scene.key, "logout+jwt", &logout(&scene, &changes));
    log_out(&scene, &token).await.is(200);
    assert_eq!(
        elsewhere.events.farewell().await,
        "closed: access was withdrawn"
    );
}
