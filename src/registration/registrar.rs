//! Whoever keeps the clients, as the bridge and the command line see it.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{
    oauth::{
        client_metadata::{AuthenticationMethod, Refusal, VerifiedClientMetadata, line},
        redirect_uri::{ApplicationType, RedirectUri, destination},
    },
    scope::Scopes,
    secret::Secret,
    time::Timestamp,
    units::is_loopback,
};

/// Longest list of hosts in a name that people see.
const HOSTS_SHOWN_MAX: usize = 2;

/// Where a client came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// A program registered itself (RFC 7591): nobody looked at what it says.
    Registration,
    /// The same, and whoever says the same of itself is this client too (`registration.deduplicate`). So
    /// it belongs to nobody, and only an operator may change or delete it.
    Shared,
    /// An operator made it.
    Operator,
    /// A developer made it, whom somebody let sign in; what it says is the developer's word alone.
    Portal,
}

/// Pages about a client, each an https URL. They are shown to people, and never fetched here (R08).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Links {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) home: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) terms: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) privacy: Option<String>,
}

/// A client to be made: only what was read and checked, never what was sent.
#[derive(Debug, Clone)]
pub(crate) struct NewClient {
    /// As it calls itself.
    pub(crate) name: Option<String>,
    /// Where it wants its users sent back to. Its registrar never learns these as redirect URIs: there,
    /// the only one is the bridge's.
    pub(crate) redirect_uris: Vec<RedirectUri>,
    pub(crate) application_type: ApplicationType,
    pub(crate) authentication: AuthenticationMethod,
    /// Whether it may have refresh tokens.
    pub(crate) refreshes: bool,
    /// Most that it may ever be granted.
    pub(crate) scopes: Scopes,
    pub(crate) software_id: Option<String>,
    pub(crate) contact: Option<String>,
    pub(crate) links: Links,
    /// The developer who made it, by the `sub` of the authorization server.
    pub(crate) owner: Option<String>,
    pub(crate) origin: Origin,
    pub(crate) registered_at: Timestamp,
}

/// A client as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Its `client_id`, at its registrar as in its tokens.
    pub(crate) id: String,
    /// All else.
    pub(crate) details: NewClient,
    /// An operator has shut it out.
    pub(crate) disabled: bool,
}

/// A client just made, with its secret in the only moment it is told.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) client: Client,
    /// A public client has none.
    pub(crate) secret: Option<Secret>,
}

/// A secret that is good now. What it is, nobody is told twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedSecret {
    /// One in the client.
    pub(crate) name: String,
    pub(crate) made_at: Option<Timestamp>,
}

/// A user who lets a client act for it, by the `sub` that the client's tokens name anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantingUser {
    pub(crate) subject: String,
    /// When it ends by itself, where that is known.
    pub(crate) until: Option<Timestamp>,
}

/// Users who let a client act for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GrantingUsers {
    pub(crate) users: Vec<GrantingUser>,
    /// Of how many users not all could be asked, in the time there is.
    pub(crate) not_asked: usize,
}

/// Why a registrar did not do what it was asked. Nothing is left half made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrarError {
    /// It can't be asked now; when to come back, where it is known.
    #[error("the registrar can't be asked now: {reason}")]
    Unavailable {
        /// For operators.
        reason: String,
        /// When to come back.
        retry_after: Option<Duration>,
    },
    /// It was asked, and would not. An operator has to look.
    #[error("the registrar refused: {0}")]
    Refused(String),
}

impl RegistrarError {
    /// It can't be asked now, and nobody knows until when.
    pub(crate) fn unavailable(reason: &str) -> Self {
        Self::Unavailable {
            reason: reason.to_owned(),
            retry_after: None,
        }
    }
}

/// Keeps clients for somebody else. Every method may be called again after a failure.
pub(crate) trait Registrar: fmt::Debug + Send + Sync {
    /// Makes a client.
    fn create<'a>(
        &'a self,
        new: &'a NewClient,
    ) -> BoxFuture<'a, Result<Registered, RegistrarError>>;

    /// A client by its id; `None` also for one that is not an agent's.
    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Client>, RegistrarError>>;

    /// Replaces what a client says of itself and whether it is shut out. False if there is none.
    fn update<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<bool, RegistrarError>>;

    /// Deletes a client with all it was granted. False if there was none.
    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, RegistrarError>>;

    /// How many clients there are.
    fn count(&self) -> BoxFuture<'_, Result<usize, RegistrarError>>;

    /// All clients, the newest first.
    fn all(&self) -> BoxFuture<'_, Result<Vec<Client>, RegistrarError>>;

    /// A client's secrets that are good, the oldest first; none of a public client.
    fn secrets<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<NamedSecret>, RegistrarError>>;

    /// Makes one secret more, in the only moment it is told; those before it stay good. `None` if there is no such client.
    fn add_secret<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Secret>, RegistrarError>>;

    /// Ends a secret, which is refused from then on. False if there was none of that name.
    fn end_secret<'a>(
        &'a self,
        id: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool, RegistrarError>>;

    /// Who lets a client act for them.
    fn granting_users<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<GrantingUsers, RegistrarError>>;
}

