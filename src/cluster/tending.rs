//! What a node does unasked: it beats, looks through its sessions, writes what has changed, and listens.
//!
//! On a thread of its own, so that it is not late where the others are busy: a late beat is a dead node.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError, Weak, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};

use super::{
    Away, Cluster, Inner, Kept, Record, Word,
    seal::{OpenError, Purpose},
};

/// Sessions of this node, and what is done with a word, for those who know them.
pub trait Residents: Send + Sync + 'static {
    /// Every session that others are to find, with its epoch.
    fn all(&self) -> Vec<(String, u64)>;

    /// What is known of one; nothing of one that is over.
    fn record(&self, id: &str) -> Option<Record>;

    /// Another node has this one: it has to end here.
    fn lost(&self, id: &str);

    /// Another node has said something; it is `now`, in milliseconds of the time that all share.
    fn heard(&self, word: Word, now: u64) -> BoxFuture<'_, ()>;
}

/// A change of a session that is written soon.
#[derive(Debug)]
pub(super) enum Write {
    Release {
        id: String,
        epoch: u64,
    },
    Forget {
        id: String,
        epoch: u64,
    },
    Rewrite {
        id: String,
        epoch: u64,
        record: Record,
    },
    /// All before it have been written.
    Flush(oneshot::Sender<()>),
}

/// Pause between two tries to reach a store that is away; and before listening again.
const PAUSE: Duration = Duration::from_secs(1);
/// Sessions that one question keeps.
const KEPT_AT_ONCE: usize = 500;
/// Sessions that are entered side by side.
const ENTERED_AT_ONCE: usize = 64;

impl Cluster {
    /// Begins to beat and to listen, for these sessions. Once for each node.
    pub fn tend(&self, residents: Arc<dyn Residents>) {
        let waiting = self.0.waiting.lock();
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner).take();
        let runtime = self.0.runtime.lock();
        let runtime = runtime.unwrap_or_else(PoisonError::into_inner);
        let (Some(runtime), Some(waiting)) = (&*runtime, waiting) else {
            return;
        };
        let node = Arc::downgrade(&self.0);
        runtime.spawn(beat_on(Weak::clone(&node), Arc::clone(&residents)));
        runtime.spawn(listen_on(Weak::clone(&node), residents));
        runtime.spawn(write_on(node, waiting));
    }

    /// From now on this node takes no further session, and all know.
    pub fn is_leaving(&self) {
        self.0.leaving.store(true, Ordering::Release);
        self.0.poke.notify_one();
    }

    /// Whether it takes no further session.
    #[must_use]
    pub fn takes_sessions(&self) -> bool {
        !self.0.leaving.load(Ordering::Acquire)
    }

    /// Waits until every change so far is written.
    pub async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        let flush = self.0.writes.send_timeout(Write::Flush(done), PAUSE).await;
        if flush.is_ok() {
            // Whoever writes ends with the node.
            let _written = settled.await;
        }
    }

    /// The node is gone; nobody has to wait for its lease to end.
    pub async fn leave(&self) {
        self.settle().await;
        // Or else the lease ends by itself.
        let _left = self.0.ask(self.0.store.leave(&self.0.node.name)).await;
    }
}

impl Inner {
    /// Writes it soon, if there is room.
    pub(super) fn write(&self, write: Write) {
        if self.writes.try_send(write).is_err() {
            self.counters.writes_left_out.one_more();
            self.contact.want_review();
        }
    }

    fn now(&self) -> u64 {
        self.contact.now().unwrap_or_default()
    }

    async fn carry_out(&self, write: Write) -> Result<(), Away> {
        match write {
            Write::Release { id, epoch } => {
                let holder = self.holder(epoch);
                self.ask(self.store.release(&id, &holder)).await.map(drop)
            }
            Write::Forget { id, epoch } => {
                let holder = self.holder(epoch);
                self.ask(self.store.forget(&id, &holder)).await.map(drop)
            }
            Write::Rewrite { id, epoch, record } => {
                let (holder, data) = (self.holder(epoch), self.seal_record(&id, &record));
                let rewrite = self.store.rewrite(&id, &holder, &data, self.session_ttl);
                self.ask(rewrite).await.map(drop)
            }
            Write::Flush(done) => {
                // Who has stopped waiting does not want to know.
                let _gone = done.send(());
                Ok(())
            }
        }
    }

    /// One beat, and what follows from it; how long until the next.
    async fn beat(&self, residents: &dyn Residents, number: u64) -> Duration {
        let begun = Instant::now();
        let leaving = self.leaving.load(Ordering::Acquire);
        let node = super::Node {
            leaving,
            ..self.node.clone()
        };
        let text = serde_json::to_vec(&node).unwrap_or_default();
        let sealed = self.sealer.seal(Purpose::Node, &node.name, &text);
        let offered = format!("{}.{number}", node.name);
        let lease = self.config.lease.get();
        let beat = self.store.beat(&node.name, &sealed, lease, &offered);
        let Ok(beat) = self.ask_anyway(beat).await else {
            self.lost("its beat was not answered");
            return PAUSE.min(lease / 6);
        };
        let beaten = self.contact.beaten(begun, &offered, &beat);
        if beaten.is_back {
            tracing::info!("the cluster's store is back");
        }
        if beaten.review_due && self.review(residents).await.is_err() {
            return PAUSE.min(lease / 6);
        }
        if beaten.has_forgotten {
            tracing::warn!("the cluster's store has lost its memory: sessions are entered again");
            // Or else the others notice by their next beat.
            let _unheard = self.say(&Word::Review).await;
        }
        // Heard by this node too, if it hears anything.
        let _deaf = self.say(&Word::Beat).await;
        // A tenth more or less, so that nodes don't beat as one.
        let spread = RandomState::new().hash_one(number) % 200;
        lease / 3 * u32::try_from(900 + spread).unwrap_or(1_000) / 1_000
    }

