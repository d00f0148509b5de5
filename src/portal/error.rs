//! Why a developer does not get the page that was asked for.

use std::time::Duration;

use crate::registration::RegistrarError;

/// What stands in the way; `answer` knows the status and `pages` the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// Nobody is signed in; where to go on after it.
    SignedOut(String),
    /// There is no such agent of this developer's.
    NotFound,
    /// A form that no page of ours sent.
    ForeignForm,
    /// A form of another session, or of none.
    StaleForm,
    /// A body that can't be read.
    Unreadable,
    /// The sign-in ended, took too long, or began in another browser.
    SignInGone,
    /// The user said no, or the provider did.
    SignInRefused,
    /// Whoever has to be asked can't be, until then.
    Unavailable(Option<Duration>),
    /// Ours, or a registrar that would not.
    Internal,
}

impl From<RegistrarError> for Halt {
    fn from(error: RegistrarError) -> Self {
        tracing::warn!(%error, "a registrar did not do what a developer asked");
        match error {
            RegistrarError::Unavailable { retry_after, .. } => Self::Unavailable(retry_after),
            RegistrarError::Refused(_) => Self::Internal,
        }
    }
}
