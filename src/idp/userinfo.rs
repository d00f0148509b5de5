//! `/oidc/me`: what the granted scopes say about the user (OpenID Connect Core §5.3).
//!
//! For opaque tokens with `openid` only, as Logto has it: a JWT is for its resource, not for here.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::json;

use super::{answer, error::OAuthError, provider::Provider, tokens::identity_claims};

pub(super) async fn get(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    answer::told(tell(&provider, &request))
}

fn tell(provider: &Provider, request: &HttpRequest) -> Result<HttpResponse, OAuthError> {
    let token = bearer(request)?;
    let state = provider.state();
    let (token, grant) = state
        .grants
        .access_token(provider.clock.now(), token)
        .filter(|(token, _)| token.resource.is_none())
        .filter(|(token, _)| token.scopes.iter().any(|scope| scope.as_str() == "openid"))
        .ok_or(OAuthError::InvalidToken)?;
    let mut claims = identity_claims(provider.user(&grant.subject), &token.scopes);
    claims.insert("sub".to_owned(), json!(grant.subject));
    Ok(answer::json(&claims))
}

/// From the header only (RFC 6750 §2.1).
fn bearer(request: &HttpRequest) -> Result<&str, OAuthError> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or(OAuthError::MissingToken)?;
    value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or(OAuthError::InvalidToken)
}
