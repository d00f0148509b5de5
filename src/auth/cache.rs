//! Verdicts on tokens, so that a busy client costs one question or one signature check.
//!
//! Stores for each issuer, so that neither garbage nor the tokens of another issuer can push good
//! callers out: verified callers, bounded in bytes, and refusals, bounded in number and kept for
//! seconds. Keyed by the token's [`Digest`], never by the token. Every
//! [`Verifier`](super::Verifier) handle reads here; only the issuer's
//! [`Examiner`](super::examiner::Examiner) writes.
//!
//! A third store holds tokens of keys that are not published, which end with the next key set.
//!
//! An entry says who the caller is, never what was decided. It ends with the token's `exp`, by the
//! wall clock, or when its answer has aged or its key is withdrawn, whichever comes first, and all of
//! that is looked at on every hit. *Could not ask* can't be put in.

use std::time::Duration;

use quick_cache::{Weighter, sync::Cache};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    BearerToken, CutOffs, Identity, Principal, Reason,
    config::CacheConfig,
    digest::Digest,
    key_set::PublishedKey,
    principal::{Evidence, Question},
};
use crate::{secret::Secret, time::Timestamp, units::HumanDuration};

/// A verified token, and how long that may be relied on.
#[derive(Debug)]
pub(super) struct Verified {
    /// Who calls.
    pub(super) identity: Identity,
    /// Beside `exp`: what else ends it.
    pub(super) validity: Validity,
}

/// What ends a verdict before the token's `exp` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Validity {
    /// A JWT: the withdrawal of a key.
    Key {
        /// The one that signed it.
        key: PublishedKey,
        /// The generation of keys it was verified with.
        generation: u64,
    },
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
    /// Who sent it when it was last asked about. It is to be asked about again; where nobody can be
    /// asked this may be relied on.
    Stale(Principal),
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
    /// How often they have been fetched.
    pub(super) keys_fetched: u64,
}

/// All stores.
#[derive(Debug)]
pub(super) struct Verdicts {
    leeway: Duration,
    config: CacheConfig,
    verified: Cache<Digest, Entry, Bytes>,
    refused: Cache<Digest, Refusal>,
    unknown_key: Cache<Digest, UnknownKey>,
}

#[derive(Debug, Clone)]
struct Entry {
    principal: Principal,
    /// Present for answers, which age.
    age: Option<Age>,
    /// Present for JWTs, which end with their key.
    keys: Option<u64>,
    bytes: u32,
}

