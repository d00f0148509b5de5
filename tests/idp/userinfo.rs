//! Userinfo.

use crate::kit::{Provider, Reply, client, send};

async fn me(provider: &Provider, token: &str) -> Reply {
    send(client().get(provider.at("/me")).bearer_auth(token)).await
}

#[actix_web::test]
async fn an_opaque_token_tells_what_was_granted() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let tokens = agent.tokens("openid profile", &[("resource", "")]).await;

    let claims = me(&provider, tokens["access_token"].as_str().unwrap())
        .await
        .json();

    assert_eq!(claims["name"], "Demo User");
    assert_eq!(claims["preferred_username"], "demo");
    assert!(claims["sub"].is_string());
    assert_eq!(claims.get("email"), None);
}

#[actix_web::test]
async fn a_token_for_a_resource_is_refused_like_garbage() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let tokens = agent.tokens("openid", &[]).await;

    let with_jwt = me(&provider, tokens["access_token"].as_str().unwrap()).await;
    let garbage = me(&provider, "garbage").await;

    assert_eq!((with_jwt.status, garbage.status), (401, 401));
    assert_eq!(with_jwt.body, garbage.body);
    assert!(
        garbage
            .header("www-authenticate")
            .contains("error=\"invalid_token\"")
    );
}

#[actix_web::test]
async fn without_a_token_there_is_no_error_code() {
    let provider = Provider::start();

    let reply = provider.get(&provider.at("/me")).await;

    assert_eq!(reply.status, 401);
    assert!(!reply.header("www-authenticate").contains("error="));
}

#[actix_web::test]
async fn a_token_without_openid_tells_nothing() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let tokens = agent.tokens("profile", &[("resource", "")]).await;

    assert_eq!(
        me(&provider, tokens["access_token"].as_str().unwrap())
            .await
            .status,
        401
    );
}
