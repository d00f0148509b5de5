//! The authorization server's endpoints: whether anything answers there, as far as a wrong request can
//! tell.
//!
//! Each is sent what it has to refuse: no parameters, a code that nobody issued, a body that is no
//! JSON. So nothing comes of it; a proxy that passes the metadata on and not the endpoints shows.

use reqwest::{
    StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::Value;
use url::Url;

use super::{
    finding::Findings,
    probe::{Answer, Probe},
};
use crate::metadata::AuthorizationServer;

/// Where clients of 2025-03-26 look, at the origin of the endpoint.
const AT_THE_ROOT: &str = "/.well-known/oauth-authorization-server";

const MEND: &str = "have the proxy pass this path on, with the method that clients use";

/// Asks each endpoint that the metadata names, and the place where older clients look.
pub(super) async fn walk(
    probe: &Probe,
    url: &Url,
    server: &AuthorizationServer,
    findings: &mut Findings<'_>,
) {
    if let Some(endpoint) = server.authorization_endpoint() {
        let answer = probe.send(probe.get(endpoint)).await;
        told(
            "authorize endpoint",
            endpoint,
            answer.and_then(is_there),
            findings,
        );
    }
    if let Some(endpoint) = server.token_endpoint() {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", "usher-check"),
            ("redirect_uri", "http://127.0.0.1/usher-check"),
            ("client_id", "usher-check"),
            ("code_verifier", "usher-check"),
        ];
        let answer = probe.send(probe.post(endpoint).form(&form)).await;
        let answer = answer.and_then(is_there).and_then(is_oauth_error);
        told("token endpoint", endpoint, answer, findings);
    }
    if let Some(endpoint) = server.registration_endpoint() {
        let request = probe
            .post(endpoint)
            .header(CONTENT_TYPE, "application/json");
        let answer = probe.send(request.body("{ no JSON")).await;
        told(
            "register endpoint",
            endpoint,
            answer.and_then(refuses),
            findings,
        );
    }
    older_clients(probe, url, findings).await;
}

fn told(
    check: &'static str,
    endpoint: &str,
    answer: Result<Answer, String>,
    findings: &mut Findings<'_>,
) {
    match answer {
        Ok(_) => findings.right(check, format!("{endpoint} answers")),
        Err(why) => findings.problem(check, format!("{endpoint} has {why}"), MEND),
    }
}

/// Whatever it makes of the request: something of the kind is there.
fn is_there(answer: Answer) -> Result<Answer, String> {
    let status = answer.status;
    let gone = status.is_server_error()
        || matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        );
    if gone {
        return Err(format!("status {status}"));
    }
    Ok(answer)
}

/// RFC 6749 §5.2.
fn is_oauth_error(answer: Answer) -> Result<Answer, String> {
    let error = serde_json::from_slice::<Value>(&answer.body);
    let is_error = error.is_ok_and(|body| body.get("error").is_some_and(Value::is_string));
    if answer.status.is_client_error() && is_error {
        return Ok(answer);
    }
    let status = answer.status;
    Err(format!(
        "status {status} and no error of OAuth for a wrong code"
    ))
}

/// A proxy that turns the POST into a redirect, or a page for everything, is no endpoint.
fn refuses(answer: Answer) -> Result<Answer, String> {
    let answer = is_there(answer)?;
    if answer.status.is_client_error() {
        return Ok(answer);
    }
    Err(format!("status {} for what is no JSON", answer.status))
}

async fn older_clients(probe: &Probe, url: &Url, findings: &mut Findings<'_>) {
    let at = format!("{}{AT_THE_ROOT}", url.origin().ascii_serialization());
    let request = probe.get(&at).header(ACCEPT, "application/json");
    let document = probe.send(request).await;
    let document = document.and_then(|answer| answer.json::<Value>());
    if document.is_ok_and(|document| document.get("token_endpoint").is_some()) {
        findings.right(
            "older clients",
            "clients of 2025-03-26 find the authorization server at the server's origin",
        );
    } else {
        findings.warn(
            "older clients",
            format!("{at} is missing; clients of 2025-03-26 look nowhere else"),
            "mirror the authorization server's metadata there",
        );
    }
}
