//! A server and its own OpenID provider, to try on one machine.
//!
//! The provider is a separate server on a loopback address of its own, and ours is told of it as of
//! any other: discovery, keys and introspection go over HTTP. What works here works with Logto.

use std::{net::SocketAddr, sync::Arc};

use actix_web::dev::ServerHandle;
use serde_json::{Value, json};

use super::{Mounted, Running, Server, ServerError, ways_in::leads_to};
use crate::{
    auth::Verification,
    config::{Config, IssuerSection},
    idp::{self, BoundIdp, EmbeddedRegistrar, Idp, OfficialClient, ResourceServer, User},
    metadata::Issuer,
    portal::callback_of,
    registration::Registrar,
    shutdown::Signals,
    units::{HumanDuration, PublicUrl},
};

/// A server with its provider, not running yet.
#[derive(Debug)]
pub struct DevServer {
    server: Server,
    provider: idp::Config,
}

/// Both, running.
#[derive(Debug)]
pub struct RunningDev {
    running: Running,
    provider: ServerHandle,
    settings: idp::Config,
    has_portal: bool,
}

/// Who we are at the provider's introspection endpoint.
const RESOURCE_SERVER: &str = "usher";

/// Who the developer portal is at the provider.
const PORTAL: &str = "developer-portal";

impl Server {
    /// A server to try, with a provider of its own: `http://127.0.0.1:3001`.
    #[must_use]
    pub fn dev() -> DevServer {
        Self::new(DevServer::settings()).with_provider(SocketAddr::from(([127, 0, 0, 1], 3002)))
    }

    /// The same with settings of your own and the provider at this loopback address.
    #[must_use]
    pub fn with_provider(self, listen: SocketAddr) -> DevServer {
        let provider = idp::Config {
            listen,
            ..idp::Config::dev_defaults()
        };
        DevServer {
            server: self,
            provider,
        }
    }
}

impl DevServer {
    /// Defaults for one machine: clients are told to ask for the user's name and e-mail, and pages
    /// of this machine may call the server, as the MCP Inspector does.
    #[must_use]
    pub fn settings() -> Config {
        let mut config = Config::default();
        config.server.admin_listen = SocketAddr::from(([127, 0, 0, 1], 3003));
        config.resource.scopes = "openid profile email".parse().unwrap_or_default();
        // All of it comes from this machine.
        config.registration.per_address_per_minute = 1_000;
        config.registration.per_hour = 100_000;
        config.transport.gate.allow_loopback_origins = true;
        config
    }

