//! Who was here a moment ago without a session (2026-07-28): between two requests such a caller has
//! nothing open, and is in no other table.
//!
//! Requests write, the router's sweep forgets. For those who ask somebody whether callers may still be
//! here.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokio::time::Instant;

use crate::auth::{Owner, Principal};

/// How long somebody is remembered after the last request.
const FOR: Duration = Duration::from_secs(120);

/// Clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    max: usize,
    callers: Arc<DashMap<Owner, (Principal, Instant)>>,
}

impl Recent {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            callers: Arc::default(),
        }
    }

    /// Remembers a caller by the token it has shown last. False where as many others are remembered as
    /// may be.
    pub(super) fn note(&self, caller: &Principal) -> bool {
        let owner = caller.owner();
        let has_place = self.callers.len() < self.max || self.callers.contains_key(&owner);
        if has_place {
            let seen = (caller.clone(), Instant::now());
            self.callers.insert(owner, seen);
        }
        has_place
    }

    pub(super) fn forget_old(&self) {
        self.callers.retain(|_, (_, seen)| seen.elapsed() < FOR);
    }

    pub(super) fn all(&self) -> Vec<Principal> {
        let callers = self.callers.iter();
        callers.map(|caller| caller.value().0.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::{
        auth::{Identity, Method},
        scope::Scopes,
    };

    fn caller(subject: &str) -> Principal {
        Principal::new(Identity {
            issuer: "https://i".to_owned(),
            subject: subject.to_owned(),
            client_id: None,
            audiences: Vec::new(),
            scopes: Scopes::none(),
            expires_at: None,
            verified_by: Method::Jwt,
            claims: Map::new(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_is_remembered_for_a_while_and_no_more_than_may_be() {
        let recent = Recent::new(2);
        assert!(recent.note(&caller("alice")) && recent.note(&caller("bob")));
        assert!(!recent.note(&caller("carol")));

        tokio::time::advance(FOR / 2).await;
        assert!(recent.note(&caller("alice")), "she has a place");
        tokio::time::advance(FOR / 2).await;
        recent.forget_old();

        let left = recent.all();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].subject(), "alice");
    }
}
