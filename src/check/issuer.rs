//! The authorization server: its metadata in every form that clients try, its name, and what it offers.

use reqwest::header::ACCEPT;
use serde_json::Value;

use super::{finding::Findings, probe::Probe, resource::ProtectedResource, ways_in};
use crate::{
    logto::is_user_scope,
    metadata::{AuthorizationServer, Issuer, MetadataError},
};

/// Finds the metadata of the resource's issuer and judges it.
pub(super) async fn walk(
    probe: &Probe,
    resource: &ProtectedResource,
    findings: &mut Findings<'_>,
) -> Option<AuthorizationServer> {
    let issuer: Issuer = match resource.issuer.parse() {
        Ok(issuer) => issuer,
        Err(why) => {
            let mend = "name the issuer as its own metadata writes it";
            findings.problem("issuer", format!("{why}"), mend);
            return None;
        }
    };
    let (server, absent) = metadata(probe, &issuer, findings).await?;
    rfc_8414_alone(absent.as_ref(), findings);
    pkce(&server, findings);
    ways_in::walk(&server, findings);
    refresh(&server, findings);
    user_scopes(&server, resource, findings);
    offered_scopes(&server, resource, findings);
    if server.member("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)) {
        findings.right(
            "iss",
            "every answer to a sign-in names its issuer (RFC 9207)",
        );
    } else {
        findings.warn(
            "iss",
            "answers to a sign-in don't name their issuer",
            "have the provider send iss (RFC 9207): it keeps clients of several servers from mix-ups",
        );
    }
    Some(server)
}

/// Finds the metadata of who stands behind a bridge, or issues tokens besides.
pub(super) async fn behind(
    probe: &Probe,
    issuer: &Issuer,
    findings: &mut Findings<'_>,
) -> Option<AuthorizationServer> {
    let found = metadata(probe, issuer, findings).await;
    found.map(|(server, _no_client_looks_there)| server)
}

/// Every form of well-known path is asked: which of them exist decides which clients get in.
async fn metadata(
    probe: &Probe,
    issuer: &Issuer,
    findings: &mut Findings<'_>,
) -> Option<(AuthorizationServer, Option<Absent>)> {
    let urls = issuer.well_known_urls();
    let mut good = None;
    let mut missing = Vec::new();
    let mut worst = None;
    for url in &urls {
        let request = probe.get(url).header(ACCEPT, "application/json");
        let refused = match probe.send(request).await {
            Ok(answer) => match answer.json::<Value>() {
                Ok(_) => match AuthorizationServer::parse(issuer, answer.body) {
                    Ok(server) => {
                        good.get_or_insert((url.clone(), server));
                        continue;
                    }
                    Err(why) => {
                        worst.get_or_insert((format!("{url}: {why}"), mend(&why)));
                        continue;
                    }
                },
                Err(why) => why,
            },
            Err(why) => why,
        };
        missing.push((url.clone(), refused));
    }
    let is_told = worst.is_some();
    if let Some((found, mend)) = worst {
        findings.problem("issuer", found, mend);
    }
    if is_told && good.is_none() {
        return None;
    }
    let Some((at, server)) = good else {
        let tried = missing
            .first()
            .map(|(url, why)| format!(": {url} has {why}"));
        let found = format!(
            "{issuer} publishes no metadata{}",
            tried.unwrap_or_default()
        );
        let mend =
            "is it the issuer, to the character? Its metadata names it; for Logto it ends in /oidc";
        findings.problem("issuer", found, mend);
        return None;
    };
    findings.right("issuer", format!("{at} is of {issuer}"));
    let absent = missing.into_iter().next().map(|(url, _)| url);
    let absent = absent.filter(|url| *url == urls[0]);
    Some((server, absent.map(|url| Absent { url, instead: at })))
}

/// The form of RFC 8414, where it is not there.
struct Absent {
    url: String,
    instead: String,
}

/// The first form is the only one that a client of RFC 8414 alone knows.
fn rfc_8414_alone(absent: Option<&Absent>, findings: &mut Findings<'_>) {
    if let Some(Absent { url, instead }) = absent {
        findings.warn(
            "discovery",
            format!("{url} is missing; clients that know only RFC 8414 stop there"),
            format!("have the provider's proxy answer it with {instead}"),
        );
    }
}

