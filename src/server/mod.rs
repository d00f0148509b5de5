//! The composition root: builds every room once, wires them, binds, and stops them in order.
//!
//! Who embeds Usher starts here; the `usher` binary does no more than this with its flags.

#[cfg(feature = "dev-idp")]
mod dev;
mod error;
mod listener;
mod verifier_metrics;

use std::{net::SocketAddr, time::Duration};

use actix_web::{dev::ServerHandle, web::Data};

#[cfg(feature = "dev-idp")]
pub use dev::{DevServer, RunningDev};
pub use error::ServerError;

#[cfg(feature = "rmcp")]
use crate::rmcp::Rmcp;
use crate::{
    auth::Verifier,
    config::{self, Config},
    fetch::Fetcher,
    handler::{Catalog, Changes, Handler, Prompt, Resource, ResourceTemplate, Tool, whoami},
    metadata::{Issuer, ProtectedResources, ResourceConfig},
    protocol::{Implementation, ServerInfo},
    router::RouterHandle,
    shutdown::Signals,
    telemetry::{Check, Health, Metrics},
    time::Clock,
    transport::{Door, Rooms},
    units::PublicUrl,
};
use listener::Bound;
use verifier_metrics::VerifierMetrics;

/// A server that is not running yet.
///
/// `whoami` is among its tools; a tool of the same name takes its place.
#[derive(Debug)]
pub struct Server {
    config: Config,
    catalog: Catalog,
    info: ServerInfo,
    clock: Clock,
}

/// A server that is bound to its addresses, and takes no connection yet.
#[derive(Debug)]
pub struct BoundServer {
    server: Server,
    public: Bound,
    admin: Bound,
    public_url: PublicUrl,
}

/// A running server. Dropping it does not stop it; [`Running::stop`] does.
#[derive(Debug)]
pub struct Running {
    public_url: PublicUrl,
    issuer: Issuer,
    admin: SocketAddr,
    router: RouterHandle,
    verifier: Verifier,
    health: Health,
    metrics: Metrics,
    public_handle: ServerHandle,
    admin_handle: ServerHandle,
    drain_after: Duration,
}

impl Server {
    /// A server with these settings.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let implementation = Implementation {
            name: "usher".to_owned(),
            title: Some("Usher".to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Implementation::default()
        };
        let mut catalog = Catalog::default();
        catalog.add_tool(whoami());
        let info = ServerInfo {
            implementation,
            instructions: None,
        };
        Self {
            config,
            catalog,
            info,
            clock: Clock::system(),
        }
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.catalog.add_tool(tool);
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.catalog.add_resource(resource);
        self
    }

    /// Adds a family of resources.
    #[must_use]
    pub fn resource_template(mut self, template: ResourceTemplate) -> Self {
        self.catalog.add_template(template);
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.catalog.add_prompt(prompt);
        self
    }

    /// Serves a handler written for rmcp, unchanged, beside the tools added here; its name, version
    /// and instructions become the server's. Of several the last stays. See [`Rmcp`] for scopes.
    #[cfg(feature = "rmcp")]
    #[must_use]
    pub fn rmcp(mut self, handler: impl Into<Rmcp>) -> Self {
        let (info, delegate) = handler.into().into_parts();
        self.info = info;
        self.catalog.delegate_to(delegate);
        self
    }

    /// Where to say that a list or a resource has changed. Clones may be kept by tools.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.catalog.changes()
    }

    /// What the server says of itself instead of `usher` and its version.
    #[must_use]
    pub fn info(mut self, info: ServerInfo) -> Self {
        self.info = info;
        self
    }

    /// The clock that tokens are judged by; for tests.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Takes its addresses, so that its URL is known before it runs.
    ///
    /// # Errors
    /// [`ServerError::Bind`], or a public URL that can't be told from the address.
    pub fn bind(self) -> Result<BoundServer, ServerError> {
        let bind = |address| Bound::to(address).map_err(|error| ServerError::Bind(address, error));
        let public = bind(self.config.server.listen)?;
        let admin = bind(self.config.server.admin_listen)?;
        let public_url = match &self.config.server.public_url {
            Some(url) => url.clone(),
            None if public.address.ip().is_unspecified() => return Err(ServerError::NoPublicUrl),
            None => PublicUrl::of_address(public.address),
        };
        Ok(BoundServer {
            server: self,
            public,
            admin,
            public_url,
        })
    }

    /// Binds and starts. Needs an actix system (`#[actix_web::main]`).
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn start(self) -> Result<Running, ServerError> {
        self.bind()?.start()
    }

    /// Starts, and runs until the operator sends SIGTERM or SIGINT; then stops in order.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn run(self) -> Result<(), ServerError> {
        let signals = Signals::listen().map_err(ServerError::Signals)?;
        self.start()?.until_signalled(signals).await;
        Ok(())
    }
}

