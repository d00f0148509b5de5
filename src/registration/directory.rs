//! Clients looked up of late, so that a stranger's guesses and a busy client cost the registrar little.
//!
//! A copy is used for a minute, *there is none* for ten seconds; a change made here is seen at once, one
//! made elsewhere within that. What could not be asked is not remembered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{Client, NewClient, Registered, Registrar, RegistrarError};

/// Copies kept at most.
const KEPT_MAX: usize = 2_000;
const KNOWN_FOR: Duration = Duration::from_secs(60);
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
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
        let registered = self.asked(self.registrar.create(new)).await?;
        let client = &registered.client;
        self.keep(&client.id, Some(Arc::new(client.clone())));
        Ok(registered)
    }

    pub(crate) async fn update(&self, client: Client) -> Result<bool, RegistrarError> {
        let updated = self.asked(self.registrar.update(&client)).await;
        self.kept().remove(&client.id);
        updated
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<bool, RegistrarError> {
        let deleted = self.asked(self.registrar.delete(id)).await;
        self.kept().remove(id);
        deleted
    }

    pub(crate) async fn count(&self) -> Result<usize, RegistrarError> {
        self.asked(self.registrar.count()).await
    }

    async fn asked<T>(
        &self,
        question: impl Future<Output = Result<T, RegistrarError>>,
    ) -> Result<T, RegistrarError> {
        let unavailable = |reason: &str| RegistrarError::Unavailable {
            reason: reason.to_owned(),
            retry_after: None,
        };
        let busy = |_| unavailable("too many questions at once");
        let _place = self.places.try_acquire().map_err(busy)?;
        let late = |_| unavailable("no answer in time");
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
