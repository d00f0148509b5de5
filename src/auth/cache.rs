//! Verdicts on tokens, so that a busy client costs one question or one signature check.
//!
//! Two stores for each issuer, so that neither garbage nor the tokens of another issuer can push good
//! callers out: verified callers, bounded in bytes, and refusals, bounded in number and kept for
//! seconds. Keyed by the token's [`Digest`], never by the token. Every
//! [`Verifier`](super::Verifier) handle reads here; only the issuer's
//! [`Examiner`](super::examiner::Examiner) writes.
//!
//! An entry says who the caller is, never what was decided. It ends with the token's `exp`, by the
//! wall clock, or when its answer has aged or its key is withdrawn, whichever comes first, and all of
//! that is looked at on every hit. *Could not ask* can't be put in.

use std::time::Duration;

use quick_cache::{Weighter, sync::Cache};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Identity, Principal, Reason, config::CacheConfig, digest::Digest};
use crate::time::Timestamp;

/// A verified token, and how long that may be relied on.
#[derive(Debug)]
pub(super) struct Verified {
    /// Who calls.
    pub(super) identity: Identity,
    /// Beside `exp`: what else ends it.
    pub(super) validity: Validity,
}

/// What ends a verdict before the token's `exp` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    /// A JWT: the withdrawal of a key. Holds the generation of keys it was verified with.
    Keys(u64),
    /// An answer: its age, and an `exp` that nobody verified and that can only shorten it (K27).
    Answer {
        /// That `exp`, if one was seen.
        unverified_expiry: Option<Timestamp>,
    },
}

/// What is remembered of a token.
#[derive(Debug)]
pub(super) enum Remembered {
    /// Who sent it.
    Verified(Principal),
    /// That it was refused, or has expired since.
    Refused(Reason),
    /// Nothing that still counts.
    Nothing,
}

/// Three ways to look at the present, taken at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present {
    /// The wall clock, for `exp`.
    pub(super) wall: Timestamp,
    /// The monotonic clock, for ages: a step of the wall clock neither revives nor kills.
    pub(super) monotonic: Instant,
    /// The generation of the issuer's keys.
    pub(super) keys: u64,
}

/// Both stores.
#[derive(Debug)]
pub(super) struct Verdicts {
    leeway: Duration,
    config: CacheConfig,
    verified: Cache<Digest, Entry, Bytes>,
    refused: Cache<Digest, Refusal>,
}

#[derive(Debug, Clone)]
struct Entry {
    principal: Principal,
    /// Present for answers, which age.
    stale_at: Option<Instant>,
    /// Present for JWTs, which end with their key.
    keys: Option<u64>,
    bytes: u32,
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    reason: Reason,
    forget_at: Instant,
}

/// Weighs an entry by the memory it holds.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Digest, Entry> for Bytes {
    fn weight(&self, _digest: &Digest, entry: &Entry) -> u64 {
        entry.bytes.into()
    }
}

impl Verdicts {
    pub(super) fn new(config: CacheConfig, leeway: Duration) -> Self {
        let bytes = config.bytes_max.bytes();
        Self {
            leeway,
            verified: Cache::with_weighter(bytes / TYPICAL_BYTES, bytes as u64, Bytes),
            refused: Cache::new(config.refusals_max),
            config,
        }
    }

    pub(super) fn look_up(&self, digest: &Digest, present: Present) -> Remembered {
        if let Some(entry) = self.verified.get(digest) {
            return match entry.state(present) {
                State::Counts => Remembered::Verified(entry.principal),
                State::Expired => Remembered::Refused(Reason::Expired),
                State::Stale => Remembered::Nothing,
            };
        }
        match self.refused.get(digest) {
            Some(refusal) if present.monotonic < refusal.forget_at => {
                Remembered::Refused(refusal.reason)
            }
            _ => Remembered::Nothing,
        }
    }

    pub(super) fn remember(
        &self,
        digest: Digest,
        verified: Verified,
        present: Present,
    ) -> Principal {
        let (stale_at, keys) = match verified.validity {
            Validity::Keys(generation) => (None, Some(generation)),
            Validity::Answer { unverified_expiry } => {
                let ttl = self.config.answer_ttl.get();
                let age = unverified_expiry.map_or(ttl, |expiry| {
                    expiry.plus(self.leeway).since(present.wall).min(ttl)
                });
                (Some(present.monotonic + age), None)
            }
        };
        let bytes = bytes_of(&verified.identity);
        let principal = Principal::with_leeway(verified.identity, self.leeway);
        let entry = Entry {
            principal: principal.clone(),
            stale_at,
            keys,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        self.refused.remove(&digest);
        self.verified.insert(digest, entry);
        principal
    }

    pub(super) fn remember_refusal(&self, digest: Digest, reason: Reason, present: Present) {
        self.verified.remove(&digest);
        if reason.is_worth_remembering() {
            let forget_at = present.monotonic + self.config.refusal_ttl.get();
            self.refused.insert(digest, Refusal { reason, forget_at });
        }
    }

    /// Verified callers remembered.
    pub(super) fn len(&self) -> usize {
        self.verified.len()
    }

    /// Memory they hold, in bytes, as far as it can be told.
    pub(super) fn bytes(&self) -> u64 {
        self.verified.weight()
    }

    /// Refusals remembered.
    pub(super) fn refusals(&self) -> usize {
        self.refused.len()
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.verified.clear();
        self.refused.clear();
    }
}

enum State {
    Counts,
    Expired,
    Stale,
}

impl Entry {
    fn state(&self, present: Present) -> State {
        let ends_at = self.principal.ends_at();
        if ends_at.is_some_and(|ends_at| present.wall >= ends_at) {
            return State::Expired;
        }
        let aged = self
            .stale_at
            .is_some_and(|stale_at| present.monotonic >= stale_at);
        let withdrawn = self.keys.is_some_and(|keys| keys != present.keys);
        if aged || withdrawn {
            State::Stale
        } else {
            State::Counts
        }
    }
}

/// A caller with the claims of a usual access token.
const TYPICAL_BYTES: usize = 2_048;

/// What one entry costs beside the texts in it: the identity, two counters, the cache's own tables
/// with room for half as many ghosts.
const ENTRY_BYTES: usize = size_of::<Identity>() + 2 * (size_of::<Entry>() + 32 + 24);

fn bytes_of(identity: &Identity) -> usize {
    let texts = [&identity.issuer, &identity.subject]
        .into_iter()
        .chain(&identity.client_id)
        .chain(&identity.audiences)
        .map(|text| size_of::<String>() + text.len())
        .sum::<usize>();
    let scopes = identity
        .scopes
        .iter()
        .map(|scope| 2 * size_of::<String>() + scope.as_str().len())
        .sum::<usize>();
    ENTRY_BYTES + texts + scopes + members_bytes(&identity.claims)
}

fn members_bytes(members: &Map<String, Value>) -> usize {
    members
        .iter()
        .map(|(name, value)| size_of::<String>() + name.len() + value_bytes(value))
        .sum()
}

/// The depth is bounded by `serde_json`, which reads no more than 128 levels.
fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(value_bytes).sum(),
            Value::Object(members) => members_bytes(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}
