//! Agents that register with a bridge in front of this provider, or in a portal, so that `usher dev`
//! shows both.
//!
//! To the provider, a client behind a bridge has one redirect URI, the bridge's. What it says of itself is kept
//! here beside it, as a Logto keeps it in an application's custom data, and for as long.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{
    Shared,
    client_metadata::VerifiedClientMetadata,
    clients::ClientSecret,
    error::OAuthError,
    redirect_uri::{ApplicationType, RedirectUri, form_target},
    table::Table,
};
use crate::{
    registration::{
        Client, GrantingUser, GrantingUsers, LeadsTo, NamedSecret, NewClient, Registered,
        Registrar, RegistrarError,
    },
    secret::Secret,
};

/// A registrar that is this provider.
#[derive(Debug)]
pub(crate) struct EmbeddedRegistrar {
    provider: Shared,
    leads_to: LeadsTo,
    kept: Mutex<Table<String, Client>>,
}

impl EmbeddedRegistrar {
    /// For agents that the provider's users are sent to in this way.
    pub(crate) fn new(provider: Shared, leads_to: LeadsTo) -> Self {
        let kept = Mutex::new(Table::new(provider.0.config.limits.clients));
        Self {
            provider,
            leads_to,
            kept,
        }
    }

    /// Where the provider sends its users, and where they go from there.
    fn route(&self, new: &NewClient) -> Result<(Vec<RedirectUri>, Vec<String>), OAuthError> {
        match &self.leads_to {
            LeadsTo::Agent => Ok((new.redirect_uris.clone(), Vec::new())),
            LeadsTo::Bridge(callback) => {
                let callback = RedirectUri::check(callback, ApplicationType::Web)?;
                let beyond = new.redirect_uris.iter().filter_map(source).collect();
                Ok((vec![callback], beyond))
            }
        }
    }

    fn make(&self, new: &NewClient) -> Result<Registered, OAuthError> {
        let provider = &self.provider.0;
        let (redirect_uris, beyond) = self.route(new)?;
        let metadata = VerifiedClientMetadata {
            client_name: Some(new.display_name()),
            redirect_uris,
            application_type: new.application_type,
            refreshes: new.refreshes,
            authentication: new.authentication,
        };
        let now = provider.clock.now();
        // The lock is given back before the next is taken: `find` takes them the other way round.
        let registered = provider
            .state()
            .clients
            .register_bridged(now, &metadata, beyond)?;
        let client = Client {
            id: registered.client.id.clone(),
            details: new.clone(),
            disabled: false,
        };
        let ends = now.plus(provider.config.lifetimes.client.get());
        self.kept()
            .insert(now, client.id.clone(), client.clone(), ends)?;
        Ok(Registered {
            client,
            secret: registered.secret.map(Secret::new),
        })
    }

    fn change(&self, client: &Client) -> Result<bool, OAuthError> {
        let provider = &self.provider.0;
        let (redirect_uris, beyond) = self.route(&client.details)?;
        let now = provider.clock.now();
        let mut kept = self.kept();
        let Some(known) = kept.get_mut(now, &client.id) else {
            return Ok(false);
        };
        *known = client.clone();
        Ok(provider.state().clients.change(now, &client.id, |known| {
            known.name = Some(client.details.display_name());
            known.redirect_uris = redirect_uris;
            known.beyond = beyond;
        }))
    }

    fn make_secret(&self, id: &str) -> Result<Option<Secret>, OAuthError> {
        let provider = &self.provider.0;
        let now = provider.clock.now();
        let (made, secret) = ClientSecret::make(now)?;
        let known = provider
            .state()
            .clients
            .change(now, id, |client| client.secrets.push(made));
        Ok(known.then_some(Secret::new(secret)))
    }

    fn kept(&self) -> MutexGuard<'_, Table<String, Client>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(error: OAuthError) -> RegistrarError {
    match error {
        OAuthError::TemporarilyUnavailable => RegistrarError::unavailable(&error.to_string()),
        error => RegistrarError::Refused(error.to_string()),
    }
}

/// Any port of a program on this device: it takes another for every sign-in.
fn source(uri: &RedirectUri) -> Option<String> {
    let source = form_target(uri.as_str())?;
    if !uri.has_any_port() {
        return Some(source);
    }
    let port_at = source
        .rfind(':')
        .filter(|at| !source[*at..].contains(['/', ']']));
    Some(format!("{}:*", &source[..port_at.unwrap_or(source.len())]))
}

impl Registrar for EmbeddedRegistrar {
    fn create<'a>(
        &'a self,
        new: &'a NewClient,
    ) -> BoxFuture<'a, Result<Registered, RegistrarError>> {
        ready(self.make(new).map_err(refused)).boxed()
    }

    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Client>, RegistrarError>> {
        let provider = &self.provider.0;
        let now = provider.clock.now();
        let id = id.to_owned();
        let mut kept = self.kept();
        // Looked up there too, where a client that is used lives on.
        let known = provider.state().clients.find(now, &id).is_some();
        let found = kept.get(now, &id).filter(|_| known).cloned();
        kept.extend(&id, now.plus(provider.config.lifetimes.client.get()));
        ready(Ok(found)).boxed()
    }

    fn update<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<bool, RegistrarError>> {
        ready(self.change(client).map_err(refused)).boxed()
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, RegistrarError>> {
        let provider = &self.provider.0;
        let now = provider.clock.now();
        provider.state().clients.remove(now, id);
        let deleted = self.kept().remove(now, &id.to_owned()).is_some();
        ready(Ok(deleted)).boxed()
    }

    fn count(&self) -> BoxFuture<'_, Result<usize, RegistrarError>> {
        ready(Ok(self.kept().len())).boxed()
    }

    fn all(&self) -> BoxFuture<'_, Result<Vec<Client>, RegistrarError>> {
        let now = self.provider.0.clock.now();
        let mut all: Vec<Client> = self.kept().values(now).cloned().collect();
        all.sort_by_key(|client| std::cmp::Reverse(client.details.registered_at));
        ready(Ok(all)).boxed()
    }

    fn secrets<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<NamedSecret>, RegistrarError>> {
        let provider = &self.provider.0;
        let client = provider.state().clients.find(provider.clock.now(), id);
        let secrets = client.iter().flat_map(|client| &client.secrets);
        let named = secrets.map(|secret| NamedSecret {
            name: secret.name.clone(),
            made_at: Some(secret.made_at),
        });
        ready(Ok(named.collect())).boxed()
    }

    fn add_secret<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Secret>, RegistrarError>> {
        ready(self.make_secret(id).map_err(refused)).boxed()
    }

    fn end_secret<'a>(
        &'a self,
        id: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool, RegistrarError>> {
        let provider = &self.provider.0;
        let mut ended = false;
        let mut state = provider.state();
        state.clients.change(provider.clock.now(), id, |client| {
            let before = client.secrets.len();
            client.secrets.retain(|secret| secret.name != name);
            ended = client.secrets.len() < before;
        });
        ready(Ok(ended)).boxed()
    }

    fn granting_users<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<GrantingUsers, RegistrarError>> {
        let provider = &self.provider.0;
        let subjects = provider
            .state()
            .grants
            .subjects_of(provider.clock.now(), id);
        let users = subjects.into_iter().map(|subject| GrantingUser {
            subject,
            until: None,
        });
        let users = users.collect();
        ready(Ok(GrantingUsers {
            users,
            not_asked: 0,
        }))
        .boxed()
    }
}
