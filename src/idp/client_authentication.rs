//! Which client is at the token, introspection or revocation endpoint (RFC 6749 §2.3).

use std::sync::Arc;

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web::Bytes};

use super::{
    answer,
    clients::{Client, Clients},
    error::OAuthError,
    parameters::Parameters,
    provider::Provider,
};
use crate::{oauth::basic, secret::Secret, time::Timestamp};

/// The answer to a form that a client posts: what `serve` makes of it, or a refusal.
pub(super) async fn answer_form(
    provider: &Provider,
    request: &HttpRequest,
    body: Result<Bytes, Error>,
    serve: impl FnOnce(&Provider, &Credentials, &Parameters) -> Result<HttpResponse, OAuthError>,
) -> HttpResponse {
    let answered = async {
        let parameters = Parameters::of_form(request, body)?;
        let credentials = Credentials::read(request, &parameters)?;
        provider.look_up(&credentials.client_id).await?;
        serve(provider, &credentials, &parameters)
    };
    answer::told(answered.await)
}

/// What a client sent about itself, by header or in the form.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) client_id: String,
    pub(super) secret: Option<Secret>,
}

impl Credentials {
    /// Reads them; two ways at once are refused (RFC 6749 §2.3).
    pub(super) fn read(request: &HttpRequest, parameters: &Parameters) -> Result<Self, OAuthError> {
        let in_form = parameters.one("client_id")?;
        let secret_in_form = parameters.one("client_secret")?;
        let Some(header) = request.headers().get(header::AUTHORIZATION) else {
            return Ok(Self {
                client_id: in_form.ok_or(OAuthError::InvalidClient)?.to_owned(),
                secret: secret_in_form.map(Secret::new),
            });
        };
        let credentials = header
            .to_str()
            .ok()
            .and_then(basic::read)
            .map(|(client_id, secret)| Self { client_id, secret })
            .ok_or(OAuthError::InvalidClient)?;
        if secret_in_form.is_some() || in_form.is_some_and(|id| id != credentials.client_id) {
            return Err(OAuthError::InvalidRequest(
                "authenticate by header or in the form, not both",
            ));
        }
        Ok(credentials)
    }

    /// The client, if it is who it says. A public client says no more than its id.
    pub(super) fn authenticate(
        &self,
        clients: &mut Clients,
        now: Timestamp,
    ) -> Result<Arc<Client>, OAuthError> {
        let client = clients
            .find(now, &self.client_id)
            .ok_or(OAuthError::InvalidClient)?;
        let proven = match &self.secret {
            Some(secret) => client.has_secret(secret.expose()),
            None => client.is_public(),
        };
        proven.then_some(client).ok_or(OAuthError::InvalidClient)
    }
}
