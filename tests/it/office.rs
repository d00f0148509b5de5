//! What operators do on the admin listener, by `usher sessions` and by hand.

use std::fs;

use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::kit::{
    Ask, Mcp, Scene, Sse, eventually, issuer::Endpoint, mcp::call, process::run, scene::NOW,
};

/// `usher sessions` against the scene.
async fn sessions(scene: &Scene, arguments: &[&str]) -> (Option<i32>, String, String) {
    operate(scene, "sessions", arguments).await
}

async fn operate(
    scene: &Scene,
    command: &str,
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let admin = format!("http://{}", scene.running().admin());
    let mut all = vec![command.to_owned(), "--admin".to_owned(), admin];
    all.extend(arguments.iter().map(|&argument| argument.to_owned()));
    let ran = spawn_blocking(move || run(&all.iter().map(String::as_str).collect::<Vec<_>>()));
    ran.await.unwrap()
}

async fn listed(scene: &Scene, filter: &[&str]) -> Vec<Value> {
    let mut arguments = vec!["list", "--json"];
    arguments.extend(filter);
    let (code, out, err) = sessions(scene, &arguments).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let body: Value = serde_json::from_str(&out).unwrap();
    let sessions = body["sessions"].as_array().unwrap().clone();
    assert_eq!(body["total"], sessions.len());
    sessions
}

#[actix_web::test]
async fn sessions_are_shown_with_their_owners_and_without_their_ids() {
    let scene = Scene::new().await;
    let alice = Mcp::ready(&scene, &scene.token("alice")).await;
    let bob = Sse::ready(&scene, &scene.token("bob")).await;

    let all = listed(&scene, &[]).await;
    assert_eq!(all.len(), 2);
    let of_alice = listed(&scene, &["--subject", "alice"]).await;
    assert_eq!(of_alice[0]["transport"], "streamable_http");
    assert_eq!(of_alice[0]["protocol_version"], "2025-11-25");
    assert_eq!(of_alice[0]["issuer"], scene.issuer.issuer());
    let of_bob = listed(&scene, &["--id", &bob.id()[..6]]).await;
    assert_eq!(
        (of_bob.len(), &of_bob[0]["subject"]),
        (1, &Value::from("bob"))
    );
    assert!(listed(&scene, &["--subject", "alic"]).await.is_empty());

    let (code, out, _) = sessions(&scene, &["show", &alice.id[..6]]).await;
    assert_eq!(code, Some(0));
    assert!(out.contains("alice") && !out.contains(&alice.id), "{out}");
    // One id of 64 begins with a hyphen, and is no flag.
    for nobodys in ["none-of", "-one-of"] {
        let (code, _, err) = sessions(&scene, &["show", nobodys]).await;
        assert_eq!((code, err.contains("no session")), (Some(1), true), "{err}");
        assert!(listed(&scene, &["--id", nobodys]).await.is_empty());
    }
}

// X15, on one node
#[actix_web::test]
async fn an_operator_ends_a_users_sessions_and_nobody_elses() {
    let scene = Scene::new().await;
    let mut alice = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut stream = Sse::ready(&scene, &scene.token("alice")).await;
    let mut bob = Mcp::ready(&scene, &scene.token("bob")).await;

    let (code, out, err) = sessions(&scene, &["end", "--subject", "alice"]).await;

    let said = "2 ended, and cut off";
    assert_eq!((code, out.trim(), err.as_str()), (Some(0), said, ""));
    alice.post(&call(7, "whoami")).await.is(401);
    while stream.events.event().await.is_some() {}
    assert!(bob.call(8, "whoami").await["result"].is_object());
    assert_eq!(scene.running().sessions(), 1);
}

#[actix_web::test]
async fn who_is_cut_off_is_shown_and_can_be_let_in_again() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let mut alice = Mcp::ready(&scene, &token).await;
    let end = ["end", "--subject", "alice", "--let-back"];
    assert_eq!(sessions(&scene, &end).await.1.trim(), "1 ended");
    alice.post(&call(7, "whoami")).await.is(404);
    let _again = Mcp::ready(&scene, &token).await;

    let ban = ["--client-id", "agent", "--subject", "alice"];
    let (code, out, err) = sessions(
        &scene,
        &[&["end", "--ban", "2h", "--json"], &ban[..]].concat(),
    )
    .await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out.trim(), r#"{"cut_off":true,"ended":1}"#);
    let (_, out, _) = sessions(&scene, &["cut-offs", "--json"]).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["cut_offs"][0]["subject"], "alice");
    assert_eq!(shown["cut_offs"][0]["banned_until"], NOW + 7_200);
    let (_, out, _) = sessions(&scene, &["cut-offs"]).await;
    assert!(
        out.contains("alice") && out.contains("2027-01-15T10:00:00Z"),
        "{out}"
    );

    let (code, _, err) = sessions(&scene, &["lift", "--subject", "alice"]).await;
    assert_eq!((code, err.contains("no cut-off")), (Some(1), true), "{err}");
    let (code, out, _) = sessions(&scene, &[&["lift"], &ban[..]].concat()).await;
    assert_eq!((code, out.trim()), (Some(0), "lifted"));
    let _again = Mcp::ready(&scene, &token).await;
    let (_, out, _) = sessions(&scene, &["cut-offs"]).await;
    assert_eq!(out.trim(), "nobody is cut off");
}

