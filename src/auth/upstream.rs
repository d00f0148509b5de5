//! How a question to the issuer can go wrong: a definite *no*, or no answer that says anything.

use std::time::Duration;

use super::Reason;
use crate::fetch::{Answer, FetchError};

/// No verified claims.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The issuer said no.
    No(Reason),
    /// The issuer could not be asked, or what came back was no answer to the question.
    NoAnswer {
        /// For the log: the kind of trouble, nothing that came from outside.
        why: String,
        /// When it says to come back.
        retry_after: Option<Duration>,
    },
}

impl Trouble {
    /// An answer of a status or shape that the question has no such answer for.
    pub(super) fn unexpected(answer: &Answer) -> Self {
        Self::NoAnswer {
            why: format!("the answer was status {}", answer.status),
            retry_after: answer.retry_after,
        }
    }
}

impl From<Reason> for Trouble {
    fn from(reason: Reason) -> Self {
        Self::No(reason)
    }
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        let retry_after = match &error {
            FetchError::Status { retry_after, .. } => *retry_after,
            _ => None,
        };
        Self::NoAnswer {
            why: error.to_string(),
            retry_after,
        }
    }
}
