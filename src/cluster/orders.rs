//! Orders that last: cut-offs, which a node that was away, or is new, has to learn of.
//!
//! Said to all when they are given, and kept in the store; each node keeps those that are in force too,
//! so that a store that has lost its memory gets them back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Away, Cluster, CutOffOrder, Inner, Word, parcel::random_name, seal::Purpose};
/// Orders that are kept; a further one is said, and lasts only where it was heard.
const ORDERS_MAX: usize = 10_000;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<HashMap<String, Kept>>);

#[derive(Debug, Clone)]
struct Kept {
    order: CutOffOrder,
    /// Whether it was in the store: then, once it is not, somebody has withdrawn it.
    was_stored: bool,
}

impl Orders {
    /// No step leaves them half done, so a lock that a panic poisoned is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an order; whether there was room.
    pub(super) fn add(&self, name: String, order: CutOffOrder, was_stored: bool) -> bool {
        let mut orders = self.lock();
        let has_place = orders.len() < ORDERS_MAX || orders.contains_key(&name);
        if has_place {
            orders.insert(name, Kept { order, was_stored });
        }
        has_place
    }

    /// Those about these callers are kept no longer; their names.
    pub(super) fn drop_about(&self, whom: &serde_json::Value) -> Vec<String> {
        let dropped = self.take(|_, kept| kept.order.whom == *whom);
        dropped.into_iter().map(|(name, _)| name).collect()
    }

    fn all(&self) -> Vec<(String, Kept)> {
        let orders = self.lock();
        let orders = orders.iter();
        orders
            .map(|(name, kept)| (name.clone(), kept.clone()))
            .collect()
    }

    /// Takes away those that `are_over`.
    fn take(&self, are_over: impl Fn(&str, &Kept) -> bool) -> Vec<(String, CutOffOrder)> {
        let mut taken = Vec::new();
        self.lock().retain(|name, kept| {
            let is_over = are_over(name, kept);
            if is_over {
                taken.push((name.clone(), kept.order.clone()));
            }
            !is_over
        });
        taken
    }
}

impl Cluster {
    /// The time that all nodes share, in milliseconds; nothing before the store has been reached once.
    #[must_use]
    pub fn now(&self) -> Option<u64> {
        self.0.contact.now()
    }

    /// Says a word to all other nodes.
    ///
    /// # Errors
    /// [`Away`]: nobody has heard it.
    pub async fn say(&self, word: &Word) -> Result<(), Away> {
        self.0.say(word).await
    }

    /// Gives an order to all nodes, those included that can't hear it now.
    ///
    /// # Errors
    /// [`Away`]: it is given when the store is back.
    pub async fn order(&self, cut: CutOffOrder) -> Result<(), Away> {
        let name = random_name().ok_or(Away)?;
        let word = Word::CutOff {
            name: name.clone(),
            cut: cut.clone(),
        };
        if !self.0.orders.add(name.clone(), cut.clone(), false) {
            tracing::error!(
                "too many cut-offs are kept for all nodes; this one lasts where it is heard"
            );
            return self.0.say(&word).await;
        }
        self.0.keep_order(&name, &cut).await?;
        self.0.say(&word).await
    }

    /// Withdraws the orders about these callers, and says so to all.
    ///
    /// # Errors
    /// [`Away`]: they last.
    pub async fn withdraw(&self, whom: serde_json::Value) -> Result<(), Away> {
        let names = self.0.orders.drop_about(&whom);
        self.0.ask(self.0.store.withdraw(&names)).await?;
        self.0.say(&Word::Lifted { whom }).await
    }
}

impl Inner {
    async fn keep_order(&self, name: &str, order: &CutOffOrder) -> Result<(), Away> {
        let text = serde_json::to_vec(order).unwrap_or_default();
        let sealed = self.sealer.seal(Purpose::Order, name, &text);
        self.ask(self.store.order(name, &sealed)).await?;
        self.orders.add(name.to_owned(), order.clone(), true);
        Ok(())
    }

    /// Gives the orders that are not in the store, or `all` to one that has lost its memory.
    pub(super) async fn give_orders(&self, all: bool) -> Result<(), Away> {
        for (name, kept) in self.orders.all() {
            if all || !kept.was_stored {
                self.keep_order(&name, &kept.order).await?;
            }
        }
        Ok(())
    }

    /// What has to be done by the orders that are in the store: each that is in force, and the end of
    /// those that were withdrawn meanwhile. Those that are over are withdrawn.
    pub(super) async fn read_orders(&self) -> Result<Vec<Word>, Away> {
        // One that is heard meanwhile was given after the store was asked.
        let before = self.orders.all();
        let stored = self.ask(self.store.orders()).await?;
        let was_known = |name: &str| before.iter().any(|(other, _)| other == name);
        let gone = self.orders.take(|name, kept| {
            kept.was_stored && was_known(name) && !stored.iter().any(|(other, _)| other == name)
        });
        let lifted = gone
            .into_iter()
            .map(|(_, order)| Word::Lifted { whom: order.whom });
        let mut words: Vec<Word> = lifted.collect();
        for (name, sealed) in stored {
            let opened = self.sealer.open(Purpose::Order, &name, &sealed).ok();
            let order = opened.and_then(|opened| serde_json::from_slice(&opened.content).ok());
            if let Some(order) = order {
                self.orders.add(name, order, true);
            }
        }
        let now = self.contact.now().unwrap_or_default() / 1_000;
        let over = self.orders.take(|_, kept| kept.order.ends_at < now);
        if !over.is_empty() {
            let names: Vec<_> = over.into_iter().map(|(name, _)| name).collect();
            self.ask(self.store.withdraw(&names)).await?;
        }
        let in_force = self.orders.all().into_iter();
        words.extend(in_force.map(|(name, kept)| Word::CutOff {
            name,
            cut: kept.order,
        }));
        Ok(words)
    }

    pub(super) async fn say(&self, word: &Word) -> Result<(), Away> {
        let text = serde_json::to_vec(word).unwrap_or_default();
        let sealed = self.sealer.seal(Purpose::Word, "", &text);
        self.ask(self.store.say(&sealed)).await?;
        self.counters.said.one_more();
        Ok(())
    }
}
