//! JWT access tokens: taken apart and checked, all but the signature's key (RFC 7519, RFC 9068 §4).
//!
//! Pure. Cheap checks come first, and `iss` before any key is looked for, so that nobody makes us
//! fetch keys with a token of another issuer. A JWT is refused for anything that is not understood:
//! an unknown algorithm, any `crit`, a `typ` that is not listed, a date that is no number.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    Algorithm, Check, Identity, IssuerConfig, Method, Reason,
    claims::{self, Claims},
    key_set::{Candidates, KeySet, PublishedKey},
};
use crate::time::Timestamp;

/// Longest `kid`, in bytes.
const KEY_ID_BYTES_MAX: usize = 256;

/// Most keys that are tried for a token that names none.
const TRIES_MAX: usize = 4;

/// A JWT, taken apart. Nothing of it is to be believed yet.
#[derive(Debug)]
pub(super) struct Jwt<'t> {
    header: Map<String, Value>,
    claims: Claims,
    /// Header and payload as sent, which is what was signed (RFC 7515 §5.2).
    message: &'t [u8],
    signature: Vec<u8>,
}

type Rule = fn(&Jwt<'_>, &IssuerConfig) -> Result<(), Reason>;

/// What a JWT passes before [`claims::RULES`].
const RULES: &[(Check, Rule)] = &[
    (Check::Algorithm, |jwt, rules| {
        jwt.algorithm(rules).map(drop)
    }),
    (Check::Extensions, |jwt, _| jwt.demands_nothing()),
    (Check::Type, |jwt, rules| jwt.is_access_token(rules)),
    (Check::KeyId, |jwt, _| jwt.key_id().map(drop)),
    (Check::Issuer, |jwt, rules| jwt.is_of_issuer(rules)),
    (Check::Expiry, |jwt, _| jwt.has_expiry()),
];

/// What a key set says about a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// This key of the set made it.
    Good(PublishedKey),
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

impl<'t> Jwt<'t> {
    /// Takes a token apart.
    pub(super) fn parse(token: &'t str) -> Result<Self, Reason> {
        let (header, payload, signature) = parts(token).ok_or(Reason::MalformedToken)?;
        let message = &token.as_bytes()[..header.len() + 1 + payload.len()];
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_not_base64url| Reason::MalformedToken)?;
        Ok(Self {
            header: object(header).ok_or(Reason::MalformedToken)?,
            claims: object(payload).ok_or(Reason::MalformedToken)?,
            message,
            signature,
        })
    }

    /// Checks everything but the signature, up to the first that fails.
    pub(super) fn check(&self, rules: &IssuerConfig, now: Timestamp) -> Result<(), Reason> {
        let mut checks = self.checks(rules, now);
        checks.try_for_each(|(_, outcome)| outcome)
    }

    /// The same, each by itself.
    pub(super) fn checks(
        &self,
        rules: &IssuerConfig,
        now: Timestamp,
    ) -> impl Iterator<Item = (Check, Result<(), Reason>)> {
        let own = RULES
            .iter()
            .map(move |(check, rule)| (*check, rule(self, rules)));
        let of_claims = claims::RULES
            .iter()
            .map(move |(check, rule)| (*check, rule(&self.claims, rules, now)));
        own.chain(of_claims)
    }

    /// Checks the signature with the keys there are.
    pub(super) fn signature(&self, rules: &IssuerConfig, keys: &KeySet) -> Signature {
        let named = self
            .algorithm(rules)
            .and_then(|algorithm| Ok((algorithm, self.key_id()?)));
        let (algorithm, key_id) = match named {
            Ok(named) => named,
            Err(reason) => return Signature::Bad(reason),
        };
        let candidates = match keys.candidates(key_id, algorithm) {
            Candidates::Keys(candidates) => candidates,
            Candidates::Unfit => return Signature::Bad(Reason::KeyMismatch),
            Candidates::Unknown => return Signature::UnknownKey,
        };
        if candidates.len() > TRIES_MAX {
            return Signature::Bad(Reason::AmbiguousKey);
        }
        let verified = candidates
            .iter()
            .find(|key| key.verifies(algorithm, self.message, &self.signature));
        match verified {
            Some(key) => Signature::Good(key.published().clone()),
            None => Signature::Bad(Reason::BadSignature),
        }
    }

    /// Who calls, to be used only after [`Jwt::check`] and [`Signature::Good`].
    pub(super) fn into_identity(self, rules: &IssuerConfig) -> Result<Identity, Reason> {
        claims::identity(self.claims, rules, Method::Jwt)
    }

    /// A member of its header, not to be believed.
    pub(super) fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    /// Its claims, not to be believed.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    fn algorithm(&self, rules: &IssuerConfig) -> Result<Algorithm, Reason> {
        self.header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(|name| name.parse().ok())
            .filter(|algorithm| rules.algorithms.contains(algorithm))
            .ok_or(Reason::Algorithm)
    }

    fn demands_nothing(&self) -> Result<(), Reason> {
        // Even an empty or malformed `crit`: whoever wrote it wanted something we don't do.
        if self.header.contains_key("crit") {
            return Err(Reason::Critical);
        }
        Ok(())
    }

    /// Checks the header and the issuer of a token that is to be of this `typ`, whatever the rules say of
    /// access tokens.
    pub(super) fn check_as(&self, kind: &str, rules: &IssuerConfig) -> Result<(), Reason> {
        self.algorithm(rules)?;
        self.demands_nothing()?;
        self.is_of_type(&[kind])?;
        self.key_id()?;
        self.is_of_issuer(rules)
    }

    fn is_access_token(&self, rules: &IssuerConfig) -> Result<(), Reason> {
        self.is_of_type(&rules.token_types)
    }

    fn is_of_type(&self, allowed: &[impl AsRef<str>]) -> Result<(), Reason> {
        let kind = match self.header.get("typ") {
            None => "",
            Some(Value::String(kind)) => short_type(kind),
            Some(_) => return Err(Reason::WrongType),
        };
        let mut allowed = allowed.iter().map(AsRef::as_ref);
        if allowed.any(|allowed| short_type(allowed).eq_ignore_ascii_case(kind)) {
            Ok(())
        } else {
            Err(Reason::WrongType)
        }
    }

    fn key_id(&self) -> Result<Option<&str>, Reason> {
        match self.header.get("kid") {
            None => Ok(None),
            Some(Value::String(id)) if id.len() > KEY_ID_BYTES_MAX => Err(Reason::KeyIdTooLong),
            Some(Value::String(id)) => Ok(Some(id)),
            Some(_) => Err(Reason::MalformedToken),
        }
    }

    fn is_of_issuer(&self, rules: &IssuerConfig) -> Result<(), Reason> {
        if self.claims.get("iss").and_then(Value::as_str) == Some(rules.issuer.as_str()) {
            Ok(())
        } else {
            Err(Reason::WrongIssuer)
        }
    }

    fn has_expiry(&self) -> Result<(), Reason> {
        match claims::expiry(&self.claims)? {
            Some(_) => Ok(()),
            None => Err(Reason::MalformedExpiry),
        }
    }
}

/// `application/at+jwt` and `at+jwt` are the same media type (RFC 7515 §4.1.9).
fn short_type(kind: &str) -> &str {
    match kind.split_at_checked("application/".len()) {
        Some((prefix, short)) if prefix.eq_ignore_ascii_case("application/") => short,
        _ => kind,
    }
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
