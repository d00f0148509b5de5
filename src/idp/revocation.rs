//! `/oidc/revocation`: a client gives a token back (RFC 7009).
//!
//! The whole grant ends with it, as at Logto. A JWT that is out is good until its `exp` for whoever
//! checks only its signature; introspection says at once that it is not.

use actix_web::{Error, HttpRequest, HttpResponse, web};

use super::{
    answer,
    client_authentication::{Credentials, answer_form},
    error::OAuthError,
    parameters::Parameters,
    provider::Provider,
};

pub(super) async fn post(
    provider: web::Data<Provider>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    answer_form(&provider, &request, body, revoke).await
}

/// An unknown token and another client's are answered alike, and nothing happens (RFC 7009 §2.2).
fn revoke(
    provider: &Provider,
    credentials: &Credentials,
    parameters: &Parameters,
) -> Result<HttpResponse, OAuthError> {
    let now = provider.clock.now();
    let state = &mut *provider.state();
    let client = credentials.authenticate(&mut state.clients, now)?;
    let token = parameters.required("token", "token is missing")?;
    state.grants.revoke_token(now, token, &client.id);
    Ok(answer::empty())
}
