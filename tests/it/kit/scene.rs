//! A server with its issuer, each test its own, on a thread with an actix system as in `main`.

use std::{net::SocketAddr, sync::mpsc, thread, time::Duration};

use actix_web::rt::System;
use mcp_usher::{
    config::Config,
    handler::Tool,
    server::{Running, Server},
    time::{Clock, Timestamp},
    units::HumanDuration,
};
use serde_json::{Value, json};
use tokio::runtime;

use super::{
    Ask, Events, Reply, Wire, eventually,
    issuer::{FakeIssuer, signing::SigningKey},
    logs,
    process::Usher,
};

/// The present of all scenes, until a test moves it.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A running server, its issuer and their clock. Dropping it ends it, and checks that nothing in it
/// has panicked.
pub(crate) struct Scene {
    pub(crate) issuer: FakeIssuer,
    pub(crate) key: SigningKey,
    pub(crate) clock: Clock,
    running: Option<Running>,
    address: SocketAddr,
    /// The path of its public URL.
    prefix: &'static str,
    system: System,
    thread: Option<thread::JoinHandle<()>>,
    panics_expected: u64,
}

/// Small and quick settings on free ports; the issuer is added by the scene.
pub(crate) fn settings() -> Config {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.server.admin_listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.server.workers = 2;
    config.server.drain_after = HumanDuration::from_secs(5);
    config.router.threads = 2;
    config.resource.scopes = "openid mcp:tools".parse().unwrap();
    config.issuer.discovery.retry_first = HumanDuration::new(Duration::from_millis(5));
    config.issuer.discovery.retry_max = HumanDuration::new(Duration::from_millis(20));
    config.issuer.keys.retry_every = HumanDuration::new(Duration::from_millis(20));
    config
}

