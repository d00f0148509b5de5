//! Group R: what is taken, what is refused before Logto hears of it, and what becomes of it there.

use std::{io::Write as _, time::Duration};

use mcp_usher::{config::Config, registration::Who, units::HumanDuration};
use serde_json::{Value, json};

use crate::{
    kit::{Bridge, REDIRECT_URI, Reply, client, public, send},
    logto::Fault,
};

/// R01
#[actix_web::test]
async fn a_native_client_becomes_one_third_party_application() {
    let bridge = Bridge::start().await;

    let reply = bridge.register(&public()).await.is(201);

    assert_eq!(reply.header("cache-control"), "no-store");
    let told = reply.json();
    assert!(told.get("client_secret").is_none());
    let id = told["client_id"].as_str().unwrap();
    assert_eq!(
        told["registration_client_uri"],
        bridge.at(&format!("/register/{id}"))
    );
    {
        let state = bridge.logto.state();
        assert_eq!(state.applications.len(), 1);
        let made = &state.applications[id];
        assert_eq!(
            (made["type"].as_str(), made["isThirdParty"].as_bool()),
            (Some("Native"), Some(true))
        );
        let uris = &made["oidcClientMetadata"]["redirectUris"];
        assert_eq!(
            *uris,
            json!([bridge.at("/callback")]),
            "the agent's own are not Logto's to know"
        );
        assert_eq!(
            made["customData"]["usher"]["redirectUris"],
            json!([REDIRECT_URI])
        );
        let scopes = &state.consent_scopes[id];
        assert_eq!(scopes["userScopes"], json!(["profile"]));
        assert_eq!(
            scopes["resourceScopes"].as_array().unwrap().len(),
            2,
            "one for each endpoint"
        );
        // R11
        let shown = &state.display_names[id];
        assert_eq!(shown, "Agent (unverified, leads to this computer)");
    }
    bridge.stop().await;
}

/// R28
#[actix_web::test]
async fn the_same_metadata_twice_gives_two_clients_with_secrets_of_their_own() {
    let bridge = Bridge::start().await;
    let metadata = json!({ "redirect_uris": ["https://agent.example/cb"] });

    let one = bridge.register(&metadata).await.is(201).json();
    let two = bridge.register(&metadata).await.is(201).json();

    assert_ne!(one["client_id"], two["client_id"]);
    assert!(one["client_secret"].is_string());
    assert_ne!(one["client_secret"], two["client_secret"]);
    assert_ne!(
        one["registration_access_token"],
        two["registration_access_token"]
    );
    let kinds: Vec<Value> = {
        let state = bridge.logto.state();
        state
            .applications
            .values()
            .map(|one| one["type"].clone())
            .collect()
    };
    assert_eq!(kinds, ["Traditional", "Traditional"]);
    bridge.stop().await;
}

/// R02, R04, R05, R06, R07, R12, R23
#[actix_web::test]
async fn what_breaks_a_rule_is_refused_before_logto_hears_of_it() {
    let bridge = Bridge::start().await;
    let uris = [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        " data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://a/b",
        "http://app.example/cb",
        "http://localhost.evil.com/cb",
        "http://127.0.0.1.nip.io/cb",
        "http://0.0.0.0/cb",
        "intent://x",
        "ms-settings:x",
        "x:y",
        "https://*.example.com/cb",
        "https://a/cb#x",
        "https://good@evil/cb",
    ];
    for uri in uris {
        let metadata = json!({ "redirect_uris": [uri], "application_type": "native" });
        let reply = bridge.register(&metadata).await;
        reply.refuses(400, "invalid_redirect_uri");
    }
    let long = format!("https://a/{}", "x".repeat(5_000));
    bridge
        .register(&json!({ "redirect_uris": [long] }))
        .await
        .refuses(400, "invalid_redirect_uri");
    let with = |name: &str, value: Value| {
        let mut metadata = public();
        metadata[name] = value;
        metadata
    };
    for metadata in [
        with("redirect_uris", json!([])),
        with("redirect_uris", json!(vec!["https://a/cb"; 51])),
        with("redirect_uris", json!("https://a/cb")),
        with("redirect_uris", json!(1)),
        with("redirect_uris", json!([["https://a/cb"]])),
        with("redirect_uris", json!({})),
        with("redirect_uris", json!(null)),
        with("grant_types", json!(["client_credentials"])),
        with("grant_types", json!(["password"])),
        with("grant_types", json!(["implicit"])),
        with("response_types", json!(["token"])),
        with("token_endpoint_auth_method", json!("private_key_jwt")),
        json!([]),
    ] {
        bridge
            .register(&metadata)
            .await
            .refuses(400, "invalid_client_metadata");
    }

    assert_eq!(bridge.logto.state().ledger, Vec::<String>::new());
    assert_eq!(bridge.logto.state().token_requests, 0);
    bridge.stop().await;
}

