//! Agents as third-party applications of a Logto tenant.
//!
//! Each is an application of its own: Native for a public client, Traditional for a confidential one,
//! so that Logto asks each user for each agent and can cut each off. Behind a bridge, its only redirect
//! URI is the bridge's callback; else its own. What else is known of an agent stands in the application's custom data
//! ([`Record`]); there is no other store.
//!
//! Nothing stays half made. An application counts only once its record says that it is ready, which is
//! the last step; whatever fails before, it is deleted. Where even that could not be done, or nobody
//! knows whether it was made, its mark is remembered, and the next registration clears it away.
//! `change` is what becomes of those that are whole.

mod change;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::oneshot;

use super::{
    Client, GrantingUsers, NamedSecret, NewClient, Registered, Registrar, RegistrarError,
    record::{Record, State},
    scopes::GrantableScopes,
    unused::sweep,
};
use crate::{
    logto::{Application, ApplicationKind, Branding, LogtoError, Management, NewApplication},
    oauth::redirect_uri::RedirectUri,
    secret::Secret,
    time::Clock,
};

/// Marks that are remembered until their applications are cleared away.
const UNDONE_MAX: usize = 100;
/// The newest applications among which one is looked for whose id nobody knows.
const NEWEST: usize = 100;
/// Longest name of an application.
const NAME_CHARACTERS_MAX: usize = 200;

/// A registrar that is a Logto tenant.
#[derive(Debug)]
pub(crate) struct LogtoRegistrar(Arc<Inner>);

/// Where the registrar sends the users of an agent, once they have signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeadsTo {
    /// To the callback of a bridge, which sends them on.
    Bridge(String),
    /// To the agent.
    Agent,
}

#[derive(Debug)]
struct Inner {
    management: Arc<Management>,
    leads_to: LeadsTo,
    scopes: GrantableScopes,
    undone: Mutex<Vec<Undone>>,
}

/// An application that may be there and must not be.
#[derive(Debug, Clone)]
struct Undone {
    mark: String,
    /// Where its making was answered.
    id: Option<String>,
}

impl LeadsTo {
    /// What the registrar is told as redirect URIs.
    fn redirect_uris(&self, client: &NewClient) -> Vec<String> {
        match self {
            Self::Bridge(callback) => vec![callback.clone()],
            Self::Agent => own_redirect_uris(client),
        }
    }
}

fn own_redirect_uris(client: &NewClient) -> Vec<String> {
    let uris = client.redirect_uris.iter().map(RedirectUri::as_str);
    uris.map(str::to_owned).collect()
}

impl LogtoRegistrar {
    /// For agents whose tokens are for these resources.
    pub(crate) fn new(
        management: Arc<Management>,
        leads_to: LeadsTo,
        resources: Vec<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            scopes: GrantableScopes::new(resources),
            management,
            leads_to,
            undone: Mutex::default(),
        }))
    }
}

impl LogtoRegistrar {
    /// Deletes agents that registered themselves so long ago and that nobody uses, now and every six
    /// hours, while this is there. Needs a tokio runtime.
    pub(crate) fn prune_after(&self, unused_for: Duration, clock: Clock) {
        let management = Arc::clone(&self.0.management);
        tokio::spawn(sweep(management, unused_for, clock));
    }
}

impl Inner {
    async fn create(&self, new: &NewClient) -> Result<Registered, RegistrarError> {
        self.clear_away().await;
        // Before anything is made: what can't be granted can't be asked for either.
        let scopes = self.scopes.ids(&self.management, &new.scopes).await?;
        let mut record = Record::new(new, State::Making)?;
        record.direct = self.leads_to == LeadsTo::Agent;
        let application = NewApplication {
            name: shortened(&new.display_name()),
            kind: if new.is_confidential() {
                ApplicationKind::Traditional
            } else {
                ApplicationKind::Native
            },
            description: match new.owner {
                None => "An agent that registered itself with Usher".to_owned(),
                Some(_) => "An agent that a developer made in Usher's portal".to_owned(),
            },
            is_third_party: true,
            redirect_uris: self.leads_to.redirect_uris(new),
            custom_data: record.to_custom_data(),
        };
        let mut undone = Undone {
            mark: record.mark.clone(),
            id: None,
        };
        let made = match self.management.create_application(&application).await {
            Ok(made) => made,
            Err(error) => {
                if error.is_uncertain() {
                    self.undo(undone).await;
                }
                return Err(error.into());
            }
        };
        undone.id = Some(made.id.clone());
        let finished = async {
            self.management
                .add_consent_scopes(&made.id, &scopes)
                .await?;
            let branding = branding(&application.name, new);
            self.management
                .set_branding(&made.id, branding, Branding::default())
                .await?;
            let secret = self.first_secret(&made.id, new).await?;
            let mut ready = record;
            ready.state = State::Ready;
            let custom_data = ready.to_custom_data();
            let changed =
                self.management
                    .change_application(&made.id, &made.name, &custom_data, None);
            if !changed.await? {
                return Err(LogtoError::NotFound("application"));
            }
            Ok(secret)
        };
        match finished.await {
            Ok(secret) => Ok(Registered {
                client: Client {
                    id: made.id,
                    details: new.clone(),
                    disabled: false,
                },
                secret,
            }),
            Err(error) => {
                self.undo(undone).await;
                Err(error.into())
            }
        }
    }

