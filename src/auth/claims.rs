//! Reads claims strictly: a claim of the wrong kind is a reason to refuse, never one to look away.
//!
//! Shared by the three verification methods. CVE-2026-25537 is what lenience here costs: a `nbf` that
//! is a text was taken for one that is missing.

use serde_json::{Map, Value};

use super::{Identity, IssuerConfig, Method, Reason};
use crate::{scope::Scopes, time::Timestamp};

/// What a token or an endpoint says, not yet trusted.
pub(super) type Claims = Map<String, Value>;

/// Longest `sub`, in characters (OpenID Connect Core §2).
const SUBJECT_CHARS_MAX: usize = 255;

/// The last second of the year 9999. A later `NumericDate` is a mistake, in milliseconds for one.
const LATEST: u64 = 253_402_300_799;

/// The identity that claims describe, except for the end of its life.
pub(super) fn identity(
    claims: Claims,
    issuer: &IssuerConfig,
    verified_by: Method,
) -> Result<Identity, Reason> {
    let subject = claims
        .get("sub")
        .and_then(Value::as_str)
        .filter(|subject| is_identifier(subject))
        .ok_or(Reason::MalformedSubject)?
        .to_owned();
    Ok(Identity {
        issuer: issuer.issuer.as_str().to_owned(),
        subject,
        client_id: client_id(&claims),
        audiences: audiences(&claims)?,
        scopes: scopes(&claims),
        expires_at: None,
        verified_by,
        claims,
    })
}

/// The times a token may name, checked against the present.
pub(super) struct Lifetime {
    /// `exp`, which has not passed; the leeway is not in it.
    pub(super) expires_at: Option<Timestamp>,
}

impl Lifetime {
    /// Checks `exp`, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6).
    pub(super) fn check(
        claims: &Claims,
        issuer: &IssuerConfig,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        let leeway = issuer.leeway.get();
        let expires_at = date(claims, "exp", Reason::MalformedExpiry)?;
        if expires_at.is_some_and(|expires_at| now >= expires_at.plus(leeway)) {
            return Err(Reason::Expired);
        }
        let soon = now.plus(leeway);
        let not_before = date(claims, "nbf", Reason::MalformedNotBefore)?;
        if not_before.is_some_and(|not_before| not_before > soon) {
            return Err(Reason::NotYetValid);
        }
        let issued_at = date(claims, "iat", Reason::MalformedIssuedAt)?;
        if issued_at.is_some_and(|issued_at| issued_at > soon) {
            return Err(Reason::IssuedInFuture);
        }
        Ok(Self { expires_at })
    }
}

/// A `NumericDate`: a JSON number, not negative, fraction cut off. Missing is `None`; anything else
/// that is there is `malformed`.
fn date(claims: &Claims, name: &str, malformed: Reason) -> Result<Option<Timestamp>, Reason> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    whole_seconds(value)
        .filter(|seconds| *seconds <= LATEST)
        .map(|seconds| Some(Timestamp::from_unix_seconds(seconds)))
        .ok_or(malformed)
}

fn whole_seconds(value: &Value) -> Option<u64> {
    if let Some(seconds) = value.as_u64() {
        return Some(seconds);
    }
    let seconds = value.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cutting the fraction off is meant, and the range is checked"
    )]
    (0.0..1e12).contains(&seconds).then_some(seconds as u64)
}

/// `aud`: a text or a list of texts (RFC 7519 §4.1.3); none if missing.
fn audiences(claims: &Claims) -> Result<Vec<String>, Reason> {
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(audience)) => Ok(vec![audience.clone()]),
        Some(Value::Array(audiences)) => audiences
            .iter()
            .map(|audience| audience.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or(Reason::MalformedAudience),
        Some(_) => Err(Reason::MalformedAudience),
    }
}

/// `client_id` (RFC 9068 §2.2), else `azp`, which older providers write.
fn client_id(claims: &Claims) -> Option<String> {
    ["client_id", "azp"].into_iter().find_map(|name| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
    })
}

/// `scope`, a text (RFC 9068 §2.2.3); else `scp`, which some providers write as a list. What is
/// neither grants nothing.
fn scopes(claims: &Claims) -> Scopes {
    let Some(value) = claims.get("scope").or_else(|| claims.get("scp")) else {
        return Scopes::none();
    };
    match value {
        Value::String(text) => Scopes::lenient(text),
        Value::Array(list) => list
            .iter()
            .filter_map(Value::as_str)
            .filter_map(|text| text.parse().ok())
            .collect(),
        _ => Scopes::none(),
    }
}

fn is_identifier(text: &str) -> bool {
    // 255 characters can be at most four times as many bytes: a long text is not counted through.
    !text.is_empty()
        && text.len() <= 4 * SUBJECT_CHARS_MAX
        && text.chars().count() <= SUBJECT_CHARS_MAX
        && !text.chars().any(char::is_control)
}
