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

mod config;
mod contact;
mod courier;
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
    sync::{Arc, PoisonError, Weak},
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
pub use memory::Memory;
pub use parcel::{NotTaken, Parcel, Received};
pub use record::{Node, Record};
#[cfg(feature = "cluster")]
pub use redis::{NoRedisUrl, RedisStore};
pub use seal::KeyError;
pub use store::{Answer, Beat, Claimed, Entry, Heard, Holder, Kept, Sight, Store, StoreError};
pub use tending::Residents;
pub use word::{CutOffOrder, Word};

use crate::{
    fetch::client_builder,
    secret::{Secret, SecretError},
    telemetry::Metrics,
};
use contact::Contact;
use metrics::{ClusterMetrics, Counters};
use orders::Orders;
use replayed::Replayed;
use seal::{Purpose, Sealer};
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

/// Why a node can't be one of several.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no key.
    #[error(
        "cluster.key_file is needed: the key that all nodes share, from `openssl rand -hex 32`"
    )]
    NoKeyFile,
    /// A secret's file was not taken.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The key is not good enough.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The URL names no store.
    #[cfg(feature = "cluster")]
    #[error("cluster.url can't be used")]
    Url(#[from] NoRedisUrl),
    /// This binary was built without.
    #[error("cluster.url is set, and this server was built without the feature `cluster`")]
    NotBuilt,
    /// The HTTP client could not be set up.
    #[error("could not set up the way to other nodes")]
    Client(#[source] reqwest::Error),
    /// There is no thread for it.
    #[error("could not start the cluster's thread")]
    Thread(#[source] std::io::Error),
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
/// How many of them.
const KNOWN_MAX: usize = 20_000;
/// How long an idle connection to another node is kept: shorter than the other node keeps it.
const POOLED_FOR: Duration = Duration::from_secs(30);
/// How much longer than a session may be silent it is known in the store.
const SESSION_TTL_MORE: Duration = Duration::from_secs(5 * 60);

impl Cluster {
    /// A node that others reach at `address`, with the store that the settings name, or `store`. Sessions
    /// may be silent for `idle_after`. It says nothing before [`Cluster::tend`].
    ///
    /// # Errors
    /// See [`ClusterError`]; a store that can't be reached is none of them.
    pub fn new(
        config: Config,
        store: Option<Arc<dyn Store>>,
        address: String,
        idle_after: Duration,
        metrics: &Metrics,
    ) -> Result<Self, ClusterError> {
        let read =
            |path: &Option<std::path::PathBuf>| path.as_deref().map(Secret::from_file).transpose();
        let key = read(&config.key_file)?.ok_or(ClusterError::NoKeyFile)?;
        let previous = read(&config.previous_key_file)?;
        let sealer = Sealer::new(&key, previous.as_ref())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("usher-cluster")
            .enable_all()
            .build()
            .map_err(ClusterError::Thread)?;
        let store = if let Some(store) = store {
            store
        } else {
            let _within = runtime.enter();
            store_of(&config)?
        };
        let node = Node {
            name: sealer.name(),
            address,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            leaving: false,
        };
        let (writes, waiting) = mpsc::channel(config.writes_max.max(1));
        let inner = Arc::new(Inner {
            contact: Contact::new(config.lease.get()),
            counters: Counters::default(),
            replayed: Replayed::default(),
            // Requests between nodes go no way around, and wait for no call's end.
            client: client_builder()
                .no_proxy()
                .pool_idle_timeout(POOLED_FOR)
                .build()
                .map_err(ClusterError::Client)?,
            known: Cache::new(KNOWN_MAX),
            orders: Orders::default(),
            writes,
            poke: Arc::default(),
            leaving: false.into(),
            session_ttl: idle_after + SESSION_TTL_MORE,
            runtime: std::sync::Mutex::new(Some(runtime)),
            waiting: std::sync::Mutex::new(Some(waiting)),
            config,
            node,
            sealer,
            store,
        });
        let counted: Weak<Inner> = Arc::downgrade(&inner);
        metrics.register_collector(Box::new(ClusterMetrics(counted)));
        Ok(Self(inner))
    }

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

/// The store that the settings name.
#[cfg(feature = "cluster")]
fn store_of(config: &Config) -> Result<Arc<dyn Store>, ClusterError> {
    let password = config.password_file.as_deref().map(Secret::from_file);
    let password = password.transpose()?;
    let url = config.url.clone().unwrap_or_else(|| Secret::new(""));
    let within = config.answer_within.get();
    let store = RedisStore::new(&url, password.as_ref(), &config.prefix, within)?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "cluster"))]
fn store_of(_: &Config) -> Result<Arc<dyn Store>, ClusterError> {
    Err(ClusterError::NotBuilt)
}

impl Inner {
    /// Asks the store, which has so long to answer; not at all while it is known to be away.
    async fn ask<T>(&self, question: Answer<'_, T>) -> Result<T, Away> {
        if self.contact.is_away() {
            self.counters.spared.one_more();
            return Err(Away);
        }
        self.ask_anyway(question).await
    }

    async fn ask_anyway<T>(&self, question: Answer<'_, T>) -> Result<T, Away> {
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

    fn lost(&self, why: &str) {
        if self.contact.lost() {
            tracing::warn!(
                why,
                "the cluster's store is away: sessions of other nodes can't be reached"
            );
            self.poke.notify_one();
        }
    }

    fn holder(&self, epoch: u64) -> Holder {
        let node = self.node.name.clone();
        Holder { node, epoch }
    }

    /// Whether the session is this node's, now that it is entered.
    async fn enter(&self, id: &str, epoch: u64, record: &Record) -> Result<bool, Away> {
        let (data, holder) = (self.seal_record(id, record), self.holder(epoch));
        let entering = self.store.enter(id, &holder, &data, self.session_ttl);
        self.ask(entering).await
    }

    async fn look_up(&self, id: &str) -> Result<Option<Known>, Away> {
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

    fn seal_record(&self, id: &str, record: &Record) -> Vec<u8> {
        let text = serde_json::to_vec(record).unwrap_or_default();
        self.sealer.seal(Purpose::Record, id, &text)
    }

    fn open_record(&self, id: &str, sealed: &[u8]) -> Option<Record> {
        let opened = self.sealer.open(Purpose::Record, id, sealed).ok()?;
        serde_json::from_slice(&opened.content).ok()
    }

    fn open_node(&self, name: &str, sealed: &[u8]) -> Option<Node> {
        let opened = self.sealer.open(Purpose::Node, name, sealed).ok()?;
        serde_json::from_slice(&opened.content).ok()
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