    async fn first_secret(&self, id: &str, new: &NewClient) -> Result<Option<Secret>, LogtoError> {
        if !new.is_confidential() {
            return Ok(None);
        }
        let mut secrets = self.management.secrets(id).await?.into_iter();
        match secrets.next() {
            Some((_, secret)) => Ok(Some(secret)),
            None => self
                .management
                .add_secret(id, "Default secret")
                .await
                .map(Some),
        }
    }

    /// Deletes what was begun, or remembers that it has to be.
    async fn undo(&self, undone: Undone) {
        if let Err(error) = self.try_undo(&undone).await {
            tracing::warn!(%error, mark = undone.mark, "an application that was begun is cleared away later");
            let mut all = self.undone.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() < UNDONE_MAX {
                all.push(undone);
            }
        }
    }

    async fn try_undo(&self, undone: &Undone) -> Result<(), LogtoError> {
        if let Some(id) = &undone.id {
            self.management.delete_application(id).await?;
            return Ok(());
        }
        let newest = self.management.third_party_applications(1, NEWEST).await?;
        for application in newest.entries {
            if Record::of(&application).is_some_and(|record| record.mark == undone.mark) {
                self.management.delete_application(&application.id).await?;
            }
        }
        Ok(())
    }

    async fn clear_away(&self) {
        let all = std::mem::take(&mut *self.undone.lock().unwrap_or_else(PoisonError::into_inner));
        for undone in all {
            self.undo(undone).await;
        }
    }
}

impl Registrar for LogtoRegistrar {
    fn create<'a>(
        &'a self,
        new: &'a NewClient,
    ) -> BoxFuture<'a, Result<Registered, RegistrarError>> {
        // A task of its own: it ends in order though whoever asked has given up.
        let (inner, new) = (Arc::clone(&self.0), new.clone());
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let made = inner.create(&new).await;
            if let Err(Ok(unheard)) = tell.send(made) {
                inner
                    .undo(Undone {
                        mark: String::new(),
                        id: Some(unheard.client.id),
                    })
                    .await;
            }
        });
        let gone = |_| RegistrarError::Unavailable {
            reason: "the registration was given up".to_owned(),
            retry_after: None,
        };
        async move { told.await.map_err(gone)? }.boxed()
    }

    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Client>, RegistrarError>> {
        async move {
            let application = self.0.management.application(id).await?;
            Ok(application.and_then(|application| client_of(&application)))
        }
        .boxed()
    }

    fn update<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<bool, RegistrarError>> {
        self.0.update(client).boxed()
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, RegistrarError>> {
        async move { Ok(self.0.management.delete_application(id).await?) }.boxed()
    }

    fn count(&self) -> BoxFuture<'_, Result<usize, RegistrarError>> {
        async move {
            Ok(self
                .0
                .management
                .third_party_applications(1, 1)
                .await?
                .total)
        }
        .boxed()
    }

    fn all(&self) -> BoxFuture<'_, Result<Vec<Client>, RegistrarError>> {
        async move {
            let all = self.0.management.all_third_party_applications().await?;
            let mut clients: Vec<Client> = all.iter().filter_map(client_of).collect();
            clients.sort_by_key(|client| std::cmp::Reverse(client.details.registered_at));
            Ok(clients)
        }
        .boxed()
    }

    fn secrets<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<NamedSecret>, RegistrarError>> {
        self.0.secrets(id).boxed()
    }

    fn add_secret<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Secret>, RegistrarError>> {
        self.0.add_secret(id).boxed()
    }

    fn end_secret<'a>(
        &'a self,
        id: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool, RegistrarError>> {
        async move { Ok(self.0.management.delete_secret(id, name).await?) }.boxed()
    }

    fn granting_users<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<GrantingUsers, RegistrarError>> {
        self.0.granting_users(id).boxed()
    }
}

/// The agent that an application is, if it is one of ours and whole.
pub(crate) fn client_of(application: &Application) -> Option<Client> {
    let record = Record::ready(application)?;
    Some(Client {
        id: application.id.clone(),
        details: record.to_details()?,
        disabled: record.disabled,
    })
}

/// Whether an application was begun by us, and never finished.
pub(super) fn is_half_made(application: &Application) -> bool {
    Record::of(application).is_some_and(|record| record.state == State::Making)
}

/// What people see of an agent of this name.
fn branding<'a>(name: &'a str, client: &'a NewClient) -> Branding<'a> {
    let links = &client.links;
    Branding {
        display_name: name,
        logo: links.logo.as_deref(),
        terms: links.terms.as_deref(),
        privacy: links.privacy.as_deref(),
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(NAME_CHARACTERS_MAX).collect()
}

impl From<LogtoError> for RegistrarError {
    fn from(error: LogtoError) -> Self {
        match error {
            LogtoError::Unavailable {
                reason,
                retry_after,
            } => Self::Unavailable {
                reason,
                retry_after,
            },
            error => Self::Refused(error.to_string()),
        }
    }
}
