//! How the server verifies tokens, tried at the authorization server with the server's own credentials.
//!
//! A token that nobody issued is asked about: the answer says whether the credentials are good, and
//! whoever reads it learns nothing. A token that was handed over is shown where the server would show it.

use reqwest::{
    StatusCode,
    header::{ACCEPT, AUTHORIZATION},
};
use serde_json::Value;

use super::{
    finding::Findings,
    issuer::is_logto,
    probe::{Answer, Probe},
};
use crate::{
    auth::{ClientCredentials, IssuerConfig, Verification, introspection_request},
    fetch::Fetcher,
    metadata::AuthorizationServer,
    secret::Secret,
    time::Clock,
};

const NOBODYS: &str = "usher-check-is-no-token";

/// Tries what the rules for this issuer's tokens need.
pub(super) async fn walk(
    (probe, fetcher): (&Probe, &Fetcher),
    rules: &IssuerConfig,
    server: &AuthorizationServer,
    token: Option<&Secret>,
    findings: &mut Findings<'_>,
) {
    let jwt = token.filter(|token| token.expose().split('.').count() == 3);
    match rules.verification {
        Verification::Userinfo => userinfo(probe, server, jwt, findings).await,
        Verification::Introspection if is_logto(server) => findings.problem(
            "introspection",
            "every token is asked about, and Logto answers unsupported_token_type for a JWT, which \
             is what clients get that name the resource",
            "set issuer.verification = auto: JWTs by the key set, opaque tokens by introspection",
        ),
        _ => {}
    }
    let Some(client) = &rules.client else {
        return;
    };
    let Some(endpoint) = server.introspection_endpoint() else {
        findings.problem(
            "introspection",
            "the provider publishes no introspection endpoint, and the settings name a client for it",
            "take issuer.introspection_client_id out, or have the provider offer RFC 7662",
        );
        return;
    };
    let asked = (rules.issuer.clone(), endpoint.to_owned());
    let now = Clock::system().now();
    let request = introspection_request(fetcher, (&asked.0, &asked.1), client, NOBODYS, now);
    let Some(request) = request else {
        let mend =
            "see issuer.introspection_client_key_file: is it the private key of that client?";
        findings.problem("introspection", "our key can't sign", mend);
        return;
    };
    match probe.send(request).await {
        Ok(answer) => credentials(client, &answer, findings),
        Err(why) => findings.problem(
            "introspection",
            format!("{endpoint} has {why}"),
            "no opaque token can be verified without it: see the provider and the way to it",
        ),
    }
    if is_logto(server) && !rules.introspection_without_audience && rules.opaque_tokens {
        findings.warn(
            "opaque tokens",
            "they are asked about and refused all the same: Logto's answer names no audience",
            "have clients send resource, so that they get JWTs; or set \
             issuer.introspection_without_audience = true, which lets in any token of the tenant",
        );
    }
}

fn credentials(client: &ClientCredentials, answer: &Answer, findings: &mut Findings<'_>) {
    let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let error = body.get("error").and_then(Value::as_str);
    let id = &client.id;
    match (answer.status, body.get("active"), error) {
        (StatusCode::OK, Some(Value::Bool(false)), _) => {
            findings.right("introspection", format!("{id} may ask about tokens"));
        }
        (StatusCode::OK, Some(Value::Bool(true)), _) => findings.problem(
            "introspection",
            "a token that nobody issued is called active: anybody may come in",
            "have the provider look at tokens, or take its introspection out of the settings",
        ),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, ..) | (_, _, Some("invalid_client")) => {
            findings.problem(
                "introspection",
                format!("the provider does not know {id} by the secret or key in the settings"),
                "take the id and a present secret of a confidential application at the provider: \
                 issuer.introspection_client_id, _secret_file, and the way to authenticate",
            );
        }
        (status, _, error) => findings.problem(
            "introspection",
            format!(
                "the answer is status {status} {}, which says nothing of a token",
                error.unwrap_or_default()
            ),
            "every opaque token would be a 503: see the provider's log",
        ),
    }
}

async fn userinfo(
    probe: &Probe,
    server: &AuthorizationServer,
    jwt: Option<&Secret>,
    findings: &mut Findings<'_>,
) {
    const AUTO: &str = "set issuer.verification = auto: JWTs are then verified by the key set";
    let Some(endpoint) = server.userinfo_endpoint() else {
        let mend = "set issuer.verification = auto, or have the provider publish one";
        findings.problem("userinfo", "the provider has no userinfo endpoint", mend);
        return;
    };
    let refused = match jwt {
        Some(jwt) => {
            let bearer = format!("Bearer {}", jwt.expose());
            let request = probe.get(endpoint).header(ACCEPT, "application/json");
            let answer = probe.send(request.header(AUTHORIZATION, bearer)).await;
            answer.is_ok_and(|answer| answer.status == StatusCode::UNAUTHORIZED)
        }
        None => is_logto(server),
    };
    if refused {
        findings.problem(
            "userinfo",
            "userinfo refuses the JWTs that clients get by naming the resource: none of them comes in",
            AUTO,
        );
    } else {
        findings.warn(
            "userinfo",
            "userinfo proves no audience: whoever is handed a token of this provider can come in",
            AUTO,
        );
    }
}