    /// Looks through all sessions: those that others have end, the others are entered.
    async fn review(&self, residents: &dyn Residents) -> Result<(), Away> {
        let entering = stream::iter(residents.all())
            .map(async |(id, epoch)| {
                let Some(record) = residents.record(&id) else {
                    return Ok(());
                };
                if !self.enter(&id, epoch, &record).await? {
                    self.counters.fenced.one_more();
                    residents.lost(&id);
                }
                Ok(())
            })
            .buffer_unordered(ENTERED_AT_ONCE);
        let entered: Vec<Result<(), Away>> = entering.collect().await;
        entered.into_iter().collect::<Result<(), Away>>()?;
        self.give_orders(self.contact.has_forgotten()).await?;
        for word in self.read_orders().await? {
            residents.heard(word, self.now()).await;
        }
        self.contact.reviewed();
        Ok(())
    }

    /// Lets the store remember the sessions that live.
    async fn keep(&self, residents: &dyn Residents) -> Result<(), Away> {
        for some in residents.all().chunks(KEPT_AT_ONCE) {
            let keep = self.store.keep(some, &self.node.name, self.session_ttl);
            for ((id, epoch), kept) in some.iter().zip(self.ask(keep).await?) {
                match (kept, residents.record(id)) {
                    (Kept::Moved, Some(_)) => {
                        self.counters.fenced.one_more();
                        residents.lost(id);
                    }
                    (Kept::Unknown, Some(record)) => {
                        self.enter(id, *epoch, &record).await?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    async fn hear(&self, sealed: &[u8], residents: &dyn Residents) {
        let opened = match self.sealer.open(Purpose::Word, "", sealed) {
            Ok(opened) => opened,
            Err(OpenError::Version | OpenError::NotOurs) => {
                tracing::debug!("a word was not sealed with the cluster's key");
                return;
            }
        };
        let is_own = self.sealer.is(&opened.process);
        let Ok(word) = serde_json::from_slice(&opened.content) else {
            return;
        };
        match word {
            _ if is_own => {}
            Word::Beat | Word::Unknown => {}
            Word::Review => {
                self.contact.want_review();
                self.poke.notify_one();
            }
            word => {
                self.counters.heard.one_more();
                match &word {
                    Word::CutOff { name, cut } => {
                        // Where there is no room, it is in force all the same.
                        let _kept = self.orders.add(name.clone(), cut.clone(), true);
                    }
                    Word::Lifted { whom } => _ = self.orders.drop_about(whom),
                    _ => {}
                }
                residents.heard(word, self.now()).await;
            }
        }
    }
}

async fn beat_on(node: Weak<Inner>, residents: Arc<dyn Residents>) {
    let mut kept = Instant::now();
    for number in 0_u64.. {
        let Some(inner) = node.upgrade() else { return };
        let wait = inner.beat(&*residents, number).await;
        if kept.elapsed() >= inner.session_ttl / 4 && inner.keep(&*residents).await.is_ok() {
            kept = Instant::now();
        }
        let poke = Arc::clone(&inner.poke);
        drop(inner);
        // Whoever pokes often does not make it beat without a pause.
        sleep(wait / 20).await;
        let _poked = timeout(wait, poke.notified()).await;
    }
}

async fn listen_on(node: Weak<Inner>, residents: Arc<dyn Residents>) {
    loop {
        let Some(inner) = node.upgrade() else { return };
        let patience = inner.config.lease.get();
        let opened = timeout(inner.config.answer_within.get(), inner.store.listen()).await;
        if let Ok(Ok(mut words)) = opened {
            // What was said before it listened is in the orders that are kept.
            for word in inner.read_orders().await.unwrap_or_default() {
                residents.heard(word, inner.now()).await;
            }
            drop(inner);
            while let Ok(Some(word)) = timeout(patience, words.next()).await {
                let Some(inner) = node.upgrade() else { return };
                inner.hear(&word, &*residents).await;
            }
            if let Some(inner) = node.upgrade() {
                inner.counters.deaf.one_more();
            }
        } else {
            drop(inner);
        }
        sleep(PAUSE).await;
    }
}

async fn write_on(node: Weak<Inner>, mut waiting: mpsc::Receiver<Write>) {
    while let Some(write) = waiting.recv().await {
        let Some(inner) = node.upgrade() else { return };
        if inner.carry_out(write).await.is_err() {
            inner.contact.want_review();
        }
    }
}
