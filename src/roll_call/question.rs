//! What Logto is asked, one request each, and what its answer says about whom.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{
    auth::{Principal, Whom},
    logto::{LogtoError, Management},
    registration::client_of,
};

/// Longest id that is asked about, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Logto's own applications, which its Management API does not know.
const BUILT_IN: [&str; 3] = ["admin-console", "account-center", "demo-app"];

/// One request. In the order in which what is due at once is asked: an agent that is gone takes its users
/// with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Question {
    /// Is there still such an application?
    Application(String),
    /// Is there still such a user, and may it sign in?
    User(String),
    /// Which third-party applications does this user let act for it?
    Grants(String),
}

/// What a definite answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing has changed.
    Good,
    /// These may be here no more.
    Withdrawn(Vec<Whom>),
}

/// Who is there, as far as Logto can be asked about them.
#[derive(Debug)]
pub(super) struct Roll {
    issuer: String,
    /// The agents, and whether users grant them anything; not known before they were asked about.
    agents: BTreeMap<String, Option<bool>>,
    /// The users, each with its agents.
    users: BTreeMap<String, BTreeSet<String>>,
}

impl Roll {
    /// Nobody, with tokens from this issuer.
    pub(super) fn new(issuer: String) -> Self {
        Self {
            issuer,
            agents: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    /// Of these callers, those whose tokens are from the same issuer, and what is known of their agents.
    pub(super) fn next(&self, callers: impl Iterator<Item = Principal>) -> Self {
        let mut roll = Self::new(self.issuer.clone());
        let issuer = &self.issuer;
        for caller in callers.filter(|caller| caller.issuer() == *issuer) {
            let agent = caller.client_id();
            let known = agent.filter(|id| is_application(id));
            if let Some(id) = known {
                let asked = || self.agents.get(id).copied().flatten();
                roll.agents.entry(id.to_owned()).or_insert_with(asked);
            }
            // As Logto wrote it, whatever its rules take for the subject.
            let sub = caller.claims().get("sub").and_then(|sub| sub.as_str());
            let user = sub.unwrap_or(caller.subject());
            // A machine acts for itself.
            if Some(user) != agent && is_id(user) {
                let agents = roll.users.entry(user.to_owned()).or_default();
                agents.extend(known.map(str::to_owned));
            }
        }
        roll
    }

    /// All there is to ask about them.
    pub(super) fn questions(&self) -> HashSet<Question> {
        let applications = self.agents.keys().cloned().map(Question::Application);
        let users = self.users.keys().cloned().map(Question::User);
        let grants = self.users.keys().cloned().map(Question::Grants);
        let all = applications.chain(users).chain(grants);
        all.filter(|question| self.is_about_somebody(question))
            .collect()
    }

    /// Whether whoever is asked about is still on it, and the answer could matter.
    pub(super) fn is_about_somebody(&self, question: &Question) -> bool {
        match question {
            Question::Application(id) => self.agents.contains_key(id),
            Question::User(id) => self.users.contains_key(id),
            Question::Grants(id) => self.users.get(id).is_some_and(|agents| {
                let mut agents = agents.iter();
                agents.any(|agent| self.agents.get(agent) != Some(&Some(false)))
            }),
        }
    }

    /// Those were cut off: they need not be asked about.
    pub(super) fn strike(&mut self, whom: &Whom) {
        match (&whom.subject, &whom.client_id) {
            (Some(user), Some(agent)) => {
                if let Some(agents) = self.users.get_mut(user) {
                    agents.remove(agent);
                }
            }
            (Some(user), None) => {
                self.users.remove(user);
            }
            (None, Some(agent)) => {
                self.agents.remove(agent);
                for agents in self.users.values_mut() {
                    agents.remove(agent);
                }
            }
            (None, None) => {}
        }
    }

    fn whom(&self, client_id: Option<&str>, subject: Option<&str>) -> Whom {
        Whom {
            issuer: Some(self.issuer.clone()),
            client_id: client_id.map(str::to_owned),
            subject: subject.map(str::to_owned),
        }
    }
}

impl Question {
    /// Asks it.
    pub(super) async fn ask(
        &self,
        management: &Management,
        roll: &mut Roll,
    ) -> Result<Answer, LogtoError> {
        let withdrawn = match self {
            Self::Application(id) => {
                let application = management.application(id).await?;
                let is_welcome = application.is_some_and(|application| {
                    let third_party = Some(application.is_third_party);
                    roll.agents.insert(id.clone(), third_party);
                    !client_of(&application).is_some_and(|client| client.disabled)
                });
                let gone = (!is_welcome).then(|| roll.whom(Some(id), None));
                gone.into_iter().collect()
            }
            Self::User(id) => {
                let user = management.user(id).await?;
                let is_welcome = user.is_some_and(|user| !user.is_suspended);
                let gone = (!is_welcome).then(|| roll.whom(None, Some(id)));
                gone.into_iter().collect()
            }
            Self::Grants(id) => {
                let grants = management.grants(id).await?;
                let granted: HashSet<&str> = grants
                    .iter()
                    .map(|grant| grant.client_id.as_str())
                    .collect();
                let agents = roll.users.get(id).into_iter().flatten();
                agents
                    .filter(|agent| !granted.contains(agent.as_str()))
                    .filter(|agent| roll.agents.get(*agent) == Some(&Some(true)))
                    .map(|agent| roll.whom(Some(agent), Some(id)))
                    .collect::<Vec<_>>()
            }
        };
        Ok(if withdrawn.is_empty() {
            Answer::Good
        } else {
            Answer::Withdrawn(withdrawn)
        })
    }
}

/// Whether an agent can be an application of Logto's: a client ID metadata document's URL is none.
fn is_application(id: &str) -> bool {
    is_id(id) && !BUILT_IN.contains(&id)
}

/// What could be an id of Logto's: anything else would be asked about in vain.
fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed)
}
