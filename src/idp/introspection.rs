//! `/oidc/introspection`: what a token stands for (RFC 7662).
//!
//! The configured resource server may ask about every token, a confidential client about its own.
//! A token that does not exist, is dead, or is not theirs to ask about is `active: false`.
//!
//! An opaque token has no resource of its own; its `aud` is the first configured resource, so that
//! a resource server that insists on an audience can be tried with it.

use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{
    answer,
    client_authentication::{Credentials, answer_form},
    error::OAuthError,
    parameters::Parameters,
    provider::{Provider, State},
    random::Digest,
    tokens::identity_claims,
};
use crate::time::Timestamp;

/// Who asks.
enum Asker {
    /// The protected resource: about every token.
    ResourceServer,
    /// A client: about its own.
    Client(String),
}

pub(super) async fn post(
    provider: web::Data<Provider>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    answer_form(&provider, &request, body, introspect).await
}

fn introspect(
    provider: &Provider,
    credentials: &Credentials,
    parameters: &Parameters,
) -> Result<HttpResponse, OAuthError> {
    let now = provider.clock.now();
    let state = &mut *provider.state();
    let asker = asker(provider, state, now, credentials)?;
    let token = parameters.required("token", "token is missing")?;
    let told = access_token(provider, state, now, &asker, token)
        .or_else(|| refresh_token(provider, state, now, &asker, token))
        .unwrap_or_else(|| json!({ "active": false }));
    Ok(answer::json(&told))
}

/// A public client can't prove who it is, so it is told nothing (RFC 7662 §2.1).
fn asker(
    provider: &Provider,
    state: &mut State,
    now: Timestamp,
    credentials: &Credentials,
) -> Result<Asker, OAuthError> {
    if let (Some(server), Some(secret)) = (&provider.config.resource_server, &credentials.secret)
        && server.client_id == credentials.client_id
    {
        let (sent, own) = (
            Digest::of(secret.expose()),
            Digest::of(server.client_secret.expose()),
        );
        return if sent.as_bytes().ct_eq(own.as_bytes()).into() {
            Ok(Asker::ResourceServer)
        } else {
            Err(OAuthError::InvalidClient)
        };
    }
    let client = credentials.authenticate(&mut state.clients, now)?;
    if client.is_public() {
        return Err(OAuthError::InvalidClient);
    }
    Ok(Asker::Client(client.id.clone()))
}

impl Asker {
    fn may_ask_about(&self, client_id: &str) -> bool {
        match self {
            Self::ResourceServer => true,
            Self::Client(own) => own == client_id,
        }
    }
}

fn access_token(
    provider: &Provider,
    state: &State,
    now: Timestamp,
    asker: &Asker,
    token: &str,
) -> Option<Value> {
    let (token, grant) = state.grants.access_token(now, token)?;
    asker.may_ask_about(&grant.client_id).then(|| {
        let mut answer = json!({
            "active": true,
            "iss": provider.issuer,
            "sub": grant.subject,
            "aud": token.resource.as_ref().or(provider.config.resources.first()),
            "client_id": grant.client_id,
            "scope": token.scopes,
            "iat": token.issued_at,
            "exp": token.expires_at,
            "token_type": "Bearer",
        });
        // As in a JWT: what the user agreed to, and no `username` (RFC 7662 §2.2) beyond it.
        if let Value::Object(members) = &mut answer {
            members.extend(identity_claims(
                provider.user(&grant.subject),
                &token.scopes,
            ));
        }
        answer
    })
}

fn refresh_token(
    provider: &Provider,
    state: &State,
    now: Timestamp,
    asker: &Asker,
    token: &str,
) -> Option<Value> {
    // A refresh token is for the provider alone; a resource server that is shown one has been
    // handed the wrong thing, and must not take it for an access token.
    let Asker::Client(_) = asker else {
        return None;
    };
    let (grant, expires_at) = state.grants.refresh_token(now, token)?;
    asker.may_ask_about(&grant.client_id).then(|| {
        json!({
            "active": true,
            "iss": provider.issuer,
            "sub": grant.subject,
            "client_id": grant.client_id,
            "scope": grant.scopes,
            "exp": expires_at,
        })
    })
}
