//! Walks a deployment as a client would, and says in one line each what is wrong and how to mend it.
//!
//! Behind `usher check URL`, for any MCP server with authorization, ours or not:
//!
//! ```text
//! stranger ── resource ── issuer ── keys ── sign_in ── token
//! 401,        RFC 9728    RFC 8414  JWKS    with a     with a
//! challenge                                 client id  token
//! ```
//!
//! A later step needs what an earlier one found; one that can't be taken is told as skipped, so that
//! a report is always whole. Nothing is registered, nobody is signed in, and nothing is changed at the
//! server or the provider. The room never prints: each [`Finding`] is handed over as it is made.

mod challenged;
mod finding;
mod issuer;
mod keys;
mod probe;
mod resource;
mod sign_in;
mod stranger;
mod token;

use url::Url;

pub use finding::{Finding, Verdict};
pub use probe::SetupError;

use crate::{secret::Secret, units::HumanDuration};
use finding::Findings;
use probe::Probe;

/// What to walk, and with what in hand.
#[derive(Debug)]
pub struct Config {
    /// The MCP endpoint, as its clients are given it.
    pub url: Url,
    /// A client registered at the authorization server, and one of its redirect URIs: the way to the
    /// sign-in page is tried with it. Default none.
    pub client: Option<Client>,
    /// An access token for the server. Default none.
    pub token: Option<Secret>,
    /// Longest wait for one answer. Default 10 s.
    pub deadline: HumanDuration,
}

/// A registered client.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// One of its redirect URIs, as it is registered.
    pub redirect_uri: String,
}

impl Config {
    /// Walks `url` with empty hands.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            client: None,
            token: None,
            deadline: HumanDuration::from_secs(10),
        }
    }
}

/// Walks the deployment; `tell` hears of each finding as it is made. Returns all of them, in order.
///
/// # Errors
/// [`SetupError`] where no HTTP client can be built; whatever goes wrong out there is a finding.
pub async fn check(config: Config, tell: impl FnMut(&Finding)) -> Result<Vec<Finding>, SetupError> {
    let probe = Probe::new(config.deadline)?;
    let mut findings = Findings::new(tell);
    let Some(challenge) = stranger::walk(&probe, &config.url, &mut findings).await else {
        findings.skip("resource", "the endpoint has to answer first");
        return Ok(findings.into_all());
    };
    let resource = resource::walk(&probe, &config.url, &challenge, &mut findings).await;
    let server = if let Some(resource) = &resource {
        issuer::walk(&probe, resource, &mut findings).await
    } else {
        findings.skip("issuer", "the metadata has to name an authorization server");
        None
    };
    match &server {
        Some(server) => keys::walk(&probe, server, &mut findings).await,
        None => findings.skip("keys", "the authorization server's metadata is needed"),
    }
    match (&config.client, &resource, &server) {
        (Some(client), Some(resource), Some(server)) => {
            sign_in::walk(&probe, client, resource, server, &mut findings).await;
        }
        (None, ..) => findings.skip("sign-in", "give --client-id and --redirect-uri to try it"),
        _ => findings.skip("sign-in", "the metadata is needed"),
    }
    match &config.token {
        Some(token) => {
            token::walk(&probe, &config.url, token, resource.as_ref(), &mut findings).await;
        }
        None => findings.skip("token", "give --token-file to try one"),
    }
    Ok(findings.into_all())
}

#[cfg(test)]
mod tests;
