//! All settings, a field for each room's, and the rules that span rooms.
//!
//! [`Sources`] reads them; [`KEYS`] names them. Each room owns the meaning and the default of its
//! own.

mod check;
mod forms;
mod issuer;
mod keys;
mod load;
mod overruled;
mod policy;
mod table;
mod watching;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

pub use issuer::{ISSUERS_MAX, IssuerSection, VerifierSection};
pub use keys::{Key, markdown};
pub use load::{ConfigError, Problem, Sources};
pub use overruled::Overruled;
pub use policy::rule_settings;
pub use table::KEYS;
pub use watching::{AuditConfig, AuditTo, LogConfig, LogFormat, NoRatio, OtlpConfig, Ratio};

use crate::{
    cluster, fetch, handler, logto, notices, policy as rules, portal, registration, roll_call,
    router,
    scope::Scopes,
    skills, transport,
    units::{HumanDuration, PublicUrl},
};

/// Everything that can be set.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Addresses, workers, stopping.
    pub server: ServerConfig,
    /// What we are known as to OAuth clients.
    pub resource: ResourceConfig,
    /// The authorization server, and how its tokens are verified.
    pub issuer: IssuerSection,
    /// More of them, in the order of the file; each has to name its URL. Default none.
    pub issuers: Vec<IssuerSection>,
    /// What is remembered of tokens, and asked about them.
    pub verifier: VerifierSection,
    /// What the authorization server tells us unasked.
    pub notices: notices::Config,
    /// What Logto is asked about live callers.
    pub roll_call: roll_call::Config,
    /// What is asked of others over HTTP.
    pub fetch: fetch::Config,
    /// The public listener.
    pub transport: transport::Config,
    /// Sessions.
    pub router: router::Config,
    /// Calls.
    pub handler: handler::Config,
    /// Other nodes.
    pub cluster: cluster::Config,
    /// The Logto tenant that keeps them.
    pub logto: logto::Config,
    /// Agents that register here.
    pub registration: registration::Config,
    /// Where developers make agents.
    pub portal: portal::Config,
    /// Who may use what.
    pub policy: rules::Config,
    /// Skills offered from a folder.
    pub skills: skills::Config,
    /// What is logged.
    pub log: LogConfig,
    /// Who came in and what was called.
    pub audit: AuditConfig,
    /// Traces for a collector.
    pub otlp: OtlpConfig,
}

/// Addresses, workers, stopping.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where clients are served. Default 127.0.0.1:3001.
    pub listen: SocketAddr,
    /// Where probes and metrics are served: never the public address. Default 127.0.0.1:9090.
    pub admin_listen: SocketAddr,
    /// File with the token that operators show at the admin listener to see and end sessions. Default
    /// none: on a loopback address everybody on this machine may, elsewhere nobody.
    pub admin_token_file: Option<PathBuf>,
    /// Where clients reach this server, if that is not the address it listens on; with a path,
    /// everything is served below it. Default the address.
    pub public_url: Option<PublicUrl>,
    /// Threads that serve HTTP. Above zero; default one for each processor.
    pub workers: usize,
    /// How long calls in flight may take to finish when the server is stopped. Default 25 s.
    pub drain_after: HumanDuration,
}

/// What we are known as to OAuth clients (RFC 9728).
#[derive(Debug, Clone)]
pub struct ResourceConfig {
    /// One resource indicator for every endpoint, where the authorization server knows only one.
    /// Default none: each endpoint is a resource of its own, named by its URL.
    pub url: Option<String>,
    /// Audiences to accept beside the published resources. Default none.
    pub audiences: Vec<String>,
    /// A name for people. Default none.
    pub name: Option<String>,
    /// What clients are told to ask for. Default `openid`.
    pub scopes: Scopes,
    /// What a token must have been granted for any request at all. Default none.
    pub required_scopes: Scopes,
}

impl Config {
    /// Where clients reach this server: the URL that is set, else the address listened on.
    #[must_use]
    pub fn public_url(&self) -> PublicUrl {
        let set = self.server.public_url.clone();
        set.unwrap_or_else(|| PublicUrl::of_address(self.server.listen))
    }

    /// Resource indicators of the endpoints (RFC 8707), to the character: the one that is set for all,
    /// else the URL of each, that of `/mcp` first.
    #[must_use]
    pub fn resource_indicators(&self) -> Vec<String> {
        let url = self.public_url();
        match &self.resource.url {
            Some(one) => vec![one.clone()],
            None => ["/mcp", "/sse"].map(|path| url.join(path)).to_vec(),
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)),
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
            admin_token_file: None,
            public_url: None,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            drain_after: HumanDuration::from_secs(25),
        }
    }
}

impl Default for ResourceConfig {
    fn default() -> Self {
        Self {
            url: None,
            audiences: Vec::new(),
            name: None,
            scopes: "openid".parse().unwrap_or_default(),
            required_scopes: Scopes::none(),
        }
    }
}

#[cfg(test)]
mod tests;