fn mend(why: &MetadataError) -> &'static str {
    match why {
        MetadataError::OtherIssuer { expected, found }
            if expected.trim_end_matches('/') == found.trim_end_matches('/') =>
        {
            "they differ by a slash at the end: write it as the provider does"
        }
        MetadataError::OtherIssuer { .. } => {
            "name the issuer as the provider writes it, or mend the provider's public URL"
        }
        MetadataError::BadEndpoint { .. } => "have the provider publish https addresses only",
        MetadataError::NotAnObject(_) => "have the provider answer with its metadata",
    }
}

fn pkce(server: &AuthorizationServer, findings: &mut Findings<'_>) {
    let methods = server.member("code_challenge_methods_supported");
    let listed = methods.and_then(Value::as_array);
    if listed.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
        findings.right("pkce", "the provider supports PKCE with S256");
    } else {
        findings.problem(
            "pkce",
            "the provider does not say that it supports PKCE with S256: clients refuse to go on",
            "list S256 in code_challenge_methods_supported (MCP, authorization)",
        );
    }
}

fn refresh(server: &AuthorizationServer, findings: &mut Findings<'_>) {
    let offers =
        scopes_of(server).is_some_and(|mut scopes| scopes.any(|one| one == "offline_access"));
    if offers && is_logto(server) {
        findings.warn(
            "refresh",
            "Logto gives a refresh token for offline_access only if the sign-in has prompt=consent \
             too, which not every client sends: its users sign in again and again",
            "the bridge (registration.mode) sends it for every client that refreshes; for a \
             Traditional application, Logto can always issue one",
        );
    } else if offers {
        findings.right("refresh", "refresh tokens for offline_access");
    } else {
        findings.warn(
            "refresh",
            "the provider does not list offline_access: users will have to sign in again and again",
            "offer refresh tokens, or long enough access tokens",
        );
    }
}

/// Asking for a user scope that an application was not given ends a sign-in with `invalid_scope`.
fn user_scopes(
    server: &AuthorizationServer,
    resource: &ProtectedResource,
    findings: &mut Findings<'_>,
) {
    let asked = resource.scope();
    let asked: Vec<_> = asked
        .split(' ')
        .filter(|scope| is_user_scope(scope))
        .collect();
    if asked.is_empty() || !is_logto(server) {
        return;
    }
    findings.warn(
        "user scopes",
        format!(
            "clients will ask for {}, which Logto grants to each agent apart",
            asked.join(" ")
        ),
        "grant them to every third-party application (Permissions), or don't list them: an agent \
         without ends at invalid_scope",
    );
}

/// A scope that a provider does not know is left out of tokens, or ends a sign-in. Logto lists those of
/// the user's data only: its API resources are asked about by `tenant`.
fn offered_scopes(
    server: &AuthorizationServer,
    resource: &ProtectedResource,
    findings: &mut Findings<'_>,
) {
    let Some(offered) = scopes_of(server).filter(|_| !is_logto(server)) else {
        return;
    };
    let (offered, asked): (Vec<&str>, _) = (offered.collect(), resource.scope());
    let asked = asked.split(' ').filter(|scope| !scope.is_empty());
    let unknown: Vec<_> = asked.filter(|scope| !offered.contains(scope)).collect();
    if !unknown.is_empty() {
        findings.warn(
            "offered scopes",
            format!(
                "clients will ask for {}, which the provider does not list",
                unknown.join(" ")
            ),
            "have the provider offer it (scopes_supported, RFC 8414 §2), or don't publish it",
        );
    }
}

fn scopes_of(server: &AuthorizationServer) -> Option<impl Iterator<Item = &str>> {
    let scopes = server
        .member("scopes_supported")
        .and_then(Value::as_array)?;
    Some(scopes.iter().filter_map(Value::as_str))
}

/// Whether its traps are Logto's.
pub(super) fn is_logto(server: &AuthorizationServer) -> bool {
    scopes_of(server).is_some_and(|mut scopes| scopes.any(|scope| scope.starts_with("urn:logto:")))
}
