//! What can be wrong with a caller: [`AuthError`] for the transport, [`Reason`] for logs, metrics and
//! the client's developer.
//!
//! The line that matters runs between [`AuthError::Refused`] and [`AuthError::Unavailable`]: a client
//! told 401 throws its tokens away and sends the user to sign in, so *could not ask* must never look
//! like *no*. Nothing here ever holds a token or a claim.

use std::{fmt, time::Duration};

use crate::{fetch::STAY_AWAY_MAX, scope::Scopes};

/// Why a request was not let in. Never holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No bearer token was sent: no `Authorization` header, or one of another scheme. A 401 with a
    /// challenge that names no error (RFC 6750 §3.1).
    #[error("no bearer token")]
    Missing,
    /// The header can't be read. A 400, `invalid_request`.
    #[error("the Authorization header is malformed: {0}")]
    Malformed(&'static str),
    /// The token is definitely no good. A 401, `invalid_token`.
    #[error("the access token is refused: {0}")]
    Refused(Reason),
    /// The token is good, and not for this. A 403, `insufficient_scope`.
    #[error("the access token lacks a scope; needed: {needed}")]
    InsufficientScope {
        /// Every scope the operation needs, in one go, granted already or not.
        needed: Scopes,
    },
    /// The authorization server could not be asked, or too much is being asked. Our trouble, not the
    /// client's: a 503 with `Retry-After`, never a 401, never remembered.
    #[error("the access token could not be checked")]
    Unavailable {
        /// When to come back; at least a second.
        retry_after: Duration,
    },
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal;)+) => {
        /// Why a token was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)+ }

        impl Reason {
            /// Every reason, in the order of its counters.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// A stable word for logs and metrics.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// A sentence for `error_description`, read by the developer of a client. It tells what
            /// to mend and holds nothing of the token.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }
        }
    };
}

reasons! {
    /// Longer than [`TOKEN_BYTES_MAX`](super::TOKEN_BYTES_MAX); nothing was looked up (K34).
    TooLong = "token_too_long", "the access token is too long";
    /// Neither a JWT nor anything this deployment can ask about.
    Opaque = "opaque_token", "the access token is opaque and this server takes JWTs; ask for one with the resource parameter";
    /// Not three base64url parts holding JSON (RFC 7519 §7.2).
    MalformedToken = "malformed_token", "the access token is not a well-formed JWT";
    /// `alg` is `none`, symmetric, unknown or not on the list (RFC 8725 §3.1).
    Algorithm = "algorithm_not_allowed", "the access token is signed with an algorithm that is not allowed";
    /// `crit` is there, whatever it names (RFC 7515 §4.1.11): no extension is understood.
    Critical = "critical_header", "the access token demands an extension that is not understood";
    /// `typ` is not that of an access token: an ID token, a logout token (RFC 9068 §4, K12).
    WrongType = "wrong_type", "the token is not an access token";
    /// `kid` is longer than 256 bytes (K08).
    KeyIdTooLong = "key_id_too_long", "the access token's key id is too long";
    /// The issuer's keys, freshly asked for, hold none of that id.
    UnknownKey = "unknown_key", "the access token is signed with a key its issuer does not publish";
    /// No `kid`, and not exactly one key that fits (K09).
    AmbiguousKey = "ambiguous_key", "the access token names no key and more than one may be meant";
    /// The key of that id is of another kind, for another algorithm or not for signing (K06).
    KeyMismatch = "key_mismatch", "the access token's algorithm does not fit its key";
    /// The signature does not verify.
    BadSignature = "bad_signature", "the access token's signature does not verify";
    /// `iss` is missing or not ours to the character (K15).
    WrongIssuer = "wrong_issuer", "the access token is from another issuer";
    /// `exp` lies more than the leeway behind (K03, K19).
    Expired = "expired", "the access token has expired";
    /// `nbf` lies more than the leeway ahead (K18).
    NotYetValid = "not_yet_valid", "the access token is not valid yet";
    /// `iat` lies more than the leeway ahead (K18).
    IssuedInFuture = "issued_in_future", "the access token was issued in the future";
    /// `exp` is missing or no number (K17).
    MalformedExpiry = "malformed_exp", "the access token's exp is missing or malformed";
    /// `nbf` is no number.
    MalformedNotBefore = "malformed_nbf", "the access token's nbf is malformed";
    /// `iat` is no number.
    MalformedIssuedAt = "malformed_iat", "the access token's iat is malformed";
    /// `sub` is missing, empty, too long or holds control characters (K21).
    MalformedSubject = "malformed_sub", "the access token's sub is missing or malformed";
    /// The client's id is no text, too long or holds control characters.
    MalformedClientId = "malformed_client_id", "the access token's client id is malformed";
    /// `aud` is neither a text nor a list of texts.
    MalformedAudience = "malformed_aud", "the access token's aud is malformed";
    /// `aud` is missing (K13).
    NoAudience = "no_audience", "the access token names no audience; ask for one with the resource parameter";
    /// `aud` is there and names others only (K13).
    WrongAudience = "wrong_audience", "the access token is for another audience; ask for one with the resource parameter";
    /// Introspection says `active: false` (RFC 7662 §2.2).
    Inactive = "inactive", "the access token is not active";
    /// The issuer can't introspect tokens of this kind (Logto: a JWT).
    NotIntrospectable = "unsupported_token_type", "the access token is of a kind its issuer can't introspect";
    /// Its caller was shut out, here or by a message of the issuer ([`CutOffs`](super::CutOffs)).
    CutOff = "cut_off", "access was withdrawn; sign in again";
    /// The issuer itself refused the token: at the userinfo endpoint, or its client is gone.
    RefusedByIssuer = "refused_by_issuer", "the access token is refused by its issuer";
}

