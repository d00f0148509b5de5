//! Which of the key sets that an issuer has served counts.
//!
//! Plain data; [`Keys`](super::keys::Keys) fetches. A new set replaces the old one whole, so that a
//! withdrawn key is gone. One exception: a set that we have moved on from already, served again, is
//! most likely a replica or a cache that is behind. Going back to it would lock out everybody who
//! holds a token of the newer key, or let a withdrawn key in again. It is believed once it has been
//! served for a while (K38).

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::key_set::KeySet;

/// Sets remembered as left behind. Providers that rotate hold one or two.
const LEFT_MAX: usize = 4;

/// A key set, and its place in the row of those that took a key away.
#[derive(Debug, Clone)]
pub(super) struct Edition {
    pub(super) keys: Arc<KeySet>,
    /// Grows only when a key is withdrawn: verdicts of an older generation may rest on it.
    pub(super) generation: u64,
}

/// What became of a set that was served.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is the one that counts.
    In,
    /// It is likely an old copy: the newer one still counts, and another look is worth it soon.
    Doubted,
}

/// The sets of one issuer.
#[derive(Debug, Default)]
pub(super) struct Editions {
    current: Option<Edition>,
    /// That of `current`, or of the next there will be.
    generation: u64,
    fetched_at: Option<Instant>,
    left: VecDeque<Arc<KeySet>>,
    doubted_since: Option<Instant>,
}

impl Editions {
    pub(super) fn current(&self) -> Option<&Edition> {
        self.current.as_ref()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes in a set served now. One that we had left is doubted for as long as `lag`.
    pub(super) fn take_in(&mut self, keys: KeySet, now: Instant, lag: Duration) -> Taken {
        if let Some(current) = self.current.take() {
            if self.left.iter().any(|left| left.is(&keys)) {
                let since = *self.doubted_since.get_or_insert(now);
                if now.saturating_duration_since(since) < lag {
                    self.current = Some(current);
                    return Taken::Doubted;
                }
            }
            if !keys.keeps_all_of(&current.keys) {
                self.generation += 1;
            }
            self.leave(current.keys, &keys);
        }
        self.doubted_since = None;
        self.fetched_at = Some(now);
        self.current = Some(Edition {
            keys: Arc::new(keys),
            generation: self.generation,
        });
        Taken::In
    }

    /// Gives up keys that nobody could be asked about for longer than `stale_max`: if one was
    /// withdrawn meanwhile, we would not know. Says whether there were any.
    pub(super) fn give_up(&mut self, now: Instant, stale_max: Duration) -> bool {
        let too_old = self
            .fetched_at
            .is_some_and(|at| now.saturating_duration_since(at) > stale_max);
        let given_up = too_old && self.current.take().is_some();
        if given_up {
            self.generation += 1;
        }
        given_up
    }

    /// Believes whatever is served next.
    pub(super) fn forget_left(&mut self) {
        self.left.clear();
        self.doubted_since = None;
    }

    fn leave(&mut self, old: Arc<KeySet>, new: &KeySet) {
        self.left.retain(|left| !left.is(new));
        if !old.is(new) {
            self.left.push_back(old);
        }
        if self.left.len() > LEFT_MAX {
            self.left.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::fake_issuer::signing::SigningKey;

    const LAG: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    fn set(keys: &[&SigningKey]) -> KeySet {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        KeySet::parse(&json!({ "keys": keys })).unwrap()
    }

    /// Editions, and two keys: an old one that signed alone, and a new one beside it since.
    fn rotated(now: Instant) -> (Editions, SigningKey, SigningKey) {
        let [old, new] = ["old", "new"].map(|id| SigningKey::new("EdDSA", id));
        let mut editions = Editions::default();
        assert_eq!(editions.take_in(set(&[&old]), now, LAG), Taken::In);
        assert_eq!(editions.take_in(set(&[&new, &old]), now, LAG), Taken::In);
        (editions, old, new)
    }

    fn held(editions: &Editions) -> usize {
        editions.current().map_or(0, |edition| edition.keys.len())
    }

    // K38
    #[test]
    fn a_copy_from_before_the_rotation_does_not_undo_it() {
        let now = Instant::now();
        let (mut editions, old, new) = rotated(now);

        for second in 0..60 {
            let taken = editions.take_in(set(&[&old]), now + SECOND * second, LAG);
            assert_eq!(taken, Taken::Doubted, "{second}");
            assert_eq!((held(&editions), editions.generation()), (2, 0));
        }
        // Replicas take turns: the fresh one starts the doubt anew.
        let taken = editions.take_in(set(&[&old, &new]), now + LAG, LAG);
        assert_eq!(taken, Taken::In);
        let taken = editions.take_in(set(&[&old]), now + LAG * 2, LAG);
        assert_eq!(taken, Taken::Doubted);
    }

    // K37
    #[test]
    fn a_rotation_that_is_really_undone_counts_after_a_while() {
        let now = Instant::now();
        let (mut editions, old, _) = rotated(now);
        editions.take_in(set(&[&old]), now, LAG);

        let taken = editions.take_in(set(&[&old]), now + LAG, LAG);

        assert_eq!(taken, Taken::In);
        assert_eq!((held(&editions), editions.generation()), (1, 1));
    }

    // K37
    #[test]
    fn a_key_withdrawn_by_a_set_never_seen_is_gone_at_once() {
        let now = Instant::now();
        let (mut editions, _, new) = rotated(now);

        assert_eq!(editions.take_in(set(&[&new]), now, LAG), Taken::In);

        assert_eq!((held(&editions), editions.generation()), (1, 1));
    }

    // K37, K38
    #[test]
    fn a_copy_from_before_a_withdrawal_does_not_bring_the_key_back() {
        let now = Instant::now();
        let (mut editions, old, new) = rotated(now);
        editions.take_in(set(&[&new]), now, LAG);

        let taken = editions.take_in(set(&[&old, &new]), now + SECOND, LAG);

        assert_eq!(taken, Taken::Doubted);
        assert_eq!(held(&editions), 1);
    }

    #[test]
    fn an_operator_who_says_so_is_believed_at_once() {
        let now = Instant::now();
        let (mut editions, old, _) = rotated(now);

        editions.forget_left();

        assert_eq!(editions.take_in(set(&[&old]), now, LAG), Taken::In);
        assert_eq!(editions.generation(), 1);
    }

    #[test]
    fn keys_that_grew_old_without_an_answer_are_given_up() {
        let now = Instant::now();
        let (mut editions, old, _) = rotated(now);

        assert!(!editions.give_up(now + LAG, LAG));
        assert!(editions.give_up(now + LAG + SECOND, LAG));
        assert!(!editions.give_up(now + LAG * 2, LAG), "once");
        assert!(editions.current().is_none());
        assert_eq!(editions.generation(), 1);

        editions.take_in(set(&[&old]), now + LAG * 2, LAG);
        assert_eq!((held(&editions), editions.generation()), (1, 1));
    }

    #[test]
    fn only_so_many_sets_are_remembered() {
        let now = Instant::now();
        let mut editions = Editions::default();
        for number in 0..20 {
            let key = SigningKey::new("EdDSA", &number.to_string());
            editions.take_in(set(&[&key]), now, LAG);
        }

        assert_eq!(editions.left.len(), LEFT_MAX);
    }
}
