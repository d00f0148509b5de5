//! Dynamic registration.

use std::{io::ErrorKind, net::TcpListener};

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::kit::{Browser, Provider, Reply, client, send};

async fn register(provider: &Provider, redirect_uris: Value) -> Reply {
    provider
        .register_with(&json!({ "redirect_uris": redirect_uris }))
        .await
}

/// R01, as far as it goes without Logto
#[actix_web::test]
async fn a_public_client_gets_an_id_and_no_secret() {
    let provider = Provider::start();

    let reply = provider
        .register_with(&json!({
            "client_name": "Agent",
            "redirect_uris": ["http://127.0.0.1/cb"],
            "application_type": "native",
            "token_endpoint_auth_method": "none",
        }))
        .await;

    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("cache-control"), "no-store");
    let client = reply.json();
    assert!(client["client_id"].is_string());
    assert_eq!(client["client_id_issued_at"], 1_800_000_000);
    assert_eq!(client.get("client_secret"), None);
    assert_eq!(client["application_type"], "native");
    assert_eq!(client["redirect_uris"], json!(["http://127.0.0.1/cb"]));
}

/// R02
#[actix_web::test]
async fn a_scheme_that_runs_something_is_refused() {
    let provider = Provider::start();

    for uri in [
        "javascript:alert(1)",
        "JaVaScRiPt:x",
        "java\tscript:x",
        " data:x",
        "file:///x",
    ] {
        let reply = register(&provider, json!([uri])).await;

        assert_eq!(
            (reply.status, reply.error().as_str()),
            (400, "invalid_redirect_uri"),
            "{uri}"
        );
    }
}

/// R04
#[actix_web::test]
async fn plain_http_is_refused_off_this_machine() {
    let provider = Provider::start();

    for uri in [
        "http://app.example",
        "http://localhost.evil.com",
        "http://0.0.0.0",
    ] {
        assert_eq!(register(&provider, json!([uri])).await.status, 400, "{uri}");
    }
    for uri in ["http://localhost:1/", "http://[::1]/"] {
        assert_eq!(register(&provider, json!([uri])).await.status, 201, "{uri}");
    }
}

/// R05
#[actix_web::test]
async fn a_scheme_of_the_operating_system_is_refused() {
    let provider = Provider::start();

    assert_eq!(register(&provider, json!(["intent://x"])).await.status, 400);
    assert_eq!(
        register(&provider, json!(["com.example.app:/cb"]))
            .await
            .status,
        201
    );
}

/// R06
#[actix_web::test]
async fn a_wildcard_is_refused() {
    let provider = Provider::start();

    assert_eq!(
        register(&provider, json!(["https://*.example.com/cb"]))
            .await
            .status,
        400
    );
}

/// R07
#[actix_web::test]
async fn too_few_too_many_and_too_long_redirect_uris_are_refused() {
    let provider = Provider::start();
    let long = format!("https://a/{}", "x".repeat(5 * 1024));

    for uris in [json!([]), json!(vec!["https://a/cb"; 51]), json!([long])] {
        assert_eq!(register(&provider, uris).await.status, 400);
    }
}

/// R08
#[actix_web::test]
async fn nothing_that_a_client_names_is_fetched() {
    let provider = Provider::start();
    let sink = TcpListener::bind("127.0.0.1:0").unwrap();
    sink.set_nonblocking(true).unwrap();
    let url = format!("http://{}/x", sink.local_addr().unwrap());
    let mut metadata = json!({ "redirect_uris": ["https://a/cb"] });
    let named = [
        "logo_uri",
        "jwks_uri",
        "tos_uri",
        "policy_uri",
        "sector_identifier_uri",
    ];
    for name in named {
        metadata[name] = json!(url);
    }

    let reply = provider.register_with(&metadata).await;

    assert_eq!(reply.status, 201);
    assert!(named.iter().all(|name| reply.json().get(name).is_none()));
    assert_eq!(sink.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// R12
#[actix_web::test]
async fn no_client_gets_another_grant_than_code_and_refresh() {
    let provider = Provider::start();
    let with = async |grants: Value| {
        provider
            .register_with(&json!({ "redirect_uris": ["https://a/cb"], "grant_types": grants }))
            .await
    };

    assert_eq!(
        with(json!(["client_credentials"])).await.error(),
        "invalid_client_metadata"
    );
    let reduced = with(json!(["authorization_code", "refresh_token", "implicit"])).await;
    assert_eq!(
        reduced.json()["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
}

/// R23
#[actix_web::test]
async fn metadata_of_another_type_is_refused() {
    let provider = Provider::start();

    for metadata in [
        json!({ "redirect_uris": "https://a/cb" }),
        json!({ "redirect_uris": null }),
        json!({ "redirect_uris": [["https://a/cb"]] }),
        json!([]),
    ] {
        let reply = provider.register_with(&metadata).await;

        assert_eq!(
            (reply.status, reply.error().as_str()),
            (400, "invalid_client_metadata")
        );
    }
}

/// R24
#[actix_web::test]
async fn a_body_that_is_no_json_or_too_large_is_refused() {
    let provider = Provider::start();
    let post = || client().post(provider.at("/register"));
    let as_json = |body: String| -> RequestBuilder {
        post().header("content-type", "application/json").body(body)
    };

    assert_eq!(send(as_json("{".to_owned())).await.status, 400);
    assert_eq!(send(post().form(&[("client_name", "x")])).await.status, 415);
    assert_eq!(send(as_json(" ".repeat(65 * 1024))).await.status, 413);
}

/// R29
#[actix_web::test]
async fn a_native_client_may_come_back_on_any_port_but_no_other_path() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let status = async |uri: &str| {
        let url = agent.authorization("openid", &[("redirect_uri", uri)]);
        Browser::new().get(&url).await.status
    };

    assert_eq!(status("http://127.0.0.1:53211/cb").await, 303);
    assert_eq!(status("http://127.0.0.1:53211/other").await, 400);
}

/// R28
#[actix_web::test]
async fn the_same_metadata_twice_is_two_clients() {
    let provider = Provider::start();

    let (one, other) = (
        provider.register("Agent").await,
        provider.register("Agent").await,
    );

    assert_ne!(one.client_id, other.client_id);
}

/// R15, at this provider's own limit
#[actix_web::test]
async fn registrations_in_a_minute_are_limited() {
    let provider = Provider::start_with(|config| config.limits.registrations_per_minute = 1);
    register(&provider, json!(["https://a/cb"])).await;

    let second = register(&provider, json!(["https://a/cb"])).await;
    assert_eq!((second.status, second.header("retry-after")), (429, "60"));

    provider.advance(60);
    assert_eq!(
        register(&provider, json!(["https://a/cb"])).await.status,
        201
    );
}

#[actix_web::test]
async fn a_full_table_of_clients_refuses() {
    let provider = Provider::start_with(|config| config.limits.clients = 1);
    register(&provider, json!(["https://a/cb"])).await;

    let reply = register(&provider, json!(["https://a/cb"])).await;

    assert_eq!(
        (reply.status, reply.error().as_str()),
        (503, "temporarily_unavailable")
    );
}
