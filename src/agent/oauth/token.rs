//! Codes and refresh tokens into access tokens (RFC 6749 §4.1.3 and §6, RFC 8707 §2.2).
//!
//! `authorizer` calls both functions and keeps the [`Tokens`]. Nothing here is logged or shown.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{RequestBuilder, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::form_urlencoded;

use super::{
    discovery::Discovered,
    registration::{Client, ClientAuthentication},
};
use crate::{
    agent::{
        error::{AgentError, OAuthRefusal},
        said::Said,
    },
    fetch::Fetcher,
    scope::Scopes,
    secret::Secret,
};

/// A token this close to its end is replaced before it is sent.
const RENEW_BEFORE: Duration = Duration::from_secs(10);

/// What the authorization server gave.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
    /// What the access token allows: `scope` of the answer, else what was asked for (RFC 6749 §5.1).
    pub(super) scopes: Scopes,
    expires: Option<Instant>,
}

impl Tokens {
    /// Whether the access token is at its end, as far as we were told.
    pub(super) fn is_stale(&self) -> bool {
        self.expires.is_some_and(|end| Instant::now() >= end)
    }
}

/// RFC 6749 §5.1.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: Option<String>,
    /// Seconds; some servers write the number as a string.
    expires_in: Option<Value>,
    refresh_token: Option<String>,
    scope: Option<String>,
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct Refused {
    error: String,
    error_description: Option<String>,
}

/// The code of a sign-in, and what the token endpoint wants to see with it.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) code: Secret,
    pub(super) verifier: Secret,
    pub(super) redirect_uri: String,
    pub(super) asked: Scopes,
}

/// Buys tokens for a code.
pub(super) async fn exchange(
    fetcher: &Fetcher,
    discovered: &Discovered,
    client: &Client,
    signed_in: &SignedIn,
) -> Result<Tokens, AgentError> {
    let form = vec![
        ("grant_type", "authorization_code"),
        ("code", signed_in.code.expose()),
        ("redirect_uri", &signed_in.redirect_uri),
        ("code_verifier", signed_in.verifier.expose()),
    ];
    request(fetcher, discovered, client, form, &signed_in.asked).await
}

/// Buys tokens for a refresh token. Keeps the old one where the answer has none (RFC 6749 §6).
pub(super) async fn refresh(
    fetcher: &Fetcher,
    discovered: &Discovered,
    client: &Client,
    held: &Tokens,
) -> Result<Tokens, AgentError> {
    let token = held.refresh.as_ref().map_or("", Secret::expose);
    let form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    let mut tokens = request(fetcher, discovered, client, form, &held.scopes).await?;
    tokens.refresh = tokens.refresh.or_else(|| held.refresh.clone());
    Ok(tokens)
}

async fn request<'a>(
    fetcher: &Fetcher,
    discovered: &'a Discovered,
    client: &'a Client,
    mut form: Vec<(&'a str, &'a str)>,
    asked: &Scopes,
) -> Result<Tokens, AgentError> {
    if let Some(resource) = &discovered.resource {
        form.push(("resource", resource));
    }
    let endpoint = discovered.server.token_endpoint.as_str();
    let request = authenticate(fetcher.post(endpoint), client, form);
    let failed = |error| AgentError::Fetch {
        what: "a token",
        url: Said::new(endpoint),
        error,
    };
    let answer = fetcher.send(request).await.map_err(failed)?;
    if answer.is_success() {
        return granted(answer.json().map_err(failed)?, asked);
    }
    // Without an OAuth error in it, a failure says nothing about the grant.
    match serde_json::from_slice::<Refused>(&answer.body) {
        Ok(refused) if answer.status.is_client_error() => {
            Err(AgentError::TokenRefused(OAuthRefusal {
                error: Said::new(&refused.error),
                description: refused.error_description.as_deref().map(Said::new),
            }))
        }
        _ => Err(match answer.json::<Value>() {
            Err(error) => failed(error),
            Ok(_) => AgentError::TokenUnusable("the answer is no success"),
        }),
    }
}

fn authenticate<'a>(
    request: RequestBuilder,
    client: &'a Client,
    mut form: Vec<(&'a str, &'a str)>,
) -> RequestBuilder {
    match &client.authentication {
        ClientAuthentication::Public => {
            form.push(("client_id", &client.id));
            request.form(&form)
        }
        ClientAuthentication::Post(secret) => {
            form.push(("client_id", &client.id));
            form.push(("client_secret", secret.expose()));
            request.form(&form)
        }
        ClientAuthentication::Basic(secret) => {
            // Both halves are form-encoded first (RFC 6749 §2.3.1).
            let encode = |text: &str| -> String {
                form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            let pair = format!("{}:{}", encode(&client.id), encode(secret.expose()));
            let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
            request.header(header::AUTHORIZATION, value).form(&form)
        }
    }
}

fn granted(granted: Granted, asked: &Scopes) -> Result<Tokens, AgentError> {
    let token = granted.access_token;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AgentError::TokenUnusable(
            "it is no bearer token (RFC 6750 §2.1)",
        ));
    }
    let is_bearer = |kind: &String| kind.eq_ignore_ascii_case("Bearer");
    if !granted.token_type.as_ref().is_some_and(is_bearer) {
        return Err(AgentError::TokenUnusable("its token_type is not Bearer"));
    }
    let seconds = granted.expires_in.and_then(|value| match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    });
    let expires = seconds.and_then(|seconds| {
        let life = Duration::from_secs(seconds);
        // A token shorter-lived than the margin is used to its end, or it would be none at all.
        Instant::now().checked_add(life.checked_sub(RENEW_BEFORE).unwrap_or(life))
    });
    Ok(Tokens {
        access: Secret::new(token),
        refresh: granted
            .refresh_token
            .filter(|text| !text.is_empty())
            .map(Secret::new),
        scopes: granted
            .scope
            .map_or_else(|| asked.clone(), |text| Scopes::lenient(&text)),
        expires,
    })
}
