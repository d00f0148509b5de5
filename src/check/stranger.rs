//! What a stranger meets: a 401 with a challenge, whatever he brings along.
//!
//! The first step. Its result is the challenge that every later step starts from.

use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, LOCATION, ORIGIN, WWW_AUTHENTICATE},
};
use url::Url;

use super::{
    challenged::{is_sse, opening},
    finding::Findings,
    probe::{Answer, Probe},
};
use crate::{agent::BearerChallenge, units::is_loopback};

const REFUSE_STRANGERS: &str = "answer every request without a bearer token with 401 (RFC 6750 §3)";

/// Looks at the door. `None` if nothing answers there.
pub(super) async fn walk(
    probe: &Probe,
    url: &Url,
    findings: &mut Findings<'_>,
) -> Option<BearerChallenge> {
    transport_security(url, findings);
    let answer = match probe.send(opening(probe, url)).await {
        Ok(answer) => answer,
        Err(why) => {
            let mend = "check the host name, the port and the certificate; is the server running?";
            findings.problem(
                "reachable",
                format!("nothing answers at {url}: {why}"),
                mend,
            );
            return None;
        }
    };
    if !refused(url, &answer, findings) {
        return (!answer.status.is_redirection() && answer.status != StatusCode::NOT_FOUND)
            .then(BearerChallenge::default);
    }
    let challenge = BearerChallenge::from_headers(&answer.headers);
    look_at(&answer, &challenge, findings);
    rubbish(probe, url, findings).await;
    foreign_origin(probe, url, findings).await;
    spoofed_host(probe, url, &challenge, findings).await;
    Some(challenge)
}

fn transport_security(url: &Url, findings: &mut Findings<'_>) {
    match url.scheme() {
        "https" => findings.right("https", "tokens travel encrypted"),
        _ if is_loopback(url) => findings.right("https", "plain http, on this machine only"),
        _ => findings.problem(
            "https",
            "tokens would travel in clear, and clients refuse to send them",
            "give clients an https URL (OAuth 2.1 §1.5)",
        ),
    }
}

/// Whether the answer is the 401 that it has to be.
fn refused(url: &Url, answer: &Answer, findings: &mut Findings<'_>) -> bool {
    let status = answer.status;
    let found = format!("a request without a token is answered with {status}");
    let mend = match status {
        StatusCode::UNAUTHORIZED => {
            findings.right("refused", "a request without a token is answered with 401");
            return true;
        }
        _ if status.is_success() => "the endpoint is open to everybody: ".to_owned() + REFUSE_STRANGERS,
        StatusCode::NOT_FOUND => "give the endpoint's whole path, as in /mcp or /sse".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED if is_sse(url) => {
            "is it a Streamable HTTP endpoint? Its path must not end in /sse then".to_owned()
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            "an endpoint of Streamable HTTP takes POST; for HTTP+SSE give the path that ends in /sse"
                .to_owned()
        }
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => {
            "something in front of the token check refuses: a proxy, or a Host that the server does \
             not know as its own (server.public_url)"
                .to_owned()
        }
        _ if status.is_redirection() => {
            let to = answer.header(LOCATION.as_str()).unwrap_or("elsewhere");
            format!("clients don't follow a redirect with a token; give them {to} itself")
        }
        _ if status.is_server_error() => "see the server's log, and the proxy's".to_owned(),
        _ => REFUSE_STRANGERS.to_owned(),
    };
    findings.problem("refused", found, mend);
    false
}

