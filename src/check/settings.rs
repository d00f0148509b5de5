//! What only the operator's settings allow to try: whether the server runs with them, what stands
//! behind its bridge, its credentials at the authorization server, and its Logto tenant.

use url::Url;

use super::{
    Client, clock, finding::Findings, issuer, keys, probe::Probe, resource::ProtectedResource,
    tenant, verification, ways_in,
};
use crate::{
    config::Config, fetch::Fetcher, metadata::AuthorizationServer, registration::Mode,
    secret::Secret,
};

/// What was found from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) url: &'a Url,
    pub(super) resource: Option<&'a ProtectedResource>,
    pub(super) server: Option<&'a AuthorizationServer>,
    pub(super) token: Option<&'a Secret>,
}

/// Walks the settings; gives a registered agent with which the way to the sign-in page can be tried.
pub(super) async fn walk(
    probe: &Probe,
    settings: &Config,
    seen: Seen<'_>,
    findings: &mut Findings<'_>,
) -> Option<Client> {
    let auth = match settings.to_auth() {
        Ok(auth) => auth,
        Err(why) => {
            let mend = "mend the setting: a server would not start with it";
            findings.problem("settings", why.to_string().replace('\n', " "), mend);
            return None;
        }
    };
    let fetcher = match Fetcher::new(settings.fetch.clone()) {
        Ok(fetcher) => fetcher,
        Err(why) => {
            findings.problem("settings", why.to_string(), "see the system's TLS roots");
            return None;
        }
    };
    let issuers: Vec<&str> = auth.issuers().map(|one| one.issuer.as_str()).collect();
    runs_with_them(settings, &issuers, seen.resource, findings);
    let mut agent = None;
    for (index, rules) in auth.issuers().enumerate() {
        let published = seen.server.filter(|one| *one.issuer() == rules.issuer);
        let server = match published {
            Some(server) => Some(server.clone()),
            None => issuer::behind(probe, &rules.issuer, findings).await,
        };
        let Some(server) = server else { continue };
        if published.is_none() {
            keys::walk(probe, &server, findings).await;
        }
        let at = rules.issuer.as_str();
        clock::walk(probe, seen.url, at, rules.leeway.get(), findings);
        verification::walk((probe, &fetcher), rules, &server, seen.token, findings).await;
        // The bridge and the Management API are those of the first.
        if index > 0 {
            continue;
        }
        if settings.registration.mode == Mode::Bridge {
            ways_in::behind_a_bridge(&server, findings);
        }
        if settings.logto.is_set() {
            agent = tenant::walk(settings, &rules.issuer, &fetcher, seen.url, findings).await;
        } else if issuer::is_logto(&server) {
            findings.skip(
                "management api",
                "with logto.client_id the tenant's resources, scopes and agents are looked at too",
            );
        }
    }
    agent
}

/// Whether what is published is what these settings would publish.
fn runs_with_them(
    settings: &Config,
    issuers: &[&str],
    resource: Option<&ProtectedResource>,
    findings: &mut Findings<'_>,
) {
    const MEND: &str = "restart the server with these settings, or look at those it was started with: \
                        file, environment and flags";
    let Some(resource) = resource else { return };
    let url = settings.public_url();
    let is_known = match settings.registration.mode {
        Mode::Bridge => resource.issuer == url.as_str(),
        Mode::Off => issuers.contains(&resource.issuer.as_str()),
    };
    if !is_known {
        let found = format!(
            "the server sends clients to {}, and not where the settings say",
            resource.issuer
        );
        findings.problem("settings", found, MEND);
    } else if !settings.resource_indicators().contains(&resource.resource) {
        let found = format!(
            "the server calls itself {}, the settings {}",
            resource.resource,
            settings.resource_indicators().join(" and ")
        );
        findings.problem("settings", found, MEND);
    } else {
        findings.right("settings", "the server publishes what the settings say");
    }
}
