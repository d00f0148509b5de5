//! The protected resource metadata (RFC 9728): where it is, and whether it names this endpoint.

use reqwest::{
    StatusCode,
    header::{ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN},
};
use serde::Deserialize;
use url::Url;

use super::{
    finding::Findings,
    probe::{Answer, Probe},
};
use crate::agent::BearerChallenge;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What later steps need of the document.
#[derive(Debug)]
pub(super) struct ProtectedResource {
    /// The resource indicator (RFC 8707), as it is written.
    pub(super) resource: String,
    pub(super) issuer: String,
    pub(super) scopes: Vec<String>,
    /// What the challenge asks for; clients take it before `scopes_supported`.
    pub(super) challenge_scope: Option<String>,
}

impl ProtectedResource {
    /// What a client will ask for.
    pub(super) fn scope(&self) -> String {
        self.challenge_scope
            .clone()
            .unwrap_or_else(|| self.scopes.join(" "))
    }
}

/// RFC 9728 §2.
#[derive(Debug, Deserialize)]
struct Document {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    bearer_methods_supported: Option<Vec<String>>,
}

/// Fetches the document from each place where clients look, and judges it.
pub(super) async fn walk(
    probe: &Probe,
    url: &Url,
    challenge: &BearerChallenge,
    findings: &mut Findings<'_>,
) -> Option<ProtectedResource> {
    let by_path = well_known(url);
    let mut document = None;
    if let Some(named) = &challenge.resource_metadata {
        document = fetched(probe, "metadata", named, findings).await;
    }
    if challenge.resource_metadata.as_deref() != Some(by_path.as_str()) {
        let found = fetched(probe, "well-known", &by_path, findings).await;
        document = document.or(found);
    }
    let document = document?;
    names(&document.resource, url, findings);
    scopes(&document.scopes_supported, findings);
    let methods = document.bearer_methods_supported.as_deref();
    if methods.is_some_and(|methods| methods.iter().all(|method| method != "header")) {
        findings.problem(
            "bearer methods",
            "bearer_methods_supported does not list header, the only one MCP clients use",
            "list it: [\"header\"] (RFC 9728 §2)",
        );
    }
    let Some(issuer) = document.authorization_servers.first() else {
        findings.problem(
            "authorization server",
            "the metadata names no authorization server",
            "list the issuer in authorization_servers (MCP, authorization)",
        );
        return None;
    };
    Some(ProtectedResource {
        issuer: issuer.clone(),
        resource: document.resource,
        scopes: document.scopes_supported,
        challenge_scope: challenge.scope.as_ref().map(ToString::to_string),
    })
}

/// RFC 9728 §3.1: the well-known part goes before the path.
fn well_known(url: &Url) -> String {
    let origin = url.origin().ascii_serialization();
    format!("{origin}{WELL_KNOWN}{}", url.path().trim_end_matches('/'))
}

async fn fetched(
    probe: &Probe,
    check: &'static str,
    url: &str,
    findings: &mut Findings<'_>,
) -> Option<Document> {
    let request = probe
        .get(url)
        .header(ACCEPT, "application/json")
        .header(ORIGIN, "https://inspector.invalid");
    let answer = match probe.send(request).await {
        Ok(answer) => answer,
        Err(why) => {
            let mend = "the address has to be one that clients reach: look at the public URL";
            findings.problem(check, format!("{url}: {why}"), mend);
            return None;
        }
    };
    match answer.json::<Document>() {
        Ok(document) => {
            findings.right(check, format!("{url} has the metadata"));
            readable_in_browsers(&answer, findings);
            Some(document)
        }
        Err(why) => {
            findings.problem(check, format!("{url} has {why}"), mend(&answer));
            None
        }
    }
}

fn mend(answer: &Answer) -> &'static str {
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "serve it without a token: a client reads it before it has one (RFC 9728 §3)"
        }
        StatusCode::NOT_FOUND => {
            "serve it there too, past the proxy: clients derive this address from the endpoint's \
             (RFC 9728 §3.1)"
        }
        status if status.is_redirection() => "serve it there itself: clients may not follow",
        _ => "serve the JSON document of RFC 9728 §2 there; some clients stop at anything else",
    }
}

fn readable_in_browsers(answer: &Answer, findings: &mut Findings<'_>) {
    if answer
        .header(ACCESS_CONTROL_ALLOW_ORIGIN.as_str())
        .is_none()
    {
        findings.warn(
            "browsers",
            "a client in a browser can't read the metadata",
            "send Access-Control-Allow-Origin: * with it; it is public",
        );
    }
}

/// RFC 9728 §3.3: the document is of the URL it was derived from. Clients take a resource above it too.
fn names(resource: &str, url: &Url, findings: &mut Findings<'_>) {
    let bare = |text: &str| text.trim_end_matches('/').to_owned();
    if resource == url.as_str() {
        findings.right("resource", format!("the metadata is of {resource}"));
    } else if bare(resource) == bare(url.as_str()) {
        findings.problem(
            "resource",
            format!("the metadata is of {resource}, the endpoint is {url}: they differ by a slash"),
            "write both alike, and the same at the authorization server: Logto compares the API \
             resource's indicator character for character, and answers invalid_target",
        );
    } else if Url::parse(resource).is_ok_and(|above| is_above(&above, url)) {
        findings.warn(
            "resource",
            format!("the metadata is of {resource}, which is above {url}"),
            "clients take it; RFC 9728 §3.3 wants a document for each endpoint",
        );
    } else {
        findings.problem(
            "resource",
            format!("the metadata is of {resource}, and not of {url}: clients refuse it"),
            "set the resource to the URL that clients are given (RFC 9728 §3.3)",
        );
    }
}

fn is_above(above: &Url, url: &Url) -> bool {
    let rest = url.path().strip_prefix(above.path().trim_end_matches('/'));
    above.origin() == url.origin() && rest.is_some_and(|rest| rest.starts_with('/'))
}

fn scopes(scopes: &[String], findings: &mut Findings<'_>) {
    if scopes.iter().any(|scope| scope == "offline_access") {
        findings.warn(
            "scopes",
            "scopes_supported lists offline_access, which is between client and provider",
            "leave it out (MCP, authorization)",
        );
    } else {
        let listed = match scopes {
            [] => "no scopes".to_owned(),
            some => some.join(" "),
        };
        findings.right("scopes", format!("clients will ask for {listed}"));
    }
}
