//! Who calls, once verified.
//!
//! [`Verifier`](super::Verifier) makes a [`Principal`]; from then on it travels with the request as
//! a value: the router and the session compare its [`Owner`], handlers read its claims and scopes.
//! It says who the caller is, never what was decided: audience, scope and policy are judged anew on
//! every request.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{claims, digest::Digest, key_set::PublishedKey};
use crate::{
    scope::Scopes,
    secret::Secret,
    telemetry::{Pseudonym, audit},
    time::Timestamp,
};

/// A verified caller. Cheap to clone.
#[derive(Clone)]
pub struct Principal(Arc<Inner>);

struct Inner {
    identity: Identity,
    /// Asked for on every request, so made once.
    owner: Owner,
    /// The same.
    pseudonym: Pseudonym,
    ends_at: Option<Timestamp>,
    issuance: Issuance,
    evidence: Option<Evidence>,
    verified_at: Instant,
}

/// Why a token counts as good, and so when it does no more.
pub(super) enum Evidence {
    /// Its issuer says so, and can be asked again.
    Question(Question),
    /// This key has signed it.
    Key(PublishedKey),
}

/// What it takes to ask about a token again.
pub(super) struct Question {
    pub(super) digest: Digest,
    pub(super) token: Secret,
    pub(super) answered_at: Instant,
}

/// When a token was issued, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issuance {
    /// As it says itself: `iat`.
    said: Option<Timestamp>,
    /// When it was verified for the first time; nothing of a principal that no token stands behind.
    first_seen: Option<Instant>,
}

/// What is said of a token beside whose it is.
#[derive(Clone, Copy)]
pub(super) struct Vouched {
    /// When its bearer is sent away.
    pub(super) ends_at: Option<Timestamp>,
    pub(super) issuance: Issuance,
    pub(super) verified_at: Instant,
}

impl Issuance {
    /// By what the token says, and when it was seen first.
    pub(super) fn of(identity: &Identity, first_seen: Option<Instant>) -> Self {
        // Of userinfo, a date that is there says something else.
        let said = match identity.verified_by {
            Method::Userinfo => None,
            Method::Jwt | Method::Introspection => {
                claims::issued_at(&identity.claims).ok().flatten()
            }
        };
        Self { said, first_seen }
    }
}

/// What a verification method found out about a token's bearer: a [`Principal`]'s content.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Who vouches: the authorization server's issuer identifier.
    pub issuer: String,
    /// Whom it vouches for: `sub`, 1 to 255 characters.
    pub subject: String,
    /// The agent acting: `client_id`, else `azp`. Userinfo names none.
    pub client_id: Option<String>,
    /// For whom the token was issued: `aud`. Empty where the method can't tell (userinfo).
    pub audiences: Vec<String>,
    /// What the user agreed to: `scope`.
    pub scopes: Scopes,
    /// The end of the token's life: `exp`. Userinfo names none.
    pub expires_at: Option<Timestamp>,
    /// How it was verified.
    pub verified_by: Method,
    /// Every claim, as received.
    pub claims: Map<String, Value>,
}

/// A way to verify an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A JWT's signature and claims, by the issuer's key set (RFC 9068).
    Jwt,
    /// The issuer was asked about an opaque token (RFC 7662).
    Introspection,
    /// The issuer's userinfo endpoint took it (OpenID Connect Core §5.3). Proves no audience.
    Userinfo,
}

/// To whom a session belongs: issuer, client id and subject, as a digest of fixed size.
///
/// Never made from token bytes, so a refreshed token keeps its session, and another agent of the
/// same user can't take it over.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; 32]);

