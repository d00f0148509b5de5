//! The embedded development provider: an OpenID provider for `usher dev`, on loopback only.
//!
//! It is an actix-web server of its own, on a listener of its own, and shares nothing with Usher's
//! but the look of its pages. It signs in the users configured, lets any agent register itself
//! (RFC 7591) or be described by a document of its own (client ID metadata documents), asks the user on a consent page what a third-party agent may know and do, and issues
//! JWT access tokens for the resources configured, opaque ones otherwise, as Logto does. Everything
//! is in memory, bounded, and gone at the end; the signing key too.
//!
//! `server` binds it, tells it the resources once they are known, and runs it:
//!
//! ```no_run
//! use mcp_usher::{idp::{Config, Idp}, time::Clock};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let bound = Idp::bind(Config::dev_defaults(), Clock::system())?;
//! let issuer = bound.issuer().to_owned();
//! let server = bound.serve(["http://127.0.0.1:3001/mcp".to_owned()])?;
//! let handle = server.handle(); // handle.stop(true).await ends it
//! server.await?;
//! # Ok(())
//! # }
//! ```
//!
//! Where to look: `routes` says which address leads where; `authorize` → `interaction` → `sign_in` →
//! `consent` is the user's way, `token` the client's; `clients` knows who they are, and
//! `documents` asks where nobody registered; `grants` holds what tokens stand for; `answer`
//! is the only file that knows statuses and headers.

mod answer;
mod authorize;
mod browser;
mod client_authentication;
mod client_document;
mod clients;
mod config;
mod consent;
mod consents;
mod discovery;
mod documents;
mod error;
mod grants;
mod home;
mod interaction;
mod introspection;
mod keys;
mod lockout;
mod pages;
mod parameters;
mod provider;
mod random;
mod registrar;
mod registration;
mod request;
mod resource;
mod revocation;
mod routes;
mod sign_in;
mod table;
mod token;
mod tokens;
mod userinfo;
mod visit;

use std::net::{SocketAddr, TcpListener};

use actix_web::{App, HttpServer, dev::Server, middleware::from_fn, web};

use self::provider::Provider;
pub(crate) use self::registrar::EmbeddedRegistrar;
pub use self::{
    config::{ClientDocuments, Config, Lifetimes, Limits, OfficialClient, ResourceServer, User},
    error::IdpError,
    random::NoRandomness,
};
use crate::{
    oauth::{client_metadata, pkce, redirect_uri},
    time::Clock,
};

/// The embedded development provider.
#[derive(Debug)]
pub struct Idp;

/// The provider as it answers.
#[derive(Debug)]
pub(crate) struct Shared(web::Data<Provider>);

/// The provider with its port taken, not yet answering.
#[derive(Debug)]
pub struct BoundIdp {
    listener: TcpListener,
    address: SocketAddr,
    provider: Provider,
}

impl Idp {
    /// Takes the port and makes the signing key.
    ///
    /// # Errors
    /// [`IdpError::NotLoopback`] for every address that others could reach, and the other causes
    /// for which the provider does not start.
    pub fn bind(config: Config, clock: Clock) -> Result<BoundIdp, IdpError> {
        config.check()?;
        let wanted = config.listen;
        let listen = |error| IdpError::Listen(wanted, error);
        let listener = TcpListener::bind(wanted).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let issuer = format!("http://{address}/oidc");
        let provider = Provider::new(config, clock, issuer, address.port())?;
        Ok(BoundIdp {
            listener,
            address,
            provider,
        })
    }
}

impl BoundIdp {
    /// The issuer identifier, `http://HOST:PORT/oidc`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.provider.issuer
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts answering, with `resources` added to those configured. The server runs while it is
    /// awaited; its [`handle`](Server::handle) stops it. Signals are left to the caller.
    ///
    /// # Errors
    /// [`IdpError::Resource`] for what is no resource indicator, [`IdpError::Listen`] where the
    /// server can't be set up.
    pub fn serve(self, resources: impl IntoIterator<Item = String>) -> Result<Server, IdpError> {
        Ok(self.open(resources, &[])?.0)
    }

    /// The same with more first-party clients, and with the provider itself: for a registrar.
    pub(crate) fn open(
        mut self,
        resources: impl IntoIterator<Item = String>,
        official: &[OfficialClient],
    ) -> Result<(Server, Shared), IdpError> {
        for resource in resources {
            resource::check(&resource)?;
            self.provider.config.resources.push(resource);
        }
        for client in official {
            self.provider.state().clients.add_official(client)?;
        }
        let provider = web::Data::new(self.provider);
        let shared = Shared(web::Data::clone(&provider));
        let app = move || {
            App::new()
                .app_data(web::Data::clone(&provider))
                .configure(routes::configure)
                .wrap(from_fn(routes::own_host))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(2)
            .listen(self.listener)
            .map_err(|error| IdpError::Listen(self.address, error))?;
        Ok((server.run(), shared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::HumanDuration;

    fn bind(listen: &str) -> Result<BoundIdp, IdpError> {
        bind_with(|config| config.listen = listen.parse().unwrap())
    }

    fn bind_with(change: impl FnOnce(&mut Config)) -> Result<BoundIdp, IdpError> {
        let mut config = Config::dev_defaults();
        config.listen.set_port(0);
        change(&mut config);
        Idp::bind(config, Clock::system())
    }

    /// C01
    #[test]
    fn every_address_but_loopback_is_refused_in_one_line() {
        for listen in ["0.0.0.0:0", "[::]:0", "192.168.1.1:0", "8.8.8.8:0"] {
            let error = bind(listen).unwrap_err();

            assert!(matches!(error, IdpError::NotLoopback(_)), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn the_issuer_names_the_port_that_was_taken() {
        let bound = bind("127.0.0.1:0").unwrap();

        assert_ne!(bound.address().port(), 0);
        assert_eq!(bound.issuer(), format!("http://{}/oidc", bound.address()));
    }

    #[test]
    fn a_resource_is_an_absolute_uri_without_a_fragment() {
        for resource in ["/mcp", "mcp", "http://a/mcp#x"] {
            let result = bind("127.0.0.1:0").unwrap().serve([resource.to_owned()]);

            assert!(matches!(result, Err(IdpError::Resource(_))), "{resource}");
        }
    }

    #[test]
    fn settings_that_can_not_work_are_refused() {
        assert!(matches!(
            bind_with(|config| config.users.clear()),
            Err(IdpError::NoUser)
        ));
        assert!(matches!(
            bind_with(|config| config.users.extend(config.users.clone())),
            Err(IdpError::UserTwice(_))
        ));
        assert!(matches!(
            bind_with(|config| config.lifetimes.code = HumanDuration::from_secs(0)),
            Err(IdpError::Lifetime("code"))
        ));
        assert!(matches!(
            bind_with(|config| config
                .official_client
                .redirect_uris
                .push("http://a/".to_owned())),
            Err(IdpError::OfficialRedirectUri { .. })
        ));
    }
}
