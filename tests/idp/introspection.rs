//! Introspection and revocation.

use serde_json::{Value, json};

use crate::kit::{Agent, Provider, REDIRECT_URI, RESOURCE, Reply, client, send};

async fn ask(provider: &Provider, token: &str) -> Reply {
    let request = client()
        .post(provider.at("/introspection"))
        .basic_auth("usher", Some("rs-secret"))
        .form(&[("token", token)]);
    send(request).await
}

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn the_resource_server_learns_what_a_token_stands_for() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    for more in [&[][..], &[("resource", "")]] {
        let tokens = agent.tokens("openid profile", more).await;
        let told = ask(&provider, &text(&tokens, "access_token")).await.json();

        assert_eq!(told["active"], true);
        assert_eq!(told["iss"], provider.issuer);
        assert_eq!(told["aud"], RESOURCE);
        assert_eq!(told["client_id"], agent.client_id);
        assert_eq!(told["scope"], "openid profile");
        assert!(told["sub"].is_string() && told["exp"].is_u64() && told["iat"].is_u64());
    }
}

#[actix_web::test]
async fn the_resource_server_learns_no_more_than_the_user_agreed_to() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    for (scope, named) in [("openid", false), ("openid profile", true)] {
        let tokens = agent.tokens(scope, &[("resource", "")]).await;
        let told = ask(&provider, &text(&tokens, "access_token")).await.json();

        assert_eq!(told["name"].is_string(), named, "{told}");
        assert_eq!(told["preferred_username"].is_string(), named, "{told}");
        for never in ["username", "email"] {
            assert!(told.get(never).is_none(), "{never} in {told}");
        }
    }
}

#[actix_web::test]
async fn a_token_that_is_dead_or_no_access_token_is_inactive() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let tokens = agent.tokens("openid offline_access", &[]).await;

    for token in [
        "garbage",
        &text(&tokens, "refresh_token"),
        &text(&tokens, "id_token"),
    ] {
        assert_eq!(
            ask(&provider, token).await.json(),
            json!({ "active": false })
        );
    }
    provider.advance(3_600);
    let expired = ask(&provider, &text(&tokens, "access_token")).await;
    assert_eq!(expired.json(), json!({ "active": false }));
}

/// C30
#[actix_web::test]
async fn who_does_not_prove_itself_is_told_nothing() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let tokens = agent.tokens("openid", &[]).await;
    let token = text(&tokens, "access_token");

    let nobody = provider.post("/introspection", &[("token", &token)]).await;
    let public = provider
        .post(
            "/introspection",
            &[("token", &token), ("client_id", &agent.client_id)],
        )
        .await;
    let wrong = client()
        .post(provider.at("/introspection"))
        .basic_auth("usher", Some("wrong"))
        .form(&[("token", &token)]);

    assert_eq!((nobody.status, public.status), (401, 401));
    assert_eq!(send(wrong).await.status, 401);
}

/// C30
#[actix_web::test]
async fn another_clients_token_is_inactive() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let tokens = agent.tokens("openid", &[]).await;
    let other = provider
        .register_with(&json!({ "redirect_uris": [REDIRECT_URI] }))
        .await
        .json();

    let request = client()
        .post(provider.at("/introspection"))
        .basic_auth(
            text(&other, "client_id"),
            Some(text(&other, "client_secret")),
        )
        .form(&[("token", text(&tokens, "access_token"))]);

    assert_eq!(send(request).await.json(), json!({ "active": false }));
}

async fn revoke(agent: &Agent<'_>, token: &str) -> Reply {
    let form = [("token", token), ("client_id", agent.client_id.as_str())];
    agent.provider.post("/revocation", &form).await
}

/// C29
#[actix_web::test]
async fn revoking_what_is_not_yours_does_nothing() {
    let provider = Provider::start();
    let (agent, other) = (
        provider.register("Agent").await,
        provider.register("Other").await,
    );
    let token = text(&agent.tokens("openid", &[]).await, "access_token");

    assert_eq!(revoke(&agent, "garbage").await.status, 200);
    assert_eq!(revoke(&other, &token).await.status, 200);

    assert_eq!(ask(&provider, &token).await.json()["active"], true);
}

#[actix_web::test]
async fn revoking_one_token_ends_the_grant() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let tokens = agent.tokens("openid offline_access", &[]).await;
    let refresh = text(&tokens, "refresh_token");

    revoke(&agent, &refresh).await;

    let access = ask(&provider, &text(&tokens, "access_token")).await;
    assert_eq!(access.json()["active"], false);
    assert_eq!(agent.refresh(&refresh, &[]).await.error(), "invalid_grant");
}