impl Reason {
    /// Whether remembering the refusal for a few seconds saves work and hides nothing: a *no* that
    /// cost a question or a signature check, and does not depend on keys we may not have seen yet.
    pub(super) const fn is_worth_remembering(self) -> bool {
        matches!(
            self,
            Self::BadSignature | Self::Inactive | Self::NotIntrospectable | Self::RefusedByIssuer
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl From<Reason> for AuthError {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl AuthError {
    /// A stable word for logs and metrics: of a refused token, what is wrong with it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Malformed(_) => "token_malformed",
            Self::Refused(reason) => reason.code(),
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Unavailable { .. } => "verifier_unavailable",
        }
    }

    /// *Could not ask*, to be tried again in a moment.
    pub(super) const fn unavailable() -> Self {
        Self::Unavailable {
            retry_after: RETRY_AFTER,
        }
    }

    /// *Could not ask*, with when it is worth asking again, within bounds.
    pub(super) fn unavailable_for(retry_after: Option<Duration>) -> Self {
        Self::Unavailable {
            retry_after: retry_after
                .unwrap_or(RETRY_AFTER)
                .clamp(Duration::from_secs(1), STAY_AWAY_MAX),
        }
    }
}

/// What a client is told where the upstream names no time.
const RETRY_AFTER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_a_code_of_its_own_and_a_sentence_fit_for_a_header() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();

        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let sentence = reason.sentence();
            assert!(
                sentence
                    .bytes()
                    .all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)),
                "{sentence}"
            );
        }
    }

    #[test]
    fn what_an_upstream_says_about_coming_back_is_bounded() {
        let told = |seconds| AuthError::unavailable_for(seconds);
        let secs = Duration::from_secs;

        assert_eq!(told(None), AuthError::unavailable());
        for (said, kept) in [(0, 1), (7, 7), (86_400, 60)] {
            let retry_after = secs(kept);
            assert_eq!(
                told(Some(secs(said))),
                AuthError::Unavailable { retry_after }
            );
        }
    }
}
