//! The authorization server behind the bridge: where it is, and what it says of codes and tokens.
//!
//! A code and a refresh token are used up by being shown, so nothing here is asked twice. While it is
//! out of order nobody is kept waiting: the breaker says so at once.

use std::{sync::Arc, time::Duration};

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::error::Refusal;
use crate::{
    fetch::{Answer, Breaker, Fetcher, Resting},
    metadata::{AuthorizationServer, Discovery},
    secret::Secret,
};

/// Longest wait for metadata that nobody has had yet.
const METADATA_WITHIN: Duration = Duration::from_secs(3);

/// The authorization server.
#[derive(Debug)]
pub(super) struct Upstream {
    discovery: Discovery,
    fetcher: Fetcher,
    breaker: Breaker,
}

/// What a client shows of itself, to be shown there as it is.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) client_id: String,
    pub(super) secret: Option<Secret>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Upstream {
    pub(super) fn new(discovery: Discovery, fetcher: Fetcher) -> Self {
        Self {
            discovery,
            fetcher,
            breaker: Breaker::default(),
        }
    }

    /// Its issuer identifier.
    pub(super) fn issuer(&self) -> &str {
        self.discovery.issuer().as_str()
    }

    /// Its metadata; `None` while there is none.
    pub(super) async fn server(&self) -> Option<Arc<AuthorizationServer>> {
        let settled = tokio::time::timeout(METADATA_WITHIN, self.discovery.settled());
        settled.await.ok().flatten()
    }

    /// Posts a form for this client, once.
    pub(super) async fn ask(
        &self,
        url: &str,
        credentials: &Credentials,
        form: &[(&str, &str)],
    ) -> Result<Answer, Refusal> {
        let attempt = self.breaker.attempt();
        let attempt =
            attempt.map_err(|Resting(retry_after)| Refusal::Unavailable(Some(retry_after)))?;
        let mut form = form.to_vec();
        let mut request = self.fetcher.post(url);
        match &credentials.secret {
            Some(secret) => {
                request = request.basic_auth(
                    form_encoded(&credentials.client_id),
                    Some(form_encoded(secret.expose())),
                );
            }
            None => form.push(("client_id", &credentials.client_id)),
        }
        match self.fetcher.send(request.form(&form)).await {
            Ok(answer)
                if answer.status.is_server_error()
                    || answer.status == StatusCode::TOO_MANY_REQUESTS =>
            {
                let stay_away = answer.stay_away();
                tracing::warn!(status = %answer.status, "the authorization server failed");
                attempt.failed(stay_away);
                Err(Refusal::Unavailable(stay_away))
            }
            Ok(answer) => {
                attempt.succeeded();
                Ok(answer)
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not ask the authorization server"
                );
                attempt.failed(None);
                Err(Refusal::Unavailable(None))
            }
        }
    }
}

/// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A success as JSON, or its refusal in the words that clients know.
pub(super) fn read(answer: &Answer) -> Result<Value, Refusal> {
    if answer.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|_no_json| Refusal::Unavailable(None));
    }
    let refused = serde_json::from_slice::<Refused>(&answer.body);
    let code = refused.map(|refused| refused.error).unwrap_or_default();
    Err(match code.as_str() {
        "invalid_grant" => Refusal::InvalidGrant,
        // Logto's 400 for a client that was deleted, too.
        "invalid_client" | "unauthorized_client" => Refusal::InvalidClient,
        "invalid_target" => Refusal::InvalidTarget,
        "invalid_scope" => Refusal::InvalidScope("a scope that was not granted before"),
        "unsupported_token_type" => Refusal::UnsupportedTokenType,
        "unsupported_grant_type" => Refusal::UnsupportedGrantType,
        "invalid_request" => Refusal::InvalidRequest("the authorization server could not read it"),
        _ => {
            tracing::warn!(status = %answer.status, "an answer of the authorization server that makes no sense");
            Refusal::ServerError
        }
    })
}
