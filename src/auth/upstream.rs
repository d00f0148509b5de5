//! How a question to the issuer can go wrong: a definite *no*, or no answer that says anything.

use std::time::Duration;

use reqwest::StatusCode;

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
        /// How long it says not to be asked.
        stay_away: Option<Duration>,
        /// Whether the same would come of any other question: it is down, overloaded, or does not know
        /// us. Not so for what may be due to this very token, or anybody could make it look like one.
        is_outage: bool,
    },
}

impl Trouble {
    /// Something of our own went wrong before anybody was asked.
    pub(super) fn ours(why: &str) -> Self {
        Self::NoAnswer {
            why: why.to_owned(),
            stay_away: None,
            is_outage: true,
        }
    }

    /// An answer of a status or shape that the question has no such answer for.
    pub(super) fn unexpected(answer: &Answer) -> Self {
        Self::NoAnswer {
            why: format!("the answer was status {}", answer.status),
            stay_away: answer.stay_away(),
            is_outage: is_outage(answer.status),
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
        Self::NoAnswer {
            why: error.to_string(),
            stay_away: error.stay_away(),
            is_outage: match &error {
                FetchError::Status { status, .. } => is_outage(*status),
                _ => true,
            },
        }
    }
}

/// 401 is about our own credentials.
fn is_outage(status: StatusCode) -> bool {
    !status.is_client_error()
        || matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
}
