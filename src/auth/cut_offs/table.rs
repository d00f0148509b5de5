//! Where cut-offs are looked up: by a caller's subject, its client or its issuer, whichever of these
//! is named first.
//!
//! Pure; [`CutOffs`](super::CutOffs) locks it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::time::Instant;

use super::{CutOff, CutOffSummary, Whom, cut_off::is_from_before};
use crate::{auth::Principal, time::Timestamp};

/// All that are in force.
#[derive(Debug, Default)]
pub(super) struct Table {
    len: usize,
    by_subject: HashMap<String, Vec<InForce>>,
    by_client: HashMap<String, Vec<InForce>>,
    by_issuer: HashMap<String, Vec<InForce>>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) whom: Whom,
    issued_before: Timestamp,
    seen_before: Instant,
    ban: Option<Ban>,
    /// Since when no ban counts that was spoken before.
    unbanned_at: Timestamp,
    /// In seconds since the epoch.
    ends_at: AtomicU64,
    /// Set once nobody can tell any more when an undated token was first seen.
    refuses_undated: AtomicBool,
}

/// Refuses tokens from after the cut-off too.
#[derive(Debug, Clone, Copy)]
struct Ban {
    spoken_at: Timestamp,
    until: Timestamp,
}

impl Table {
    /// The map that a cut-off belongs in, and its key there.
    fn place(&mut self, whom: &Whom) -> (&mut HashMap<String, Vec<InForce>>, String) {
        let (map, key) = match (&whom.subject, &whom.client_id) {
            (Some(subject), _) => (&mut self.by_subject, Some(subject)),
            (None, Some(client)) => (&mut self.by_client, Some(client)),
            (None, None) => (&mut self.by_issuer, whom.issuer.as_ref()),
        };
        (map, key.cloned().unwrap_or_default())
    }

    pub(super) fn find(&mut self, whom: &Whom) -> Option<&mut InForce> {
        let (map, key) = self.place(whom);
        let mut alike = map.get_mut(&key)?.iter_mut();
        alike.find(|cut| cut.whom == *whom)
    }

    pub(super) fn insert(&mut self, cut: InForce) {
        let (map, key) = self.place(&cut.whom);
        map.entry(key).or_default().push(cut);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, whom: &Whom) -> bool {
        let (map, key) = self.place(whom);
        let Entry::Occupied(mut alike) = map.entry(key) else {
            return false;
        };
        let before = alike.get().len();
        alike.get_mut().retain(|cut| cut.whom != *whom);
        let removed = alike.get().len() < before;
        if alike.get().is_empty() {
            alike.remove();
        }
        self.len -= usize::from(removed);
        removed
    }

    pub(super) fn forget(&mut self, now: Timestamp) {
        for map in [
            &mut self.by_subject,
            &mut self.by_client,
            &mut self.by_issuer,
        ] {
            map.retain(|_, alike| {
                alike.retain(|cut| !cut.has_ended(now));
                !alike.is_empty()
            });
        }
        self.len = self.all().count();
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &InForce> {
        let maps = [&self.by_subject, &self.by_client, &self.by_issuer];
        maps.into_iter().flat_map(|map| map.values().flatten())
    }

    /// Those that may be about a caller, without a look at the others.
    pub(super) fn concerning(&self, caller: &Principal) -> impl Iterator<Item = &InForce> {
        let subject = caller.subject();
        let sub = caller.sub_claim().filter(|sub| *sub != subject);
        let places = [
            self.by_subject.get(subject),
            sub.and_then(|sub| self.by_subject.get(sub)),
            caller.client_id().and_then(|id| self.by_client.get(id)),
            self.by_issuer.get(caller.issuer()),
        ];
        places.into_iter().flatten().flatten()
    }
}

impl InForce {
    pub(super) fn new(cut: &CutOff, now: Timestamp, forgotten_at: Timestamp) -> Self {
        Self {
            whom: cut.whom.clone(),
            issued_before: cut.issued_before,
            seen_before: cut.seen_before,
            ban: cut.ban.map(|ban| Ban {
                spoken_at: cut.issued_before,
                until: now.plus(ban),
            }),
            unbanned_at: Timestamp::from_unix_seconds(0),
            ends_at: AtomicU64::new(forgotten_at.as_unix_seconds()),
            refuses_undated: AtomicBool::new(false),
        }
    }

    pub(super) fn refuse_undated(&self) {
        self.refuses_undated.store(true, Ordering::Relaxed);
    }

    pub(super) fn refuses(&self, caller: &Principal, now: Timestamp) -> bool {
        if !self.whom.is(caller) || self.has_ended(now) {
            return false;
        }
        let is_undated = caller.issued_at().is_none();
        let from_before = is_from_before(caller, self.issued_before, self.seen_before)
            || (is_undated && self.refuses_undated.load(Ordering::Relaxed));
        if from_before && let Some(ends_at) = caller.ends_at() {
            // A token of a longer life than any was said to have: this one lasts as long.
            let ends_at = ends_at.as_unix_seconds();
            self.ends_at.fetch_max(ends_at, Ordering::Relaxed);
        }
        from_before || self.is_banned(now)
    }

    pub(super) fn take_over(&mut self, other: &Self) {
        self.issued_before = self.issued_before.max(other.issued_before);
        self.seen_before = self.seen_before.max(other.seen_before);
        if let Some(ban) = other.ban
            && ban.spoken_at >= self.unbanned_at
        {
            self.ban = Some(self.ban.map_or(ban, |own| Ban {
                spoken_at: own.spoken_at.max(ban.spoken_at),
                until: own.until.max(ban.until),
            }));
        }
        let ends_at = other.ends_at.load(Ordering::Relaxed);
        self.ends_at.fetch_max(ends_at, Ordering::Relaxed);
    }

    /// Ends a ban that was spoken until then, be it known already or told of later.
    pub(super) fn end_ban(&mut self, then: Timestamp) {
        self.unbanned_at = self.unbanned_at.max(then);
        self.ban = self.ban.filter(|ban| ban.spoken_at > then);
    }

    fn is_banned(&self, now: Timestamp) -> bool {
        self.ban.is_some_and(|ban| now < ban.until)
    }

    fn ends_at(&self) -> Timestamp {
        let ends_at = Timestamp::from_unix_seconds(self.ends_at.load(Ordering::Relaxed));
        self.ban.map_or(ends_at, |ban| ends_at.max(ban.until))
    }

    fn has_ended(&self, now: Timestamp) -> bool {
        now >= self.ends_at()
    }

    pub(super) fn summary(&self, now: Timestamp) -> CutOffSummary {
        let ban = self.ban.filter(|ban| now < ban.until);
        CutOffSummary {
            whom: self.whom.clone(),
            issued_before: self.issued_before.as_unix_seconds(),
            banned_until: ban.map(|ban| ban.until.as_unix_seconds()),
            ends_at: self.ends_at().as_unix_seconds(),
        }
    }
}
