//! Questions to the store, with a deadline; and what is sealed there.

use std::sync::Arc;

use super::{
    Answer, Away, Entry, Holder, Host, Inner, Known, Node, Record, StoreError, seal::Purpose,
};

impl Inner {
    /// Asks the store, which has so long to answer; not at all while it is known to be away.
    pub(super) async fn ask<T>(&self, question: Answer<'_, T>) -> Result<T, Away> {
        if self.contact.is_away() {
            self.counters.spared.one_more();
            return Err(Away);
        }
        self.ask_anyway(question).await
    }

    pub(super) async fn ask_anyway<T>(&self, question: Answer<'_, T>) -> Result<T, Away> {
        let answer = tokio::time::timeout(self.config.answer_within.get(), question).await;
        match answer {
            Ok(Ok(answer)) => {
                self.counters.asked.one_more();
                return Ok(answer);
            }
            Ok(Err(StoreError::Refused(why))) => {
                tracing::debug!(why, "the cluster's store refuses");
            }
            Ok(Err(StoreError::Away(why))) => self.lost(&why),
            Err(_elapsed) => self.lost("it does not answer"),
        }
        self.counters.failed.one_more();
        Err(Away)
    }

    pub(super) fn lost(&self, why: &str) {
        if self.contact.lost() {
            tracing::warn!(
                why,
                "the cluster's store is away: sessions of other nodes can't be reached"
            );
            self.poke.notify_one();
        }
    }

    pub(super) fn holder(&self, epoch: u64) -> Holder {
        let node = self.node.name.clone();
        Holder { node, epoch }
    }

    /// Whether the session is this node's, now that it is entered.
    pub(super) async fn enter(&self, id: &str, epoch: u64, record: &Record) -> Result<bool, Away> {
        let (data, holder) = (self.seal_record(id, record), self.holder(epoch));
        let entering = self.store.enter(id, &holder, &data, self.session_ttl);
        self.ask(entering).await
    }

    pub(super) async fn look_up(&self, id: &str) -> Result<Option<Known>, Away> {
        let sight = self.ask(self.store.look_up(id)).await?;
        let Some(Entry { holder, data }) = sight.entry else {
            if self.contact.is_unsettled(sight.era.as_deref()) {
                self.poke.notify_one();
                return Err(Away);
            }
            return Ok(None);
        };
        // Sealed under a key that is not known here, or not at all.
        let record = self.open_record(id, &data).ok_or(Away)?;
        let host = if holder.node == self.node.name {
            Host::Me
        } else if holder.node.is_empty() {
            Host::Nobody
        } else if let Some((data, _left)) = sight.lease {
            Host::Node(self.open_node(&holder.node, &data).ok_or(Away)?)
        } else if self.contact.can_judge() {
            Host::Dead
        } else {
            return Err(Away);
        };
        Ok(Some(Known {
            record: Arc::new(record),
            holder,
            host,
        }))
    }

    pub(super) fn seal_record(&self, id: &str, record: &Record) -> Vec<u8> {
        let text = serde_json::to_vec(record).unwrap_or_default();
        self.sealer.seal(Purpose::Record, id, &text)
    }

    fn open_record(&self, id: &str, sealed: &[u8]) -> Option<Record> {
        let opened = self.sealer.open(Purpose::Record, id, sealed).ok()?;
        serde_json::from_slice(&opened.content).ok()
    }

    pub(super) fn open_node(&self, name: &str, sealed: &[u8]) -> Option<Node> {
        let opened = self.sealer.open(Purpose::Node, name, sealed).ok()?;
        serde_json::from_slice(&opened.content).ok()
    }
}
