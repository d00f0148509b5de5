//! A bounded map whose entries expire: the only kind of store the provider has.
//!
//! Every insertion first drops what has expired, so a table never holds more than its limit and
//! nothing lives on because nobody came by. A full table refuses; it never forgets what is good, but
//! for copies of what can be had again ([`Table::insert_over`]).

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use crate::time::Timestamp;

/// At most `limit` entries, each with the moment at which it is gone.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    limit: usize,
    entries: HashMap<K, Entry<V>>,
    /// Expiry and insertion number, to find what has expired without looking at the rest.
    by_expiry: BTreeMap<(Timestamp, u64), K>,
    inserted: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    expiry: (Timestamp, u64),
}

/// The table holds its limit, all of it still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl<K: Eq + Hash + Clone, V> Table<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: HashMap::new(),
            by_expiry: BTreeMap::new(),
            inserted: 0,
        }
    }

    /// Puts in or replaces; the entry is gone at `expires_at`.
    pub(super) fn insert(
        &mut self,
        now: Timestamp,
        key: K,
        value: V,
        expires_at: Timestamp,
    ) -> Result<(), Full> {
        self.purge(now);
        self.remove_entry(&key);
        if self.entries.len() >= self.limit {
            return Err(Full);
        }
        self.inserted += 1;
        let expiry = (expires_at, self.inserted);
        self.by_expiry.insert(expiry, key.clone());
        self.entries.insert(key, Entry { value, expiry });
        Ok(())
    }

    /// Puts in or replaces, and in a full table instead of the entry that expires next.
    pub(super) fn insert_over(&mut self, now: Timestamp, key: K, value: V, expires_at: Timestamp) {
        self.purge(now);
        if self.entries.len() >= self.limit
            && !self.entries.contains_key(&key)
            && let Some((_, next)) = self.by_expiry.pop_first()
        {
            self.entries.remove(&next);
        }
        let _room_was_made = self.insert(now, key, value, expires_at);
    }

    pub(super) fn get(&self, now: Timestamp, key: &K) -> Option<&V> {
        let entry = self.entries.get(key)?;
        (now < entry.expiry.0).then_some(&entry.value)
    }

    pub(super) fn get_mut(&mut self, now: Timestamp, key: &K) -> Option<&mut V> {
        let entry = self.entries.get_mut(key)?;
        (now < entry.expiry.0).then_some(&mut entry.value)
    }

    /// Takes out; `None` also for what has expired.
    pub(super) fn remove(&mut self, now: Timestamp, key: &K) -> Option<V> {
        let entry = self.remove_entry(key)?;
        (now < entry.expiry.0).then_some(entry.value)
    }

    /// Lets an entry live until `expires_at` at least; never shortens.
    pub(super) fn extend(&mut self, key: &K, expires_at: Timestamp) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if entry.expiry.0 < expires_at {
            self.by_expiry.remove(&entry.expiry);
            entry.expiry.0 = expires_at;
            self.by_expiry.insert(entry.expiry, key.clone());
        }
    }

    /// All that is still good, in no order.
    pub(super) fn values(&self, now: Timestamp) -> impl Iterator<Item = &V> {
        let good = self
            .entries
            .values()
            .filter(move |entry| now < entry.expiry.0);
        good.map(|entry| &entry.value)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn remove_entry(&mut self, key: &K) -> Option<Entry<V>> {
        let entry = self.entries.remove(key)?;
        self.by_expiry.remove(&entry.expiry);
        Some(entry)
    }

    fn purge(&mut self, now: Timestamp) {
        while let Some(first) = self.by_expiry.first_entry() {
            if now < first.key().0 {
                return;
            }
            let key = first.remove();
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn an_entry_is_gone_at_its_expiry() {
        let mut table = Table::new(10);
        table.insert(at(0), "a", 1, at(60)).unwrap();

        assert_eq!(table.get(at(59), &"a"), Some(&1));
        assert_eq!(table.get(at(60), &"a"), None);
        assert_eq!(table.remove(at(60), &"a"), None);
    }

    #[test]
    fn a_full_table_refuses_and_forgets_nothing_good() {
        let mut table = Table::new(1);
        table.insert(at(0), "a", 1, at(60)).unwrap();

        assert_eq!(table.insert(at(1), "b", 2, at(60)), Err(Full));
        assert_eq!(table.get(at(1), &"a"), Some(&1));
    }

    #[test]
    fn what_expired_makes_room() {
        let mut table = Table::new(1);
        table.insert(at(0), "a", 1, at(60)).unwrap();

        table.insert(at(60), "b", 2, at(90)).unwrap();

        assert_eq!(table.len(), 1);
    }

    #[test]
    fn an_extended_entry_outlives_its_first_expiry() {
        let mut table = Table::new(1);
        table.insert(at(0), "a", 1, at(60)).unwrap();

        table.extend(&"a", at(100));

        assert_eq!(table.get(at(99), &"a"), Some(&1));
        assert_eq!(table.insert(at(70), "b", 2, at(90)), Err(Full));
        assert!(table.insert(at(100), "b", 2, at(200)).is_ok());
    }

    #[test]
    fn in_place_of_a_copy_goes_the_one_that_expires_next() {
        let mut table = Table::new(2);
        table.insert(at(0), "long", 1, at(90)).unwrap();
        table.insert(at(0), "short", 2, at(60)).unwrap();

        table.insert_over(at(1), "new", 3, at(70));
        table.insert_over(at(1), "new", 4, at(80));

        assert_eq!(table.get(at(1), &"short"), None);
        assert_eq!(table.get(at(1), &"long"), Some(&1));
        assert_eq!((table.get(at(1), &"new"), table.len()), (Some(&4), 2));
        assert_eq!(table.by_expiry.len(), 2);
    }

    #[test]
    fn replacing_leaves_nothing_behind() {
        let mut table = Table::new(1);
        table.insert(at(0), "a", 1, at(60)).unwrap();
        table.insert(at(0), "a", 2, at(90)).unwrap();

        assert_eq!(table.get(at(70), &"a"), Some(&2));
        assert_eq!(table.by_expiry.len(), 1);
    }
}
