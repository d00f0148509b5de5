//! Walks a deployment as a client would, and says in one line each what is wrong and how to mend it.
//!
//! Behind `usher check URL`, for any MCP server with authorization, ours or not:
//!
//! ```text
//! stranger ── resource ── issuer ── endpoints ── keys ── settings ── sign_in ── token
//! 401,        RFC 9728    RFC 8414  as far as    JWKS    what they   with a     with a
//! challenge               ways_in   they refuse          allow       client id  token
//! ```
//!
//! A later step needs what an earlier one found; one that can't be taken is told as skipped, so that
//! a report is always whole. `settings` is for who runs the server: its clock, its credentials
//! (`verification`) and its Logto tenant (`tenant`). Nothing is registered, nobody is signed in, and nothing
//! is changed at the server or the provider. The room never prints: each [`Finding`] is handed over as it
//! is made.

mod challenged;
mod clock;
mod endpoints;
mod finding;
mod issuer;
mod keys;
mod probe;
mod resource;
mod settings;
mod sign_in;
mod stranger;
mod tenant;
mod token;
mod verification;
mod ways_in;

use url::Url;

pub use finding::{Finding, Verdict};
pub use probe::SetupError;

use crate::{config, metadata::AuthorizationServer, secret::Secret, units::HumanDuration};
use finding::Findings;
use probe::Probe;
use resource::ProtectedResource;

/// By how much clocks may differ where the settings are not known.
const LEEWAY: HumanDuration = HumanDuration::from_secs(60);

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
    /// The settings of the server that is walked: what they name is tried too. Default none.
    pub settings: Option<Box<config::Config>>,
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
            settings: None,
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
    let (resource, server) = published(&probe, &config.url, &mut findings).await;
    let (resource, server) = (resource.as_ref(), server.as_ref());
    let is_bridge = server.is_some_and(|server| is_own(&config.url, server));
    match server {
        Some(_) if is_bridge && config.settings.is_some() => {}
        Some(_) if is_bridge => findings.skip(
            "keys",
            "the server signs users in through somebody else: give --config to look behind it",
        ),
        Some(server) => keys::walk(&probe, server, &mut findings).await,
        None => findings.skip("keys", "the authorization server's metadata is needed"),
    }
    let agent = if let Some(settings) = &config.settings {
        let seen = settings::Seen {
            url: &config.url,
            resource,
            server,
            token: config.token.as_ref(),
        };
        settings::walk(&probe, settings, seen, &mut findings).await
    } else {
        if let Some(server) = server.filter(|_| !is_bridge) {
            let issuer = server.issuer().as_str();
            clock::walk(&probe, &config.url, issuer, LEEWAY.get(), &mut findings);
        }
        None
    };
    match (config.client.as_ref().or(agent.as_ref()), resource, server) {
        (Some(client), Some(resource), Some(server)) => {
            sign_in::walk(&probe, client, resource, server, &mut findings).await;
        }
        (None, ..) => findings.skip("sign-in", "give --client-id and --redirect-uri to try it"),
        _ => findings.skip("sign-in", "the metadata is needed"),
    }
    match &config.token {
        Some(token) => {
            let issuers = issuers(config.settings.as_deref(), resource.filter(|_| !is_bridge));
            let of = (resource, issuers.as_slice());
            token::walk(&probe, &config.url, token, of, &mut findings).await;
        }
        None => findings.skip("token", "give --token-file to try one"),
    }
    Ok(findings.into_all())
}

/// What everybody can see.
async fn published(
    probe: &Probe,
    url: &Url,
    findings: &mut Findings<'_>,
) -> (Option<ProtectedResource>, Option<AuthorizationServer>) {
    let Some(challenge) = stranger::walk(probe, url, findings).await else {
        findings.skip("resource", "the endpoint has to answer first");
        return (None, None);
    };
    let resource = resource::walk(probe, url, &challenge, findings).await;
    let Some(resource) = resource else {
        findings.skip("issuer", "the metadata has to name an authorization server");
        return (None, None);
    };
    let server = issuer::walk(probe, &resource, findings).await;
    if let Some(server) = &server {
        endpoints::walk(probe, url, server, findings).await;
    }
    (Some(resource), server)
}

/// Whether the server is an authorization server to its clients, and tokens are somebody else's.
fn is_own(url: &Url, server: &AuthorizationServer) -> bool {
    let issuer = Url::parse(server.issuer().as_str());
    server.jwks_uri().is_none() && issuer.is_ok_and(|issuer| issuer.origin() == url.origin())
}

/// Whose tokens the server takes.
fn issuers(
    settings: Option<&config::Config>,
    published: Option<&ProtectedResource>,
) -> Vec<String> {
    match settings {
        Some(settings) => {
            let sections = std::iter::once(&settings.issuer).chain(&settings.issuers);
            let urls = sections.filter_map(|section| section.url.as_ref());
            urls.map(|url| url.as_str().to_owned()).collect()
        }
        None => published
            .map(|one| one.issuer.clone())
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests;
