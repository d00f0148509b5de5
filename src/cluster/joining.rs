//! How a node becomes one of several: its key, its thread, its store and its way to the others.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use quick_cache::sync::Cache;
use tokio::sync::mpsc;

use super::{
    Cluster, Config, Inner, KeyError, Node, Store,
    contact::Contact,
    metrics::{ClusterMetrics, Counters},
    orders::Orders,
    replayed::Replayed,
    seal::Sealer,
};
#[cfg(feature = "cluster")]
use super::{NoRedisUrl, RedisStore};
use crate::{
    fetch::client_builder,
    secret::{Secret, SecretError},
    telemetry::Metrics,
};

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

/// How many sessions of other nodes are known without asking.
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
            runtime: Mutex::new(Some(runtime)),
            waiting: Mutex::new(Some(waiting)),
            config,
            node,
            sealer,
            store,
        });
        let counted: Weak<Inner> = Arc::downgrade(&inner);
        metrics.register_collector(Box::new(ClusterMetrics(counted)));
        Ok(Self(inner))
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
