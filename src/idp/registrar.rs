//! Agents that register with a bridge in front of this provider, so that `usher dev` shows one.
//!
//! To the provider, such a client has one redirect URI, the bridge's. What it says of itself is kept
//! here beside it, as a Logto keeps it in an application's custom data, and for as long.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{
    Shared,
    client_metadata::VerifiedClientMetadata,
    error::OAuthError,
    redirect_uri::{ApplicationType, RedirectUri, form_target},
    table::Table,
};
use crate::{
    registration::{Client, NewClient, Registered, Registrar, RegistrarError},
    secret::Secret,
};

/// A registrar that is this provider.
#[derive(Debug)]
pub(crate) struct EmbeddedRegistrar {
    provider: Shared,
    callback: String,
    kept: Mutex<Table<String, Client>>,
}

impl EmbeddedRegistrar {
    /// For a bridge with this callback.
    pub(crate) fn new(provider: Shared, callback: String) -> Self {
        let kept = Mutex::new(Table::new(provider.0.config.limits.clients));
        Self {
            provider,
            callback,
            kept,
        }
    }

    fn make(&self, new: &NewClient) -> Result<Registered, OAuthError> {
        let provider = &self.provider.0;
        let callback = RedirectUri::check(&self.callback, ApplicationType::Web)?;
        let metadata = VerifiedClientMetadata {
            client_name: Some(new.display_name()),
            redirect_uris: vec![callback],
            application_type: ApplicationType::Web,
            refreshes: new.refreshes,
            authentication: new.authentication,
        };
        let now = provider.clock.now();
        let beyond = new.redirect_uris.iter().filter_map(source).collect();
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

    fn kept(&self) -> MutexGuard<'_, Table<String, Client>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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
        let made = self.make(new).map_err(|error| match error {
            OAuthError::TemporarilyUnavailable => RegistrarError::Unavailable {
                reason: error.to_string(),
                retry_after: None,
            },
            error => RegistrarError::Refused(error.to_string()),
        });
        ready(made).boxed()
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
        let now = self.provider.0.clock.now();
        let mut kept = self.kept();
        let known = kept.get_mut(now, &client.id);
        let updated = known.map(|known| *known = client.clone()).is_some();
        ready(Ok(updated)).boxed()
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
}
