//! What users agreed to, remembered, so that the same question is not put twice.
//!
//! Kept for a user, a client and a set of resources together: another client with the same name, or
//! the same client with another resource, asks anew. What was asked and refused is remembered as
//! well, so an unticked scope stays out until the client asks with `prompt=consent`.

use super::table::{Full, Table};
use crate::{scope::Scopes, time::Timestamp, units::HumanDuration};

/// To whom a consent was given, by whom, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ConsentKey {
    pub(super) subject: String,
    pub(super) client_id: String,
    /// As configured, in the order asked.
    pub(super) resources: Vec<String>,
}

/// A remembered consent.
#[derive(Debug, Clone, Default)]
struct Consent {
    asked: Scopes,
    granted: Scopes,
}

/// Remembered consents.
#[derive(Debug)]
pub(super) struct Consents {
    table: Table<ConsentKey, Consent>,
    lifetime: HumanDuration,
}

impl Consents {
    pub(super) fn new(limit: usize, lifetime: HumanDuration) -> Self {
        Self {
            table: Table::new(limit),
            lifetime,
        }
    }

    /// What of `requested` was agreed to, if all of it was asked before.
    pub(super) fn recall(
        &self,
        now: Timestamp,
        key: &ConsentKey,
        requested: &Scopes,
    ) -> Option<Scopes> {
        let consent = self.table.get(now, key)?;
        consent
            .asked
            .covers(requested)
            .then(|| consent.granted.intersection(requested))
    }

    /// Remembers an answer; earlier answers about other scopes stand.
    pub(super) fn remember(
        &mut self,
        now: Timestamp,
        key: ConsentKey,
        requested: &Scopes,
        granted: &Scopes,
    ) -> Result<(), Full> {
        let before = self.table.remove(now, &key).unwrap_or_default();
        let kept = before
            .granted
            .iter()
            .filter(|&scope| !requested.contains(scope))
            .cloned()
            .collect::<Scopes>();
        let consent = Consent {
            asked: before.asked.union(requested),
            granted: kept.union(granted),
        };
        self.table
            .insert(now, key, consent, now.plus(self.lifetime.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(0);

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    fn key(client_id: &str) -> ConsentKey {
        ConsentKey {
            subject: "alice".to_owned(),
            client_id: client_id.to_owned(),
            resources: Vec::new(),
        }
    }

    fn remembering(requested: &str, granted: &str) -> Consents {
        let mut consents = Consents::new(10, HumanDuration::from_secs(60));
        consents
            .remember(NOW, key("a"), &scopes(requested), &scopes(granted))
            .unwrap();
        consents
    }

    #[test]
    fn an_unticked_scope_stays_out_without_another_question() {
        let consents = remembering("openid profile email", "openid profile");

        assert_eq!(
            consents.recall(NOW, &key("a"), &scopes("openid email")),
            Some(scopes("openid"))
        );
    }

    #[test]
    fn a_new_scope_is_a_new_question() {
        let consents = remembering("openid", "openid");

        assert_eq!(
            consents.recall(NOW, &key("a"), &scopes("openid email")),
            None
        );
    }

    /// C26
    #[test]
    fn another_client_is_a_new_question() {
        let consents = remembering("openid", "openid");

        assert_eq!(consents.recall(NOW, &key("b"), &scopes("openid")), None);
    }

    #[test]
    fn a_later_answer_replaces_only_what_it_is_about() {
        let mut consents = remembering("openid profile", "openid profile");

        consents
            .remember(NOW, key("a"), &scopes("email profile"), &scopes("email"))
            .unwrap();

        assert_eq!(
            consents.recall(NOW, &key("a"), &scopes("openid profile email")),
            Some(scopes("openid email"))
        );
    }
}
