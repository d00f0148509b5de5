//! Who lives here: session id to address and owner. The one place that decides whose a session is.
//!
//! The router actor writes, requests read. Guards of the map are never held across an await.

use dashmap::{DashMap, Entry};

use super::RouteError;
use crate::{
    auth::Owner,
    session::{SessionId, SessionRef},
    telemetry::{Metrics, audit},
};

/// Sessions of this node, and how many each owner has.
#[derive(Debug, Default)]
pub(super) struct Table {
    sessions: DashMap<SessionId, SessionRef>,
    per_owner: DashMap<Owner, usize>,
}

impl Table {
    /// A session, if it lives and belongs to `owner`. A stranger gets the answer for an unknown one.
    pub(super) fn find(
        &self,
        id: SessionId,
        owner: &Owner,
        metrics: &Metrics,
    ) -> Result<SessionRef, RouteError> {
        let session = self.sessions.get(&id).ok_or(RouteError::Unknown)?;
        if session.owner() != *owner {
            metrics.owner_mismatch();
            let (caller, owner) = (owner.pseudonym(), session.owner().pseudonym());
            audit::session_of_another(caller, owner, &id.short());
            // Not louder: any signed-in caller can make it happen, and the counter tells of it.
            tracing::debug!(
                session.id = %id.short(),
                %caller,
                %owner,
                "a session was named by somebody else"
            );
            return Err(RouteError::Unknown);
        }
        Ok(session.clone())
    }

    /// Counts one more session of `owner`, unless it has `max`.
    pub(super) fn reserve(&self, owner: Owner, max: usize) -> Result<(), RouteError> {
        let mut count = self.per_owner.entry(owner).or_default();
        if *count >= max {
            return Err(RouteError::PrincipalFull);
        }
        *count += 1;
        Ok(())
    }

    pub(super) fn insert(&self, session: SessionRef) {
        self.sessions.insert(session.id(), session);
    }

    /// Forgets a session and gives its owner's place back.
    pub(super) fn remove(&self, id: SessionId, owner: Owner) {
        self.sessions.remove(&id);
        if let Entry::Occupied(mut count) = self.per_owner.entry(owner) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Owners with at least one session; for tests and metrics.
    pub(super) fn owners(&self) -> usize {
        self.per_owner.len()
    }

    /// Looks at every session, without holding the map while something is done with them.
    pub(super) fn snapshot(&self) -> Vec<SessionRef> {
        self.sessions
            .iter()
            .map(|session| session.value().clone())
            .collect()
    }
}
