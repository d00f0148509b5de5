//! `usher token inspect`: what it says of a token, and what it never says.

use std::io::Write;

use mcp_usher::time::Clock;
use serde_json::{Value, json};

use crate::kit::{
    Scene,
    check::{no_secret, secrets_of},
    issuer::{Behaviour, Endpoint},
    process::{File, ended, usher},
};

/// A scene whose tokens go by the machine's clock, as the binary does.
async fn scene() -> Scene {
    let mut scene = Scene::new().await;
    scene.clock = Clock::system();
    scene
}

/// Inspects a token, and looks for it in whatever is said.
async fn inspect(scene: &Scene, token: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let url = scene.url("");
    let settings = [
        "token",
        "inspect",
        "--issuer",
        scene.issuer.issuer(),
        "--public-url",
        &url,
    ];
    let mut command = usher(&[&settings[..], more].concat());
    command.stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(token.as_bytes()).unwrap();
    drop(stdin);
    let (code, out, err) = tokio::task::spawn_blocking(|| ended(child)).await.unwrap();
    for said in [&out, &err] {
        no_secret(said, &secrets_of(token.trim()));
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    (code, out, err)
}

/// The same for programs.
async fn report(scene: &Scene, token: &str, more: &[&str]) -> (Option<i32>, Value) {
    let (code, out, err) = inspect(scene, token, &[more, &["--json"]].concat()).await;
    let report = serde_json::from_str(&out);
    (
        code,
        report.unwrap_or_else(|error| panic!("{error}: {out}{err}")),
    )
}

#[tokio::test]
async fn a_good_token_is_said_to_be_taken_and_why() {
    let scene = scene().await;
    let token = scene.token("alice");

    let (code, out, err) = inspect(&scene, &format!("Bearer {token}\n"), &[]).await;

    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for said in [
        scene.issuer.issuer(),
        "alg \"ES256\"",
        "typ \"at+jwt\"",
        "kid \"first\"; published: \"first\"",
        "Z, in ",
        " s ago",
        "sub \"alice\"",
        "client_id \"agent\"",
        &scene.url("/mcp"),
        "granted: \"mcp:tools openid\"; every request needs: none",
        "The token is taken.",
    ] {
        assert!(out.contains(said), "{said} is not in\n{out}");
    }
    assert!(!out.contains("FAIL"), "{out}");
}

#[tokio::test]
async fn a_bad_token_is_said_to_be_refused_with_all_that_is_wrong() {
    let scene = scene().await;
    let token = scene.token_with("alice", &json!({ "exp": 1_000, "aud": "https://other" }));

    let (code, out, _) = inspect(&scene, &token, &[]).await;

    assert_eq!(code, Some(1));
    assert!(
        out.contains("refused: the access token has expired (expired)."),
        "{out}"
    );
    assert_eq!(out.matches("FAIL").count(), 1, "{out}");
    let poor = scene.token("alice");
    let needs = ["--set", "resource.required_scopes=mcp:tools notes:write"];
    let (code, report) = report(&scene, &poor, &needs).await;
    assert_eq!(code, Some(1));
    assert_eq!(report["verdict"], "refused");
    assert_eq!(report["reason"], "insufficient_scope");
    let scopes = report["findings"].as_array().unwrap().last().unwrap();
    assert_eq!(scopes["check"], "scopes");
    assert_eq!(scopes["outcome"], "failed");
}

#[tokio::test]
async fn what_is_no_token_is_said_to_be_none() {
    let scene = scene().await;

    for (text, reason) in [
        ("", "token_malformed"),
        ("two words", "token_malformed"),
        ("opaque", "opaque_token"),
        ("a.b.c", "opaque_token"),
        (&"a".repeat(9_000), "token_too_long"),
    ] {
        let (code, report) = report(&scene, text, &[]).await;
        assert_eq!(code, Some(1), "{report}");
        assert_eq!(report["reason"], reason, "{report}");
    }
}

#[tokio::test]
async fn an_opaque_token_is_inspected_by_asking_its_issuer() {
    let scene = scene().await;
    let secret = File::new("inspect-secret", "s3cret", 0o600);
    let secret = format!("issuer.introspection_client_secret_file={}", secret.path());
    let about = json!({ "sub": "alice", "aud": scene.url("/mcp"), "scope": "openid" });
    scene.issuer.know("opaque-token-of-alice", about);
    for (more, method) in [
        (
            &[
                "--verification=introspection",
                "--set=issuer.introspection_client_id=usher",
                "--set",
                &secret,
            ][..],
            "introspection",
        ),
        (&["--verification=userinfo"], "userinfo"),
    ] {
        let (code, report) = report(&scene, "opaque-token-of-alice", more).await;
        assert_eq!(code, Some(0), "{report}");
        assert_eq!(report["verdict"], "verified");
        assert_eq!(report["method"], method);
        assert!(report.to_string().contains("alice"));
    }

    scene
        .issuer
        .behave(Endpoint::Userinfo, Behaviour::Answer(500, String::new()));
    let (code, report) = report(
        &scene,
        "opaque-token-of-alice",
        &["--verification=userinfo"],
    )
    .await;
    assert_eq!(code, Some(1));
    assert_eq!(report["verdict"], "unavailable");
}

#[tokio::test]
async fn a_token_is_never_an_argument() {
    let scene = scene().await;

    let (code, _, err) = inspect(&scene, "", &["a-token-as-an-argument"]).await;

    assert_eq!(code, Some(2));
    assert!(err.contains("unexpected argument"), "{err}");
}
