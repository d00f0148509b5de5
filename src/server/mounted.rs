//! Every room, built and wired, and reached through any number of actix-web `App`s.
//!
//! This is all of a server but its listeners. Our own ([`Running`](super::Running)) serve it as an
//! `App` of somebody else's does, so there is one way in and one order of stopping.

use std::{sync::Arc, time::Duration};

use actix_web::{
    rt::System,
    web::{Data, ServiceConfig},
};

use super::{
    Server, ServerError,
    parts::{cluster_at, take_skills},
    told::{self, Told},
    verifier_metrics::VerifierMetrics,
    ways_in::WaysIn,
};
use crate::{
    admin::{self, Access, Office},
    auth::{self, CutOff, CutOffError, Verifier},
    bridge::{self, Bridge},
    config,
    fetch::Fetcher,
    handler::{Catalog, Handler},
    metadata::{Issuer, ProtectedResources, ResourceConfig},
    notices,
    portal::{self, Portal},
    registration::Mode,
    router::RouterHandle,
    telemetry::{self, Check, Health, Metrics, audit::CutOffBy},
    time::Clock,
    transport::{self, Door, Rooms},
    units::PublicUrl,
};

/// A server without listeners, for an `App` of your own. Clones share everything; make one for each
/// worker.
///
/// ```no_run
/// # use actix_web::{App, web};
/// # fn app(usher: mcp_usher::server::Mounted) {
/// // server.public_url is https://example.com/ai
/// App::new()
///     .configure(|root| usher.well_known(root))
///     .service(web::scope("/ai").configure(|ai| usher.endpoints(ai)))
/// # ;
/// # }
/// ```
///
/// Its sessions end in order by [`Mounted::stop`]; or else, calls and all, within seconds of the last
/// clone, and the last `App` that was made with one, being dropped.
#[derive(Debug, Clone)]
pub struct Mounted(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    door: Data<Door>,
    bridge: Option<Data<Bridge>>,
    portal: Option<Data<Portal>>,
    issuer: Issuer,
    drain_after: Duration,
    told: Told,
    clock: Clock,
}

impl Mounted {
    /// Builds every room of `server`, to be reached at `url`, and where it is one of several, by other nodes at
    /// `advertised`.
    pub(super) fn build(
        server: Server,
        url: PublicUrl,
        advertised: Option<String>,
    ) -> Result<Self, ServerError> {
        let Server {
            config,
            catalog,
            info,
            clock,
            registrar,
            store,
        } = server;
        if !System::is_registered() {
            return Err(ServerError::NoSystem);
        }
        take_skills(&config.skills, &catalog)?;
        let metrics = Metrics::new();
        let fetcher = Fetcher::new(config.fetch.clone()).map_err(ServerError::Fetcher)?;

        let auth = config.to_auth().map_err(ServerError::Issuer)?;
        let issuer = auth.issuer.issuer.clone();
        let resources = resources(&config, &url, &auth);
        let management = told::management(&config, &issuer, &fetcher)?;
        let policy = config.to_policy(issuer.as_str());
        let handler = Handler::new(
            config.handler,
            policy,
            info,
            catalog,
            metrics.clone(),
            clock.clone(),
        )
        .map_err(ServerError::Handler)?;
        for stray in handler.strays() {
            tracing::warn!(%stray, "a rule names what is not offered");
        }
        let verifier = Verifier::start(auth, &fetcher, &clock);
        metrics.register_collector(Box::new(VerifierMetrics(verifier.clone())));
        let configured = config.resource.audiences.iter().cloned();
        // One set for every endpoint: a client of /sse posts to /messages with the token for /sse.
        let audiences = verifier.audiences(resources.audiences().into_iter().chain(configured));
        let cluster = advertised.map(|address| cluster_at(address, &config, store, &metrics));
        let router = RouterHandle::start(
            config.router,
            handler.clone(),
            verifier.cut_offs().clone(),
            Some(verifier.clone()),
            metrics.clone(),
            clock.clone(),
            cluster.transpose()?,
        );
        let ways = WaysIn {
            config: &config,
            management: management.as_ref(),
            url: &url,
            resources: &resources,
            verifier: &verifier,
            fetcher: &fetcher,
            metrics: &metrics,
            clock: &clock,
        };
        let (bridge, portal) = ways.build(registrar)?;

        let told_of = told::Rooms {
            issuer: &issuer,
            verifier: &verifier,
            router: &router,
            metrics: &metrics,
            clock: &clock,
        };
        let told = Told::start((&config.notices, &config.roll_call), management, &told_of)?;
        let rooms = Rooms {
            health: Health::new(checks(&verifier), metrics.clone()),
            public_url: url,
            verifier,
            required_scopes: config.resource.required_scopes.clone(),
            advertised_scopes: config.resource.scopes.clone(),
            resources,
            own_authorization_server: bridge.as_ref().map(|bridge| bridge.metadata().clone()),
            developers: portal.as_ref().map(|portal| portal.home()),
            audiences,
            router,
            handler,
            metrics,
        };
        Ok(Self(Arc::new(Inner {
            door: Data::new(Door::new(&config.transport, rooms)),
            bridge,
            told,
            portal,
            issuer,
            drain_after: config.server.drain_after.get(),
            clock,
        })))
    }

    // === Routes ===

