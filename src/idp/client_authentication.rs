//! Which client is at the token, introspection or revocation endpoint (RFC 6749 §2.3).

use std::sync::Arc;

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web::Bytes};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use super::{
    answer,
    clients::{Client, Clients},
    error::OAuthError,
    parameters::Parameters,
    provider::Provider,
};
use crate::{secret::Secret, time::Timestamp};

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
            .and_then(basic)
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

/// `Basic` with both halves form-encoded (RFC 6749 §2.3.1).
fn basic(value: &str) -> Option<Credentials> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, secret) = decoded.split_once(':')?;
    let secret = form_decoded(secret);
    Some(Credentials {
        client_id: form_decoded(client_id),
        secret: (!secret.is_empty()).then(|| Secret::new(secret)),
    })
}

fn form_decoded(text: &str) -> String {
    // Parsed as a name without a value; an `=` or `&` inside would have been encoded.
    form_urlencoded::parse(text.as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded() {
        let header = format!("basic {}", STANDARD.encode("a%3Ab:c%2Bd"));
        let credentials = basic(&header).unwrap();

        assert_eq!(credentials.client_id, "a:b");
        assert_eq!(credentials.secret.unwrap().expose(), "c+d");
    }

    #[test]
    fn an_empty_password_is_no_secret() {
        let header = format!("Basic {}", STANDARD.encode("agent:"));

        assert!(basic(&header).unwrap().secret.is_none());
        assert!(basic("Bearer abc").is_none());
    }
}
