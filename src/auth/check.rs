//! The checks a token passes, each with its name.
//!
//! Verification runs them in this order and stops at the first that fails; an
//! [`Inspection`](super::Inspection) runs all it can, so that both always mean the same.

/// One thing that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// Whether the token is of one of the issuers, by the name it bears.
    Route,
    /// Whether it can be taken apart (RFC 7519 §7.2).
    Form,
    /// Whether `alg` is on the list (RFC 8725 §3.1).
    Algorithm,
    /// Whether it demands no extension, by `crit` (RFC 7515 §4.1.11).
    Extensions,
    /// Whether `typ` is that of an access token (RFC 9068 §2.1).
    Type,
    /// Whether `kid` is of a bearable length.
    KeyId,
    /// Whether `iss` is the issuer, to the character.
    Issuer,
    /// Whether `exp` is there and has not passed.
    Expiry,
    /// Whether `nbf`, if it is there, has passed.
    NotBefore,
    /// Whether `iat`, if it is there, has passed.
    IssuedAt,
    /// Whether the subject is there and an identifier.
    Subject,
    /// Whether the client's id, if it is there, is an identifier.
    ClientId,
    /// Whether `aud` is a text or a list of texts.
    Audiences,
    /// Whether a key of the issuer made the signature.
    Signature,
    /// Whether the issuer says that the token is good.
    Answer,
    /// Whether the caller has not been cut off.
    CutOff,
    /// Whether the token is for this server.
    Audience,
    /// Whether it covers the scopes that any request needs.
    Scopes,
}

impl Check {
    /// A stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::Extensions => "extensions",
            Self::Type => "type",
            Self::KeyId => "key_id",
            Self::Issuer => "issuer",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::IssuedAt => "issued_at",
            Self::Subject => "subject",
            Self::ClientId => "client_id",
            Self::Audiences => "audiences",
            Self::Signature => "signature",
            Self::Answer => "answer",
            Self::CutOff => "cut_off",
            Self::Audience => "audience",
            Self::Scopes => "scopes",
        }
    }
}
