//! Nodes of one cluster, each a scene of its own with the issuer of the first.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

use mcp_usher::{
    config::Config, handler::Tool, secret::Secret, server::Server, units::HumanDuration,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    kit::{Ask, BOUND, Scene, mcp::call, process::File, tools},
    redis::Redis,
};

/// Whom all nodes' tokens are for.
pub(crate) const AUDIENCE: &str = "https://cluster.example/mcp";

/// Several nodes that share a Redis.
pub(crate) struct Nodes {
    pub(crate) all: Vec<Scene>,
    pub(crate) redis: Redis,
    pub(crate) key: File,
}

/// How long a node of these tests is taken for alive.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

pub(crate) fn key_file() -> File {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let name = format!("cluster-key-{}", LAST.fetch_add(1, SeqCst));
    File::new(
        &name,
        "0123456789abcdef0123456789abcdef0123456789abcdef",
        0o600,
    )
}

/// What makes a node one of several.
pub(crate) fn join(config: &mut Config, redis: &Redis, key: &File) {
    config.cluster.url = Some(Secret::new(redis.url()));
    config.cluster.key_file = Some(key.path().into());
    config.cluster.listen = ([127, 0, 0, 1], 0).into();
    config.cluster.lease = HumanDuration::new(LEASE);
    config.cluster.leave_after = HumanDuration::new(Duration::from_millis(300));
    config.resource.audiences.push(AUDIENCE.to_owned());
}

impl Nodes {
    /// So many nodes; none where the machine has no Redis.
    pub(crate) async fn start(number: usize) -> Option<Self> {
        Self::with_tools(number, tools::all).await
    }

    /// The same with tools of the test's own, made for each node.
    pub(crate) async fn with_tools(number: usize, tools: impl Fn() -> Vec<Tool>) -> Option<Self> {
        let redis = Redis::start()?;
        let key = key_file();
        let mut nodes: Vec<Scene> = Vec::new();
        for _ in 0..number {
            let issuer = nodes.first().map(|first| first.issuer.issuer().to_owned());
            let change = |config: &mut Config| {
                join(config, &redis, &key);
                config.issuer.url = issuer.map(|issuer| issuer.parse().unwrap());
            };
            let tools = tools();
            let build = |server| tools.into_iter().fold(server, Server::tool);
            nodes.push(Scene::serving(change, build).await);
        }
        let nodes = Self {
            all: nodes,
            redis,
            key,
        };
        for node in &nodes.all {
            node.is_up().await;
        }
        Some(nodes)
    }

    /// Waits until a session that is not there is unknown: in a store that was empty a moment ago, it may
    /// not have been entered again yet.
    pub(crate) async fn settled(&self) {
        let token = self.token("nobody");
        for node in &self.all {
            let ask = Ask::post(node, "/mcp", &token, &call(1, "whoami"))
                .header("Mcp-Session-Id", "AAAAAAAAAAAAAAAAAAAAAA");
            let started = Instant::now();
            while node.ask(&ask).await.status != 404 {
                assert!(started.elapsed() < BOUND, "nothing is ever unknown");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// A token that is good at every node.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.all[0].token_with(subject, &json!({ "aud": AUDIENCE }))
    }
}

pub(crate) trait Node {
    /// Waits until the node has reached the store, and is trusted.
    async fn is_up(&self);
    async fn gauge(&self, name: &str) -> u64;
}

impl Node for Scene {
    async fn is_up(&self) {
        crate::kit::eventually("the node has joined", || {
            self.metric("usher_cluster_up") == 1 && self.metric("usher_cluster_suspect") == 0
        })
        .await;
    }

    async fn gauge(&self, name: &str) -> u64 {
        self.metric(name)
    }
}

/// The call of a tool that says its nonce again.
pub(crate) fn echo(id: u64, nonce: &str) -> Value {
    crate::kit::request(
        id,
        "tools/call",
        &json!({ "name": "echo", "arguments": { "text": nonce } }),
    )
}

/// What it said.
pub(crate) fn said(answer: &Value) -> &str {
    answer["result"]["structuredContent"]["said"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
}
