//! Orders that last: cut-offs, which a node that was away, or is new, has to learn of.
//!
//! Said to all when they are given, and kept in the store; each node keeps those that are in force too,
//! so that a store that has lost its memory gets them back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Away, Cluster, CutOffOrder, Inner, Word, parcel::random_name, seal::Purpose};
use crate::time::Timestamp;

/// Orders that are kept; a further one is said, and lasts only where it was heard.
const ORDERS_MAX: usize = 10_000;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<HashMap<String, CutOffOrder>>);

impl Orders {
    /// No step leaves them half done, so a lock that a panic poisoned is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, CutOffOrder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: String, order: CutOffOrder) -> bool {
        let mut orders = self.lock();
        let has_place = orders.len() < ORDERS_MAX || orders.contains_key(&name);
        if has_place {
            orders.insert(name, order);
        }
        has_place
    }

    fn all(&self) -> Vec<(String, CutOffOrder)> {
        let orders = self.lock();
        let orders = orders.iter();
        orders
            .map(|(name, order)| (name.clone(), order.clone()))
            .collect()
    }

    /// Takes away those that `are_over`, and returns their names.
    fn take(&self, are_over: impl Fn(&CutOffOrder) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        self.lock().retain(|name, order| {
            let is_over = are_over(order);
            if is_over {
                names.push(name.clone());
            }
            !is_over
        });
        names
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
        if !self.0.orders.add(name.clone(), cut.clone()) {
            tracing::error!(
                "too many cut-offs are kept for all nodes; this one lasts where it is heard"
            );
            return self.0.say(&Word::CutOff { cut }).await;
        }
        self.0.keep_order(&name, &cut).await?;
        self.0.say(&Word::CutOff { cut }).await
    }

    /// Withdraws the orders about these callers, and says so to all.
    ///
    /// # Errors
    /// [`Away`]: they last.
    pub async fn withdraw(&self, whom: serde_json::Value) -> Result<(), Away> {
        let names = self.0.orders.take(|order| order.whom == whom);
        self.0.ask(self.0.store.withdraw(&names)).await?;
        self.0.say(&Word::Lifted { whom }).await
    }
}

impl Inner {
    async fn keep_order(&self, name: &str, order: &CutOffOrder) -> Result<(), Away> {
        let text = serde_json::to_vec(order).unwrap_or_default();
        let sealed = self.sealer.seal(Purpose::Order, name, &text);
        self.ask(self.store.order(name, &sealed)).await
    }

    /// Gives every order again, to a store that may have lost them.
    pub(super) async fn give_orders_again(&self) -> Result<(), Away> {
        for (name, order) in self.orders.all() {
            self.keep_order(&name, &order).await?;
        }
        Ok(())
    }

    /// Every order that is in force; those that are over are withdrawn.
    pub(super) async fn read_orders(&self) -> Result<Vec<CutOffOrder>, Away> {
        let kept = self.ask(self.store.orders()).await?;
        let opened = kept.into_iter().filter_map(|(name, sealed)| {
            let opened = self.sealer.open(Purpose::Order, &name, &sealed).ok()?;
            let order: CutOffOrder = serde_json::from_slice(&opened.content).ok()?;
            Some((name, order))
        });
        for (name, order) in opened {
            self.orders.add(name, order);
        }
        let now = self.contact.now().unwrap_or_default() / 1_000;
        let now = Timestamp::from_unix_seconds(now);
        let is_over = |order: &CutOffOrder| Timestamp::from_unix_seconds(order.ends_at) < now;
        let over = self.orders.take(is_over);
        if !over.is_empty() {
            self.ask(self.store.withdraw(&over)).await?;
        }
        let orders = self.orders.all().into_iter();
        Ok(orders.map(|(_, order)| order).collect())
    }

    pub(super) async fn say(&self, word: &Word) -> Result<(), Away> {
        let text = serde_json::to_vec(word).unwrap_or_default();
        let sealed = self.sealer.seal(Purpose::Word, "", &text);
        self.ask(self.store.say(&sealed)).await?;
        self.counters.said.one_more();
        Ok(())
    }
}
