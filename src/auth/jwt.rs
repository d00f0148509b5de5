//! JWT access tokens: taken apart and checked, all but the signature's key (RFC 7519, RFC 9068 §4).
//!
//! Pure. Cheap checks come first, and `iss` before any key is looked for, so that nobody makes us
//! fetch keys with a token of another issuer. A JWT is refused for anything that is not understood:
//! an unknown algorithm, any `crit`, a `typ` that is not listed, a date that is no number.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    Identity, IssuerConfig, Method, Reason,
    algorithm::Algorithm,
    claims::{self, Claims, Lifetime},
    key_set::{Candidates, KeySet},
};
use crate::time::Timestamp;

/// Longest `kid`, in bytes.
const KEY_ID_BYTES_MAX: usize = 256;

/// Most keys that are tried for a token that names none.
const TRIES_MAX: usize = 4;

/// A JWT whose claims are in order and whose signature is still to be checked.
#[derive(Debug)]
pub(super) struct Unverified<'t> {
    algorithm: Algorithm,
    key_id: Option<String>,
    /// Header and payload as sent, which is what was signed (RFC 7515 §5.2).
    message: &'t [u8],
    signature: Vec<u8>,
    identity: Identity,
}

/// What a key set says about a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// A key of the set made it.
    Good,
    /// It is refused, whatever other keys there may be.
    Bad(Reason),
    /// The set has no key that may have made it. A newer set could.
    UnknownKey,
}

/// Whether this is a JWS in compact form: three parts, the first of them a JSON object.
pub(super) fn is_jwt(token: &str) -> bool {
    parts(token).is_some_and(|(header, _, _)| object(header).is_some())
}

/// The `exp` of a JWT, not verified in any way: fit to forget something sooner, for nothing else.
pub(super) fn unverified_expiry(token: &str) -> Option<Timestamp> {
    let (_, payload, _) = parts(token)?;
    let seconds = object(payload)?.get("exp")?.as_u64()?;
    Some(Timestamp::from_unix_seconds(seconds))
}

/// The `iss` of a JWT, not verified in any way: fit to choose whose rules to hold it against.
pub(super) fn unverified_issuer(token: &str) -> Option<String> {
    let (_, payload, _) = parts(token)?;
    match object(payload)?.remove("iss")? {
        Value::String(issuer) => Some(issuer),
        _ => None,
    }
}

impl<'t> Unverified<'t> {
    /// Takes a token apart and checks everything but its signature.
    pub(super) fn check(
        token: &'t str,
        issuer: &IssuerConfig,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        let (header, payload, signature) = parts(token).ok_or(Reason::MalformedToken)?;
        let message = &token.as_bytes()[..header.len() + 1 + payload.len()];
        let header = object(header).ok_or(Reason::MalformedToken)?;
        let algorithm = check_header(&header, issuer)?;
        let key_id = key_id(&header)?;
        let claims = object(payload).ok_or(Reason::MalformedToken)?;
        let identity = check_claims(claims, issuer, now)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_not_base64url| Reason::MalformedToken)?;
        Ok(Self {
            algorithm,
            key_id,
            message,
            signature,
            identity,
        })
    }

    /// Checks the signature with the keys there are.
    pub(super) fn signature(&self, keys: &KeySet) -> Signature {
        let candidates = match keys.candidates(self.key_id.as_deref(), self.algorithm) {
            Candidates::Keys(candidates) => candidates,
            Candidates::Unfit => return Signature::Bad(Reason::KeyMismatch),
            Candidates::Unknown => return Signature::UnknownKey,
        };
        if candidates.len() > TRIES_MAX {
            return Signature::Bad(Reason::AmbiguousKey);
        }
        let verified = candidates
            .iter()
            .any(|key| key.verifies(self.algorithm, self.message, &self.signature));
        if verified {
            Signature::Good
        } else {
            Signature::Bad(Reason::BadSignature)
        }
    }

    /// Who calls, to be used only after [`Signature::Good`].
    pub(super) fn into_identity(self) -> Identity {
        self.identity
    }
}

fn check_header(header: &Map<String, Value>, issuer: &IssuerConfig) -> Result<Algorithm, Reason> {
    let algorithm = header
        .get("alg")
        .and_then(Value::as_str)
        .and_then(|name| name.parse().ok())
        .filter(|algorithm| issuer.algorithms.contains(algorithm))
        .ok_or(Reason::Algorithm)?;
    // Even an empty or malformed `crit`: whoever wrote it wanted something we don't do.
    if header.contains_key("crit") {
        return Err(Reason::Critical);
    }
    let kind = match header.get("typ") {
        None => "",
        Some(Value::String(kind)) => short_type(kind),
        Some(_) => return Err(Reason::WrongType),
    };
    if !issuer
        .token_types
        .iter()
        .any(|allowed| short_type(allowed).eq_ignore_ascii_case(kind))
    {
        return Err(Reason::WrongType);
    }
    Ok(algorithm)
}

/// `application/at+jwt` and `at+jwt` are the same media type (RFC 7515 §4.1.9).
fn short_type(kind: &str) -> &str {
    match kind.split_at_checked("application/".len()) {
        Some((prefix, short)) if prefix.eq_ignore_ascii_case("application/") => short,
        _ => kind,
    }
}

fn key_id(header: &Map<String, Value>) -> Result<Option<String>, Reason> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) if id.len() > KEY_ID_BYTES_MAX => Err(Reason::KeyIdTooLong),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(_) => Err(Reason::MalformedToken),
    }
}

fn check_claims(claims: Claims, issuer: &IssuerConfig, now: Timestamp) -> Result<Identity, Reason> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer.issuer.as_str()) {
        return Err(Reason::WrongIssuer);
    }
    let lifetime = Lifetime::check(&claims, issuer, now)?;
    if lifetime.expires_at.is_none() {
        return Err(Reason::MalformedExpiry);
    }
    let mut identity = claims::identity(claims, issuer, Method::Jwt)?;
    identity.expires_at = lifetime.expires_at;
    Ok(identity)
}

/// Header, payload and signature, still encoded.
fn parts(token: &str) -> Option<(&str, &str, &str)> {
    let (header, rest) = token.split_once('.')?;
    let (payload, signature) = rest.split_once('.')?;
    (!signature.contains('.')).then_some((header, payload, signature))
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
