//! The authorization server's keys: there, usable, and public.

use reqwest::header::ACCEPT;
use serde_json::Value;

use super::{finding::Findings, probe::Probe};
use crate::{auth::usable_keys, metadata::AuthorizationServer};

/// Members of a JWK that only its owner may know (RFC 7518 §6).
const PRIVATE: [&str; 3] = ["d", "p", "k"];

/// Fetches the key set and judges it.
pub(super) async fn walk(probe: &Probe, server: &AuthorizationServer, findings: &mut Findings<'_>) {
    let Some(url) = server.jwks_uri() else {
        findings.warn(
            "keys",
            "the provider publishes no keys, so its access tokens have to be asked about one by one",
            "introspection (RFC 7662) is the only way to verify them then",
        );
        return;
    };
    let request = probe.get(url).header(ACCEPT, "application/json");
    let document: Result<Value, _> = match probe.send(request).await {
        Ok(answer) => answer.json(),
        Err(why) => Err(why),
    };
    let document = match document {
        Ok(document) => document,
        Err(why) => {
            let mend = "no token can be verified without it: see the provider and the way to it";
            findings.problem("keys", format!("{url} has {why}"), mend);
            return;
        }
    };
    let keys = document.get("keys").and_then(Value::as_array);
    let leaks = |key: &Value| PRIVATE.iter().any(|member| key.get(member).is_some());
    if keys.is_some_and(|keys| keys.iter().any(leaks)) {
        findings.problem(
            "keys",
            "the key set holds a private key: anybody can make tokens",
            "take it down, make new keys, and publish their public members only",
        );
        return;
    }
    match usable_keys(&document) {
        0 => findings.problem(
            "keys",
            "the key set has no key that signs with RS256, ES256, ES384 or another usual algorithm",
            "have the provider publish one (RFC 7517 §5)",
        ),
        1 => findings.right("keys", "one key that signs is published"),
        many => findings.right("keys", format!("{many} keys that sign are published")),
    }
}
