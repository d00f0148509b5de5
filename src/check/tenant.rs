//! The Logto tenant, by its Management API: whether the server's credential gets in, and whether
//! resources, scopes and agents are there as they have to be. Reads only.

use url::Url;

use super::{Client, finding::Findings};
use crate::{
    config::Config,
    fetch::Fetcher,
    logto::{Application, LogtoError, Management, is_of_resource, is_user_scope},
    metadata::Issuer,
    registration::{Client as Agent, Mode, client_of},
    scope::Scope,
};

/// Access tokens that live longer make a cut-off late, in seconds.
const ACCESS_TOKEN_SECONDS_MAX: u64 = 600;
/// Agents whose permissions are looked at, each with a question of its own.
const AGENTS_ASKED_MAX: usize = 50;

/// Looks at the tenant; gives the newest agent that may sign users in through the bridge.
pub(super) async fn walk(
    settings: &Config,
    issuer: &Issuer,
    fetcher: &Fetcher,
    url: &Url,
    findings: &mut Findings<'_>,
) -> Option<Client> {
    let management = Management::new(&settings.logto, issuer.as_str(), fetcher.clone());
    let looked = async {
        let management = management?;
        let agents = management.all_third_party_applications().await?;
        let found = format!(
            "the Management API takes the credential; third-party applications: {}",
            agents.len()
        );
        findings.right("management api", found);
        resources(&management, settings, url, findings).await?;
        if settings.registration.mode == Mode::Bridge {
            return Ok(bridged(settings, &agents, findings));
        }
        pkce(&agents, findings);
        user_scopes(&management, settings, &agents, findings).await?;
        Ok(None)
    };
    let looked: Result<_, LogtoError> = looked.await;
    looked.unwrap_or_else(|why| {
        findings.problem("management api", why.to_string(), mend(&why));
        None
    })
}

fn mend(why: &LogtoError) -> &'static str {
    match why {
        LogtoError::Setting(_) | LogtoError::Secret(_) => "set it: docs/logto.md, step 0",
        LogtoError::Credentials => {
            "take App ID and a present secret of the machine-to-machine application from the Console"
        }
        LogtoError::Forbidden => {
            "give that application the role Logto Management API access, and set logto.resource to \
             that API's identifier: https://TENANT.logto.app/api, self-hosted \
             https://default.logto.app/api"
        }
        LogtoError::Unavailable { .. } => {
            "set logto.endpoint to where Logto is, and see the way there: no agent can register"
        }
        LogtoError::NotFound(_) | LogtoError::Refused { .. } => {
            "look in the Console: it changed while it was looked at, or this Logto is another version"
        }
    }
}

/// Each endpoint's resource indicator is an API resource, to the character, with every scope.
async fn resources(
    management: &Management,
    settings: &Config,
    url: &Url,
    findings: &mut Findings<'_>,
) -> Result<(), LogtoError> {
    let known = management.api_resources().await?;
    for (index, indicator) in settings.resource_indicators().iter().enumerate() {
        let Some(resource) = known.iter().find(|one| one.indicator == *indicator) else {
            let bare = |text: &str| text.trim_end_matches('/').to_owned();
            let near = known
                .iter()
                .find(|one| bare(&one.indicator) == bare(indicator));
            let (found, mend) = match near {
                Some(near) => (
                    format!(
                        "Logto's API resource is {}, clients ask for {indicator}: they differ by a slash",
                        near.indicator
                    ),
                    "make an API resource without that slash, since an identifier can't be changed; \
                     Logto compares it to the character and answers invalid_target",
                ),
                None => (
                    format!(
                        "Logto has no API resource {indicator}: sign-ins end at invalid_target"
                    ),
                    "usher logto setup makes it, with its scopes",
                ),
            };
            let is_walked = indicator == url.as_str() || settings.resource.url.is_some();
            if is_walked || index == 0 {
                findings.problem("api resource", found, mend);
            } else {
                findings.warn("api resource", found, mend);
            }
            continue;
        };
        findings.right("api resource", format!("Logto has {indicator}"));
        if resource.access_token_ttl > ACCESS_TOKEN_SECONDS_MAX {
            findings.warn(
                "token lifetime",
                format!(
                    "access tokens for {indicator} live for {} s, and one that was taken back is good \
                     for as long",
                    resource.access_token_ttl
                ),
                "set the API resource's token expiration time to 300 s",
            );
        }
        let offered = management.api_scopes(&resource.id).await?;
        let offered: Vec<&str> = offered.iter().map(|scope| scope.name.as_str()).collect();
        scopes(settings, indicator, &offered, findings);
    }
    Ok(())
}

