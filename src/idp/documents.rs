//! Reads clients' documents: bounded in size, time, number at once and number in a minute.
//!
//! The URL is a stranger's, so nothing but public addresses is asked, or this machine's in development,
//! and no redirect is followed. What was read is kept in `clients`; what could not be is not
//! remembered.

use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::{debug, info};

use super::{
    IdpError,
    client_document::{DocumentError, DocumentUrl, kept_for},
    client_metadata::VerifiedClientMetadata,
    config::ClientDocuments,
    provider::Provider,
};
use crate::fetch::{self, Fetcher, Reach};

/// Documents read at once.
const AT_ONCE: usize = 8;

/// The reader of documents.
#[derive(Debug)]
pub(super) struct Documents {
    fetcher: Fetcher,
    places: Semaphore,
    config: ClientDocuments,
}

impl Documents {
    pub(super) fn new(config: &ClientDocuments) -> Result<Self, IdpError> {
        let limits = fetch::Config {
            deadline: config.deadline,
            answer_max: config.bytes_max,
        };
        let reach = if config.loopback {
            Reach::PublicOrLoopback
        } else {
            Reach::Public
        };
        Ok(Self {
            fetcher: Fetcher::of_strangers(limits, reach).map_err(IdpError::Fetcher)?,
            places: Semaphore::new(AT_ONCE),
            config: config.clone(),
        })
    }

    async fn read(
        &self,
        url: &DocumentUrl,
    ) -> Result<(VerifiedClientMetadata, Duration), DocumentError> {
        let _place = self
            .places
            .try_acquire()
            .map_err(|_all_taken| DocumentError::Busy)?;
        let answer = self.fetcher.send(self.fetcher.get(url.as_str())).await?;
        let metadata = url.check_document(&answer)?;
        Ok((metadata, kept_for(&answer.headers, &self.config)))
    }
}

impl Provider {
    /// Reads the document of a client that names itself by one, unless it is known already. Says
    /// nothing about clients of other kinds.
    pub(super) async fn look_up(&self, client_id: &str) -> Result<(), DocumentError> {
        let Some(url) = DocumentUrl::read(client_id, self.documents.config.loopback) else {
            return Ok(());
        };
        let url = url?;
        {
            let now = self.clock.now();
            let state = &mut *self.state();
            if state.clients.find(now, client_id).is_some() {
                return Ok(());
            }
            let place = state.document_reads.take(now);
            place.map_err(|_retry_after| DocumentError::Busy)?;
        }
        let read = self.documents.read(&url).await;
        let (metadata, kept_for) = read.inspect_err(
            |error| debug!(client.id = url.as_str(), %error, "could not use a client's document"),
        )?;
        info!(client.id = url.as_str(), "read a client's document");
        let now = self.clock.now();
        let expires_at = now.plus(kept_for);
        self.state().clients.keep(now, &url, &metadata, expires_at);
        Ok(())
    }
}
