//! The clients: the official one, those that registered themselves, and those whose `client_id` is
//! the URL of a document that describes them.
//!
//! [`Clients::find`] is the one place that turns a `client_id` into a client. A document is read
//! before that, by `documents`.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::{
    IdpError,
    client_document::DocumentUrl,
    client_metadata::{AuthenticationMethod, VerifiedClientMetadata},
    config::{Config, OfficialClient},
    error::OAuthError,
    random::{self, Digest},
    redirect_uri::{ApplicationType, RedirectUri, form_target},
    table::Table,
};
use crate::{time::Timestamp, units::HumanDuration};

/// An application that asks for tokens.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) id: String,
    /// As it calls itself.
    pub(super) name: Option<String>,
    /// First-party: its users are not asked for consent.
    pub(super) official: bool,
    /// Host and port of the document that describes it. Its id is then known to everybody.
    pub(super) publisher: Option<String>,
    pub(super) redirect_uris: Vec<RedirectUri>,
    /// Where those lead on to, as sources of a `form-action`: of a client behind a bridge.
    pub(super) beyond: Vec<String>,
    /// Whether it may have refresh tokens.
    pub(super) refreshes: bool,
    /// It can't keep a secret, so that `client_id` and PKCE are all it shows.
    public: bool,
    /// Those that are good, the oldest first; a public client has none.
    pub(super) secrets: Vec<ClientSecret>,
}

/// A client's secret: its digest, and a name to end it by.
#[derive(Debug, Clone)]
pub(super) struct ClientSecret {
    pub(super) name: String,
    pub(super) made_at: Timestamp,
    digest: Digest,
}

impl ClientSecret {
    /// Makes one, and tells it.
    pub(super) fn make(now: Timestamp) -> Result<(Self, String), OAuthError> {
        let secret = random::token()?;
        let made = Self {
            name: format!("Secret {}", &random::identifier()?[..8]),
            made_at: now,
            digest: Digest::of(&secret),
        };
        Ok((made, secret))
    }
}

impl Client {
    /// What people read: its name, or its id if it has none.
    pub(super) fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Whether it can't keep a secret, so that `client_id` and PKCE are all it shows.
    pub(super) const fn is_public(&self) -> bool {
        self.public
    }

    /// The `form-action` sources of a page whose form may end at this redirect URI.
    pub(super) fn form_targets(&self, redirect_uri: &str) -> Vec<String> {
        let first = form_target(redirect_uri).into_iter();
        first.chain(self.beyond.iter().cloned()).collect()
    }

    /// Compares in constant time. A public client has no secret to be right.
    pub(super) fn has_secret(&self, secret: &str) -> bool {
        let shown = Digest::of(secret);
        self.secrets
            .iter()
            .any(|expected| bool::from(expected.digest.as_bytes().ct_eq(shown.as_bytes())))
    }

    /// Whether an authorization request may name this redirect URI.
    pub(super) fn may_redirect_to(&self, requested: &str) -> bool {
        self.redirect_uris.iter().any(|uri| uri.matches(requested))
    }
}

/// All clients.
#[derive(Debug)]
pub(super) struct Clients {
    /// First-party: the app of whoever runs this, and the portal where there is one.
    official: Vec<Arc<Client>>,
    registered: Table<String, Arc<Client>>,
    described: Table<String, Arc<Client>>,
    unused_for: HumanDuration,
}

/// A client just registered, with its secret in the only moment it is known.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) client: Arc<Client>,
    pub(super) secret: Option<String>,
}

impl Clients {
    pub(super) fn new(config: &Config) -> Result<Self, IdpError> {
        Ok(Self {
            official: vec![Arc::new(official(&config.official_client)?)],
            registered: Table::new(config.limits.clients),
            described: Table::new(config.limits.client_documents),
            unused_for: config.lifetimes.client,
        })
    }

