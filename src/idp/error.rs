//! What can go wrong: at start, in an answer to a client, on a page for a person.
//!
//! [`OAuthError`] and [`PageError`] say what happened; `answer` alone knows the status and the form.
//! None of them holds a token, a code or a password.

use std::{io, net::SocketAddr};

use super::{
    client_document::DocumentError, client_metadata::MetadataError, random::NoRandomness,
    redirect_uri::RedirectUriError, table::Full,
};
use crate::fetch::FetchError;

/// Why the provider does not start.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// Anybody in the network could sign in with the demo password.
    #[error(
        "the development provider listens on loopback only, not on {0}: use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The port is taken, for one.
    #[error("the development provider could not listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// Nobody could sign in.
    #[error("the development provider has no user")]
    NoUser,
    /// Whoever types it could be either.
    #[error("two users are called {0:?}")]
    UserTwice(String),
    /// Time is counted in whole seconds.
    #[error("lifetimes.{0} is shorter than a second")]
    Lifetime(&'static str),
    /// A redirect URI of the official client breaks the rules.
    #[error("the official client's redirect URI {uri:?} can't be used: {reason}")]
    OfficialRedirectUri {
        /// As configured.
        uri: String,
        /// Which rule.
        reason: String,
    },
    /// A resource indicator is an absolute URI without a fragment (RFC 8707 §2).
    #[error("{0:?} is no resource indicator: write an absolute URI without a fragment")]
    Resource(String),
    /// The operating system gave none.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The HTTP client for clients' documents could not be set up.
    #[error("could not set up the HTTP client")]
    Fetcher(#[source] FetchError),
    /// The signing key could not be made.
    #[error("could not make the signing key")]
    Key,
}

/// An answer that refuses, in OAuth's words. `Display` is its `error_description`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OAuthError {
    /// RFC 6749 §4.1.2.1 and §5.2: something missing, repeated or malformed.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// RFC 6749 §5.2. The same words for an unknown client and a wrong secret.
    #[error("client authentication failed")]
    InvalidClient,
    /// RFC 6749 §5.2. One sentence for all causes, so that a guess learns nothing.
    #[error("the code or refresh token is unknown, used, expired, or not this client's")]
    InvalidGrant,
    /// RFC 6749 §5.2.
    #[error("use authorization_code or refresh_token")]
    UnsupportedGrantType,
    /// RFC 6749 §4.1.2.1: this provider has the code flow only (OAuth 2.1).
    #[error("use response_type=code")]
    UnsupportedResponseType,
    /// RFC 6749 §4.1.2.1 and §5.2.
    #[error("{0}")]
    InvalidScope(&'static str),
    /// RFC 8707 §2.
    #[error("{0}")]
    InvalidTarget(&'static str),
    /// RFC 6749 §4.1.2.1: the user said no.
    #[error("the user denied access")]
    AccessDenied,
    /// OpenID Connect Core §3.1.2.6: `prompt=none`, and nobody is signed in.
    #[error("the user has to sign in")]
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6: `prompt=none`, and the user was not asked yet.
    #[error("the user has to consent")]
    ConsentRequired,
    /// OpenID Connect Core §3.1.2.6.
    #[error("request objects are not supported")]
    RequestNotSupported,
    /// OpenID Connect Core §3.1.2.6.
    #[error("request objects by reference are not supported")]
    RequestUriNotSupported,
    /// RFC 7591 §3.2.2.
    #[error(transparent)]
    InvalidRedirectUri(#[from] RedirectUriError),
    /// RFC 7591 §3.2.2.
    #[error(transparent)]
    InvalidClientMetadata(#[from] MetadataError),
    /// RFC 6750 §3.1. The same words for every cause.
    #[error("the access token is unknown, expired, revoked, or not for this endpoint")]
    InvalidToken,
    /// RFC 6750 §3: no credentials, so no error code either.
    #[error("send an access token in the Authorization header")]
    MissingToken,
    /// The body is over the limit.
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    /// Registration takes JSON only (RFC 7591 §3.1).
    #[error("send application/json")]
    NotJson,
    /// Registrations in this minute reached the limit.
    #[error("too many registrations; try again in {retry_after} s")]
    TooManyRegistrations {
        /// Seconds until the next minute begins.
        retry_after: u64,
    },
    /// A table is full, see `Limits`.
    #[error("the provider is full; try again later")]
    TemporarilyUnavailable,
    /// Ours: no random bytes, or no signature.
    #[error("the provider failed")]
    ServerError,
}

impl OAuthError {
    /// The `error` member.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) | Self::TooLarge => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidRedirectUri(_) => "invalid_redirect_uri",
            Self::InvalidClientMetadata(_) | Self::NotJson => "invalid_client_metadata",
            Self::InvalidToken | Self::MissingToken => "invalid_token",
            Self::TooManyRegistrations { .. } | Self::TemporarilyUnavailable => {
                "temporarily_unavailable"
            }
            Self::ServerError => "server_error",
        }
    }
}

impl From<Full> for OAuthError {
    fn from(_: Full) -> Self {
        Self::TemporarilyUnavailable
    }
}

impl From<DocumentError> for OAuthError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::NotHad(_) | DocumentError::Busy => Self::TemporarilyUnavailable,
            DocumentError::Url(_)
            | DocumentError::Document(_)
            | DocumentError::Metadata(_)
            | DocumentError::RedirectUri(_) => Self::InvalidClient,
        }
    }
}

impl From<NoRandomness> for OAuthError {
    fn from(_: NoRandomness) -> Self {
        Self::ServerError
    }
}

/// A refusal that a person reads, because there is nobody to redirect to, or it would be unsafe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PageError {
    /// RFC 6749 §4.1.2.1: never redirect for a client that is not known.
    UnknownClient,
    /// Nor for one whose document can't be used.
    ClientDocument(DocumentError),
    /// RFC 6749 §4.1.2.1, RFC 9700 §4.11: never redirect to an address that is not registered.
    UnknownRedirectUri,
    /// The transaction ended, expired, or began in another browser.
    TransactionGone,
    /// A form that our page in this browser did not send.
    ForeignForm,
    /// Too many wrong passwords in all.
    TooManySignIns {
        /// Seconds until passwords are taken again.
        retry_after: u64,
    },
    /// A form or request that can't be read.
    Unreadable,
    /// No such page.
    NotFound,
    /// A table is full.
    Unavailable,
    /// Ours.
    Internal,
}

impl From<Full> for PageError {
    fn from(_: Full) -> Self {
        Self::Unavailable
    }
}

impl From<DocumentError> for PageError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Busy => Self::Unavailable,
            error => Self::ClientDocument(error),
        }
    }
}

impl From<NoRandomness> for PageError {
    fn from(_: NoRandomness) -> Self {
        Self::Internal
    }
}