    /// Changes the server itself: what it offers, what it is called.
    ///
    /// ```no_run
    /// # use mcp_usher::{Server, handler::whoami};
    /// # async fn run() -> Result<(), mcp_usher::ServerError> {
    /// Server::dev().configure(|server| server.tool(whoami())).run().await
    /// # }
    /// ```
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(Server) -> Server) -> Self {
        self.server = change(self.server);
        self
    }

    /// The server as it is now: for a handle of its catalog.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Adds somebody who can sign in.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.provider.users.push(user);
        self
    }

    /// How long the provider's access tokens live.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: HumanDuration) -> Self {
        self.provider.lifetimes.access_token = lifetime;
        self
    }

    /// Starts both. Needs an actix system.
    ///
    /// # Errors
    /// See [`ServerError`]; a provider anywhere but on this machine is refused.
    pub fn start(self) -> Result<RunningDev, ServerError> {
        // Both addresses are checked before anything listens.
        let listen = self.server.config.server.listen;
        if !listen.ip().is_loopback() {
            return Err(ServerError::DevNotLoopback(listen.to_string()));
        }
        let (server, idp, settings) = self.introduce()?;
        let config = server.config.clone();
        let bound = server.bind()?;
        let (provider, registrar) = serve(idp, &config, bound.url())?;
        let running = bound.with_registrar(registrar).start()?;
        Ok(RunningDev {
            running,
            provider,
            settings,
            has_portal: config.portal.enabled,
        })
    }

    /// The same for an `App` of your own, as [`Server::mount`]. The provider runs until its actix
    /// system ends.
    ///
    /// # Errors
    /// See [`ServerError`]; a `server.public_url` anywhere but on this machine is refused.
    pub fn mount(self) -> Result<Mounted, ServerError> {
        let url = self.server.config.server.public_url.clone();
        let url = url.ok_or(ServerError::NoPublicUrl)?;
        if !url.is_loopback() {
            return Err(ServerError::DevNotLoopback(url.to_string()));
        }
        let (mut server, idp, _settings) = self.introduce()?;
        let (_provider, registrar) = serve(idp, &server.config, &url)?;
        server.registrar = Some(registrar);
        server.mount()
    }

    /// Takes the provider's address, and tells the server of it as of any other.
    fn introduce(self) -> Result<(Server, BoundIdp, idp::Config), ServerError> {
        let Self {
            mut server,
            mut provider,
        } = self;
        let resource_server = ResourceServer::generate(RESOURCE_SERVER)?;
        let credentials = resource_server.clone();
        provider.resource_server = Some(resource_server);
        let settings = provider.clone();
        let idp = Idp::bind(provider, server.clock.clone())?;

        let registration = &mut server.config.registration;
        if registration.key_file.is_none() {
            // What it seals lasts no longer than this provider's clients.
            let key = ResourceServer::generate(RESOURCE_SERVER)?.client_secret;
            registration.key.get_or_insert(key);
        }
        // A public client of this provider, whatever the settings say of another.
        server.config.portal.client_id = Some(PORTAL.to_owned());
        server.config.portal.client_secret = None;
        server.config.portal.client_secret_file = None;
        server.config.issuers.clear();
        server.config.issuer = IssuerSection {
            url: Some(
                idp.issuer()
                    .parse::<Issuer>()
                    .map_err(ServerError::OwnIssuer)?,
            ),
            verification: Verification::Auto,
            introspection_client_id: Some(credentials.client_id),
            introspection_client_secret: Some(credentials.client_secret),
            introspection_client_secret_file: None,
            ..server.config.issuer
        };
        Ok((server, idp, settings))
    }

    /// Starts both, and runs until the operator sends SIGTERM or SIGINT.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn run(self) -> Result<(), ServerError> {
        let signals = Signals::listen().map_err(ServerError::Signals)?;
        self.start()?.until_signalled(signals).await;
        Ok(())
    }
}

/// Runs the provider for the resources at this URL, and for the bridge that may be there.
fn serve(
    idp: BoundIdp,
    config: &Config,
    url: &PublicUrl,
) -> Result<(ServerHandle, Arc<dyn Registrar>), ServerError> {
    let resources = ["/mcp", "/sse", ""].map(|path| url.join(path));
    let portal = config.portal.enabled.then(|| OfficialClient {
        client_id: config.portal.client_id.clone().unwrap_or_default(),
        name: "the developer portal".to_owned(),
        redirect_uris: vec![callback_of(url)],
    });
    let (provider, shared) = idp.open(resources, portal.as_slice())?;
    let handle = provider.handle();
    actix_web::rt::spawn(provider);
    let registrar = EmbeddedRegistrar::new(shared, leads_to(config, url));
    Ok((handle, Arc::new(registrar)))
}

impl RunningDev {
    /// The server.
    #[must_use]
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The first user who can sign in.
    #[must_use]
    pub fn demo_user(&self) -> Option<&User> {
        self.settings.users.first()
    }

    /// The app that users are not asked about.
    #[must_use]
    pub fn official_client_id(&self) -> &str {
        &self.settings.official_client.client_id
    }

    /// Where developers make agents, if they may.
    #[must_use]
    pub fn developers(&self) -> Option<String> {
        self.has_portal
            .then(|| self.running.url().join("/developers"))
    }

    /// What a program that started this one has to know: where everything is, and who can sign in.
    #[must_use]
    pub fn ready(&self) -> Value {
        let url = self.running.url();
        let (username, password) = self
            .demo_user()
            .map_or(("", ""), |user| (&user.username, user.password.expose()));
        json!({
            "event": "ready", "url": url, "mcp": url.join("/mcp"), "sse": url.join("/sse"),
            "admin": format!("http://{}", self.running.admin()), "issuer": self.running.issuer(),
            "demo": { "username": username, "password": password },
            "official_client_id": self.official_client_id(),
            "developers": self.developers(),
        })
    }

    /// Runs until the operator sends a signal, then stops both; a second signal does not wait.
    pub async fn until_signalled(self, signals: Signals) {
        let Self {
            running, provider, ..
        } = self;
        running.until_signalled(signals).await;
        provider.stop(false).await;
    }

    /// Stops both.
    pub async fn stop(self) {
        let Self {
            running, provider, ..
        } = self;
        running.stop().await;
        provider.stop(false).await;
    }
}