impl BoundServer {
    /// The origin clients will reach it by.
    #[must_use]
    pub fn url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// Starts every room. Needs an actix system.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn start(self) -> Result<Running, ServerError> {
        let Self {
            server,
            public,
            admin,
            public_url,
        } = self;
        let Server {
            config,
            catalog,
            info,
            clock,
        } = server;
        let metrics = Metrics::new();
        let fetcher = Fetcher::new(config.fetch.clone()).map_err(ServerError::Fetcher)?;

        let auth = config.issuer.to_auth().map_err(ServerError::Issuer)?;
        let issuer = auth.issuer.issuer.clone();
        let resources = resources(&config.resource, &public_url, &issuer);
        let verifier = Verifier::start(auth, fetcher, clock.clone());
        metrics.register_collector(Box::new(VerifierMetrics(verifier.clone())));
        let configured = config.resource.audiences.iter().cloned();
        // One set for every endpoint: a client of /sse posts to /messages with the token for /sse.
        let audiences = verifier.audiences(resources.audiences().into_iter().chain(configured));
        let handler = Handler::new(
            config.handler,
            info,
            catalog,
            metrics.clone(),
            clock.clone(),
        )
        .map_err(ServerError::Handler)?;
        let mut router_config = config.router;
        router_config.session.token_leeway = config.issuer.leeway;
        let router = RouterHandle::start(router_config, handler.clone(), metrics.clone(), clock);

        let watched = verifier.clone();
        let checks = vec![Check::new(
            "the authorization server's metadata and keys",
            move || watched.is_ready(),
        )];
        let health = Health::new(checks, metrics.clone());
        let rooms = Rooms {
            public_url: public_url.clone(),
            verifier: verifier.clone(),
            required_scopes: config.resource.required_scopes.clone(),
            advertised_scopes: config.resource.scopes.clone(),
            resources,
            audiences,
            router: router.clone(),
            handler,
            health: health.clone(),
            metrics: metrics.clone(),
        };
        let door = Data::new(Door::new(&config.transport, rooms));

        let drain_after = config.server.drain_after.get();
        let admin_address = admin.address;
        let listen = |error| ServerError::Listen(error);
        let (public_server, public_handle) =
            listener::public(public, door, config.server.workers, drain_after).map_err(listen)?;
        let (admin_server, admin_handle) =
            listener::admin(admin, health.clone()).map_err(listen)?;
        actix_web::rt::spawn(public_server);
        actix_web::rt::spawn(admin_server);

        tracing::info!(url = %public_url, admin = %admin_address, issuer = issuer.as_str(), "usher is listening");
        Ok(Running {
            public_url,
            issuer,
            admin: admin_address,
            router,
            verifier,
            health,
            metrics,
            public_handle,
            admin_handle,
            drain_after,
        })
    }
}

/// Our own documents, one for each form of the well-known path.
fn resources(
    config: &config::ResourceConfig,
    public_url: &PublicUrl,
    issuer: &Issuer,
) -> ProtectedResources {
    let mut ours = ResourceConfig::new(public_url.clone(), issuer.as_str());
    ours.resource.clone_from(&config.url);
    ours.name.clone_from(&config.name);
    ours.scopes.clone_from(&config.scopes);
    ProtectedResources::new(ours)
}

impl Running {
    /// The origin clients reach it by.
    #[must_use]
    pub fn url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// Who signs users in.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// The address of the admin listener.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Sessions that are open now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.router.sessions()
    }

    /// Callers with at least one open session.
    #[must_use]
    pub fn session_owners(&self) -> usize {
        self.router.owners()
    }

    /// Who is calling: to look into its cache, or to wait until it is ready.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// What has been counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Runs until the operator sends a signal, then stops; a second signal does not wait.
    pub async fn until_signalled(self, mut signals: Signals) {
        let signal = signals.next().await;
        tracing::info!(signal, "stopping");
        tokio::select! {
            () = self.stop() => tracing::info!("stopped"),
            signal = signals.next() => tracing::warn!(signal, "stopping at once"),
        }
    }

    /// Stops in order: not ready, no new sessions, calls in flight finish within `drain_after`,
    /// streams end, listeners close.
    pub async fn stop(self) {
        self.health.drain();
        let orderly = async {
            self.router.drain().await;
            self.public_handle.stop(true).await;
        };
        if tokio::time::timeout(self.drain_after, orderly)
            .await
            .is_err()
        {
            tracing::warn!(
                sessions = self.router.sessions(),
                "calls were still running at the end of the drain"
            );
        }
        self.admin_handle.stop(false).await;
    }
}