fn look_at(answer: &Answer, challenge: &BearerChallenge, findings: &mut Findings<'_>) {
    if *challenge == BearerChallenge::default() && !names_bearer(answer) {
        let mend =
            "send WWW-Authenticate: Bearer resource_metadata=\"…\" with every 401 (RFC 9728 §5.1)";
        findings.problem("challenge", "the 401 has no Bearer challenge", mend);
        return;
    }
    if challenge.error.is_some() {
        findings.warn(
            "challenge",
            "the challenge names an error, though no token was sent",
            "leave error= out where there was no token (RFC 6750 §3.1); some clients give up on it",
        );
    } else if challenge.resource_metadata.is_none() {
        findings.warn(
            "challenge",
            "the challenge does not say where the metadata is",
            "add resource_metadata=\"…\" (RFC 9728 §5.1); without it clients have to guess",
        );
    } else {
        findings.right("challenge", "a Bearer challenge says where the metadata is");
    }
}

fn names_bearer(answer: &Answer) -> bool {
    let header = answer.header(WWW_AUTHENTICATE.as_str());
    header.is_some_and(|value| value.to_ascii_lowercase().contains("bearer"))
}

/// A token that nobody issued.
async fn rubbish(probe: &Probe, url: &Url, findings: &mut Findings<'_>) {
    let request = opening(probe, url).header(AUTHORIZATION, "Bearer usher-check-is-no-token");
    let answer = match probe.send(request).await {
        Ok(answer) => answer,
        Err(why) => {
            let found = format!("a token that nobody issued gets no answer: {why}");
            findings.problem("wrong token", found, "see the server's log");
            return;
        }
    };
    let status = answer.status;
    let found = format!("a token that nobody issued is answered with {status}");
    let challenge = BearerChallenge::from_headers(&answer.headers);
    match status {
        StatusCode::UNAUTHORIZED if challenge.error.as_deref() == Some("invalid_token") => {
            findings.right("wrong token", "a token that nobody issued is answered with 401 invalid_token");
        }
        StatusCode::UNAUTHORIZED => findings.warn(
            "wrong token",
            found + ", without error=\"invalid_token\"",
            "add it (RFC 6750 §3.1): it tells clients to get a new token",
        ),
        _ if status.is_success() => {
            findings.problem("wrong token", found, "the server does not look at tokens at all");
        }
        StatusCode::SERVICE_UNAVAILABLE => findings.problem(
            "wrong token",
            found,
            "the server can't ask its authorization server: see its log, its readiness, and its way out",
        ),
        _ => findings.problem("wrong token", found, "it has to be 401 (RFC 6750 §3.1)"),
    }
}

/// A page of another site, in the user's browser.
async fn foreign_origin(probe: &Probe, url: &Url, findings: &mut Findings<'_>) {
    let request = opening(probe, url).header(ORIGIN, "https://usher-check.invalid");
    match probe.send(request).await {
        Ok(answer) if answer.status == StatusCode::FORBIDDEN => {
            findings.right("origin", "a page of another site is answered with 403");
        }
        Ok(answer) => findings.warn(
            "origin",
            format!(
                "a page of another site is answered with {}, as everybody",
                answer.status
            ),
            "refuse an Origin that is not allowed with 403, before anything else (MCP, transports)",
        ),
        Err(why) => findings.warn(
            "origin",
            format!("no answer: {why}"),
            "see the server's log",
        ),
    }
}

/// Addresses in a challenge have to come from the configuration, or a cache between could be poisoned.
async fn spoofed_host(
    probe: &Probe,
    url: &Url,
    before: &BearerChallenge,
    findings: &mut Findings<'_>,
) {
    let request = opening(probe, url)
        .header("x-forwarded-host", "usher-check.invalid")
        .header("x-forwarded-proto", "gopher");
    let Ok(answer) = probe.send(request).await else {
        return;
    };
    let after = BearerChallenge::from_headers(&answer.headers);
    if after.resource_metadata == before.resource_metadata {
        findings.right("forwarded", "its addresses don't follow X-Forwarded-Host");
    } else {
        findings.problem(
            "forwarded",
            "the challenge's address follows X-Forwarded-Host, which anybody can send",
            "write the public URL into the configuration (RFC 9728 §7.3), or have the proxy set the header",
        );
    }
}
