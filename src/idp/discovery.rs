//! What the provider says about itself (OpenID Connect Discovery §3, RFC 8414 §2) and its keys.
//!
//! One document under all the addresses that clients try. Strict TypeScript clients want `jwks_uri`,
//! `subject_types_supported` and `id_token_signing_alg_values_supported` in it.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{answer, keys, provider::Provider};

/// Authorization server metadata.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the document has them")]
struct Metadata<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    registration_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    scopes_supported: [&'a str; 4],
    response_types_supported: [&'a str; 1],
    response_modes_supported: [&'a str; 1],
    grant_types_supported: [&'a str; 2],
    subject_types_supported: [&'a str; 1],
    id_token_signing_alg_values_supported: [&'a str; 1],
    token_endpoint_auth_methods_supported: [&'a str; 3],
    introspection_endpoint_auth_methods_supported: [&'a str; 2],
    revocation_endpoint_auth_methods_supported: [&'a str; 3],
    code_challenge_methods_supported: [&'a str; 1],
    prompt_values_supported: [&'a str; 3],
    claim_types_supported: [&'a str; 1],
    claims_supported: [&'a str; 12],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    /// A `client_id` may be the URL of a document (draft-ietf-oauth-client-id-metadata-document).
    client_id_metadata_document_supported: bool,
    /// RFC 9207: `iss` is in every authorization response, errors included.
    authorization_response_iss_parameter_supported: bool,
}

pub(super) async fn metadata(provider: web::Data<Provider>) -> HttpResponse {
    answer::document("application/json", &describe(&provider.issuer))
}

pub(super) async fn key_set(provider: web::Data<Provider>) -> HttpResponse {
    answer::document("application/jwk-set+json", provider.key.public())
}

fn describe(issuer: &str) -> Metadata<'_> {
    let at = |path: &str| format!("{issuer}{path}");
    Metadata {
        issuer,
        authorization_endpoint: at("/auth"),
        token_endpoint: at("/token"),
        userinfo_endpoint: at("/me"),
        jwks_uri: at("/jwks"),
        registration_endpoint: at("/register"),
        introspection_endpoint: at("/introspection"),
        revocation_endpoint: at("/revocation"),
        scopes_supported: ["openid", "offline_access", "profile", "email"],
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: [keys::ALGORITHM_NAME],
        token_endpoint_auth_methods_supported: [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        introspection_endpoint_auth_methods_supported: [
            "client_secret_basic",
            "client_secret_post",
        ],
        revocation_endpoint_auth_methods_supported: [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        code_challenge_methods_supported: ["S256"],
        prompt_values_supported: ["none", "login", "consent"],
        claim_types_supported: ["normal"],
        claims_supported: [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "client_id",
            "name",
            "preferred_username",
            "email",
            "email_verified",
        ],
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        client_id_metadata_document_supported: true,
        authorization_response_iss_parameter_supported: true,
    }
}
