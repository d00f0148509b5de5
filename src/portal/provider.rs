//! The authorization server, at which developers sign in: a code for who somebody is.
//!
//! The ID token comes straight from its token endpoint, by https or on this machine, so its signature
//! adds nothing to that of the connection (OpenID Connect Core §3.1.3.7, 6); all else in it is judged.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::{config::Credentials, error::Halt};
use crate::{
    fetch::{Breaker, Fetcher, Resting},
    metadata::{AuthorizationServer, Discovery},
    oauth::client_metadata::line,
    time::Timestamp,
};

/// Longest wait for metadata that nobody has had yet.
const METADATA_WITHIN: Duration = Duration::from_secs(3);
/// Codes that are exchanged at once; one more developer is told to come back.
const AT_ONCE: usize = 16;
/// How far the provider's clock may be off, in seconds.
const LEEWAY_SECONDS: u64 = 60;
/// Longest subject (OpenID Connect Core §2) and name that are taken, in characters.
const SUBJECT_MAX: usize = 255;
const NAME_MAX: usize = 120;

/// The authorization server, as its first-party application sees it.
#[derive(Debug)]
pub(super) struct Provider {
    discovery: Discovery,
    fetcher: Fetcher,
    breaker: Breaker,
    places: Semaphore,
    credentials: Credentials,
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) subject: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Provider {
    pub(super) fn new(discovery: Discovery, fetcher: Fetcher, credentials: Credentials) -> Self {
        Self {
            discovery,
            fetcher,
            breaker: Breaker::default(),
            places: Semaphore::new(AT_ONCE),
            credentials,
        }
    }

    /// Its issuer identifier.
    pub(super) fn issuer(&self) -> &str {
        self.discovery.issuer().as_str()
    }

    /// Who we are there.
    pub(super) fn client_id(&self) -> &str {
        &self.credentials.client_id
    }

    /// Its metadata.
    pub(super) async fn server(&self) -> Result<Arc<AuthorizationServer>, Halt> {
        let settled = tokio::time::timeout(METADATA_WITHIN, self.discovery.settled());
        let server = settled.await.ok().flatten();
        server.ok_or(Halt::Unavailable(None))
    }

    /// Exchanges a code, once, and says whose it is. `None` for one that is not good.
    pub(super) async fn person(
        &self,
        code: &str,
        code_verifier: &str,
        redirect_uri: &str,
        nonce: &str,
        now: Timestamp,
    ) -> Result<Option<Person>, Halt> {
        let server = self.server().await?;
        let endpoint = server.token_endpoint().ok_or(Halt::Unavailable(None))?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", code_verifier),
        ];
        let mut request = self.fetcher.post(endpoint);
        let Credentials { client_id, secret } = &self.credentials;
        match secret {
            // RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
            Some(secret) => {
                let encoded = |text: &str| -> String {
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                request = request.basic_auth(encoded(client_id), Some(encoded(secret.expose())));
            }
            None => form.push(("client_id", client_id)),
        }
        let busy = |_| Halt::Unavailable(None);
        let _place = self.places.try_acquire().map_err(busy)?;
        let resting = |Resting(after)| Halt::Unavailable(Some(after));
        let attempt = self.breaker.attempt().map_err(resting)?;
        let answer = match self.fetcher.send(request.form(&form)).await {
            Ok(answer)
                if answer.status.is_server_error()
                    || answer.status == StatusCode::TOO_MANY_REQUESTS =>
            {
                let after = answer.stay_away();
                attempt.failed(after);
                return Err(Halt::Unavailable(after));
            }
            Ok(answer) => {
                attempt.succeeded();
                answer
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "could not ask the authorization server who signed in"
                );
                attempt.failed(None);
                return Err(Halt::Unavailable(None));
            }
        };
        if !answer.is_success() {
            // invalid_grant is a code that was used; all else is our application there.
            tracing::warn!(status = %answer.status, "a developer's code was not exchanged");
            return Ok(None);
        }
        let tokens: Option<Tokens> = serde_json::from_slice(&answer.body).ok();
        let claims = tokens.and_then(|tokens| claims(&tokens.id_token));
        let person = claims.and_then(|claims| self.judge(&claims, nonce, now));
        if person.is_none() {
            tracing::warn!("an ID token that is not for the portal, or none");
        }
        Ok(person)
    }

    /// OpenID Connect Core §3.1.3.7.
    fn judge(&self, claims: &Map<String, Value>, nonce: &str, now: Timestamp) -> Option<Person> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let client_id = self.client_id();
        let is_for_us = match claims.get("aud")? {
            Value::String(audience) => audience == client_id,
            Value::Array(all) => {
                all.iter().any(|one| one == client_id)
                    && (all.len() == 1 || text("azp") == Some(client_id))
            }
            _ => false,
        };
        let ends = claims.get("exp").and_then(Value::as_u64)?;
        let is_good = text("iss") == Some(self.issuer())
            && is_for_us
            && now.as_unix_seconds() < ends.saturating_add(LEEWAY_SECONDS)
            && text("nonce") == Some(nonce);
        if !is_good {
            return None;
        }
        let subject = text("sub")?;
        if !(1..=SUBJECT_MAX).contains(&subject.chars().count()) {
            return None;
        }
        let names = ["name", "preferred_username", "username", "email"];
        let mut names = names.into_iter().filter_map(text).map(line);
        let name = names.find(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| subject.to_owned());
        Some(Person {
            subject: subject.to_owned(),
            name: name.chars().take(NAME_MAX).collect(),
        })
    }
}

fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_header, payload, _signature, None) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next())
    else {
        return None;
    };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        fetch,
        metadata::{DiscoveryConfig, Issuer},
    };

    fn judged(change: impl FnOnce(&mut Value)) -> Option<Person> {
        let fetcher = Fetcher::new(fetch::Config::default()).unwrap();
        let issuer: Issuer = "https://id.example.com".parse().unwrap();
        let discovery = Discovery::new(issuer, DiscoveryConfig::default(), fetcher.clone());
        let credentials = Credentials {
            client_id: "portal".to_owned(),
            secret: None,
        };
        let provider = Provider::new(discovery, fetcher, credentials);
        let mut claims = json!({
            "iss": "https://id.example.com", "aud": "portal", "exp": 1_000, "nonce": "n",
            "sub": "alice", "name": "Ali\u{202e}ce",
        });
        change(&mut claims);
        let Value::Object(claims) = claims else {
            unreachable!()
        };
        provider.judge(&claims, "n", Timestamp::from_unix_seconds(1_000))
    }

    #[tokio::test]
    async fn an_id_token_is_for_us_from_whom_we_asked_and_for_this_sign_in() {
        let alice = judged(|_| ()).unwrap();
        assert_eq!(
            (alice.subject.as_str(), alice.name.as_str()),
            ("alice", "Alice")
        );
        let several = json!(["portal", "other"]);
        assert!(judged(|claims| claims["aud"] = several.clone()).is_none());
        let ours = |claims: &mut Value| {
            claims["aud"] = several.clone();
            claims["azp"] = json!("portal");
        };
        assert!(judged(ours).is_some());
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("aud", json!("other")),
            ("aud", Value::Null),
            ("exp", json!(900)),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("sub", json!("")),
        ] {
            assert!(
                judged(|claims| claims[name] = value.clone()).is_none(),
                "{name}"
            );
        }
    }
}
