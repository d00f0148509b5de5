//! Why Logto did not do what it was asked.

use std::time::Duration;

use crate::secret::SecretError;

/// Never holds a token or a secret, nor a body of Logto's: only its code.
#[derive(Debug, thiserror::Error)]
pub enum LogtoError {
    /// A setting that is missing or can't be used.
    #[error("{0}")]
    Setting(&'static str),
    /// The secret's file.
    #[error("could not read logto.client_secret_file")]
    Secret(#[source] SecretError),
    /// No answer, one that says to come back, or one that makes no sense. What was asked may have been
    /// done all the same.
    #[error("Logto can't be asked now: {reason}")]
    Unavailable {
        /// For operators.
        reason: String,
        /// When to come back.
        retry_after: Option<Duration>,
    },
    /// It does not know us: the id or the secret is wrong.
    #[error("Logto refused the credentials of logto.client_id")]
    Credentials,
    /// It knows us, and we may not.
    #[error(
        "Logto refused the token of logto.client_id: give that application the role \
         \"Logto Management API access\", and see that logto.resource is that API's"
    )]
    Forbidden,
    /// There is no such thing.
    #[error("Logto knows no such {0}")]
    NotFound(&'static str),
    /// It would not: a body it does not take, a name that is taken.
    #[error("Logto refused with {status} {code}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its code, as `resource.resource_identifier_in_use`.
        code: String,
    },
}

impl LogtoError {
    /// Whether what was asked may have been done all the same.
    #[must_use]
    pub const fn is_uncertain(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
