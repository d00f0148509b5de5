//! What the provider says about itself.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use reqwest::Method;
use serde_json::Value;

use crate::kit::{Browser, Provider, RESOURCE, client, parameter, request, send};

#[actix_web::test]
async fn metadata_is_at_every_address_that_clients_try() {
    let provider = Provider::start();

    for path in [
        "/oidc/.well-known/openid-configuration",
        "/oidc/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/oidc",
        "/.well-known/openid-configuration/oidc",
    ] {
        let reply = provider.get(&format!("{}{path}", provider.origin)).await;

        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.json()["issuer"], provider.issuer, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(reply.header("set-cookie"), "", "{path}");
    }
}

#[actix_web::test]
async fn a_path_that_is_not_served_is_404() {
    let provider = Provider::start();

    for path in [
        "/.well-known/oauth-authorization-server",
        "/register",
        "/oidc/nothing",
    ] {
        let reply = provider.get(&format!("{}{path}", provider.origin)).await;

        assert_eq!(reply.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn metadata_has_what_strict_clients_want() {
    let provider = Provider::start();
    let metadata = provider
        .get(&provider.at("/.well-known/openid-configuration"))
        .await
        .json();

    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "introspection_endpoint",
        "revocation_endpoint",
    ] {
        let url = metadata[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}"));
        assert!(url.starts_with(&format!("{}/", provider.issuer)), "{url}");
    }
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        serde_json::json!(["S256"])
    );
    assert_eq!(
        metadata["subject_types_supported"],
        serde_json::json!(["public"])
    );
    assert_eq!(
        metadata["response_types_supported"],
        serde_json::json!(["code"])
    );
    assert!(metadata["id_token_signing_alg_values_supported"].is_array());
}

/// M11, C24
#[actix_web::test]
async fn iss_is_advertised_and_sent_as_the_metadata_writes_it() {
    let provider = Provider::start();
    let metadata = provider
        .get(&provider.at("/.well-known/openid-configuration"))
        .await
        .json();
    let agent = provider.register("Agent").await;

    let callback = Browser::new()
        .allow(&agent.authorization("openid", &[]))
        .await;

    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    assert_eq!(
        parameter(&callback, "iss").as_deref(),
        metadata["issuer"].as_str()
    );
}

/// C31
#[actix_web::test]
async fn two_starts_publish_two_public_keys() {
    let key = async || {
        let provider = Provider::start();
        provider.get(&provider.at("/jwks")).await.json()["keys"][0].clone()
    };
    let (one, other) = (key().await, key().await);

    assert_ne!(one["kid"], other["kid"]);
    for private in ["d", "p", "q", "k"] {
        assert_eq!(one.get(private), None);
    }
}

#[actix_web::test]
async fn an_access_token_verifies_by_the_published_keys() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let tokens = agent.tokens("openid", &[]).await;
    let keys: JwkSet =
        serde_json::from_str(&provider.get(&provider.at("/jwks")).await.body).unwrap();
    let mut validation = Validation::new(Algorithm::ES384);
    validation.set_audience(&[RESOURCE]);
    validation.set_issuer(&[&provider.issuer]);
    // The provider's clock is the test's.
    validation.validate_exp = false;

    let key = DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let token = tokens["access_token"].as_str().unwrap();

    assert!(jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok());
}

#[actix_web::test]
async fn scripts_of_other_origins_may_use_what_clients_use() {
    let provider = Provider::start();

    for path in ["/token", "/register", "/me"] {
        let reply = request(Method::OPTIONS, &provider.at(path)).await;

        assert_eq!(reply.status, 204, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
        assert!(
            reply
                .header("access-control-allow-headers")
                .contains("Authorization")
        );
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            "",
            "{path}"
        );
    }
    let page = request(Method::OPTIONS, &provider.at("/consent")).await;
    assert_eq!(page.header("access-control-allow-origin"), "");
}

#[actix_web::test]
async fn a_host_name_that_was_made_to_point_here_is_turned_away() {
    let provider = Provider::start();
    let url = provider.at("/.well-known/openid-configuration");

    let reply = send(client().get(url).header("host", "evil.example")).await;

    assert_eq!(reply.status, 421);
}
