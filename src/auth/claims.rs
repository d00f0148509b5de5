//! Reads claims strictly: a claim of the wrong kind is a reason to refuse, never one to look away.
//!
//! Shared by the three verification methods. CVE-2026-25537 is what lenience here costs: a `nbf` that
//! is a text was taken for one that is missing.

use serde_json::{Map, Value};

use super::{Check, Identity, IssuerConfig, Method, Reason};
use crate::{scope::Scopes, time::Timestamp};

/// What a token or an endpoint says, not yet trusted.
pub(super) type Claims = Map<String, Value>;

/// Whether claims pass one check.
pub(super) type Rule = fn(&Claims, &IssuerConfig, Timestamp) -> Result<(), Reason>;

/// Longest `sub`, in characters (OpenID Connect Core §2).
const SUBJECT_CHARS_MAX: usize = 255;

/// Longest client id, in bytes: one may be the URL of a metadata document.
const CLIENT_ID_BYTES_MAX: usize = 2_048;

/// The last second of the year 9999. A later `NumericDate` is a mistake, in milliseconds for one.
const LATEST: u64 = 253_402_300_799;

/// What all claims pass that an issuer vouches for, signed or told.
pub(super) const RULES: &[(Check, Rule)] = &[
    (Check::Expiry, not_expired),
    (Check::NotBefore, begun),
    (Check::IssuedAt, issued),
    (Check::Subject, |claims, rules, _| {
        subject(claims, rules).map(drop)
    }),
    (Check::ClientId, |claims, rules, _| {
        client_id(claims, rules).map(drop)
    }),
    (Check::Audiences, |claims, _, _| audiences(claims).map(drop)),
];

/// Runs [`RULES`] up to the first that fails.
pub(super) fn check(claims: &Claims, rules: &IssuerConfig, now: Timestamp) -> Result<(), Reason> {
    let mut all = RULES.iter();
    all.try_for_each(|(_, rule)| rule(claims, rules, now))
}

/// Whether a token that is no access token is of the present: those of [`RULES`] that are about dates.
pub(super) fn check_dates(
    claims: &Claims,
    rules: &IssuerConfig,
    now: Timestamp,
) -> Result<(), Reason> {
    not_expired(claims, rules, now)?;
    begun(claims, rules, now)?;
    issued(claims, rules, now)
}

/// The identity that claims describe. They have passed [`RULES`], as far as their dates go.
pub(super) fn identity(
    claims: Claims,
    rules: &IssuerConfig,
    verified_by: Method,
) -> Result<Identity, Reason> {
    // Userinfo has no date of the token: one that is there says something else.
    let expires_at = match verified_by {
        Method::Userinfo => None,
        Method::Jwt | Method::Introspection => expiry(&claims)?,
    };
    Ok(Identity {
        issuer: rules.issuer.as_str().to_owned(),
        subject: subject(&claims, rules)?.to_owned(),
        client_id: client_id(&claims, rules)?.map(str::to_owned),
        audiences: audiences(&claims)?,
        scopes: scopes(&claims, rules),
        expires_at,
        verified_by,
        claims,
    })
}

/// `exp` (RFC 7519 §4.1.4), without the leeway.
pub(super) fn expiry(claims: &Claims) -> Result<Option<Timestamp>, Reason> {
    date(claims, "exp", Reason::MalformedExpiry)
}

fn not_expired(claims: &Claims, rules: &IssuerConfig, now: Timestamp) -> Result<(), Reason> {
    let leeway = rules.leeway.get();
    match expiry(claims)? {
        Some(expires_at) if now >= expires_at.plus(leeway) => Err(Reason::Expired),
        _ => Ok(()),
    }
}

fn begun(claims: &Claims, rules: &IssuerConfig, now: Timestamp) -> Result<(), Reason> {
    let begins = date(claims, "nbf", Reason::MalformedNotBefore)?;
    if begins.is_some_and(|begins| begins > now.plus(rules.leeway.get())) {
        return Err(Reason::NotYetValid);
    }
    Ok(())
}

fn issued(claims: &Claims, rules: &IssuerConfig, now: Timestamp) -> Result<(), Reason> {
    let issued_at = issued_at(claims)?;
    if issued_at.is_some_and(|issued_at| issued_at > now.plus(rules.leeway.get())) {
        return Err(Reason::IssuedInFuture);
    }
    Ok(())
}

/// `iat` (RFC 7519 §4.1.6).
pub(super) fn issued_at(claims: &Claims) -> Result<Option<Timestamp>, Reason> {
    date(claims, "iat", Reason::MalformedIssuedAt)
}

/// A date that is there and is one.
pub(super) fn date_of(claims: &Claims, name: &str) -> Option<Timestamp> {
    date(claims, name, Reason::MalformedExpiry).ok().flatten()
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

fn subject<'c>(claims: &'c Claims, rules: &IssuerConfig) -> Result<&'c str, Reason> {
    let found = rules.claims.subject.find(claims);
    found
        .and_then(Value::as_str)
        .filter(|subject| is_identifier(subject))
        .ok_or(Reason::MalformedSubject)
}

/// `client_id` (RFC 9068 §2.2), else `azp`, which older providers write, or what the rules name.
fn client_id<'c>(claims: &'c Claims, rules: &IssuerConfig) -> Result<Option<&'c str>, Reason> {
    let mut places = rules.claims.client_id.iter();
    let found = places.find_map(|path| path.find(claims).filter(|found| *found != ""));
    match found {
        None => Ok(None),
        Some(Value::String(id))
            if id.len() <= CLIENT_ID_BYTES_MAX && !id.chars().any(char::is_control) =>
        {
            Ok(Some(id))
        }
        Some(_) => Err(Reason::MalformedClientId),
    }
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

/// `scope`, a text (RFC 9068 §2.2.3), else `scp`, which some providers write as a list, or what the
/// rules name. What is neither text nor list grants nothing.
fn scopes(claims: &Claims, rules: &IssuerConfig) -> Scopes {
    let mut places = rules.claims.scopes.iter();
    match places.find_map(|path| path.find(claims)) {
        Some(Value::String(text)) => Scopes::lenient(text),
        Some(Value::Array(list)) => list
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
