//! The authorization server: its metadata in every form that clients try, its name, and what it offers.

use reqwest::header::ACCEPT;
use serde_json::Value;

use super::{finding::Findings, probe::Probe, resource::ProtectedResource};
use crate::metadata::{AuthorizationServer, Issuer, MetadataError};

/// Scopes about the user, which a provider such as Logto grants to each third-party application apart.
const USER_SCOPES: [&str; 7] = [
    "profile",
    "email",
    "phone",
    "address",
    "custom_data",
    "identities",
    "roles",
];

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
    let server = metadata(probe, &issuer, findings).await?;
    pkce(&server, findings);
    ways_in(&server, findings);
    refresh(&server, findings);
    user_scopes(&server, resource, findings);
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

/// Every form of well-known path is asked: which of them exist decides which clients get in.
async fn metadata(
    probe: &Probe,
    issuer: &Issuer,
    findings: &mut Findings<'_>,
) -> Option<AuthorizationServer> {
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
    // The first form is the only one that a client of RFC 8414 alone knows.
    if let Some((url, _)) = missing.first().filter(|(url, _)| *url == urls[0]) {
        findings.warn(
            "discovery",
            format!("{url} is missing; clients that know only RFC 8414 stop there"),
            format!("have the provider's proxy answer it with {at}"),
        );
    }
    Some(server)
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

/// How a client that nobody has heard of becomes known.
fn ways_in(server: &AuthorizationServer, findings: &mut Findings<'_>) {
    let documents = server.member("client_id_metadata_document_supported");
    let documents = documents == Some(&Value::Bool(true));
    match (server.registration_endpoint(), documents) {
        (Some(_), true) => findings.right(
            "registration",
            "clients register themselves, or bring a metadata document",
        ),
        (Some(_), false) => findings.right("registration", "clients register themselves"),
        (None, true) => findings.right("registration", "clients bring a metadata document"),
        (None, false) => findings.warn(
            "registration",
            "clients can't register themselves: each needs an id that somebody made by hand",
            "tell developers where to get one; in Logto 1.43 and later, switch on dynamic apps \
             (client id metadata documents)",
        ),
    }
}

fn refresh(server: &AuthorizationServer, findings: &mut Findings<'_>) {
    let scopes = server.member("scopes_supported").and_then(Value::as_array);
    let offers = scopes.is_some_and(|scopes| scopes.iter().any(|scope| scope == "offline_access"));
    if offers && is_logto(server) {
        findings.right(
            "refresh",
            "refresh tokens for offline_access, if the sign-in has prompt=consent too (Logto)",
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
        .filter(|scope| USER_SCOPES.contains(scope) || scope.starts_with("urn:logto:"))
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

fn is_logto(server: &AuthorizationServer) -> bool {
    let claims = server.member("scopes_supported").and_then(Value::as_array);
    claims.is_some_and(|scopes| {
        let mut names = scopes.iter().filter_map(Value::as_str);
        names.any(|scope| scope.starts_with("urn:logto:"))
    })
}
