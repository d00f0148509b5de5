//! Who lives here: session id to address and owner. The one place that decides whose a session is.
//!
//! The router actor writes, requests read. Guards of the map are never held across an await.

use std::time::Duration;

use dashmap::{DashMap, Entry};

use super::RouteError;
use crate::{
    auth::Owner,
    session::{SessionId, SessionRef},
    telemetry::{Metrics, audit},
    time::Timestamp,
};

/// Sessions of this node, and how many each owner has.
#[derive(Debug, Default)]
pub(super) struct Table {
    sessions: DashMap<SessionId, SessionRef>,
    per_owner: DashMap<Owner, Vec<SessionId>>,
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

    /// Whether somebody has a session of this name here.
    pub(super) fn has(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// A session, whosever it is.
    pub(super) fn get(&self, id: SessionId) -> Option<SessionRef> {
        self.sessions.get(&id).map(|session| session.clone())
    }

    /// Counts one more session of `owner`, unless it has `max`.
    pub(super) fn reserve(
        &self,
        id: SessionId,
        owner: Owner,
        max: usize,
    ) -> Result<(), RouteError> {
        let mut ids = self.per_owner.entry(owner).or_default();
        if ids.len() >= max {
            return Err(RouteError::PrincipalFull);
        }
        ids.push(id);
        Ok(())
    }

    /// Ends a session of `owner`: one that only waits for its next token, or else that in which nothing
    /// has been going on for longest, and at least for `quiet_for`; whether there was one. Its place is
    /// free at once.
    pub(super) fn replace(&self, owner: Owner, quiet_for: Duration, now: Timestamp) -> bool {
        let ids = self.per_owner.get(&owner).map(|ids| ids.clone());
        let sessions = ids.into_iter().flatten();
        let sessions = sessions.filter_map(|id| Some(self.sessions.get(&id)?.clone()));
        let quiet = sessions.filter_map(|session| {
            let quiet = session.quiet()?;
            let is_suspended = session.is_suspended(now);
            (is_suspended || quiet >= quiet_for).then_some((is_suspended, quiet, session))
        });
        let first = quiet.max_by_key(|(is_suspended, quiet, _)| (*is_suspended, *quiet));
        let Some((_, _, session)) = first else {
            return false;
        };
        let gives_way = session.give_way();
        if gives_way {
            self.remove(session.id(), owner);
        }
        gives_way
    }

    pub(super) fn insert(&self, session: SessionRef) {
        self.sessions.insert(session.id(), session);
    }

    /// Forgets a session and gives its owner's place back; of one that is forgotten, nothing.
    pub(super) fn remove(&self, id: SessionId, owner: Owner) {
        self.sessions.remove(&id);
        if let Entry::Occupied(mut ids) = self.per_owner.entry(owner) {
            ids.get_mut().retain(|other| *other != id);
            if ids.get().is_empty() {
                ids.remove();
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
