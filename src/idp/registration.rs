//! `/oidc/register`: an agent introduces itself, and anybody may (RFC 7591).

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::Value;
use tracing::info;

use super::{
    answer,
    client_metadata::{Refusal, VerifiedClientMetadata},
    clients::Registered,
    error::OAuthError,
    parameters::{media_type, whole},
    provider::Provider,
    redirect_uri::RedirectUri,
};
use crate::{
    oauth::client_information::{ClientInformation, RESPONSE_TYPES, grant_types},
    telemetry::audit,
    time::Timestamp,
};

/// Seconds after which to come back when a table is full.
pub(super) const RETRY_AFTER_FULL: u64 = 60;

const MINUTE_SECONDS: u64 = 60;

pub(super) async fn post(
    provider: web::Data<Provider>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    answer::told(register(&provider, &request, body))
}

fn register(
    provider: &Provider,
    request: &HttpRequest,
    body: Result<web::Bytes, Error>,
) -> Result<HttpResponse, OAuthError> {
    let body = whole(body)?;
    if media_type(request) != "application/json" {
        return Err(OAuthError::NotJson);
    }
    let metadata: Value = serde_json::from_slice(&body)
        .map_err(|_malformed| OAuthError::InvalidRequest("the body is not JSON"))?;
    let metadata = VerifiedClientMetadata::check(&metadata)?;
    let now = provider.clock.now();
    let state = &mut *provider.state();
    state
        .registrations
        .take(now)
        .map_err(|retry_after| OAuthError::TooManyRegistrations { retry_after })?;
    let registered = state.clients.register(now, &metadata)?;
    info!(client.id = registered.client.id, "registered a client");
    audit::registered(&provider.issuer, &registered.client.id);
    Ok(answer::json_with(
        StatusCode::CREATED,
        &told(now, &metadata, &registered),
    ))
}

fn told<'a>(
    now: Timestamp,
    metadata: &'a VerifiedClientMetadata,
    registered: &'a Registered,
) -> ClientInformation<'a> {
    ClientInformation {
        client_id: &registered.client.id,
        client_id_issued_at: now,
        client_secret: registered.secret.as_deref(),
        client_secret_expires_at: registered.secret.is_some().then_some(0),
        client_name: metadata.client_name.as_deref(),
        redirect_uris: metadata
            .redirect_uris
            .iter()
            .map(RedirectUri::as_str)
            .collect(),
        application_type: metadata.application_type.as_str(),
        grant_types: grant_types(metadata.refreshes),
        response_types: RESPONSE_TYPES,
        token_endpoint_auth_method: metadata.authentication.as_str(),
        // All of its scopes may be asked for, and nothing of it is changed.
        scope: None,
        software_id: None,
        registration_client_uri: None,
        registration_access_token: None,
    }
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Metadata(error) => Self::InvalidClientMetadata(error),
            Refusal::RedirectUri(error) => Self::InvalidRedirectUri(error),
        }
    }
}

/// Counts what happens in a minute. All of it comes from this machine, so it is counted in all.
#[derive(Debug)]
pub(super) struct Window {
    limit: u32,
    began: Option<Timestamp>,
    count: u32,
}

impl Window {
    pub(super) const fn new(limit: u32) -> Self {
        Self {
            limit,
            began: None,
            count: 0,
        }
    }

    /// Takes one more, or says in how many seconds one more is taken.
    pub(super) fn take(&mut self, now: Timestamp) -> Result<(), u64> {
        let began = match self.began {
            Some(began) if now.since(began).as_secs() < MINUTE_SECONDS => began,
            _ => {
                self.count = 0;
                self.began = Some(now);
                now
            }
        };
        if self.count >= self.limit {
            return Err(MINUTE_SECONDS - now.since(began).as_secs());
        }
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_minute_takes_more() {
        let at = Timestamp::from_unix_seconds;
        let mut window = Window::new(2);
        assert_eq!(window.take(at(0)), Ok(()));
        assert_eq!(window.take(at(30)), Ok(()));

        assert_eq!(window.take(at(40)), Err(20));
        assert_eq!(window.take(at(60)), Ok(()));
    }
}
