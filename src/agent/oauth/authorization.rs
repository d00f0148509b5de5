//! One authorization request and the judgement of its answer: PKCE, `state`, `resource`, `iss`.
//!
//! `authorizer` makes an [`Authorization`] for every sign-in; `callback` hands it the query that the
//! browser brings back. Pure but for the random bytes. An [`Authorization`] is good for one answer.

use aws_lc_rs::{digest, rand};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

use super::{
    discovery::{AuthorizationServer, Discovered},
    registration::Client,
};
use crate::{
    agent::{
        error::{AgentError, OAuthRefusal},
        said::Said,
    },
    scope::Scopes,
    secret::Secret,
};

/// An authorization request under way.
#[derive(Debug)]
pub(super) struct Authorization {
    /// The page to open.
    pub(super) url: Url,
    /// The PKCE secret, for the token request (RFC 7636 §4.1).
    pub(super) verifier: Secret,
    state: Secret,
    issuer: String,
    promises_iss: bool,
}

impl Authorization {
    /// Asks for `scopes`; with `consent`, even where the user agreed before (OpenID Connect Core
    /// §3.1.2.1).
    pub(super) fn new(
        discovered: &Discovered,
        client: &Client,
        redirect_uri: &str,
        scopes: &Scopes,
        consent: bool,
    ) -> Result<Self, AgentError> {
        let AuthorizationServer {
            issuer,
            promises_iss,
            authorization_endpoint,
            ..
        } = &discovered.server;
        let verifier = random_text()?;
        let state = random_text()?;
        let mut url = authorization_endpoint.clone();
        url.set_fragment(None);
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", state.expose())
            .append_pair("code_challenge", &s256(verifier.expose()))
            .append_pair("code_challenge_method", "S256");
        if !scopes.is_empty() {
            query.append_pair("scope", &scopes.to_string());
        }
        if let Some(resource) = &discovered.resource {
            query.append_pair("resource", resource);
        }
        if consent {
            query.append_pair("prompt", "consent");
        }
        drop(query);
        Ok(Self {
            url,
            verifier,
            state,
            issuer: issuer.clone(),
            promises_iss: *promises_iss,
        })
    }

    /// Judges the query of the callback: a code, or why there is none.
    ///
    /// First whether it answers our request (`state`), then whether it comes from the server we asked
    /// (RFC 9207 §2.4, for errors too), and only then what it says.
    pub(super) fn judge(&self, query: &str) -> Result<Secret, AgentError> {
        let take = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(found, _)| found == name)
                .map(|(_, value)| value.into_owned())
        };
        let (code, error, state, iss) = (take("code"), take("error"), take("state"), take("iss"));
        if code.is_none() && error.is_none() && state.is_none() {
            return Err(AgentError::Cancelled);
        }
        let state = state.unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(self.state.expose().as_bytes())) {
            return Err(AgentError::StateMismatch);
        }
        let iss_is_right = match &iss {
            Some(iss) => *iss == self.issuer,
            None => !self.promises_iss,
        };
        if !iss_is_right {
            return Err(AgentError::IssMismatch {
                expected: Said::new(&self.issuer),
                found: iss.as_deref().map(Said::new),
            });
        }
        match (error.as_deref(), code) {
            (Some("access_denied"), _) => Err(AgentError::Denied),
            (Some(error), _) => Err(AgentError::SignInRefused(OAuthRefusal {
                error: Said::new(error),
                description: take("error_description").as_deref().map(Said::new),
            })),
            (None, Some(code)) if !code.is_empty() => Ok(Secret::new(code)),
            (None, _) => Err(AgentError::NoCode),
        }
    }
}

/// BASE64URL(SHA256(ASCII(verifier))) (RFC 7636 §4.2).
fn s256(verifier: &str) -> String {
    let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

/// 256 random bits as 43 characters, which is also the shortest verifier allowed (RFC 7636 §4.1).
fn random_text() -> Result<Secret, AgentError> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_unspecified| AgentError::Randomness)?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}
