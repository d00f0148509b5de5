//! What a caller keeps open without a session (2026-07-28): its calls that run, its
//! `subscriptions/listen` streams.
//!
//! Each takes a [`Lease`] and ends when that is over. The router's sweep looks at all of them, as it
//! looks at sessions, so that they end with the token and with the caller's leave to be here. One caller
//! has only so many at once.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::{DashMap, Entry};
use tokio::sync::Notify;

use crate::{
    auth::{Owner, Principal},
    outlet::CloseReason,
    protocol::{RpcError, codes},
};

/// All leases of a server. Clones share them. As many as there are requests under way.
#[derive(Debug, Clone)]
pub struct Leases(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    last: AtomicU64,
    open: DashMap<u64, LeaseRef>,
    per_owner: DashMap<Owner, usize>,
    per_owner_max: usize,
}

/// A lease as the sweep holds it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LeaseRef(Arc<Terms>);

#[derive(Debug)]
struct Terms {
    holder: Holder,
    over: OnceLock<CloseReason>,
    ended: Notify,
}

/// A lease as its holder has it; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    number: u64,
    owner: Owner,
    terms: LeaseRef,
    leases: Leases,
}

/// Who keeps something open, by the last token that was shown for it.
pub(super) struct Holder(Mutex<Principal>);

impl Leases {
    /// Of each caller (issuer, client id, subject) so many at once.
    #[must_use]
    pub fn new(per_owner_max: usize) -> Self {
        Self(Arc::new(Inner {
            last: AtomicU64::default(),
            open: DashMap::new(),
            per_owner: DashMap::new(),
            per_owner_max,
        }))
    }

    /// Lets a caller keep something open, unless it has as much open as one may have.
    #[must_use]
    pub fn grant(&self, principal: Principal) -> Option<Lease> {
        let owner = principal.owner();
        let mut count = self.0.per_owner.entry(owner).or_default();
        if *count >= self.0.per_owner_max {
            return None;
        }
        *count += 1;
        drop(count);
        let number = self.0.last.fetch_add(1, Ordering::Relaxed);
        let terms = LeaseRef(Arc::new(Terms {
            holder: Holder::new(principal),
            over: OnceLock::new(),
            ended: Notify::new(),
        }));
        self.0.open.insert(number, terms.clone());
        Some(Lease {
            number,
            owner,
            terms,
            leases: self.clone(),
        })
    }

    /// All there are, without holding the table while something is done with them.
    #[must_use]
    pub fn snapshot(&self) -> Vec<LeaseRef> {
        let open = self.0.open.iter();
        open.map(|lease| lease.value().clone()).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.open.len()
    }

    /// Whether there is none, of nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.open.is_empty() && self.0.per_owner.is_empty()
    }
}

impl LeaseRef {
    /// Who holds it.
    #[must_use]
    pub fn caller(&self) -> Principal {
        self.0.holder.get()
    }

    /// Its holder was verified again.
    pub fn renew(&self, caller: &Principal) {
        self.0.holder.set(caller);
    }

    /// Ends it. The first reason given stays.
    pub fn end(&self, reason: CloseReason) {
        self.0.over.get_or_init(|| reason);
        self.0.ended.notify_waiters();
    }
}

impl Lease {
    /// Waits for its end, and says why it ended.
    pub async fn over(&self) -> CloseReason {
        let terms = &self.terms.0;
        loop {
            // Made before the look, so that an end in between is not missed.
            let ended = terms.ended.notified();
            if let Some(reason) = terms.over.get() {
                return *reason;
            }
            ended.await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let leases = &self.leases.0;
        leases.open.remove(&self.number);
        if let Entry::Occupied(mut count) = leases.per_owner.entry(self.owner) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// What a client is answered whose lease, or the token that a call was allowed by, is over.
pub(super) fn over_error(reason: CloseReason) -> RpcError {
    let mut error = RpcError::new(codes::SERVER_ERROR, reason.to_string());
    error.data = Some(serde_json::json!({ "reason": reason.label() }));
    error
}

impl Holder {
    pub(super) fn new(principal: Principal) -> Self {
        Self(Mutex::new(principal))
    }

    pub(super) fn get(&self) -> Principal {
        let holder = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        holder.clone()
    }

    /// It was shown another token, or the same was verified again.
    pub(super) fn set(&self, principal: &Principal) {
        let mut holder = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        holder.clone_from(principal);
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(formatter)
    }
}
