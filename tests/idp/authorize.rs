//! The authorization endpoint.

use crate::kit::{Browser, Provider, RESOURCE, parameter};

/// Where an authorization request leads at once.
async fn callback(provider: &Provider, url: &str) -> String {
    let reply = provider.get(url).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    reply.header("location").to_owned()
}

/// C03
#[actix_web::test]
async fn an_unknown_client_or_redirect_uri_gets_a_page_and_no_redirect() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    for more in [
        ("client_id", "nobody"),
        ("client_id", ""),
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "http://127.0.0.1:5555/other"),
    ] {
        let reply = provider.get(&agent.authorization("openid", &[more])).await;

        assert_eq!(reply.status, 400, "{more:?}");
        assert_eq!(reply.header("location"), "", "{more:?}");
        assert!(reply.header("content-type").starts_with("text/html"));
    }
}

/// C05
#[actix_web::test]
async fn every_response_type_but_code_is_refused_to_the_client() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    for response_type in ["token", "id_token", "code token"] {
        let url = agent.authorization("openid", &[("response_type", response_type)]);
        let callback = callback(&provider, &url).await;

        assert_eq!(
            parameter(&callback, "error").as_deref(),
            Some("unsupported_response_type")
        );
        assert_eq!(parameter(&callback, "state").as_deref(), Some("state-1"));
        assert_eq!(parameter(&callback, "iss").unwrap(), provider.issuer);
    }
}

/// C06
#[actix_web::test]
async fn a_request_without_s256_is_refused() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    for more in [
        &[("code_challenge", ""), ("code_challenge_method", "")][..],
        &[("code_challenge_method", "plain")],
        &[("code_challenge_method", "")],
    ] {
        let callback = callback(&provider, &agent.authorization("openid", more)).await;

        assert_eq!(
            parameter(&callback, "error").as_deref(),
            Some("invalid_request"),
            "{more:?}"
        );
    }
}

#[actix_web::test]
async fn an_unknown_resource_is_an_invalid_target() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    for resource in ["https://other.example/mcp", "http://127.0.0.1:3001/mcp/"] {
        let url = agent.authorization("openid", &[("resource", resource)]);
        let callback = callback(&provider, &url).await;

        assert_eq!(
            parameter(&callback, "error").as_deref(),
            Some("invalid_target"),
            "{resource}"
        );
    }
}

#[actix_web::test]
async fn a_repeated_parameter_is_refused() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let url = format!("{}&scope=profile", agent.authorization("openid", &[]));

    let callback = callback(&provider, &url).await;

    assert_eq!(
        parameter(&callback, "error").as_deref(),
        Some("invalid_request")
    );
}

#[actix_web::test]
async fn prompt_none_never_shows_a_page() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let silent = agent.authorization("openid profile", &[("prompt", "none")]);

    let (nobody, _) = browser.follow(&silent).await;
    assert_eq!(
        parameter(&nobody, "error").as_deref(),
        Some("login_required")
    );

    browser.sign_in(&agent.authorization("openid", &[])).await;
    let (not_asked, _) = browser.follow(&silent).await;
    assert_eq!(
        parameter(&not_asked, "error").as_deref(),
        Some("consent_required")
    );

    browser
        .allow(&agent.authorization("openid profile", &[]))
        .await;
    let (agreed, _) = browser.follow(&silent).await;
    assert!(parameter(&agreed, "code").is_some(), "{agreed}");
}

#[actix_web::test]
async fn prompt_login_and_max_age_ask_for_the_password_again() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    browser.allow(&agent.authorization("openid", &[])).await;
    provider.advance(100);

    for (more, asks) in [
        (("prompt", "login"), true),
        (("max_age", "99"), true),
        (("max_age", "100"), false),
    ] {
        let (url, _) = browser
            .follow(&agent.authorization("openid", &[more]))
            .await;

        assert_eq!(url.contains("/oidc/sign-in"), asks, "{more:?} led to {url}");
    }
}

#[actix_web::test]
async fn the_official_app_sees_no_consent_page() {
    let provider = Provider::start();
    let official = provider.official();
    let url = official.authorization(
        "openid profile",
        &[("redirect_uri", "http://127.0.0.1:5555/callback")],
    );

    let (callback, _) = Browser::new().sign_in(&url).await;

    assert!(
        callback.starts_with("http://127.0.0.1:5555/callback?code="),
        "{callback}"
    );
}

#[actix_web::test]
async fn a_request_may_come_as_a_form() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let url = url::Url::parse(&agent.authorization("openid", &[])).unwrap();
    let form: Vec<(String, String)> = url.query_pairs().into_owned().collect();

    let reply = Browser::new().post(&provider.at("/auth"), &form).await;

    assert!(reply.header("location").starts_with("/oidc/sign-in?"));
}

#[actix_web::test]
async fn a_full_table_refuses_and_keeps_what_it_holds() {
    let provider = Provider::start_with(|config| config.limits.transactions = 1);
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (url, page) = browser.follow(&agent.authorization("openid", &[])).await;

    let refused = provider.get(&agent.authorization("openid", &[])).await;
    let form = [("username", "demo"), ("password", "demo")];
    let (next, _) = browser.submit(&url, &page, &form).await;

    assert_eq!(refused.status, 503);
    assert!(next.contains("/oidc/consent"), "{next}");
}

#[actix_web::test]
async fn an_origin_only_resource_may_come_with_a_slash() {
    let provider =
        Provider::start_with(|config| config.resources = vec!["http://127.0.0.1:3001".to_owned()]);
    let agent = provider.register("Agent").await;

    let tokens = agent
        .tokens("openid", &[("resource", "http://127.0.0.1:3001/")])
        .await;

    let (_, claims) = crate::kit::jwt(tokens["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], "http://127.0.0.1:3001");
    assert_ne!(claims["aud"], RESOURCE);
}
