//! Why a server did not start.

use std::{io, net::SocketAddr};

use crate::{
    cluster::ClusterError, config::ConfigError, fetch::FetchError, handler::HandlerError,
    logto::LogtoError, portal::PortalError, registration::KeyError, secret::SecretError,
    skills::SkillError,
};
#[cfg(feature = "dev-idp")]
use crate::{idp::IdpError, metadata::IssuerError};

/// The server did not start; nothing of it runs.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address could not be taken, that of this setting.
    #[error("could not listen on {1} ({0})")]
    Bind(&'static str, SocketAddr, #[source] io::Error),
    /// A listener could not be started.
    #[error("could not start a listener")]
    Listen(#[source] io::Error),
    /// It listens on every address, or in somebody else's `App`: nobody can tell what clients use.
    #[error("server.public_url is needed: the URL that clients use, as https://mcp.example.com")]
    NoPublicUrl,
    /// Actors need an actix system, as `#[actix_web::main]` starts one.
    #[error("there is no actix system on this thread: use #[actix_web::main]")]
    NoSystem,
    /// The authorization server is not named, or only half.
    #[error(transparent)]
    Issuer(ConfigError),
    /// A server with the embedded provider is for one machine.
    #[cfg(feature = "dev-idp")]
    #[error(
        "the development provider is for this machine only, as 127.0.0.1:3001, and not for {0}; use usher serve"
    )]
    DevNotLoopback(String),
    /// The embedded provider did not start.
    #[cfg(feature = "dev-idp")]
    #[error("could not start the embedded provider")]
    Provider(#[from] IdpError),
    /// The embedded provider has an issuer that is none.
    #[cfg(feature = "dev-idp")]
    #[error("the embedded provider's issuer can't be used")]
    OwnIssuer(#[source] IssuerError),
    /// What it offers can't be served: a tool's schema is none, or refers to another document.
    #[error("could not offer the tools")]
    Handler(#[source] HandlerError),
    /// The folder that `skills.directory` names can't be served.
    #[error("could not offer the skills")]
    Skills(#[source] SkillError),
    /// The HTTP client could not be set up.
    #[error("could not set up the HTTP client")]
    Fetcher(#[source] FetchError),
    /// The key that webhooks are signed with can't be read.
    #[error("could not read notice.webhook_secret_file")]
    Notices(#[source] SecretError),
    /// Agents were to register here with an initial access token, which could not be read.
    #[error("could not read registration.initial_access_token_file")]
    InitialAccessToken(#[source] SecretError),
    /// Nothing can be sealed that travels with browsers and clients.
    #[error("could not set up the registration of agents")]
    SealingKey(#[source] KeyError),
    /// Developers were to make agents here, and can't.
    #[error("could not set up the developer portal")]
    Portal(#[source] PortalError),
    /// Logto can't be asked to keep them.
    #[error("could not set up the Management API of Logto")]
    Logto(#[source] LogtoError),
    /// Nobody keeps the agents that register.
    #[error(
        "agents register here, and there is nobody to keep them: name a Logto by logto.client_id"
    )]
    NoRegistrar,
    /// It was to be one of several nodes.
    #[error("could not join the other nodes")]
    Cluster(#[from] ClusterError),
    /// In somebody else's `App`, nobody can tell where other nodes reach it.
    #[error("cluster.advertise is needed: where other nodes reach this one, as 10.1.2.3:3002")]
    NoClusterAddress,
    /// The admin token could not be read.
    #[error("could not read server.admin_token_file")]
    AdminToken(#[source] SecretError),
    /// Signals could not be listened to.
    #[error("could not listen to signals")]
    Signals(#[source] io::Error),
}