/// Longest contact and software id that are kept, in characters.
const LINE_CHARACTERS_MAX: usize = 120;

impl NewClient {
    /// What a client says of itself (RFC 7591 §2), read member by member: whatever else is there is
    /// dropped unread.
    ///
    /// # Errors
    /// The metadata, or one of the redirect URIs.
    pub(crate) fn described_by(
        metadata: &Value,
        scopes: Scopes,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let read = VerifiedClientMetadata::check(metadata)?;
        let short = |value: Option<&Value>| {
            let text = value.and_then(Value::as_str).map(line);
            text.filter(|text| (1..=LINE_CHARACTERS_MAX).contains(&text.chars().count()))
        };
        let contacts = metadata.get("contacts");
        Ok(Self {
            name: read.client_name,
            redirect_uris: read.redirect_uris,
            application_type: read.application_type,
            authentication: read.authentication,
            refreshes: read.refreshes,
            scopes,
            software_id: short(metadata.get("software_id")),
            contact: short(contacts.and_then(|contacts| contacts.get(0))),
            links: Links::default(),
            owner: None,
            origin,
            registered_at: now,
        })
    }

    /// What users read when they are asked: its name, that nobody vouches for it, and where it leads
    /// (R11), since the registrar would show them the bridge's address.
    pub(crate) fn display_name(&self) -> String {
        let mut hosts: Vec<String> = Vec::new();
        for uri in &self.redirect_uris {
            let destination = destination(uri.as_str());
            // The port of a program on this device says nothing to anybody.
            let host = match destination.remark {
                Some(_) if !uri.as_str().starts_with("http") => destination.name,
                Some(remark) => remark.to_owned(),
                None => destination.name,
            };
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let more = hosts.len().saturating_sub(HOSTS_SHOWN_MAX);
        hosts.truncate(HOSTS_SHOWN_MAX);
        let mut hosts = hosts.join(", ");
        if more > 0 {
            hosts = format!("{hosts} and {more} more");
        }
        let name = self.name.as_deref().unwrap_or("An agent without a name");
        match self.origin {
            Origin::Registration | Origin::Shared | Origin::Portal => {
                format!("{name} (unverified, leads to {hosts})")
            }
            Origin::Operator => name.to_owned(),
        }
    }

    /// Whether it can keep a secret.
    pub(crate) fn is_confidential(&self) -> bool {
        self.authentication != AuthenticationMethod::None
    }
}

impl NewClient {
    /// The client that it is where clients are shared, if it can be: one without a secret, whose users
    /// are sent to a host by https alone. On the user's own device, whoever else runs there could say the
    /// same, and would get in by what the user agreed to before.
    pub(crate) fn shared(&self) -> Option<Self> {
        let is_elsewhere = |uri: &RedirectUri| {
            let url = Url::parse(uri.as_str());
            url.is_ok_and(|url| url.scheme() == "https" && !is_loopback(&url))
        };
        let is_one_party = self.redirect_uris.iter().all(is_elsewhere);
        let by_itself = self.origin == Origin::Registration && self.owner.is_none();
        (by_itself && is_one_party && !self.is_confidential()).then(|| Self {
            origin: Origin::Shared,
            ..self.clone()
        })
    }

    /// Whether it says all the same of itself, though at another time.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let said = |one: &Self| {
            let mut uris: Vec<String> = one
                .redirect_uris
                .iter()
                .map(|uri| uri.as_str().to_owned())
                .collect();
            uris.sort();
            let words = [&one.name, &one.software_id, &one.contact].map(Clone::clone);
            let kind = (one.application_type, one.authentication, one.refreshes);
            (uris, words, kind, one.scopes.clone(), one.links.clone())
        };
        said(self) == said(other)
    }
}

impl Client {
    /// Whether an authorization request may name this redirect URI.
    pub(crate) fn may_redirect_to(&self, requested: &str) -> bool {
        let uris = &self.details.redirect_uris;
        uris.iter().any(|uri| uri.matches(requested))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, uris: &[&str]) -> String {
        let uris = uris.iter();
        let client = NewClient {
            name: Some(name.to_owned()),
            redirect_uris: uris
                .map(|uri| RedirectUri::check(uri, ApplicationType::Native).unwrap())
                .collect(),
            application_type: ApplicationType::Native,
            authentication: AuthenticationMethod::None,
            refreshes: false,
            scopes: Scopes::none(),
            software_id: None,
            contact: None,
            links: Links::default(),
            owner: None,
            origin: Origin::Registration,
            registered_at: Timestamp::from_unix_seconds(0),
        };
        client.display_name()
    }

    // R11
    #[test]
    fn users_are_told_where_an_agent_leads_and_that_nobody_vouches_for_it() {
        assert_eq!(
            named("Claude", &["https://evil.example/cb"]),
            "Claude (unverified, leads to evil.example)"
        );
        let many = [
            "http://127.0.0.1:1/cb",
            "http://localhost:2/cb",
            "cursor://a/b",
            "https://a.example/",
        ];
        assert_eq!(
            named("Many", &many),
            "Many (unverified, leads to this computer, cursor: and 1 more)"
        );
    }
}
