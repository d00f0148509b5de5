//! The token endpoint: refresh tokens.

use serde_json::Value;

use crate::kit::{Agent, Provider, RESOURCE, jwt};

async fn first(agent: &Agent<'_>) -> String {
    refresh_token(&agent.tokens("openid profile offline_access", &[]).await)
}

fn refresh_token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_refresh_token_is_replaced_when_used() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let first = first(&agent).await;
    provider.advance(3_700);

    let tokens = agent
        .refresh(&first, &[("resource", RESOURCE)])
        .await
        .json();

    let second = refresh_token(&tokens);
    assert_ne!(first, second);
    let (_, claims) = jwt(tokens["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], RESOURCE);
    assert_eq!(claims["name"], "Demo User");
    assert_eq!(agent.refresh(&second, &[]).await.status, 200);
}

#[actix_web::test]
async fn a_used_refresh_token_is_taken_within_its_grace() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let first = first(&agent).await;
    agent.refresh(&first, &[]).await;

    provider.advance(3);

    assert_eq!(agent.refresh(&first, &[]).await.status, 200);
}

#[actix_web::test]
async fn a_used_refresh_token_that_comes_back_ends_the_grant() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let first = first(&agent).await;
    let second = refresh_token(&agent.refresh(&first, &[]).await.json());
    provider.advance(4);

    let replayed = agent.refresh(&first, &[]).await;

    assert_eq!(replayed.error(), "invalid_grant");
    assert_eq!(agent.refresh(&second, &[]).await.error(), "invalid_grant");
}

#[actix_web::test]
async fn a_refresh_token_lives_fourteen_days() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let first = first(&agent).await;

    provider.advance(14 * 86_400);

    assert_eq!(agent.refresh(&first, &[]).await.error(), "invalid_grant");
}

#[actix_web::test]
async fn fewer_scopes_may_be_asked_and_more_may_not() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let first = first(&agent).await;

    let more = agent.refresh(&first, &[("scope", "openid email")]).await;
    let fewer = agent.refresh(&first, &[("scope", "openid")]).await;

    assert_eq!(more.error(), "invalid_scope");
    assert_eq!(fewer.json()["scope"], "openid");
}

#[actix_web::test]
async fn another_clients_refresh_token_is_refused_and_left_alone() {
    let provider = Provider::start();
    let (agent, other) = (
        provider.register("Agent").await,
        provider.register("Other").await,
    );
    let token = first(&agent).await;

    assert_eq!(other.refresh(&token, &[]).await.error(), "invalid_grant");

    assert_eq!(agent.refresh(&token, &[]).await.status, 200);
}

#[actix_web::test]
async fn a_request_that_can_not_be_met_uses_nothing_up() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let token = first(&agent).await;
    let wrong = agent
        .refresh(&token, &[("resource", "https://other")])
        .await;
    assert_eq!(wrong.error(), "invalid_target");

    provider.advance(60);

    assert_eq!(agent.refresh(&token, &[]).await.status, 200);
}
