//! The one access token of the Management API, for all callers.
//!
//! Whoever finds none, or one about to end, fetches another while the others wait for it: one question
//! however many callers (R17).

use std::{fmt, time::Duration};

use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{LogtoError, config::Tenant};
use crate::{
    fetch::{FetchError, Fetcher},
    secret::Secret,
};

/// A token is renewed so long before it ends.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// The longest that one is kept, whatever it says.
const KEPT_MAX: Duration = Duration::from_secs(3_600);

/// The holder of the token.
pub(super) struct Token {
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Secret,
    until: Instant,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: u64,
}

impl Token {
    pub(super) const fn new() -> Self {
        Self {
            held: Mutex::const_new(None),
        }
    }

    /// A token that is good for a while; never `stale`, which was refused.
    pub(super) async fn get(
        &self,
        fetcher: &Fetcher,
        tenant: &Tenant,
        stale: Option<&Secret>,
    ) -> Result<Secret, LogtoError> {
        let mut held = self.held.lock().await;
        if let Some(held) = &*held
            && Instant::now() < held.until
            && stale.is_none_or(|stale| stale.expose() != held.token.expose())
        {
            return Ok(held.token.clone());
        }
        let issued = fetch(fetcher, tenant).await?;
        let lasts = Duration::from_secs(issued.expires_in).min(KEPT_MAX);
        let token = Secret::new(issued.access_token);
        *held = Some(Held {
            token: token.clone(),
            until: Instant::now() + lasts.saturating_sub(RENEW_BEFORE),
        });
        Ok(token)
    }
}

async fn fetch(fetcher: &Fetcher, tenant: &Tenant) -> Result<Issued, LogtoError> {
    let url = format!("{}/oidc/token", tenant.origin);
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", tenant.resource.as_str()),
        // Without it the token is good for nothing.
        ("scope", "all"),
    ];
    let request = fetcher
        .post(&url)
        .basic_auth(&tenant.client_id, Some(tenant.client_secret.expose()))
        .form(&form);
    let unavailable = |error: &FetchError| LogtoError::Unavailable {
        reason: error.to_string(),
        retry_after: error.stay_away(),
    };
    let answer = fetcher
        .send(request)
        .await
        .map_err(|error| unavailable(&error))?;
    match answer.status.as_u16() {
        401 => Err(LogtoError::Credentials),
        // The resource is not known there, or not allowed.
        400 | 403 => Err(LogtoError::Forbidden),
        _ => answer.json().map_err(|error| unavailable(&error)),
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}