    /// Finds a client; a registration that is used lives on.
    pub(super) fn find(&mut self, now: Timestamp, id: &str) -> Option<Arc<Client>> {
        if let Some(client) = self.official.iter().find(|client| client.id == id) {
            return Some(Arc::clone(client));
        }
        let id = id.to_owned();
        if let Some(client) = self.described.get(now, &id) {
            return Some(Arc::clone(client));
        }
        let client = self.registered.get(now, &id).map(Arc::clone)?;
        self.registered.extend(&id, now.plus(self.unused_for.get()));
        Some(client)
    }

    /// Adds a first-party client.
    pub(super) fn add_official(&mut self, config: &OfficialClient) -> Result<(), IdpError> {
        self.official.push(Arc::new(official(config)?));
        Ok(())
    }

    /// Changes a registered client. False if there is none.
    pub(super) fn change(
        &mut self,
        now: Timestamp,
        id: &str,
        change: impl FnOnce(&mut Client),
    ) -> bool {
        let known = self.registered.get_mut(now, &id.to_owned());
        known.map(|client| change(Arc::make_mut(client))).is_some()
    }

    /// Registers a client under a new id. The same metadata twice gives two clients.
    pub(super) fn register(
        &mut self,
        now: Timestamp,
        metadata: &VerifiedClientMetadata,
    ) -> Result<Registered, OAuthError> {
        self.register_bridged(now, metadata, Vec::new())
    }

    /// The same for a client whose redirect URI leads on to `beyond`.
    pub(super) fn register_bridged(
        &mut self,
        now: Timestamp,
        metadata: &VerifiedClientMetadata,
        beyond: Vec<String>,
    ) -> Result<Registered, OAuthError> {
        let made = match metadata.authentication {
            AuthenticationMethod::None => None,
            AuthenticationMethod::Basic | AuthenticationMethod::Post => {
                Some(ClientSecret::make(now)?)
            }
        };
        let (kept, secret) = made.unzip();
        let client = Arc::new(Client {
            id: random::identifier()?,
            name: metadata.client_name.clone(),
            official: false,
            publisher: None,
            redirect_uris: metadata.redirect_uris.clone(),
            beyond,
            refreshes: metadata.refreshes,
            public: kept.is_none(),
            secrets: kept.into_iter().collect(),
        });
        self.registered.insert(
            now,
            client.id.clone(),
            Arc::clone(&client),
            now.plus(self.unused_for.get()),
        )?;
        Ok(Registered { client, secret })
    }

    /// Forgets a registered client; what it was granted is forgotten when it is shown.
    pub(super) fn remove(&mut self, now: Timestamp, id: &str) -> bool {
        self.registered.remove(now, &id.to_owned()).is_some()
    }

    /// Keeps a client as its document describes it, until the copy is too old.
    pub(super) fn keep(
        &mut self,
        now: Timestamp,
        url: &DocumentUrl,
        metadata: &VerifiedClientMetadata,
        expires_at: Timestamp,
    ) {
        let client = Client {
            id: url.as_str().to_owned(),
            name: metadata.client_name.clone(),
            official: false,
            publisher: Some(url.publisher().to_owned()),
            redirect_uris: metadata.redirect_uris.clone(),
            beyond: Vec::new(),
            refreshes: metadata.refreshes,
            public: true,
            secrets: Vec::new(),
        };
        self.described
            .insert_over(now, client.id.clone(), Arc::new(client), expires_at);
    }
}

fn official(config: &OfficialClient) -> Result<Client, IdpError> {
    let redirect_uris = config
        .redirect_uris
        .iter()
        .map(|uri| {
            RedirectUri::check(uri, ApplicationType::Native).map_err(|error| {
                IdpError::OfficialRedirectUri {
                    uri: uri.clone(),
                    reason: error.to_string(),
                }
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Client {
        id: config.client_id.clone(),
        name: Some(config.name.clone()),
        official: true,
        publisher: None,
        redirect_uris,
        beyond: Vec::new(),
        refreshes: true,
        public: true,
        secrets: Vec::new(),
    })
}