    /// Adds `/mcp`, `/sse` and `/messages`, those of the bridge where agents register here, those of the
    /// portal where developers make them, and those where the authorization server tells of its users:
    /// inside the scope that is the public URL's path, or at the root where it has none.
    pub fn endpoints(&self, config: &mut ServiceConfig) {
        transport::endpoints(config, &self.0.door);
        let notices = notices::routes(&self.0.told.notices);
        transport::guard_all(config, &self.0.door, notices);
        if let Some(bridge) = &self.0.bridge {
            transport::guard_all(config, &self.0.door, bridge::routes(bridge));
        }
        if let Some(portal) = &self.0.portal {
            transport::guard_all(config, &self.0.door, portal::routes(portal));
        }
    }

    /// Adds the documents that clients look for at the origin's root, whatever the public URL's path
    /// is (RFC 9728 §3.1): never inside a scope.
    ///
    /// Without a path, that is also the mirror of the authorization server's metadata which clients of
    /// 2025-03-26 need.
    pub fn well_known(&self, config: &mut ServiceConfig) {
        transport::well_known(config, &self.0.door);
    }

    /// Adds a page for people, where the endpoints are, and its assets below it.
    pub fn home(&self, config: &mut ServiceConfig) {
        transport::home(config, &self.0.door);
    }

    /// Adds what operators may do, for those whom `access` lets in: `/sessions`, `/cut-offs` and
    /// `/cache/purge`, as `usher sessions` and `usher cache` use them.
    pub fn office(&self, config: &mut ServiceConfig, access: Access) {
        let door = &self.0.door;
        let (router, verifier) = (door.router.clone(), door.verifier.clone());
        let office = Office::new(access, router, verifier, self.0.clock.clone());
        admin::routes(config, Data::new(office));
    }

    /// Adds `/livez`, `/readyz` and `/metrics`. They are not for everybody: a scope behind a check of
    /// yours, or a listener of their own.
    pub fn probes(&self, config: &mut ServiceConfig) {
        telemetry::routes(config, self.0.door.health.clone());
    }

    /// Adds what other nodes send on, where this is one of several. Never public: a listener of its own,
    /// at what `cluster.advertise` says.
    pub fn from_nodes(&self, config: &mut ServiceConfig) {
        transport::from_nodes(config, &self.0.door);
    }

    // === Questions ===

    /// Where clients reach it.
    #[must_use]
    pub fn url(&self) -> &PublicUrl {
        &self.0.door.public_url
    }

    /// Who signs users in.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.issuer.as_str()
    }

    /// What it offers, to be changed while it runs.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        self.0.door.handler.catalog()
    }

    /// Sessions that are open now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.0.door.router.sessions()
    }

    /// Callers with at least one open session.
    #[must_use]
    pub fn session_owners(&self) -> usize {
        self.0.door.router.owners()
    }

    /// Who is calling: to look into its cache, or to wait until it is ready.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.0.door.verifier
    }

    /// Refuses tokens that live, and ends what their bearers have open. Returns how many sessions that
    /// were.
    ///
    /// # Errors
    /// The sessions have ended, and their callers may come back: see [`CutOffError`].
    pub async fn cut_off(&self, cut: &CutOff) -> Result<usize, CutOffError> {
        let (ended, in_force) = self.0.door.router.cut_off(cut, CutOffBy::Program).await;
        in_force.map(|()| ended)
    }

    /// Whether it is worth sending requests to.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.0.door.health
    }

    /// What has been counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        self.0.door.metrics()
    }

    // === Stopping ===

    /// Stops in order: not ready, no new sessions, calls in flight finish, streams end; all within
    /// `server.drain_after`. Then it is the listener's turn: a stream that is still open holds back
    /// every graceful stop, so this comes first.
    ///
    /// Requests that come after it are refused, but for those of 2026-07-28, which belong to no session
    /// and end with their connection.
    pub async fn stop(&self) {
        self.stop_and(async || ()).await;
    }

    /// The same, with something more to do in the time that is left; begun only then, since a
    /// listener begins to close when it is asked to, and not when its answer is awaited.
    pub(super) async fn stop_and(&self, more: impl AsyncFnOnce()) {
        let door = &self.0.door;
        door.health.drain();
        let orderly = async {
            door.router.drain().await;
            more().await;
        };
        if tokio::time::timeout(self.0.drain_after, orderly)
            .await
            .is_err()
        {
            tracing::warn!(
                sessions = door.router.sessions(),
                "calls were still running at the end of the drain"
            );
        }
    }

    /// How long a listener may take for its own end.
    pub(super) fn drain_after(&self) -> Duration {
        self.0.drain_after
    }

    /// The state of all routes, for an `App` that is all ours.
    pub(super) fn door(&self) -> &Data<Door> {
        &self.0.door
    }
}

/// What a server waits for before it says that it is ready.
fn checks(verifier: &Verifier) -> Vec<Check> {
    let watched = verifier.clone();
    let what = "the authorization server's metadata and keys";
    vec![Check::new(what, move || watched.is_ready())]
}

/// Our own documents, one for each form of the well-known path.
pub(super) fn resources(
    config: &config::Config,
    public_url: &PublicUrl,
    auth: &auth::Config,
) -> ProtectedResources {
    let mut ours = ResourceConfig::new(public_url.clone(), auth.issuer.issuer.as_str());
    match config.registration.mode {
        // Clients take the first, and this is the one that they can register with.
        Mode::Bridge => ours.authorization_servers = vec![public_url.to_string()],
        Mode::Off => {
            let others = auth.others.iter().map(|issuer| issuer.issuer.to_string());
            ours.authorization_servers.extend(others);
        }
    }
    let config = &config.resource;
    ours.resource.clone_from(&config.url);
    ours.name.clone_from(&config.name);
    ours.scopes.clone_from(&config.scopes);
    ProtectedResources::new(ours)
}
