//! Clients looked up of late, so that a stranger's guesses and a busy client cost the registrar little.
//!
//! A copy is used for a minute, *there is none* for ten seconds; a change made here is seen at once, one
//! made elsewhere within that. What could not be asked is not remembered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as Turn, Semaphore},
    time::Instant,
};

use super::{
    Client, GrantingUsers, NamedSecret, NewClient, Origin, Registered, Registrar, RegistrarError,
};
use crate::secret::Secret;

/// Copies kept at most.
const KEPT_MAX: usize = 2_000;
const KNOWN_FOR: Duration = Duration::from_secs(60);
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// How long a list of all clients is used, whoever asks for a part of it.
const LISTED_FOR: Duration = Duration::from_secs(10);
/// Questions to the registrar under way at once; one more is told to come back.
const AT_ONCE: usize = 16;
/// Longest that whoever asks waits, whatever the registrar does (R19).
const WITHIN: Duration = Duration::from_secs(8);
/// Longest client id that is asked about, in bytes.
const ID_BYTES_MAX: usize = 128;

/// A registrar with a memory.
#[derive(Debug)]
pub(crate) struct Directory {
    registrar: Arc<dyn Registrar>,
    places: Semaphore,
    kept: Mutex<HashMap<String, Copy>>,
    listed: Mutex<Listed>,
    /// Of those who find no list, one asks for it and the others wait.
    listing: Turn<()>,
}

/// All clients, as they were.
#[derive(Debug, Default)]
struct Listed {
    clients: Option<(Instant, Arc<Vec<Client>>)>,
    /// Changes made here: a list that was begun before one is not kept.
    changes: u64,
}

#[derive(Debug)]
struct Copy {
    client: Option<Arc<Client>>,
    until: Instant,
}

impl Directory {
    pub(crate) fn new(registrar: Arc<dyn Registrar>) -> Self {
        Self {
            registrar,
            places: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
            listed: Mutex::default(),
            listing: Turn::default(),
        }
    }

    /// A client by its id.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Arc<Client>>, RegistrarError> {
        if !is_id(id) {
            return Ok(None);
        }
        let now = Instant::now();
        if let Some(copy) = self.kept().get(id)
            && now < copy.until
        {
            return Ok(copy.client.clone());
        }
        let found = self.asked(self.registrar.find(id)).await?.map(Arc::new);
        self.keep(id, found.clone());
        Ok(found)
    }

    pub(crate) async fn create(&self, new: &NewClient) -> Result<Registered, RegistrarError> {
        let registered = self.asked(self.registrar.create(new)).await;
        self.changed();
        let registered = registered?;
        let client = &registered.client;
        self.keep(&client.id, Some(Arc::new(client.clone())));
        Ok(registered)
    }

    pub(crate) async fn update(&self, client: Client) -> Result<bool, RegistrarError> {
        let updated = self.asked(self.registrar.update(&client)).await;
        self.kept().remove(&client.id);
        self.changed();
        updated
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<bool, RegistrarError> {
        let deleted = self.asked(self.registrar.delete(id)).await;
        self.kept().remove(id);
        self.changed();
        deleted
    }

    pub(crate) async fn count(&self) -> Result<usize, RegistrarError> {
        self.asked(self.registrar.count()).await
    }

    /// What this developer has made, the newest first.
    pub(crate) async fn owned_by(&self, owner: &str) -> Result<Vec<Client>, RegistrarError> {
        let all = self.all().await?;
        let is_owned = |client: &&Client| client.details.owner.as_deref() == Some(owner);
        Ok(all.iter().filter(is_owned).cloned().collect())
    }

    /// The shared client that says the same of itself. One that is shut out is one, too: it does not come
    /// in again by registering anew.
    pub(crate) async fn shared_like(
        &self,
        new: &NewClient,
    ) -> Result<Option<Client>, RegistrarError> {
        let all = self.all().await?;
        let is_like = |client: &&Client| {
            client.details.origin == Origin::Shared && client.details.says_the_same(new)
        };
        Ok(all.iter().find(is_like).cloned())
    }

    pub(crate) async fn secrets(&self, id: &str) -> Result<Vec<NamedSecret>, RegistrarError> {
        self.asked(self.registrar.secrets(id)).await
    }

    pub(crate) async fn add_secret(&self, id: &str) -> Result<Option<Secret>, RegistrarError> {
        self.asked(self.registrar.add_secret(id)).await
    }

    pub(crate) async fn end_secret(&self, id: &str, name: &str) -> Result<bool, RegistrarError> {
        self.asked(self.registrar.end_secret(id, name)).await
    }

    pub(crate) async fn granting_users(&self, id: &str) -> Result<GrantingUsers, RegistrarError> {
        self.asked(self.registrar.granting_users(id)).await
    }

    async fn all(&self) -> Result<Arc<Vec<Client>>, RegistrarError> {
        self.asked(async {
            let _turn = self.listing.lock().await;
            let changes = {
                let listed = self.listed();
                if let Some((until, clients)) = &listed.clients
                    && Instant::now() < *until
                {
                    return Ok(Arc::clone(clients));
                }
                listed.changes
            };
            let clients = Arc::new(self.registrar.all().await?);
            let mut listed = self.listed();
            if listed.changes == changes {
                listed.clients = Some((Instant::now() + LISTED_FOR, Arc::clone(&clients)));
            }
            Ok(clients)
        })
        .await
    }

    fn changed(&self) {
        let mut listed = self.listed();
        listed.clients = None;
        listed.changes += 1;
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn asked<T>(
        &self,
        question: impl Future<Output = Result<T, RegistrarError>>,
    ) -> Result<T, RegistrarError> {
        let busy = |_| RegistrarError::unavailable("too many questions at once");
        let _place = self.places.try_acquire().map_err(busy)?;
        let late = |_| RegistrarError::unavailable("no answer in time");
        tokio::time::timeout(WITHIN, question).await.map_err(late)?
    }

    fn keep(&self, id: &str, client: Option<Arc<Client>>) {
        let now = Instant::now();
        let known_for = if client.is_some() {
            KNOWN_FOR
        } else {
            UNKNOWN_FOR
        };
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, copy| now < copy.until);
        }
        // Full of what is still good: guesses first, since those are a stranger's.
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, copy| copy.client.is_some());
        }
        if kept.len() < KEPT_MAX {
            let until = now + known_for;
            kept.insert(id.to_owned(), Copy { client, until });
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Copy>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What could be a client id of ours: anything else would be asked about in vain, or in another path.
fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_another_path_is_no_id() {
        assert!(is_id("rim1Zx-9_"));
        for id in [
            "",
            "../users",
            "a/b",
            "a?b",
            "a%2fb",
            "a b",
            &"x".repeat(129),
        ] {
            assert!(!is_id(id), "{id}");
        }
    }
}
