//! The composition root: builds every room once, wires them, binds, and stops them in order.
//!
//! Who embeds Usher starts here; the `usher` binary does no more than this with its flags. A
//! [`Server`] becomes [`Mounted`], its rooms for an `App` of somebody else's, or [`Running`], which is
//! that behind listeners of its own.

#[cfg(feature = "dev-idp")]
mod dev;
mod error;
mod inspect;
mod listener;
mod mounted;
mod parts;
mod roll_call_metrics;
mod running;
mod told;
mod verifier_metrics;
mod ways_in;

#[cfg(feature = "dev-idp")]
pub use dev::{DevServer, RunningDev};
pub use error::ServerError;
pub use inspect::inspect;
pub use mounted::Mounted;
pub use running::{BoundServer, Running};

use std::sync::Arc;

#[cfg(feature = "rmcp")]
use crate::rmcp::Rmcp;
use crate::{
    cluster::Store,
    config::Config,
    handler::{
        Catalog, Changes, Prompt, Resource, ResourceTemplate, Tool, whoami,
        whoami_with_verification,
    },
    protocol::{Implementation, ServerInfo},
    registration::Registrar,
    shutdown::Signals,
    skills::Skill,
    time::Clock,
};

/// A server that is not running yet.
///
/// `whoami` is among its tools; a tool of the same name takes its place.
#[derive(Debug)]
pub struct Server {
    config: Config,
    catalog: Catalog,
    info: ServerInfo,
    clock: Clock,
    /// Who keeps the agents that register, where that is not in the settings.
    registrar: Option<Arc<dyn Registrar>>,
    /// What it shares with other nodes, where that is not in the settings.
    store: Option<Arc<dyn Store>>,
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
        let catalog = Catalog::default();
        let whoami = if config.handler.whoami_meta {
            whoami_with_verification()
        } else {
            whoami()
        };
        catalog.prepare(|entries| entries.add_tool(whoami));
        let info = ServerInfo {
            implementation,
            instructions: None,
        };
        Self {
            config,
            catalog,
            info,
            clock: Clock::system(),
            registrar: None,
            store: None,
        }
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(self, tool: Tool) -> Self {
        self.catalog.prepare(|entries| entries.add_tool(tool));
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource(self, resource: Resource) -> Self {
        self.catalog
            .prepare(|entries| entries.add_resource(resource));
        self
    }

    /// Adds a family of resources.
    #[must_use]
    pub fn resource_template(self, template: ResourceTemplate) -> Self {
        self.catalog
            .prepare(|entries| entries.add_template(template));
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(self, prompt: Prompt) -> Self {
        self.catalog.prepare(|entries| entries.add_prompt(prompt));
        self
    }

    /// Adds a skill. Those of the folder that `skills.directory` names come beside it.
    #[must_use]
    pub fn skill(self, skill: Skill) -> Self {
        self.catalog.prepare(|entries| entries.add_skill(skill));
        self
    }

    /// Serves a handler written for rmcp, unchanged, beside the tools added here; its name, version
    /// and instructions become the server's. Of several the last stays. See [`Rmcp`] for scopes.
    #[cfg(feature = "rmcp")]
    #[must_use]
    pub fn rmcp(mut self, handler: impl Into<Rmcp>) -> Self {
        let (info, delegate) = handler.into().into_parts();
        self.info = info;
        self.catalog
            .prepare(|entries| entries.delegate_to(delegate));
        self
    }

    /// What it offers, to be changed while it runs. Clones may be kept by tools.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        self.catalog.clone()
    }

    /// Where to say that a resource has changed, or a list that is not in the catalog. Clones may be kept
    /// by tools.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.catalog.changes().clone()
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

    /// One of several nodes that share this store, instead of the one that `cluster.url` names: with
    /// [`Memory`](crate::cluster::Memory), several in one process. `cluster.key_file` is needed all the
    /// same.
    #[must_use]
    pub fn share(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Whether it is to be one of several nodes.
    fn is_shared(&self) -> bool {
        self.store.is_some() || self.config.cluster.url.is_some()
    }

    /// Builds every room and listens nowhere: for an `App` of your own. `server.public_url` says where
    /// clients will reach it; addresses and workers are those of your `HttpServer`. Needs an actix
    /// system (`#[actix_web::main]`).
    ///
    /// # Errors
    /// [`ServerError::NoPublicUrl`], or why a room could not be built.
    pub fn mount(self) -> Result<Mounted, ServerError> {
        let url = self.config.server.public_url.clone();
        let url = url.ok_or(ServerError::NoPublicUrl)?;
        let advertised = self.config.cluster.advertise.clone();
        let advertised = self.is_shared().then_some(advertised);
        let advertised = advertised.map(|set| set.ok_or(ServerError::NoClusterAddress));
        let advertised = advertised.transpose()?;
        Mounted::build(self, url, advertised)
    }

    /// Takes its addresses, so that its URL is known before it runs.
    ///
    /// # Errors
    /// [`ServerError::Bind`], or a public URL that can't be told from the address.
    pub fn bind(self) -> Result<BoundServer, ServerError> {
        BoundServer::bind(self)
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
