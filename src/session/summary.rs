//! What an operator may know of a session: whose it is, how it is, never what is said in it.
//!
//! Made by a [`SessionRef`](super::SessionRef) from what it holds anyway; the actor is not asked.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One session, as it was a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// The first characters of its id, as in the logs. The whole id is its client's.
    pub id: String,
    /// Who vouches for its owner.
    pub issuer: String,
    /// The user.
    pub subject: String,
    /// The agent, where the verification method names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `sse` or `streamable`.
    pub transport: String,
    /// What was negotiated; nothing before `initialize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// When it was opened, in seconds since the epoch.
    pub opened_at: u64,
    /// Since when its client has said nothing, in seconds.
    pub silent_for: u64,
    /// Calls that run now.
    pub calls: usize,
    /// When its owner's last token ends, leeway and all, in seconds since the epoch; nothing where nobody
    /// knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ends_at: Option<u64>,
}

/// Which sessions are meant: all parts that are given have to match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFilter {
    /// The beginning of the id, at least the six characters that logs show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The issuer identifier, to the character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The user, to the character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The agent, to the character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// Shortest beginning of an id that is taken, in characters.
pub const ID_PREFIX_MIN: usize = 6;

impl SessionFilter {
    /// Whether it means every session there is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a session of this whole id and this owner is meant.
    #[must_use]
    pub fn matches(&self, id: &str, issuer: &str, subject: &str, client_id: Option<&str>) -> bool {
        let fits = |wanted: Option<&String>, is: &str| wanted.is_none_or(|wanted| wanted == is);
        let id_fits = |prefix: &str| prefix.len() >= ID_PREFIX_MIN && id.starts_with(prefix);
        self.id.as_deref().is_none_or(id_fits)
            && fits(self.issuer.as_ref(), issuer)
            && fits(self.subject.as_ref(), subject)
            && self
                .client_id
                .as_deref()
                .is_none_or(|wanted| client_id == Some(wanted))
    }
}

/// Seconds since the epoch, where a token's end is known.
pub(super) fn seconds(moment: Option<Timestamp>) -> Option<u64> {
    moment.map(Timestamp::as_unix_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &SessionFilter) -> bool {
        filter.matches("abcdefghijklmnop", "https://i", "alice", Some("agent"))
    }

    #[test]
    fn every_part_that_is_given_has_to_match() {
        let some = |text: &str| Some(text.to_owned());
        assert!(matches(&SessionFilter::default()));
        let filter = SessionFilter {
            id: some("abcdef"),
            issuer: some("https://i"),
            subject: some("alice"),
            client_id: some("agent"),
        };
        assert!(matches(&filter));
        for other in [
            SessionFilter {
                id: some("abcdeX"),
                ..filter.clone()
            },
            SessionFilter {
                issuer: some("https://i/"),
                ..filter.clone()
            },
            SessionFilter {
                subject: some("bob"),
                ..filter.clone()
            },
            SessionFilter {
                client_id: some("agents"),
                ..filter.clone()
            },
        ] {
            assert!(!matches(&other), "{other:?}");
        }
    }

    #[test]
    fn a_beginning_too_short_to_name_a_session_names_none() {
        for id in ["", "a", "abcde"] {
            let filter = SessionFilter {
                id: Some(id.to_owned()),
                ..SessionFilter::default()
            };
            assert!(!matches(&filter), "{id:?}");
        }
    }
}