/// Logto leaves out without a word what its API resource does not have.
fn scopes(settings: &Config, indicator: &str, offered: &[&str], findings: &mut Findings<'_>) {
    let missing = |scopes: &crate::scope::Scopes| {
        let scopes = scopes.iter().map(Scope::as_str);
        let missing = scopes.filter(|scope| is_of_resource(scope) && !offered.contains(scope));
        missing.collect::<Vec<_>>().join(" ")
    };
    let required = missing(&settings.resource.required_scopes);
    let published = missing(&settings.resource.scopes);
    let mend = "usher logto setup adds it as a permission of the API resource; then give it to a role \
                of the users, or Logto goes on leaving it out";
    if !required.is_empty() {
        let found = format!(
            "{indicator} has no permission {required}, which every request needs: nobody comes in"
        );
        findings.problem("api scopes", found, mend);
    } else if published.is_empty() {
        findings.right(
            "api scopes",
            format!("{indicator} has every scope that is published"),
        );
    } else {
        let found = format!(
            "clients will ask for {published}, which {indicator} has no permission for: Logto leaves \
             it out of tokens without a word"
        );
        findings.warn("api scopes", found, mend);
    }
}

/// Agents that registered through the bridge come back to it.
fn bridged(
    settings: &Config,
    applications: &[Application],
    findings: &mut Findings<'_>,
) -> Option<Client> {
    let callback = settings.public_url().join("/callback");
    let agents = applications
        .iter()
        .filter_map(|one| client_of(one).map(|client| (one, client)));
    let agents: Vec<_> = agents.filter(|(_, client)| !client.disabled).collect();
    let comes_back = |application: &Application| application.redirect_uris.contains(&callback);
    let lost: Vec<_> = agents
        .iter()
        .filter(|(one, client)| !comes_back(one) && !leads_to_itself(one, client))
        .collect();
    if let [(first, _), ..] = lost.as_slice() {
        findings.problem(
            "callback",
            format!(
                "Logto does not send users of {} and {} others back to {callback}: was \
                 server.public_url changed?",
                first.name,
                lost.len() - 1
            ),
            "write that redirect URI into these applications, or delete them (usher clients delete), \
             so that they register anew",
        );
    } else {
        findings.right("callback", format!("every agent comes back to {callback}"));
    }
    let (there, most) = (applications.len(), settings.registration.clients_max);
    if there >= most.saturating_sub(most / 10) {
        findings.warn(
            "room",
            format!("{there} third-party applications of {most} that may be: then nobody registers"),
            "usher clients prune deletes those that nobody uses; registration.clients_max allows more",
        );
    }
    let mut standing = agents.into_iter().filter(|(one, _)| comes_back(one));
    let first = standing.next();
    let newest = standing.fold(first, |newest, one| match newest {
        Some(newest) if newest.0.created_at >= one.0.created_at => Some(newest),
        _ => Some(one),
    });
    newest.and_then(|(_, client)| {
        Some(Client {
            redirect_uri: client.details.redirect_uris.first()?.as_str().to_owned(),
            id: client.id,
        })
    })
}

/// Made while there was no bridge: it is none of the bridge's.
fn leads_to_itself(application: &Application, client: &Agent) -> bool {
    let own = &client.details.redirect_uris;
    let is_own = |uri: &String| own.iter().any(|one| one.as_str() == uri);
    !application.redirect_uris.is_empty() && application.redirect_uris.iter().all(is_own)
}

fn pkce(agents: &[Application], findings: &mut Findings<'_>) {
    let confidential = agents
        .iter()
        .filter(|one| one.kind == "Traditional")
        .count();
    if confidential > 0 {
        findings.warn(
            "pkce forced",
            format!(
                "{confidential} third-party applications are Traditional, and Logto lets those \
                     sign in without PKCE"
            ),
            "clients of MCP use it anyway; the bridge (registration.mode) asks it of all",
        );
    }
}

/// A user scope that an agent was not granted ends its sign-in at `invalid_scope`.
async fn user_scopes(
    management: &Management,
    settings: &Config,
    agents: &[Application],
    findings: &mut Findings<'_>,
) -> Result<(), LogtoError> {
    let published = settings.resource.scopes.iter().map(Scope::as_str);
    let published: Vec<&str> = published.filter(|scope| is_user_scope(scope)).collect();
    if published.is_empty() {
        return Ok(());
    }
    for agent in agents.iter().take(AGENTS_ASKED_MAX) {
        let granted = management.user_consent_scopes(&agent.id).await?;
        let missing: Vec<&str> = published
            .iter()
            .filter(|scope| granted.iter().all(|one| one != *scope))
            .copied()
            .collect();
        if !missing.is_empty() {
            findings.problem(
                "user scopes",
                format!(
                    "{} was not granted {}, which clients will ask for: its sign-in ends at \
                     invalid_scope",
                    agent.name,
                    missing.join(" ")
                ),
                "grant it to the application (Permissions, User data), or take it out of resource.scopes",
            );
        }
    }
    Ok(())
}