impl Principal {
    /// Wraps what a verification method found out.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self::of_token(identity, Duration::ZERO, None, None)
    }

    /// The same, of an issuer whose clock may differ from ours by `leeway`, and with a token that was
    /// verified for the first time at `first_seen`.
    pub(super) fn of_token(
        identity: Identity,
        leeway: Duration,
        first_seen: Option<Instant>,
        evidence: Option<Evidence>,
    ) -> Self {
        let ends_at = identity.expires_at.map(|exp| exp.plus(leeway));
        let issuance = Issuance::of(&identity, first_seen);
        let vouched = Vouched {
            ends_at,
            issuance,
            verified_at: Instant::now(),
        };
        Self::build(identity, vouched, evidence)
    }

    /// One that another node has verified.
    pub(super) fn vouched(identity: Identity, vouched: Vouched) -> Self {
        Self::build(identity, vouched, None)
    }

    fn build(identity: Identity, vouched: Vouched, evidence: Option<Evidence>) -> Self {
        let owner = Owner::of(&identity);
        Self(Arc::new(Inner {
            owner,
            pseudonym: owner.pseudonym(),
            ends_at: vouched.ends_at,
            issuance: vouched.issuance,
            evidence,
            identity,
            verified_at: vouched.verified_at,
        }))
    }

    /// How long ago the token was verified; since then, its bearer is known by memory.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.0.verified_at.elapsed()
    }

    /// The authorization server's issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.identity.issuer
    }

    /// The user, or the client itself where it acts for nobody.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.identity.subject
    }

    /// The agent acting, where the verification method tells.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.0.identity.client_id.as_deref()
    }

    /// For whom the token was issued.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.0.identity.audiences
    }

    /// What the user agreed to.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.identity.scopes
    }

    /// The end of the token's life, where the verification method tells.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.identity.expires_at
    }

    /// When its bearer is sent away: the end of the token's life, later by what its issuer's rules
    /// allow clocks to differ.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.0.ends_at
    }

    /// When the token was issued, where it says so: `iat`.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.0.issuance.said
    }

    /// When it was verified for the first time, as far as is remembered.
    pub(super) fn first_seen(&self) -> Option<Instant> {
        self.0.issuance.first_seen
    }

    /// What it takes to ask about the token again, where the issuer has to be asked.
    pub(super) fn question(&self) -> Option<&Question> {
        match &self.0.evidence {
            Some(Evidence::Question(question)) => Some(question),
            Some(Evidence::Key(_)) | None => None,
        }
    }

    /// The key that has signed the token, where one has.
    pub(super) fn key(&self) -> Option<&PublishedKey> {
        match &self.0.evidence {
            Some(Evidence::Key(key)) => Some(key),
            Some(Evidence::Question(_)) | None => None,
        }
    }

    /// Whether both are known by one token, as far as can be told: by one verification of it, or by
    /// several that its issuer was asked about.
    #[must_use]
    pub fn has_token_of(&self, other: &Self) -> bool {
        let digest = |principal: &Self| Some(principal.question()?.digest);
        self.is(other) || digest(self).is_some_and(|own| digest(other) == Some(own))
    }

    /// `sub` as the issuer wrote it, which its rules may have taken something else for.
    pub(super) fn sub_claim(&self) -> Option<&str> {
        self.0.identity.claims.get("sub").and_then(Value::as_str)
    }

    /// How the token was verified.
    #[must_use]
    pub fn verified_by(&self) -> Method {
        self.0.identity.verified_by
    }

    /// Every claim, as received from the authorization server.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.identity.claims
    }

    /// Whether both were made by one verification: nothing of one can differ from the other.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// To whom a session opened by this caller belongs.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.0.owner
    }

    /// What logs call it.
    #[must_use]
    pub fn pseudonym(&self) -> Pseudonym {
        self.0.pseudonym
    }

    /// Who it is, as far as the audit log may know.
    #[must_use]
    pub fn audited(&self) -> audit::Caller<'_> {
        audit::Caller {
            name: self.pseudonym(),
            issuer: self.issuer(),
            client_id: self.client_id(),
        }
    }
}

/// Claims are personal data: `Debug` says what logs call the caller, and nothing else.
impl fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Principal")
            .field("pseudonym", &self.pseudonym())
            .finish_non_exhaustive()
    }
}

impl Owner {
    fn of(identity: &Identity) -> Self {
        Self::named(
            &identity.issuer,
            identity.client_id.as_deref(),
            &identity.subject,
        )
    }

    /// The owner of these names.
    #[must_use]
    pub fn named(issuer: &str, client_id: Option<&str>, subject: &str) -> Self {
        let mut digest = Context::new(&SHA256);
        // A length before each part, so that no two triples run together into the same bytes.
        for part in [issuer, client_id.unwrap_or_default(), subject] {
            digest.update(&part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        let mut owner = [0; 32];
        owner.copy_from_slice(digest.finish().as_ref());
        Self(owner)
    }

    /// Reads what [`Owner::to_hex`] wrote.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut owner = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (place, byte) in owner.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        Some(Self(owner))
    }

    /// What logs call it. The digest itself has no key: whoever knows a subject can make it.
    #[must_use]
    pub fn pseudonym(&self) -> Pseudonym {
        Pseudonym::of(&self.0)
    }

    /// The whole digest, to bind something to its owner.
    #[must_use]
    pub fn to_hex(&self) -> String {
        use fmt::Write as _;

        self.0
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                // Writing to a String can't fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// As logs name it.
impl fmt::Debug for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Owner({})", self.pseudonym())
    }
}

impl Method {
    /// The word used in settings, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(issuer: &str, client_id: Option<&str>, subject: &str) -> Principal {
        Principal::new(Identity {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            client_id: client_id.map(str::to_owned),
            audiences: Vec::new(),
            scopes: Scopes::none(),
            expires_at: None,
            verified_by: Method::Jwt,
            claims: Map::new(),
        })
    }

    #[test]
    fn an_owner_is_issuer_client_and_subject() {
        let owner = principal("https://a", Some("agent"), "alice").owner();

        assert_eq!(
            owner,
            principal("https://a", Some("agent"), "alice").owner()
        );
        assert_ne!(
            owner,
            principal("https://b", Some("agent"), "alice").owner()
        );
        assert_ne!(
            owner,
            principal("https://a", Some("other"), "alice").owner()
        );
        assert_ne!(owner, principal("https://a", Some("agent"), "bob").owner());
    }

    #[test]
    fn parts_of_an_owner_do_not_run_together() {
        assert_ne!(
            principal("https://a", Some("bc"), "d").owner(),
            principal("https://a", Some("b"), "cd").owner()
        );
    }

    // X03
    #[test]
    fn what_logs_call_an_owner_can_not_be_worked_out_from_names() {
        let owner = principal("https://a", Some("agent"), "alice").owner();
        let name = owner.pseudonym().to_string();

        assert!(!owner.to_hex().contains(&name));
        assert_eq!(Owner::from_hex(&owner.to_hex()), Some(owner));
        assert_eq!(Owner::from_hex(&owner.to_hex()[1..]), None);
        assert_eq!(format!("{owner:?}"), format!("Owner({name})"));
    }

    #[test]
    fn debug_output_holds_no_claim() {
        let shown = format!("{:?}", principal("https://a", Some("agent"), "alice"));

        assert!(
            !shown.contains("alice") && !shown.contains("agent"),
            "{shown}"
        );
    }
}
