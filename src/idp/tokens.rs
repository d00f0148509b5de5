//! Makes tokens: JWT and opaque access tokens, ID tokens, and who the user is in each of them.

use serde_json::{Map, Value, json};

use super::{
    config::User,
    error::OAuthError,
    grants::{AccessToken, Grant, GrantId},
    keys::TokenType,
    provider::{Provider, State},
    random,
};
use crate::{scope::Scopes, time::Timestamp};

/// Makes and keeps an access token: a JWT for a resource (RFC 9068), else an opaque one.
pub(super) fn issue_access_token(
    provider: &Provider,
    state: &mut State,
    now: Timestamp,
    (grant_id, grant): (GrantId, &Grant),
    scopes: &Scopes,
    resource: Option<&str>,
) -> Result<String, OAuthError> {
    let entry = AccessToken {
        grant: grant_id,
        scopes: scopes.clone(),
        resource: resource.map(str::to_owned),
        issued_at: now,
        expires_at: now.plus(provider.config.lifetimes.access_token.get()),
    };
    let token = match resource {
        Some(resource) => {
            let claims = access_token_claims(provider, grant, &entry, resource)?;
            provider.key.sign(TokenType::AccessToken, &claims)?
        }
        None => random::token()?,
    };
    state.grants.keep_access_token(now, &token, entry)?;
    Ok(token)
}

fn access_token_claims(
    provider: &Provider,
    grant: &Grant,
    token: &AccessToken,
    resource: &str,
) -> Result<Map<String, Value>, OAuthError> {
    let mut claims = identity_claims(provider.user(&grant.subject), &token.scopes);
    claims.extend(members(json!({
        "iss": provider.issuer,
        "sub": grant.subject,
        "aud": resource,
        "client_id": grant.client_id,
        "scope": token.scopes,
        "iat": token.issued_at,
        "exp": token.expires_at,
        "jti": random::identifier()?,
    })));
    Ok(claims)
}

/// Makes an ID token (OpenID Connect Core §2). Its `aud` is the client and its `typ` is `JWT`, so
/// that no resource takes it for an access token.
pub(super) fn issue_id_token(
    provider: &Provider,
    now: Timestamp,
    grant: &Grant,
    scopes: &Scopes,
) -> Result<String, OAuthError> {
    let mut claims = identity_claims(provider.user(&grant.subject), scopes);
    claims.extend(members(json!({
        "iss": provider.issuer,
        "sub": grant.subject,
        "aud": grant.client_id,
        "iat": now,
        "exp": now.plus(provider.config.lifetimes.access_token.get()),
        "auth_time": grant.auth_time,
    })));
    if let Some(nonce) = &grant.nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    provider.key.sign(TokenType::IdToken, &claims)
}

/// What the granted scopes say about the user, and nothing else (OpenID Connect Core §5.4).
pub(super) fn identity_claims(user: Option<&User>, scopes: &Scopes) -> Map<String, Value> {
    let mut claims = Map::new();
    let Some(user) = user else {
        return claims;
    };
    for scope in scopes.iter() {
        claims.extend(members(match scope.as_str() {
            "profile" => json!({ "name": user.name, "preferred_username": user.username }),
            "email" => json!({ "email": user.email, "email_verified": true }),
            _ => Value::Null,
        }));
    }
    claims
}

fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_granted_is_not_told() {
        let user = User::new("demo", "demo", "Demo User", "demo@example.com");
        let told = |scopes: &str| identity_claims(Some(&user), &scopes.parse().unwrap());

        assert!(told("openid offline_access").is_empty());
        assert_eq!(
            told("openid profile").get("name"),
            Some(&json!("Demo User"))
        );
        assert!(!told("openid profile").contains_key("email"));
        assert_eq!(told("email").get("email"), Some(&json!("demo@example.com")));
    }
}
