//! `usher clients` and `usher logto setup`, as an operator runs them against a Logto.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::{
    kit::{Bridge, public},
    logto::{Logto, M2M},
};

/// Runs the command beside the test's own system, which serves the Logto.
async fn usher(logto: &Logto, url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(arguments).env_clear();
    for (name, value) in [
        ("USHER_ISSUER_URL", logto.issuer.as_str()),
        ("USHER_SERVER_PUBLIC_URL", url),
        ("USHER_RESOURCE_SCOPES", "openid profile mcp:tools"),
        ("USHER_REGISTRATION_MODE", "bridge"),
        ("USHER_LOGTO_CLIENT_ID", M2M.0),
        ("USHER_LOGTO_CLIENT_SECRET", M2M.1),
    ] {
        command.env(name, value);
    }
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    run.await.unwrap()
}

/// What it says as JSON.
async fn said(bridge: &Bridge, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    let output = usher(&bridge.logto, &bridge.url, &arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[actix_web::test]
async fn an_operator_makes_changes_and_ends_an_agent() {
    let bridge = Bridge::start().await;
    let uri = "https://agent.example/cb";
    let make = [
        "clients",
        "create",
        "--name",
        "SmartMail",
        "--redirect-uri",
        uri,
        "--web",
        "--confidential",
    ];
    let made = said(&bridge, &make).await;
    let (id, secret) = (
        made["client_id"].as_str().unwrap(),
        made["client_secret"].as_str().unwrap(),
    );

    let listed = said(&bridge, &["clients"]).await;
    assert_eq!(listed["clients"][0]["client_name"], "SmartMail");
    assert_eq!(listed["clients"][0]["origin"], "operator");
    assert!(
        !listed.to_string().contains(secret),
        "a secret is told once"
    );

    let rotated = said(&bridge, &["clients", "rotate", id]).await;
    assert_ne!(rotated["client_secret"], secret);
    assert_eq!(rotated["also_good"], json!(["Default secret"]));
    said(
        &bridge,
        &["clients", "rotate", id, "--end", "Default secret"],
    )
    .await;

    let changed = said(&bridge, &["clients", "update", id, "--name", "SmarterMail"]).await;
    assert_eq!(
        (
            changed["client_name"].as_str(),
            changed["redirect_uris"][0].as_str()
        ),
        (Some("SmarterMail"), Some(uri))
    );

    let admin = bridge.admin();
    said(&bridge, &["clients", "disable", id, "--admin", &admin]).await;
    assert_eq!(
        said(&bridge, &["clients", "show", id]).await["disabled"],
        true
    );
    assert_eq!(
        bridge.logto.state().consent_scopes[id]["resourceScopes"],
        json!([])
    );
    said(&bridge, &["clients", "enable", id]).await;
    assert_ne!(
        bridge.logto.state().consent_scopes[id]["resourceScopes"],
        json!([])
    );

    said(&bridge, &["clients", "delete", id, "--admin", &admin]).await;
    assert_eq!(said(&bridge, &["clients"]).await["clients"], json!([]));
    let gone = usher(&bridge.logto, &bridge.url, &["clients", "show", id]).await;
    assert_eq!(gone.status.code(), Some(1));
    bridge.stop().await;
}

#[actix_web::test]
async fn a_disabled_agent_does_not_get_in() {
    let bridge = Bridge::start().await;
    let id = said(
        &bridge,
        &["clients", "create", "--redirect-uri", "http://127.0.0.1/cb"],
    )
    .await;
    let id = id["client_id"].as_str().unwrap();

    let token = bridge.logto.access_token("alice", id, &bridge.at("/mcp"));
    bridge.whoami(&token).await.is(200);
    let nobody = ["clients", "disable", id, "--admin", "http://127.0.0.1:1"];
    let output = usher(&bridge.logto, &bridge.url, &nobody).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("within a minute"),
        "{text}"
    );
    bridge.whoami(&token).await.is(200);

    // The server that is told refuses its tokens at once.
    let admin = bridge.admin();
    let told = ["clients", "disable", id, "--admin", &admin];
    let output = usher(&bridge.logto, &bridge.url, &told).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("0 sessions ended there"), "{text}");
    bridge.whoami(&token).await.is(401);

    let page = crate::kit::Browser::default()
        .get(&bridge.request(id, &[]))
        .await;
    page.is(400);
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", id),
        ("refresh_token", "x"),
    ];
    bridge.token(&form).await.refuses(401, "invalid_client");
    bridge.stop().await;
}

#[actix_web::test]
async fn only_old_agents_that_nobody_granted_anything_are_pruned() {
    let bridge = Bridge::start().await;
    let (granted, unused) = (bridge.agent().await, bridge.agent().await);
    bridge.logto.grant("alice", &granted);
    said(
        &bridge,
        &["clients", "create", "--redirect-uri", "http://127.0.0.1/cb"],
    )
    .await;
    bridge.register(&public()).await.is(201);
    let newest = bridge.logto.made_now();

    let would = said(
        &bridge,
        &["clients", "prune", "--unused-days", "30", "--dry-run"],
    )
    .await;
    assert_eq!(would["pruned"], json!([unused]));
    assert_eq!(bridge.logto.state().applications.len(), 4);
    said(&bridge, &["clients", "prune", "--unused-days", "30"]).await;

    {
        let left = &bridge.logto.state().applications;
        assert_eq!(left.len(), 3);
        assert!(left.contains_key(&newest) && left.contains_key(&granted));
    }
    bridge.stop().await;
}