#[actix_web::test]
async fn a_cut_off_has_to_name_somebody_and_a_full_table_says_so() {
    let scene = Scene::with(|config| config.verifier.cut_offs.max = 1).await;
    let _alice = Mcp::ready(&scene, &scene.token("alice")).await;

    for wrong in [
        &["end", "--all", "--ban", "2h"][..],
        &["end", "--id", "abcdef", "--ban", "2h"],
        &["end", "--issuer", "https://i", "--ban", "2h"],
        &["end", "--subject", "alice", "--ban", "soon"],
        &["lift"],
    ] {
        let (code, ..) = sessions(&scene, wrong).await;
        assert!(matches!(code, Some(1 | 2)), "{wrong:?}: {code:?}");
    }
    assert_eq!(scene.running().sessions(), 1);

    assert_eq!(
        sessions(&scene, &["end", "--subject", "bob"]).await.0,
        Some(0)
    );
    let (code, _, err) = sessions(&scene, &["end", "--subject", "alice"]).await;
    assert_eq!(
        (code, err.contains("cut_off.max")),
        (Some(1), true),
        "{err}"
    );
    assert_eq!(scene.running().sessions(), 0, "ended all the same");
    let hits = "usher_limit_hit_total{limit=\"cut_off.max\"}";
    assert_eq!(scene.metric(hits), 1);
}

// F26, on one node; X07
#[actix_web::test]
async fn a_purge_has_everybody_verified_anew() {
    let scene = Scene::new().await;
    let mut alice = Mcp::ready(&scene, &scene.token("alice")).await;
    let fetched = scene.issuer.count(Endpoint::Keys);

    let (code, out, err) = operate(&scene, "cache", &["purge"]).await;

    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out.trim(), "1 callers and 0 refusals forgotten");
    let issuer = &scene.issuer;
    eventually("keys are fetched", || {
        issuer.count(Endpoint::Keys) > fetched
    })
    .await;
    let misses = scene.metric("usher_verifier_cache_misses_total");
    alice.call(7, "whoami").await;
    assert_eq!(
        scene.metric("usher_verifier_cache_misses_total"),
        misses + 1
    );
    for path in ["/cache/purge", "/cut-offs", "/sessions"] {
        let public = Ask::new(&scene, "POST", path);
        scene.ask(&public).await.is(404);
    }
}

#[actix_web::test]
async fn ending_everything_has_to_be_said() {
    let scene = Scene::new().await;
    let _alice = Mcp::ready(&scene, &scene.token("alice")).await;

    let (code, _, err) = sessions(&scene, &["end"]).await;
    assert_eq!((code, err.contains("--all")), (Some(1), true), "{err}");
    let (code, ..) = sessions(&scene, &["end", "--subject", "alice", "--all"]).await;
    assert_eq!(code, Some(2));
    assert_eq!(scene.running().sessions(), 1);

    let (code, out, _) = sessions(&scene, &["end", "--all", "--json"]).await;
    assert_eq!((code, out.trim()), (Some(0), r#"{"ended":1}"#));
    assert_eq!(scene.running().sessions(), 0);
}

#[actix_web::test]
async fn with_an_admin_token_nobody_passes_without_it() {
    use std::os::unix::fs::PermissionsExt;

    let file = std::env::temp_dir().join(format!("usher-it-{}-admin", std::process::id()));
    fs::write(&file, "an-admin-token\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let path = file.clone();
    let scene = Scene::with(move |config| config.server.admin_token_file = Some(path)).await;

    let (code, _, err) = sessions(&scene, &["list"]).await;
    assert_eq!(
        (code, err.contains("admin_token_file")),
        (Some(1), true),
        "{err}"
    );
    let shown = file.to_str().unwrap();
    let (code, out, _) = sessions(&scene, &["--admin-token-file", shown, "list"]).await;
    assert_eq!((code, out.trim()), (Some(0), "no session"));
    fs::remove_file(file).unwrap();
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let (code, _, err) = run(&["sessions", "--admin", "http://127.0.0.1:1"]);

    assert_eq!(code, Some(1));
    assert!(err.contains("admin_listen"), "{err}");
}
