//! A server behind listeners of its own: bound, then running, then stopped.

#[cfg(feature = "dev-idp")]
use std::sync::Arc;
use std::{net::SocketAddr, ops::Deref};

use actix_web::dev::ServerHandle;

use super::{
    Mounted, Server, ServerError,
    listener::{self, Bound},
};
#[cfg(feature = "dev-idp")]
use crate::registration::Registrar;
use crate::{admin::Access, secret::Secret, shutdown::Signals, units::PublicUrl};

/// A server that is bound to its addresses, and takes no connection yet.
#[derive(Debug)]
pub struct BoundServer {
    server: Server,
    public: Bound,
    admin: Bound,
    /// Where other nodes are served, where there are any.
    nodes: Option<Bound>,
    public_url: PublicUrl,
}

/// A running server, which answers for its rooms as [`Mounted`] does. Dropping it does not stop it;
/// [`Running::stop`] does.
#[derive(Debug)]
pub struct Running {
    mounted: Mounted,
    address: SocketAddr,
    admin: SocketAddr,
    public_handle: ServerHandle,
    admin_handle: ServerHandle,
    nodes: Option<SocketAddr>,
    nodes_handle: Option<ServerHandle>,
}

impl BoundServer {
    pub(super) fn bind(server: Server) -> Result<Self, ServerError> {
        let config = &server.config.server;
        let bind = |setting, address| {
            Bound::to(address).map_err(|error| ServerError::Bind(setting, address, error))
        };
        let public = bind("server.listen", config.listen)?;
        let admin = bind("server.admin_listen", config.admin_listen)?;
        let nodes = server.is_shared();
        let nodes = nodes.then(|| bind("cluster.listen", server.config.cluster.listen));
        let public_url = match &config.public_url {
            Some(url) => url.clone(),
            None if public.address.ip().is_unspecified() => return Err(ServerError::NoPublicUrl),
            None => PublicUrl::of_address(public.address),
        };
        Ok(Self {
            server,
            public,
            admin,
            nodes: nodes.transpose()?,
            public_url,
        })
    }

    /// Where clients will reach it.
    #[must_use]
    pub fn url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// With somebody to keep the agents that register.
    #[cfg(feature = "dev-idp")]
    pub(super) fn with_registrar(mut self, registrar: Arc<dyn Registrar>) -> Self {
        self.server.registrar = Some(registrar);
        self
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
            nodes,
            public_url,
        } = self;
        let workers = server.config.server.workers;
        let token = server.config.server.admin_token_file.as_deref();
        let token = token.map(Secret::from_file).transpose();
        let access = Access::of(admin.address, token.map_err(ServerError::AdminToken)?);
        let nodes_address = nodes.as_ref().map(|bound| bound.address);
        let advertised = server.config.cluster.advertise.clone();
        let advertised = nodes_address.map(|address| advertised.unwrap_or(address.to_string()));
        let mounted = Mounted::build(server, public_url, advertised)?;
        let (address, admin_address) = (public.address, admin.address);
        let (public_server, public_handle) =
            listener::public(public, mounted.clone(), workers).map_err(ServerError::Listen)?;
        let (admin_server, admin_handle) =
            listener::admin(admin, mounted.clone(), access).map_err(ServerError::Listen)?;
        let nodes_handle = nodes.map(|bound| {
            let (server, handle) = listener::nodes(bound, mounted.clone(), workers)?;
            actix_web::rt::spawn(server);
            Ok(handle)
        });
        let nodes_handle = nodes_handle.transpose().map_err(ServerError::Listen)?;
        actix_web::rt::spawn(public_server);
        actix_web::rt::spawn(admin_server);

        tracing::info!(url = %mounted.url(), admin = %admin_address, issuer = mounted.issuer(), "usher is listening");
        Ok(Running {
            mounted,
            address,
            admin: admin_address,
            public_handle,
            admin_handle,
            nodes: nodes_address,
            nodes_handle,
        })
    }
}

impl Running {
    /// Where it listens for clients.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the admin listener.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where it listens for other nodes, where it is one of several.
    #[must_use]
    pub fn nodes(&self) -> Option<SocketAddr> {
        self.nodes
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

    /// Stops in order: as [`Mounted::stop`], then the listeners, all within `server.drain_after`.
    pub async fn stop(self) {
        let close = async || {
            self.public_handle.stop(true).await;
            if let Some(nodes) = &self.nodes_handle {
                nodes.stop(true).await;
            }
        };
        self.mounted.stop_and(close).await;
        self.admin_handle.stop(false).await;
    }
}

impl Deref for Running {
    type Target = Mounted;

    fn deref(&self) -> &Mounted {
        &self.mounted
    }
}
