//! Logout tokens: whether one is to be believed (OpenID Connect Back-Channel Logout 1.0, §2.6).
//!
//! Called by the routes that take them, with a token that anybody may have sent: the cheap checks come
//! first, and keys are looked for last. How old it may be, and whether it was used before, is theirs to
//! know.

use serde_json::Value;

use super::{
    AuthError, Reason, Verifier,
    bearer::TOKEN_BYTES_MAX,
    claims,
    jwt::{self, Jwt, Signature},
    trusted_issuer::TrustedIssuer,
};
use crate::time::Timestamp;

/// What is in `events` (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Longest `jti`, `sub` and `sid`, in bytes.
const NAME_BYTES_MAX: usize = 1_024;

/// Stands for every client of an issuer in its `logout_clients`.
const EVERY_CLIENT: &str = "*";

/// A logout token that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// Who says so.
    pub issuer: String,
    /// Of which clients, among those whose logout tokens are taken: its `aud`.
    pub clients: Vec<String>,
    /// Who has signed out; without it, whoever had this session.
    pub subject: Option<String>,
    /// The session of the issuer that has ended: `sid`.
    pub session: Option<String>,
    /// When.
    pub issued_at: Timestamp,
    /// Its name, by which a second use is known: `jti`.
    pub id: String,
}

/// Why a logout token is not believed. Never holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogoutError {
    /// It is not what it would have to be.
    #[error("the logout token is refused: {0}")]
    Refused(&'static str),
    /// The issuer's keys could not be had.
    #[error("the logout token could not be checked")]
    Unavailable,
}

impl From<AuthError> for LogoutError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(reason) => reason.into(),
            _ => Self::Unavailable,
        }
    }
}

impl From<Reason> for LogoutError {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.code())
    }
}

impl Verifier {
    /// Whether any issuer's logout tokens are taken.
    #[must_use]
    pub fn takes_logout_tokens(&self) -> bool {
        self.trusted_issuers().any(takes_logouts)
    }

    /// Verifies a logout token.
    ///
    /// # Errors
    /// See [`LogoutError`].
    pub async fn logout(&self, token: &str) -> Result<LogoutToken, LogoutError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Reason::TooLong.into());
        }
        let named = jwt::unverified_issuer(token).ok_or(Reason::MalformedToken)?;
        let issuer = self
            .trusted_issuers()
            .find(|issuer| issuer.is(&named) && takes_logouts(issuer))
            .ok_or(Reason::WrongIssuer)?;
        let jwt = Jwt::parse(token)?;
        let logout = check(&jwt, issuer)?;
        match issuer.signature(&jwt).await?.0 {
            Signature::Good(_) => Ok(logout),
            Signature::Bad(reason) => Err(reason.into()),
            Signature::UnknownKey => Err(Reason::UnknownKey.into()),
        }
    }
}

fn takes_logouts(issuer: &TrustedIssuer) -> bool {
    !issuer.config().logout_clients.is_empty()
}

/// Everything but the signature.
fn check(jwt: &Jwt<'_>, issuer: &TrustedIssuer) -> Result<LogoutToken, LogoutError> {
    let (rules, now) = (issuer.config(), issuer.now());
    jwt.check_as("logout+jwt", rules)?;
    let claims = jwt.claims();
    claims::check_dates(claims, rules, now)?;
    let issued_at = claims::issued_at(claims)?.ok_or(Reason::MalformedIssuedAt)?;
    if claims::expiry(claims)?.is_none() {
        return Err(Reason::MalformedExpiry.into());
    }
    if claims.contains_key("nonce") {
        return Err(LogoutError::Refused("nonce is there: an ID token"));
    }
    if !claims
        .get("events")
        .is_some_and(|events| events[EVENT].is_object())
    {
        return Err(LogoutError::Refused("events does not name a logout"));
    }
    let taken = |client: &&str| {
        let mut taken = rules.logout_clients.iter();
        taken.any(|taken| taken == EVERY_CLIENT || taken == client)
    };
    let audiences = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => return Err(Reason::MalformedAudience.into()),
    };
    let clients: Vec<_> = audiences
        .into_iter()
        .filter(taken)
        .map(str::to_owned)
        .collect();
    if clients.is_empty() {
        return Err(Reason::WrongAudience.into());
    }
    let named = |name: &'static str, malformed: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if matches!(text.len(), 1..=NAME_BYTES_MAX) => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(LogoutError::Refused(malformed)),
    };
    let (subject, session) = (
        named("sub", "sub is malformed")?,
        named("sid", "sid is malformed")?,
    );
    if subject.is_none() && session.is_none() {
        return Err(LogoutError::Refused("neither sub nor sid is there"));
    }
    Ok(LogoutToken {
        issuer: rules.issuer.to_string(),
        clients,
        subject,
        session,
        issued_at,
        id: named("jti", "jti is malformed")?.ok_or(LogoutError::Refused("jti is missing"))?,
    })
}
