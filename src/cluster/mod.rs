//! Several nodes as one: who has which session, requests for other nodes, and words to all.
//!
//! A [`Store`] that the nodes share tells who has a session, and since which change of hands; a node that
//! is asked for a session of another sends the request there ([`Cluster::forward`]). `router` asks where
//! a session is, and claims it where its node is gone; `transport` sends requests and takes those of
//! others. What nodes say to each other is sealed with one key. Nothing here is asked where a node stands
//! alone: its own table knows all there is.
//!
//! The store may go away at any time, and nobody is worse off for it than has to be: what is here goes
//! on, what is elsewhere can't be asked for ([`Away`]), and all heals by the next beat that is answered.

mod asking;
mod config;
mod contact;
mod courier;
mod joining;
mod memory;
mod metrics;
mod orders;
mod parcel;
mod record;
#[cfg(feature = "cluster")]
mod redis;
mod replayed;
mod seal;
mod store;
mod tending;
mod word;

use std::{
    fmt,
    sync::{Arc, PoisonError},
    time::Duration,
};

use quick_cache::sync::Cache;
use tokio::{
    runtime::Runtime,
    sync::{Notify, mpsc},
    time::Instant,
};

pub use config::Config;
pub use courier::{NOT_TAKEN_HEADER, NOT_THERE, Sent};
pub use joining::ClusterError;
pub use memory::Memory;
pub use parcel::{NotTaken, Parcel, Received};
pub use record::{Node, Record};
#[cfg(feature = "cluster")]
pub use redis::{NoRedisUrl, RedisStore};
pub use seal::KeyError;
pub use store::{Answer, Beat, Claimed, Entry, Heard, Holder, Kept, Sight, Store, StoreError};
pub use tending::Residents;
pub use word::{CutOffOrder, Word};

use contact::Contact;
use metrics::Counters;
use orders::Orders;
use replayed::Replayed;
use seal::Sealer;
use tending::Write;

/// One node among others. Clones share everything; when the last is dropped, the node is silent.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

/// What the parts of this room share.
struct Inner {
    config: Config,
    node: Node,
    sealer: Sealer,
    store: Arc<dyn Store>,
    contact: Contact,
    counters: Counters,
    replayed: Replayed,
    client: reqwest::Client,
    /// Where sessions of others were found, for as long as nobody says otherwise.
    known: Cache<String, (Known, Instant)>,
    orders: Orders,
    writes: mpsc::Sender<Write>,
    /// Lets the next beat come at once.
    poke: Arc<Notify>,
    leaving: std::sync::atomic::AtomicBool,
    session_ttl: Duration,
    /// The thread that all of it runs on; none in between, when it ends.
    runtime: std::sync::Mutex<Option<Runtime>>,
    /// Writes that wait, until somebody tends them.
    waiting: std::sync::Mutex<Option<mpsc::Receiver<Write>>>,
}

/// The store can't be asked, or does not do what it is asked: the caller may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other nodes can't be asked at the moment")]
pub struct Away;

/// A session of another node.
#[derive(Debug, Clone)]
pub struct Known {
    /// What is known of it.
    pub record: Arc<Record>,
    /// Who has it, and since when.
    pub holder: Holder,
    /// Where that is.
    pub host: Host,
}

/// Whoever has a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// This node.
    Me,
    /// Another, that lives.
    Node(Node),
    /// Nobody: it was let go.
    Nobody,
    /// A node that is dead, as far as this one can tell.
    Dead,
}