#[derive(Debug, Clone, Copy)]
struct Age {
    /// When it is to be asked about again.
    stale_at: Instant,
    /// When it may not be relied on any more, even if nobody can be asked.
    ends_at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct UnknownKey {
    /// How often keys had been fetched when it was not among them.
    keys_fetched: u64,
    forget_at: Instant,
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
            unknown_key: Cache::new(config.refusals_max),
            config,
        }
    }

    pub(super) fn look_up(&self, digest: &Digest, present: Present) -> Remembered {
        if let Some(entry) = self.verified.get(digest) {
            return match entry.state(present) {
                State::Counts => Remembered::Verified(entry.principal),
                State::Stale => Remembered::Stale(entry.principal),
                State::Expired => Remembered::Refused(Reason::Expired),
                State::Over => Remembered::Nothing,
            };
        }
        if let Some(refusal) = self.refused.get(digest)
            && refusal.counts(present)
        {
            return Remembered::Refused(refusal.reason);
        }
        match self.unknown_key.get(digest) {
            Some(unknown) if unknown.counts(present) => Remembered::Refused(Reason::UnknownKey),
            _ => Remembered::Nothing,
        }
    }

    /// `token` is kept where it will have to be asked about again.
    pub(super) fn remember(
        &self,
        digest: Digest,
        verified: Verified,
        token: &BearerToken<'_>,
        present: Present,
    ) -> Principal {
        let (age, keys, key) = match verified.validity {
            Validity::Key { key, generation } => (None, Some(generation), Some(key)),
            Validity::Answer { unverified_expiry } => {
                let config = &self.config;
                let within = |time: HumanDuration| {
                    let left = unverified_expiry
                        .map(|expiry| expiry.plus(self.leeway).since(present.wall));
                    present.monotonic + left.map_or(time.get(), |left| left.min(time.get()))
                };
                let age = Age {
                    stale_at: within(config.answer_ttl),
                    ends_at: within(HumanDuration::new(config.relied_on_for())),
                };
                (Some(age), None, None)
            }
        };
        let question = age.map(|_| Question {
            digest,
            token: Secret::new(token.expose()),
            answered_at: present.monotonic,
        });
        let bytes =
            bytes_of(&verified.identity) + question.as_ref().map_or(0, |_| token_bytes(token));
        let known = self.verified.peek(&digest);
        let first_seen = known.and_then(|known| known.principal.first_seen());
        let first_seen = first_seen.unwrap_or(present.monotonic);
        let evidence = question.map(Evidence::Question).or(key.map(Evidence::Key));
        let principal =
            Principal::of_token(verified.identity, self.leeway, Some(first_seen), evidence);
        let entry = Entry {
            principal: principal.clone(),
            age,
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

    /// Leaves a caller alone for a while whom nobody could be asked about again.
    pub(super) fn put_off(&self, digest: Digest, present: Present) {
        let Some(mut entry) = self.verified.get(&digest) else {
            return;
        };
        if let (State::Stale, Some(age)) = (entry.state(present), &mut entry.age) {
            age.stale_at = (present.monotonic + PUT_OFF).min(age.ends_at);
            self.verified.insert(digest, entry);
        }
    }

    /// Remembers that a token's key is not published, until `look_again_at` or the next key set.
    pub(super) fn remember_unknown_key(
        &self,
        digest: Digest,
        look_again_at: Instant,
        present: Present,
    ) {
        let ttl = self.config.refusal_ttl.get();
        let unknown = UnknownKey {
            keys_fetched: present.keys_fetched,
            forget_at: look_again_at.min(present.monotonic + ttl),
        };
        self.unknown_key.insert(digest, unknown);
    }

    /// Clears away what does not count any more, and says how many entries that were. Of a token that
    /// does not say when it was issued, that is kept where it is cut off.
    pub(super) fn sweep(&self, present: Present, cut_offs: &CutOffs) -> usize {
        let entries = || self.verified.len() + self.refused.len() + self.unknown_key.len();
        let before = entries();
        self.verified.retain(|_, entry| match entry.state(present) {
            State::Counts | State::Stale => true,
            State::Over => {
                entry.principal.issued_at().is_none() && cut_offs.concern(&entry.principal)
            }
            State::Expired => false,
        });
        self.refused.retain(|_, refusal| refusal.counts(present));
        self.unknown_key
            .retain(|_, unknown| unknown.counts(present));
        before.saturating_sub(entries())
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
        self.refused.len() + self.unknown_key.len()
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.verified.clear();
        self.refused.clear();
        self.unknown_key.clear();
    }
}

enum State {
    Counts,
    Stale,
    Expired,
    Over,
}

impl Refusal {
    fn counts(&self, present: Present) -> bool {
        present.monotonic < self.forget_at
    }
}

impl UnknownKey {
    fn counts(&self, present: Present) -> bool {
        present.monotonic < self.forget_at && present.keys_fetched == self.keys_fetched
    }
}

impl Entry {
    fn state(&self, present: Present) -> State {
        let ends_at = self.principal.ends_at();
        if ends_at.is_some_and(|ends_at| present.wall >= ends_at) {
            return State::Expired;
        }
        if self.keys.is_some_and(|keys| keys != present.keys) {
            return State::Over;
        }
        match self.age {
            Some(age) if present.monotonic >= age.ends_at => State::Over,
            Some(age) if present.monotonic >= age.stale_at => State::Stale,
            _ => State::Counts,
        }
    }
}

/// How long a caller is let in without another question, once nobody could be asked about it. As
/// short as a recovery may go unnoticed.
const PUT_OFF: Duration = Duration::from_secs(2);

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

fn token_bytes(token: &BearerToken<'_>) -> usize {
    size_of::<Question>() + token.expose().len()
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
