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
#[derive(Debug)]
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
    /// Digest of its secret; a public client has none.
    secret: Option<Digest>,
}

impl Client {
    /// What people read: its name, or its id if it has none.
    pub(super) fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Whether it can't keep a secret, so that `client_id` and PKCE are all it shows.
    pub(super) const fn is_public(&self) -> bool {
        self.secret.is_none()
    }

    /// The `form-action` sources of a page whose form may end at this redirect URI.
    pub(super) fn form_targets(&self, redirect_uri: &str) -> Vec<String> {
        let first = form_target(redirect_uri).into_iter();
        first.chain(self.beyond.iter().cloned()).collect()
    }

    /// Compares in constant time. A public client has no secret to be right.
    pub(super) fn has_secret(&self, secret: &str) -> bool {
        self.secret.is_some_and(|expected| {
            bool::from(expected.as_bytes().ct_eq(Digest::of(secret).as_bytes()))
        })
    }

    /// Whether an authorization request may name this redirect URI.
    pub(super) fn may_redirect_to(&self, requested: &str) -> bool {
        self.redirect_uris.iter().any(|uri| uri.matches(requested))
    }
}

/// All clients.
#[derive(Debug)]
pub(super) struct Clients {
    official: Arc<Client>,
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
            official: Arc::new(official(&config.official_client)?),
            registered: Table::new(config.limits.clients),
            described: Table::new(config.limits.client_documents),
            unused_for: config.lifetimes.client,
        })
    }

    /// Finds a client; a registration that is used lives on.
    pub(super) fn find(&mut self, now: Timestamp, id: &str) -> Option<Arc<Client>> {
        if id == self.official.id {
            return Some(Arc::clone(&self.official));
        }
        let id = id.to_owned();
        if let Some(client) = self.described.get(now, &id) {
            return Some(Arc::clone(client));
        }
        let client = self.registered.get(now, &id).map(Arc::clone)?;
        self.registered.extend(&id, now.plus(self.unused_for.get()));
        Some(client)
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
        let secret = match metadata.authentication {
            AuthenticationMethod::None => None,
            AuthenticationMethod::Basic | AuthenticationMethod::Post => Some(random::token()?),
        };
        let client = Arc::new(Client {
            id: random::identifier()?,
            name: metadata.client_name.clone(),
            official: false,
            publisher: None,
            redirect_uris: metadata.redirect_uris.clone(),
            beyond,
            refreshes: metadata.refreshes,
            secret: secret.as_deref().map(Digest::of),
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
            secret: None,
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
        secret: None,
    })
}