/// How long a session of another node is known without asking again.
const KNOWN_FOR: Duration = Duration::from_secs(30);
impl Cluster {
    /// This node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.0.node
    }

    /// How it was set.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Whether others may have taken this node's sessions.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.0.contact.is_suspect()
    }

    // === Sessions ===

    /// Enters a session of this node, so that others find it.
    ///
    /// # Errors
    /// [`Away`]: it is entered when the store is back.
    pub async fn enter(&self, id: &str, epoch: u64, record: &Record) -> Result<(), Away> {
        self.0.enter(id, epoch, record).await.map(|_is_ours| ())
    }

    /// Where a session is that is not here. None is unknown to all nodes.
    ///
    /// # Errors
    /// [`Away`] where nobody can tell.
    pub async fn whereabouts(&self, id: &str) -> Result<Option<Known>, Away> {
        if let Some((known, at)) = self.0.known.get(id)
            && at.elapsed() < KNOWN_FOR
        {
            return Ok(Some(known));
        }
        let found = self.0.look_up(id).await?;
        match &found {
            Some(known) if matches!(known.host, Host::Node(_)) => {
                let entry = (known.clone(), Instant::now());
                self.0.known.insert(id.to_owned(), entry);
            }
            _ => _ = self.0.known.remove(id),
        }
        Ok(found)
    }

    /// What was known of a session's whereabouts is not so any more.
    pub fn forget_whereabouts(&self, id: &str) {
        self.0.known.remove(id);
    }

    /// Takes a session over from a node that is gone. `refuses` says that it takes no connection, which
    /// is enough after two thirds of its lease.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn claim(&self, id: &str, from: &Holder, refuses: bool) -> Result<Claimed, Away> {
        let lease = self.0.config.lease.get();
        let left_max = if refuses {
            lease.saturating_sub(contact::suspect_after(lease))
        } else {
            Duration::ZERO
        };
        if !from.node.is_empty() && !self.0.contact.can_judge() {
            return Ok(Claimed::Alive);
        }
        let (me, ttl) = (&self.0.node.name, self.0.session_ttl);
        let claim = self.0.store.claim(id, from, me, left_max, ttl);
        let claimed = self.0.ask(claim).await?;
        let counters = &self.0.counters;
        match &claimed {
            Claimed::Won(_) => counters.claims_won.one_more(),
            Claimed::Lost(_) => counters.claims_lost.one_more(),
            Claimed::Alive => counters.claims_alive.one_more(),
            Claimed::Gone => counters.claims_gone.one_more(),
        }
        self.0.known.remove(id);
        Ok(claimed)
    }

    /// Lets a session of this node go, to whoever is asked for it next. Written soon.
    pub fn release(&self, id: String, epoch: u64) {
        self.0.write(Write::Release { id, epoch });
    }

    /// A session of this node is over. Written soon.
    pub fn forget(&self, id: String, epoch: u64) {
        self.0.write(Write::Forget { id, epoch });
    }

    /// What is known of a session of this node is another. Written soon.
    pub fn rewrite(&self, id: String, epoch: u64, record: Record) {
        self.0.write(Write::Rewrite { id, epoch, record });
    }

    /// Another node that takes sessions, of those that live.
    ///
    /// # Errors
    /// [`Away`]; none where there is no other.
    pub async fn another(&self) -> Result<Option<Node>, Away> {
        let nodes = self.0.ask(self.0.store.nodes()).await?;
        let opened = nodes
            .iter()
            .filter_map(|(name, data)| self.0.open_node(name, data));
        let mut others: Vec<_> = opened
            .filter(|node| node.name != self.0.node.name && !node.leaving)
            .collect();
        // Any will do: the moment spreads them.
        let place = self.0.contact.now().unwrap_or_default();
        let place = usize::try_from(place).unwrap_or_default();
        Ok((!others.is_empty()).then(|| others.swap_remove(place % others.len())))
    }

    // === Requests ===

    /// Sends a request to the node that has its session, and waits for the head of its answer.
    pub async fn forward(&self, to: &Node, parcel: &Parcel<'_>) -> Sent {
        let sent = self.0.send(to, parcel).await;
        let counters = &self.0.counters;
        match &sent {
            Sent::Answered(_) => counters.forwarded.one_more(),
            Sent::NotThere => counters.not_there.one_more(),
            Sent::NotTaken => counters.not_taken.one_more(),
            Sent::Unreachable => counters.unreachable.one_more(),
            Sent::Unclear => counters.unclear.one_more(),
        }
        sent
    }

    /// Opens a request of another node's that came for `target`.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub fn receive(&self, target: &str, sealed: &[u8]) -> Result<Received, NotTaken> {
        let received = self.0.unwrap(target, sealed);
        let counters = &self.0.counters;
        match &received {
            Ok(_) => counters.received.one_more(),
            Err(NotTaken::Forged) => counters.forged.one_more(),
            Err(NotTaken::Version) => counters.other_version.one_more(),
            Err(NotTaken::Stale) => counters.stale.one_more(),
            Err(NotTaken::WrongNode) => counters.wrong_node.one_more(),
            Err(NotTaken::Suspect) => counters.suspect.one_more(),
        }
        received
    }

    /// A session was given up, since another node has it.
    pub fn fenced(&self) {
        self.0.counters.fenced.one_more();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut();
        let runtime = runtime.unwrap_or_else(PoisonError::into_inner).take();
        // Waiting for it would block whichever thread drops the last handle.
        runtime.into_iter().for_each(Runtime::shutdown_background);
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Cluster")
            .field("node", &self.node.name)
            .finish_non_exhaustive()
    }
}
