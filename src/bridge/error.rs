//! What the bridge refuses: in an answer to a client, at the end of a redirect, on a page for a person.
//!
//! `answer` alone knows statuses and headers. None of these holds a token, a code or a secret.

use std::time::Duration;

use crate::{
    oauth::{
        client_metadata::{MetadataError, Refusal as MetadataRefusal},
        parameters::ParameterError,
        pkce::ChallengeError,
        redirect_uri::RedirectUriError,
    },
    registration::{NotRegistered, Refused, RegistrarError},
};

/// A refusal in OAuth's words. `Display` is its `error_description`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// RFC 6749 §4.1.2.1 and §5.2.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// RFC 6749 §5.2: unknown, deleted, disabled, or a wrong secret. The same words for each.
    #[error("client authentication failed")]
    InvalidClient,
    /// RFC 6749 §5.2. One sentence for all causes.
    #[error("the code or refresh token is unknown, used, expired, or not this client's")]
    InvalidGrant,
    /// RFC 6749 §5.2.
    #[error("use authorization_code or refresh_token")]
    UnsupportedGrantType,
    /// RFC 6749 §4.1.2.1 (OAuth 2.1 has the code flow only).
    #[error("use response_type=code")]
    UnsupportedResponseType,
    /// RFC 7009 §2.2.1: the authorization server can't revoke this kind of token.
    #[error("this token can't be revoked; it ends by itself")]
    UnsupportedTokenType,
    /// RFC 6749 §4.1.2.1 and §5.2.
    #[error("{0}")]
    InvalidScope(&'static str),
    /// RFC 8707 §2.
    #[error("the resource is none of this server's, or not the one that was asked for before")]
    InvalidTarget,
    /// RFC 6749 §4.1.2.1: the user said no.
    #[error("the user denied access")]
    AccessDenied,
    /// What the authorization server said, of codes that clients know; see `callback`.
    #[error("the authorization server refused")]
    Upstream(&'static str),
    /// RFC 7591 §3.2.2.
    #[error(transparent)]
    InvalidRedirectUri(#[from] RedirectUriError),
    /// RFC 7591 §3.2.2.
    #[error(transparent)]
    InvalidClientMetadata(#[from] MetadataError),
    /// RFC 7592 §2.2: a client that says it is another.
    #[error("client_id is not this client's")]
    OtherClient,
    /// Registration takes JSON only (RFC 7591 §3.1).
    #[error("send application/json")]
    NotJson,
    /// The body is over the limit.
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    /// RFC 6750 §3.1: the initial access token, or that of a registration, is missing or wrong.
    #[error("a token that is missing, wrong, or of another registration")]
    InvalidToken,
    /// Nobody registers by this way.
    #[error("clients of this server are made by its operator")]
    Closed,
    /// Registrations of late reached a limit.
    #[error("too many registrations; try again later")]
    TooManyRegistrations(Duration),
    /// There are as many clients as there may be.
    #[error("no more clients are taken; ask the operator")]
    Full,
    /// Whoever has to be asked can't be.
    #[error("try again later")]
    Unavailable(Option<Duration>),
    /// Ours, or a registrar that would not.
    #[error("the server failed")]
    ServerError,
}

/// A refusal that a person reads: there is nobody to redirect to, or it would be unsafe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PageError {
    /// RFC 6749 §4.1.2.1: never redirect for a client that is not known.
    UnknownClient,
    /// Nor to an address that is not registered (RFC 9700 §4.11).
    UnknownRedirectUri,
    /// The sign-in ended, took too long, or began in another browser.
    TransactionGone,
    /// The answer came from somebody else than who was asked (RFC 9207 §2.4).
    OtherIssuer,
    /// Whoever has to be asked can't be.
    Unavailable(Option<Duration>),
    /// A request that can't be read.
    Unreadable,
    /// Ours.
    Internal,
}

impl Refusal {
    /// The `error` member.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) | Self::TooLarge => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied | Self::Closed => "access_denied",
            Self::Upstream(code) => code,
            Self::InvalidRedirectUri(_) => "invalid_redirect_uri",
            Self::InvalidClientMetadata(_) | Self::OtherClient | Self::NotJson => {
                "invalid_client_metadata"
            }
            Self::InvalidToken => "invalid_token",
            Self::TooManyRegistrations(_) | Self::Full | Self::Unavailable(_) => {
                "temporarily_unavailable"
            }
            Self::ServerError => "server_error",
        }
    }
}

impl From<ParameterError> for Refusal {
    fn from(error: ParameterError) -> Self {
        Self::InvalidRequest(error.text())
    }
}

impl From<ChallengeError> for Refusal {
    fn from(error: ChallengeError) -> Self {
        Self::InvalidRequest(error.text())
    }
}

impl From<MetadataRefusal> for Refusal {
    fn from(refusal: MetadataRefusal) -> Self {
        match refusal {
            MetadataRefusal::Metadata(error) => Self::InvalidClientMetadata(error),
            MetadataRefusal::RedirectUri(error) => Self::InvalidRedirectUri(error),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Self::Closed,
            Refused::Token => Self::InvalidToken,
            Refused::TooManyFromAddress(retry_after) | Refused::TooMany(retry_after) => {
                Self::TooManyRegistrations(retry_after)
            }
        }
    }
}

impl From<NotRegistered> for Refusal {
    fn from(why: NotRegistered) -> Self {
        match why {
            NotRegistered::Refused(refused) => refused.into(),
            NotRegistered::DryRun => Self::Closed,
            NotRegistered::Full | NotRegistered::FullForDeveloper => Self::Full,
            NotRegistered::Registrar(error) => error.into(),
        }
    }
}

impl From<RegistrarError> for Refusal {
    fn from(error: RegistrarError) -> Self {
        tracing::warn!(%error, "a registrar did not do what it was asked");
        match error {
            RegistrarError::Unavailable { retry_after, .. } => Self::Unavailable(retry_after),
            RegistrarError::Refused(_) => Self::ServerError,
        }
    }
}

impl From<RegistrarError> for PageError {
    fn from(error: RegistrarError) -> Self {
        match Refusal::from(error) {
            Refusal::Unavailable(retry_after) => Self::Unavailable(retry_after),
            _ => Self::Internal,
        }
    }
}