/// R24
#[actix_web::test]
async fn a_body_that_is_no_json_or_too_large_is_refused() {
    let bridge = Bridge::start().await;
    let post = || client().post(bridge.at("/register"));

    send(post().header("content-type", "application/json").body("{"))
        .await
        .is(400);
    send(post().form(&[("redirect_uris", "https://a/cb")]))
        .await
        .is(415);
    let large = format!("{{\"client_name\":\"{}\"}}", "x".repeat(65 * 1024));
    let large = post()
        .header("content-type", "application/json")
        .body(large);
    send(large).await.refuses(413, "invalid_request");
    let other = send(client().get(bridge.at("/register"))).await.is(405);
    assert_eq!(other.header("allow"), "POST");
    bridge.stop().await;
}

/// R08: a sink on this machine counts who comes; nobody does.
#[actix_web::test]
async fn nothing_that_is_submitted_is_fetched_or_passed_on() {
    let sink = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    sink.set_nonblocking(true).unwrap();
    let bridge = Bridge::start().await;
    let url = format!("http://{}/x", sink.local_addr().unwrap());
    let mut metadata = public();
    for name in [
        "logo_uri",
        "jwks_uri",
        "sector_identifier_uri",
        "tos_uri",
        "policy_uri",
        "client_uri",
        "initiate_login_uri",
    ] {
        metadata[name] = json!(url);
    }
    metadata["request_uris"] =
        json!([url, "http://169.254.169.254/", "http://[::ffff:a9fe:a9fe]/"]);
    metadata["isThirdParty"] = json!(false);
    metadata["type"] = json!("MachineToMachine");

    let told = bridge.register(&metadata).await.is(201);

    assert!(!told.body.contains(&url));
    let made = json!(bridge.logto.state().applications).to_string();
    assert!(
        !made.contains(&url) && !made.contains("MachineToMachine"),
        "{made}"
    );
    assert!(sink.accept().is_err(), "somebody came");
    bridge.stop().await;
}

/// R15
#[actix_web::test]
async fn of_many_from_one_address_only_so_many_reach_logto() {
    let bridge = Bridge::with(|config| config.registration.per_address_per_minute = 3).await;

    let mut refused = 0;
    for _ in 0..20 {
        let reply = bridge.register(&public()).await;
        if reply.status == 429 {
            assert!(reply.header("retry-after").parse::<u64>().unwrap() > 0);
            refused += 1;
        }
    }

    assert_eq!(refused, 17);
    assert_eq!(
        bridge.logto.count("POST /applications"),
        3 * 2,
        "one and its scopes, each"
    );
    bridge.stop().await;
}

/// R22
#[actix_web::test]
async fn with_an_initial_access_token_only_who_shows_it_registers() {
    let mut file = tempfile("let-me-in");
    let path = file.path.clone();
    let bridge = Bridge::with(|config| {
        config.registration.who = Who::Token;
        config.registration.initial_access_token_file = Some(path);
    })
    .await;
    let post = || client().post(bridge.at("/register")).json(&public());

    let none = send(post()).await.refuses(401, "invalid_token");
    assert!(none.header("www-authenticate").starts_with("Bearer"));
    send(post().bearer_auth("wrong"))
        .await
        .refuses(401, "invalid_token");
    assert_eq!(bridge.logto.state().applications.len(), 0);
    send(post().bearer_auth("let-me-in")).await.is(201);

    file.keep = false;
    bridge.stop().await;
}

