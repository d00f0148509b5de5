//! The token endpoint: codes.

use reqwest::Method;
use serde_json::json;

use crate::kit::{
    Agent, Browser, Provider, REDIRECT_URI, RESOURCE, VERIFIER, client, jwt, request, send,
};

#[actix_web::test]
async fn a_token_for_a_resource_is_a_jwt_with_what_was_granted() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    let tokens = agent.tokens("openid email mcp:tools", &[]).await;

    let (header, claims) = jwt(tokens["access_token"].as_str().unwrap());
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(header["alg"], "ES384");
    assert_eq!(claims["iss"], provider.issuer);
    assert_eq!(claims["aud"], RESOURCE);
    assert_eq!(claims["client_id"], agent.client_id);
    assert_eq!(claims["scope"], "email mcp:tools openid");
    assert_eq!(claims["email"], "demo@example.com");
    assert_eq!(claims.get("name"), None);
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        3_600
    );
    assert!(claims["sub"].is_string() && claims["jti"].is_string());
    assert_eq!(tokens["expires_in"], 3_600);
    assert_eq!(tokens["token_type"], "Bearer");
}

#[actix_web::test]
async fn a_token_without_a_resource_is_opaque() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    let tokens = agent.tokens("openid", &[("resource", "")]).await;

    assert_eq!(tokens["access_token"].as_str().unwrap().len(), 43);
}

#[actix_web::test]
async fn an_id_token_is_for_the_client_and_can_not_be_an_access_token() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    let tokens = agent.tokens("openid", &[("nonce", "n-1")]).await;

    let (header, claims) = jwt(tokens["id_token"].as_str().unwrap());
    assert_eq!(header["typ"], "JWT");
    assert_eq!(claims["aud"], agent.client_id);
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims.get("scope"), None);
}

#[actix_web::test]
async fn a_token_is_only_for_a_resource_that_was_asked_for() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();

    for (asked, named) in [(RESOURCE, "https://other.example"), ("", RESOURCE)] {
        let code = agent.code(&browser, "openid", &[("resource", asked)]).await;
        let reply = agent.exchange(&code, &[("resource", named)]).await;

        assert_eq!(
            (reply.status, reply.error().as_str()),
            (400, "invalid_target")
        );
    }
}

/// C06
#[actix_web::test]
async fn a_wrong_verifier_uses_the_code_up() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (short, long) = ("a".repeat(42), "a".repeat(129));

    for verifier in [
        "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong",
        &short,
        &long,
    ] {
        let code = agent.code(&browser, "openid", &[]).await;
        let wrong = agent.exchange(&code, &[("code_verifier", verifier)]).await;
        let right = agent.exchange(&code, &[]).await;

        assert_eq!(
            (wrong.status, wrong.error().as_str()),
            (400, "invalid_grant")
        );
        assert_eq!(right.error(), "invalid_grant");
    }
}

/// C08
#[actix_web::test]
async fn a_code_used_twice_takes_its_tokens_along() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let scope = "openid offline_access";
    let code = agent
        .code(&Browser::new(), scope, &[("resource", "")])
        .await;
    let tokens = agent.exchange(&code, &[]).await.json();
    let token = tokens["access_token"].as_str().unwrap();
    let me = async || {
        send(client().get(provider.at("/me")).bearer_auth(token))
            .await
            .status
    };
    assert_eq!(me().await, 200);

    let second = agent.exchange(&code, &[]).await;

    assert_eq!(second.error(), "invalid_grant");
    assert_eq!(me().await, 401);
    let refresh = agent
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await;
    assert_eq!(refresh.error(), "invalid_grant");
}

/// C10
#[actix_web::test]
async fn a_code_is_for_its_client_its_redirect_uri_and_a_minute() {
    let provider = Provider::start();
    let (agent, other) = (
        provider.register("Agent").await,
        provider.register("Other").await,
    );
    let browser = Browser::new();

    let code = agent.code(&browser, "openid", &[]).await;
    assert_eq!(other.exchange(&code, &[]).await.error(), "invalid_grant");

    let code = agent.code(&browser, "openid", &[]).await;
    let elsewhere = [("redirect_uri", "http://127.0.0.1:1/cb")];
    assert_eq!(
        agent.exchange(&code, &elsewhere).await.error(),
        "invalid_grant"
    );

    let code = agent.code(&browser, "openid", &[]).await;
    provider.advance(60);
    assert_eq!(agent.exchange(&code, &[]).await.error(), "invalid_grant");
}

/// C28
#[actix_web::test]
async fn the_endpoint_takes_a_form_by_post_from_a_known_client() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let url = provider.at("/token");

    let get = request(Method::GET, &url).await;
    let json = send(
        client()
            .post(&url)
            .json(&json!({ "grant_type": "refresh_token" })),
    )
    .await;
    let unknown = provider
        .post(
            "/token",
            &[
                ("grant_type", "authorization_code"),
                ("client_id", "nobody"),
            ],
        )
        .await;
    let grant = provider
        .post(
            "/token",
            &[("grant_type", "password"), ("client_id", &agent.client_id)],
        )
        .await;

    assert_eq!((get.status, get.header("allow")), (405, "POST, OPTIONS"));
    assert_eq!(
        (json.status, json.error().as_str()),
        (400, "invalid_request")
    );
    assert_eq!(
        (unknown.status, unknown.error().as_str()),
        (401, "invalid_client")
    );
    assert_eq!(
        (grant.status, grant.error().as_str()),
        (400, "unsupported_grant_type")
    );
    for reply in [get, json, unknown, grant] {
        assert_eq!(reply.header("cache-control"), "no-store");
    }
}

#[actix_web::test]
async fn a_confidential_client_proves_itself_by_header_or_form() {
    let provider = Provider::start();
    let registered = provider
        .register_with(&json!({ "redirect_uris": [REDIRECT_URI] }))
        .await
        .json();
    let agent = Agent {
        provider: &provider,
        client_id: registered["client_id"].as_str().unwrap().to_owned(),
    };
    let secret = registered["client_secret"].as_str().unwrap();
    let browser = Browser::new();

    let code = agent.code(&browser, "openid", &[]).await;
    let in_form = agent.exchange(&code, &[("client_secret", secret)]).await;
    let code = agent.code(&browser, "openid", &[]).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    let by_header = client()
        .post(provider.at("/token"))
        .basic_auth(&agent.client_id, Some(secret))
        .form(&form);
    let by_header = send(by_header).await;
    let without = agent.exchange("any", &[]).await;
    let wrong = agent.exchange("any", &[("client_secret", "wrong")]).await;

    assert_eq!((in_form.status, by_header.status), (200, 200));
    assert_eq!((without.status, wrong.status), (401, 401));
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
}