#[actix_web::test]
async fn an_empty_tenant_is_set_up_once() {
    let logto = Logto::start();
    let url = "https://mcp.example.com";
    let setup = [
        "logto",
        "setup",
        "--describe",
        "mcp:tools=Call tools",
        "--official-redirect-uri",
        "http://127.0.0.1/cb",
    ];
    let mut tried = setup.to_vec();
    tried.push("--dry-run");

    let output = usher(&logto, url, &tried).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("would be made  API resource https://mcp.example.com/mcp"),
        "{text}"
    );
    assert!(
        logto
            .state()
            .ledger
            .iter()
            .all(|line| line.starts_with("GET "))
    );

    let output = usher(&logto, url, &setup).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let made = logto.count("POST ");
    assert_eq!(
        made,
        2 + 2 + 1 + 1,
        "resources, a scope each, a role, an app"
    );

    let again = usher(&logto, url, &setup).await;
    let text = String::from_utf8_lossy(&again.stdout);
    assert!(!text.contains("made  "), "{text}");
    assert_eq!(logto.count("POST "), made, "something was made twice");
}

/// A path in a folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("usher-bridge-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

// X01: the key is written to a file and nowhere else.
#[actix_web::test]
async fn a_webhook_is_set_up_once_and_its_key_is_not_shown() {
    let logto = Logto::start();
    let folder = Folder::new("webhook");
    let file = folder.0.join("key");
    let url = "https://mcp.example.com/ai";
    let setup = [
        "logto",
        "setup",
        "--webhook-key-file",
        file.to_str().unwrap(),
    ];
    let run = async |more: &[&str]| {
        let output = usher(&logto, url, &[&setup[..], more].concat()).await;
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };

    let (done, text) = run(&["--dry-run"]).await;
    assert!(done && text.contains("would be made  webhook to"), "{text}");
    assert!(logto.state().hooks.is_empty() && !file.exists());

    let (done, text) = run(&[]).await;
    assert!(done, "{text}");
    let hook = logto.state().hooks[0].clone();
    let key = hook["signingKey"].as_str().unwrap().to_owned();
    assert_eq!(
        hook["config"]["url"],
        "https://mcp.example.com/ai/webhooks/logto"
    );
    assert!(
        hook["events"]
            .as_array()
            .unwrap()
            .contains(&json!("User.Deleted"))
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(text.contains("notice.webhook_secret_file"), "{text}");
    assert!(!text.contains(&key), "{text}");

    let (done, text) = run(&[]).await;
    assert!(done && text.contains("is there       webhook to"), "{text}");
    assert!(!text.contains("to do          add"), "{text}");
    assert_eq!(logto.count("POST /hooks"), 1);

    // What somebody has changed since is told, and left as it is.
    logto.state().hooks[0]["events"] = json!(["User.Deleted"]);
    logto.state().hooks[0]["enabled"] = json!(false);
    logto.state().hooks[0]["signingKey"] = json!("r0tated");
    let (done, text) = run(&[]).await;
    assert!(!done && text.contains("holds another key"), "{text}");
    assert!(text.contains("add its events User.Susp"), "{text}");
    assert!(text.contains("enable it in the Console"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    assert!(!text.contains("r0tated") && !text.contains(&key), "{text}");
    assert_eq!(logto.count("PATCH "), 0);
}

#[actix_web::test]
async fn check_takes_the_settings_of_serve_and_says_by_its_exit_code_what_it_found() {
    let bridge = Bridge::start().await;
    let url = bridge.url.as_str();

    let walk = ["check", "--set", "registration.mode=off", "--json"];
    let output = usher(&bridge.logto, url, &walk).await;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let problems = findings.iter().filter(|one| one["verdict"] == "problem");
    let problems: Vec<_> = problems.map(|one| &one["check"]).collect();
    assert_eq!(problems, ["settings"], "{report:#}");

    let walk = ["check", "--public-url", url, "--strict"];
    let output = usher(&bridge.logto, url, &walk).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("management api"), "{said}");
    assert!(!said.contains(M2M.1));

    let nothing = usher(&bridge.logto, url, &["check"]).await;
    assert_eq!(nothing.status.code(), Some(2));
    bridge.stop().await;
}

#[actix_web::test]
async fn setup_makes_the_app_by_which_developers_sign_in_and_keeps_its_secret() {
    let logto = Logto::start();
    let url = "https://mcp.example.com";
    let file = std::env::temp_dir().join(format!("usher-portal-secret-{}", std::process::id()));
    let path = file.to_str().unwrap();
    let setup = ["logto", "setup", "--portal-secret-file", path];

    for _again in 0..2 {
        let output = usher(&logto, url, &setup).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("portal.client_id = \"app"), "{text}");
        let kept = fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&kept), "the secret is shown");
    }
    fs::remove_file(&file).unwrap();

    assert_eq!(logto.count("POST /applications"), 1);
    let state = logto.state();
    let application = state.applications.values().next().unwrap();
    assert_eq!(application["type"], "Traditional");
    assert_eq!(application["isThirdParty"], false);
    let callback = json!(["https://mcp.example.com/developers/callback"]);
    assert_eq!(application["oidcClientMetadata"]["redirectUris"], callback);
}