#[actix_web::test]
async fn where_nobody_may_register_the_metadata_does_not_say_so() {
    let bridge = Bridge::with(|config| config.registration.who = Who::Nobody).await;

    bridge
        .register(&public())
        .await
        .refuses(403, "access_denied");

    let url = bridge.at("/.well-known/oauth-authorization-server");
    let metadata = send(client().get(url)).await.is(200).json();
    assert!(metadata.get("registration_endpoint").is_none());
    bridge.stop().await;
}

#[actix_web::test]
async fn a_dry_run_makes_no_client_and_a_full_house_takes_none() {
    let bridge = Bridge::with(|config| config.registration.dry_run = true).await;
    bridge.register(&public()).await.is(403);
    assert_eq!(bridge.logto.state().ledger.len(), 0);
    bridge.stop().await;

    let bridge = Bridge::with(|config| config.registration.clients_max = 1).await;
    bridge.agent().await;
    let full = bridge
        .register(&public())
        .await
        .refuses(503, "temporarily_unavailable");
    assert!(!full.header("retry-after").is_empty());
    assert_eq!(bridge.logto.state().applications.len(), 1);
    bridge.stop().await;
}

async fn manage(bridge: &Bridge, method: reqwest::Method, id: &str, token: &str) -> Reply {
    let url = bridge.at(&format!("/register/{id}"));
    send(client().request(method, url).bearer_auth(token)).await
}

/// R21
#[actix_web::test]
async fn a_registration_is_managed_with_its_own_token_alone() {
    use reqwest::Method;
    let bridge = Bridge::start().await;
    let told = bridge.register(&public()).await.is(201).json();
    let (id, token) = (
        told["client_id"].as_str().unwrap(),
        told["registration_access_token"].as_str().unwrap(),
    );
    let other = bridge.register(&public()).await.is(201).json();
    let others = other["registration_access_token"].as_str().unwrap();
    let asked = bridge.logto.state().ledger.len();

    let wrong = manage(&bridge, Method::GET, id, others)
        .await
        .refuses(401, "invalid_token");
    let unknown = manage(&bridge, Method::GET, "nobody", others)
        .await
        .refuses(401, "invalid_token");
    assert_eq!(wrong.body, unknown.body);
    manage(&bridge, Method::DELETE, id, "")
        .await
        .refuses(401, "invalid_token");
    assert_eq!(
        bridge.logto.state().ledger.len(),
        asked,
        "Logto was asked about a guess"
    );

    let read = manage(&bridge, Method::GET, id, token).await.is(200).json();
    assert_eq!(read["redirect_uris"], json!([REDIRECT_URI]));
    let mut metadata = public();
    metadata["client_id"] = json!(id);
    metadata["redirect_uris"] = json!(["http://127.0.0.1/other"]);
    let url = bridge.at(&format!("/register/{id}"));
    let put = |body: &Value| client().put(&url).bearer_auth(token).json(body);
    let told = send(put(&metadata)).await.is(200).json();
    assert_eq!(told["redirect_uris"], json!(["http://127.0.0.1/other"]));
    let read = manage(&bridge, Method::GET, id, token).await.is(200).json();
    assert_eq!(read["redirect_uris"], json!(["http://127.0.0.1/other"]));
    metadata["client_id"] = json!("another");
    send(put(&metadata))
        .await
        .refuses(400, "invalid_client_metadata");

    manage(&bridge, Method::DELETE, id, token).await.is(204);
    manage(&bridge, Method::GET, id, token)
        .await
        .refuses(401, "invalid_token");
    assert_eq!(bridge.logto.state().applications.len(), 1);
    bridge.stop().await;
}

/// A file that only its owner may read, removed at the end.
struct File {
    path: std::path::PathBuf,
    keep: bool,
}

fn tempfile(text: &str) -> File {
    use std::os::unix::fs::OpenOptionsExt as _;
    let name = format!("usher-bridge-{}-{text}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
    File { path, keep: true }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.path);
        assert!(!self.keep || std::thread::panicking());
    }
}