impl Scene {
    /// A server with the settings of most tests.
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The same with changed settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(change, super::tools::all()).await
    }

    /// The same with tools of the test's own.
    pub(crate) async fn of(change: impl FnOnce(&mut Config), tools: Vec<Tool>) -> Self {
        let build = |server| tools.into_iter().fold(server, Server::tool);
        Self::serving(change, build).await
    }

    /// The same with whatever a test puts into the server.
    pub(crate) async fn serving(
        change: impl FnOnce(&mut Config),
        build: impl FnOnce(Server) -> Server + Send + 'static,
    ) -> Self {
        let scene = Self::built(change, build);
        let verifier = scene.running().verifier().clone();
        eventually("the server is ready", || verifier.is_ready()).await;
        scene
    }

    /// A scene that points at a binary of its own, which has heard of its issuer.
    pub(crate) async fn of_binary(flags: &[&str]) -> (Self, Usher) {
        let mut scene = Self::new().await;
        let usher = Usher::serve(scene.issuer.issuer(), flags);
        usher.is_ready().await;
        scene.move_to(&usher);
        (scene, usher)
    }

    /// A server that has perhaps not heard of its issuer yet.
    pub(crate) fn unready(change: impl FnOnce(&mut Config), tools: Vec<Tool>) -> Self {
        Self::built(change, |server| {
            tools.into_iter().fold(server, Server::tool)
        })
    }

    fn built(
        change: impl FnOnce(&mut Config),
        build: impl FnOnce(Server) -> Server + Send + 'static,
    ) -> Self {
        logs::listen_if_wanted();
        let mut config = settings();
        change(&mut config);
        let clock = Clock::manual(Timestamp::from_unix_seconds(NOW));
        let key = SigningKey::new("ES256", "first");
        let jwk = key.jwk();
        let (send, started) = mpsc::channel();
        let server_clock = clock.clone();
        let thread = thread::spawn(move || {
            let runner = System::new();
            runner.block_on(async move {
                let issuer = FakeIssuer::start(&[]);
                issuer.publish_jwks(&[jwk]);
                config
                    .issuer
                    .url
                    .get_or_insert_with(|| issuer.issuer().parse().unwrap());
                let server = build(Server::new(config).clock(server_clock));
                let running = server.start().unwrap();
                send.send((issuer, running, System::current())).unwrap();
            });
            runner.run().unwrap();
        });
        let (issuer, running, system) = started.recv().unwrap();
        Self {
            issuer,
            key,
            clock,
            address: running.address(),
            prefix: "",
            running: Some(running),
            system,
            thread: Some(thread),
            panics_expected: 0,
        }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().expect("a server that runs")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `127.0.0.1` and the port.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The URL of a path below the public one.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.address, self.prefix)
    }

    /// The target of a path below the public URL.
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Stops the server as SIGTERM does, on a task of its own.
    pub(crate) fn stop(&mut self) -> tokio::task::JoinHandle<()> {
        let running = self.running.take().expect("a server that runs");
        self.check(&running.metrics().encode());
        tokio::spawn(running.stop())
    }

    /// Points at the binary instead, which goes by the machine's clock.
    pub(crate) fn move_to(&mut self, usher: &Usher) {
        self.address = usher.authority().parse().unwrap();
        self.clock = Clock::system();
    }

    /// Points at somebody else's server instead, where the issuer is known too.
    pub(crate) fn move_below(&mut self, address: SocketAddr, prefix: &'static str) {
        (self.address, self.prefix) = (address, prefix);
    }

    /// So many panics are meant to happen.
    pub(crate) fn expect_panics(&mut self, panics: u64) {
        self.panics_expected = panics;
    }

    fn check(&self, metrics: &str) {
        assert_eq!(number(metrics, "usher_panics_total"), self.panics_expected);
        assert_eq!(number(metrics, "usher_verifier_restarts_total"), 0);
    }

    /// A metric's value, named with its labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        number(&self.running().metrics().encode(), name)
    }

    /// Waits until the server holds so many sessions.
    pub(crate) async fn sessions(&self, number: usize) {
        let running = self.running();
        eventually(&format!("{number} sessions"), || {
            running.sessions() == number
        })
        .await;
    }

    // === Tokens ===

    /// Claims of a good token for `/mcp` and `/sse`, as Logto writes them.
    pub(crate) fn claims(&self, subject: &str) -> Value {
        let now = self.clock.now().as_unix_seconds();
        json!({
            "jti": subject, "sub": subject, "client_id": "agent", "scope": "openid mcp:tools",
            "iss": self.issuer.issuer(), "aud": [self.url("/mcp"), self.url("/sse")],
            "iat": now - 10, "exp": now + 3_600,
        })
    }

    /// Good claims with some changed; `null` takes one away.
    pub(crate) fn claims_with(&self, subject: &str, changes: &Value) -> Value {
        let mut claims = self.claims(subject);
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            members.insert(name.clone(), value.clone());
        }
        members.retain(|_, value| !value.is_null());
        claims
    }

    /// A good token.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.key.token(&self.claims(subject))
    }

    /// A token of good claims with some changed.
    pub(crate) fn token_with(&self, subject: &str, changes: &Value) -> String {
        self.key.token(&self.claims_with(subject, changes))
    }

    // === Requests ===

    /// Asks on a connection of its own.
    pub(crate) async fn ask(&self, ask: &Ask) -> Reply {
        self.wire().await.ask(ask).await
    }

    /// Sends bytes on a connection of its own, and reads one answer.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let mut wire = self.wire().await;
        wire.send(bytes).await;
        wire.reply().await
    }

    pub(crate) async fn wire(&self) -> Wire {
        Wire::open(self.address).await
    }

    /// Opens a stream on a connection of its own.
    pub(crate) async fn events(&self, ask: &Ask) -> Events {
        self.wire().await.events(ask).await
    }

    /// Asks the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        admin(self.running().admin(), path).await
    }

    /// That nothing was opened: no session, no owner, no stream.
    #[track_caller]
    pub(crate) fn assert_no_state(&self) {
        assert_eq!(self.running().sessions(), 0);
        assert_eq!(self.running().session_owners(), 0);
        assert_eq!(self.metric("usher_streams_open"), 0);
    }
}

/// Asks an admin listener, which is not the public one and keeps to other rules.
pub(crate) async fn admin(address: SocketAddr, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// A metric that was never counted is not written: it is zero.
pub(crate) fn number(metrics: &str, name: &str) -> u64 {
    let value = metrics.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(' ')?;
        Some(value.parse().unwrap_or_else(|_| panic!("{line}")))
    });
    value.unwrap_or(0)
}

impl Drop for Scene {
    fn drop(&mut self) {
        let failed = thread::panicking();
        let metrics = self
            .running
            .as_ref()
            .map(|running| running.metrics().encode());
        if let Some(running) = self.running.take() {
            // On a thread of its own: the test's runtime may not be blocked from within.
            let stopped = thread::spawn(move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async {
                    let stop = running.stop();
                    let _in_time = tokio::time::timeout(Duration::from_secs(2), stop).await;
                });
            });
            stopped.join().unwrap();
        }
        self.system.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        if let (false, Some(metrics)) = (failed, metrics) {
            self.check(&metrics);
        }
    }
}
