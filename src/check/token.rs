//! A token in hand: what it claims, compared with what it needs, and what the server says to it.
//!
//! Claims are read without a signature check: they only explain the server's verdict. Nothing of the
//! token but its claims' names and public values is shown.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{StatusCode, header::AUTHORIZATION};
use serde_json::Value;
use url::Url;

use super::{
    challenged::{is_sse, opening_with},
    finding::Findings,
    probe::{Answer, Probe},
    resource::ProtectedResource,
};
use crate::{agent::BearerChallenge, secret::Secret, time::Clock};

/// Judges the token and uses it once. It may be of any of `issuers`; of none, where who stands behind a
/// bridge is not known.
pub(super) async fn walk(
    probe: &Probe,
    url: &Url,
    token: &Secret,
    (resource, issuers): (Option<&ProtectedResource>, &[String]),
    findings: &mut Findings<'_>,
) {
    let claims = claims(token.expose());
    match (&claims, resource) {
        (Some(claims), Some(resource)) => look_at(claims, resource, issuers, findings),
        (None, _) => findings.warn(
            "token",
            "the token is opaque: it proves no audience by itself",
            "Logto issues a JWT where the token request names the resource (RFC 8707)",
        ),
        (Some(_), None) => {}
    }
    let answer = match probe.send(opening_with(probe, url, token)).await {
        Ok(answer) => answer,
        Err(why) => {
            findings.problem(
                "call",
                format!("no answer with the token: {why}"),
                "see the server's log",
            );
            return;
        }
    };
    if answer.status.is_success() {
        findings.right("call", "the server takes the token");
        leave(probe, url, token, &answer, findings).await;
        return;
    }
    let challenge = BearerChallenge::from_headers(&answer.headers);
    let said = challenge.error_description.or(challenge.error);
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    let found = format!("the server answers {} to the token{said}", answer.status);
    findings.problem("call", found, mend(answer.status, claims.is_some()));
}

/// The session that `initialize` opened is ended; nothing is left behind.
async fn leave(
    probe: &Probe,
    url: &Url,
    token: &Secret,
    answer: &Answer,
    findings: &mut Findings<'_>,
) {
    let Some(session) = answer.header("mcp-session-id").filter(|_| !is_sse(url)) else {
        return;
    };
    let request = probe
        .delete(url.as_str())
        .header("mcp-session-id", session)
        .header(AUTHORIZATION, format!("Bearer {}", token.expose()));
    if let Err(why) = probe.send(request).await {
        let mend = "it ends by itself when it has been idle for long enough";
        findings.warn(
            "session",
            format!("the session of this check could not be ended: {why}"),
            mend,
        );
    }
}

fn mend(status: StatusCode, is_jwt: bool) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED if is_jwt => {
            "compare issuer and audience above with the server's settings; a server that verifies by \
             userinfo refuses every JWT of Logto: have it verify by the key set"
        }
        StatusCode::UNAUTHORIZED => {
            "an opaque token is verified by introspection or userinfo: is the server set up for it, \
             and is the token alive?"
        }
        StatusCode::FORBIDDEN => "have the user grant the scopes that the challenge names",
        StatusCode::SERVICE_UNAVAILABLE => {
            "the server can't ask its authorization server: see its log"
        }
        _ => "see the server's log",
    }
}

/// The claims of what looks like a JWT.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = URL_SAFE_NO_PAD.decode(claims).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

fn look_at(
    claims: &Value,
    resource: &ProtectedResource,
    issuers: &[String],
    findings: &mut Findings<'_>,
) {
    match claims.get("iss").and_then(Value::as_str) {
        Some(issuer) if issuers.is_empty() || issuers.iter().any(|one| one == issuer) => {
            findings.right("token issuer", format!("the token is of {issuer}"));
        }
        other => findings.problem(
            "token issuer",
            format!(
                "the token is of {}, not of {}",
                other.unwrap_or("nobody"),
                issuers.join(" or ")
            ),
            "get one from the authorization server that the metadata names",
        ),
    }
    audience(claims, &resource.resource, findings);
    let now = Clock::system().now().as_unix_seconds();
    match claims.get("exp").and_then(Value::as_u64) {
        Some(exp) if exp > now => {}
        Some(exp) => findings.problem(
            "token life",
            format!("the token expired {} s ago", now - exp),
            "get a new one",
        ),
        None => findings.problem(
            "token life",
            "the token has no exp",
            "every access token needs one",
        ),
    }
    let granted = claims.get("scope").or_else(|| claims.get("scp"));
    let is_empty = match granted {
        Some(Value::String(scopes)) => scopes.is_empty(),
        Some(Value::Array(scopes)) => scopes.is_empty(),
        _ => true,
    };
    if is_empty && !resource.scopes.is_empty() {
        findings.warn(
            "token scopes",
            "the token carries no scope",
            "Logto drops without a word what the user's roles or the application's permissions don't \
             allow: assign both",
        );
    }
}

fn audience(claims: &Value, resource: &str, findings: &mut Findings<'_>) {
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if audiences.contains(&resource) {
        findings.right("token audience", format!("the token is for {resource}"));
        return;
    }
    let slash = |one: &&str| one.trim_end_matches('/') == resource.trim_end_matches('/');
    let mend = if audiences.iter().any(slash) {
        "they differ by a slash at the end: write the resource alike everywhere"
    } else {
        "name the resource in the token request, also when refreshing (RFC 8707)"
    };
    let found = format!("the token is for {}, not for {resource}", shown(&audiences));
    findings.problem("token audience", found, mend);
}

fn shown(audiences: &[&str]) -> String {
    match audiences {
        [] => "nobody".to_owned(),
        some => some.join(" "),
    }
}