/// A sweep at the start: only what registered itself long ago, and nothing that a user has granted.
#[actix_web::test]
async fn a_server_deletes_agents_that_nobody_uses_and_no_others() {
    let before = Bridge::start().await;
    let (granted, unused) = (before.agent().await, before.agent().await);
    before.logto.grant("alice", &granted);
    before.register(&public()).await.is(201);
    let newest = before.logto.made_now();
    let logto = before.logto.clone();

    // One question is not answered: nothing is deleted.
    logto.fail(2, Fault::Status(422));
    let asked = logto.count("GET /users");
    let prunes = |config: &mut Config| {
        config.registration.prune_after = Some(HumanDuration::from_secs(30 * 86_400));
    };
    let failing = Bridge::before(logto.clone(), prunes).await;
    until(|| logto.count("GET /users") > asked + 1).await;
    failing.stop().await;
    assert_eq!(logto.count("DELETE "), 0);

    let bridge = Bridge::before(logto.clone(), prunes).await;
    until(|| logto.count("DELETE ") > 0).await;

    {
        let left = &logto.state().applications;
        assert!(!left.contains_key(&unused));
        assert!(left.contains_key(&newest) && left.contains_key(&granted));
    }
    bridge.stop().await;
    before.stop().await;
}

async fn until(come: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if come() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came");
}

/// RFC 7592 §2.2 from a page: PUT is asked about first.
#[actix_web::test]
async fn a_page_may_change_a_registration() {
    let bridge = Bridge::start().await;
    let request = client().request(reqwest::Method::OPTIONS, bridge.at("/register/x"));
    let request = request
        .header("origin", &bridge.url)
        .header("access-control-request-method", "PUT");

    let reply = send(request).await.is(204);

    let allowed = reply.header("access-control-allow-methods");
    assert!(
        allowed.split(", ").any(|method| method == "PUT"),
        "{allowed}"
    );
    bridge.stop().await;
}

/// R28, with `registration.deduplicate`: who says the same is the same client, and nobody can change it.
#[actix_web::test]
async fn programs_of_one_party_may_share_a_client_and_no_credential() {
    let bridge = Bridge::with(|config| config.registration.deduplicate = true).await;
    let mut shared = public();
    shared["redirect_uris"] = json!(["https://agent.example/cb"]);
    let one = bridge.register(&shared).await.is(201).json();
    let two = bridge.register(&shared).await.is(201).json();

    assert_eq!(one["client_id"], two["client_id"]);
    for told in [&one, &two] {
        assert_eq!(told.get("registration_access_token"), None);
        assert_eq!(told.get("registration_client_uri"), None);
        assert_eq!(told.get("client_secret"), None);
    }
    assert_eq!(bridge.logto.state().applications.len(), 1);

    // On the user's device, with a secret, or with another word of it: a client of its own.
    let mut confidential = shared.clone();
    confidential["token_endpoint_auth_method"] = json!("client_secret_basic");
    let mut more = shared.clone();
    more["redirect_uris"] = json!(["https://agent.example/cb", "https://evil.example/cb"]);
    let mut named = shared.clone();
    named["client_name"] = json!("Another");
    let mut here = shared.clone();
    here["redirect_uris"] = json!(["https://localhost:5555/cb"]);
    for (metadata, made) in [
        (public(), 2),
        (here, 2),
        (confidential, 2),
        (more, 1),
        (named, 1),
    ] {
        let before = bridge.logto.state().applications.len();
        let first = bridge.register(&metadata).await.is(201).json();
        let second = bridge.register(&metadata).await.is(201).json();
        assert_ne!(first["client_id"], one["client_id"]);
        let after = bridge.logto.state().applications.len();
        assert_eq!(after - before, made, "{metadata}");
        let are_apart = first["registration_access_token"] != second["registration_access_token"];
        assert_eq!(are_apart, made == 2, "{metadata}");
        let secrets = [&first, &second].map(|told| told["client_secret"].as_str());
        assert!(
            secrets[0].is_none() || secrets[0] != secrets[1],
            "{metadata}"
        );
    }
    bridge.stop().await;
}
