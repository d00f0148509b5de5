//! What an agent is told before it sets out, and the limits it keeps on its own.
//!
//! The command line fills a [`Config`]; every file of this room reads it, none changes it.

use url::Url;

use super::host::Host;
use crate::{
    protocol::{LogLevel, ProtocolVersion},
    scope::Scopes,
    secret::Secret,
    units::{ByteSize, HumanDuration},
};

/// Largest JSON-RPC message that is read, in a body or as one event.
pub(super) const MESSAGE_MAX: ByteSize = ByteSize::from_mib(4);

/// How an agent goes in.
#[derive(Debug, Clone)]
pub struct Config {
    /// The MCP endpoint. A path that ends in `/sse` means HTTP+SSE (2024-11-05); any other is tried
    /// as Streamable HTTP first.
    pub url: Url,
    /// A client registered by hand. Default none: the agent registers itself (RFC 7591).
    pub client_id: Option<String>,
    /// The secret of that client, where it is a confidential one. Default none.
    pub client_secret: Option<Secret>,
    /// What to ask for. Default none: the server's challenge decides, then `scopes_supported` of its
    /// metadata, else nothing is asked for.
    pub scope: Option<Scopes>,
    /// Whether to ask for a refresh token with `offline_access` and `prompt=consent` (OpenID Connect
    /// Core §11). Default false.
    pub offline_access: bool,
    /// What the consent page calls the agent. Default "Usher agent".
    pub client_name: String,
    /// Which protocol version to speak. Default [`ProtocolChoice::Auto`].
    pub protocol: ProtocolChoice,
    /// Loopback port of the callback; 0 takes a free one. Default 0.
    pub callback_port: u16,
    /// How long the user may take to sign in and consent. Default 5 min.
    pub sign_in_deadline: HumanDuration,
    /// How long a request for metadata, registration or a token may take. Default 10 s.
    pub request_deadline: HumanDuration,
    /// How long the MCP server may be silent while it is waited for. A sign of progress starts it anew,
    /// and while a person is asked it does not run. Default 60 s.
    pub call_deadline: HumanDuration,
    /// How long a call may take in all, whatever the server says. Default 1 h.
    pub call_max: HumanDuration,
    /// How long an answer to a server's question may take, before it counts as cancelled. Default 15 min.
    pub answer_deadline: HumanDuration,
    /// From which severity on the server's log messages are wanted. Default none: what the server
    /// sends by itself up to 2025-11-25, nothing from 2026-07-28 on.
    pub log_level: Option<LogLevel>,
    /// Who answers what the server asks back. Default nobody.
    pub host: Host,
}

impl Config {
    /// Goes to `url` with every default.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            client_id: None,
            client_secret: None,
            scope: None,
            offline_access: false,
            client_name: "Usher agent".to_owned(),
            protocol: ProtocolChoice::Auto,
            callback_port: 0,
            sign_in_deadline: HumanDuration::from_secs(300),
            request_deadline: HumanDuration::from_secs(10),
            call_deadline: HumanDuration::from_secs(60),
            call_max: HumanDuration::from_secs(3600),
            answer_deadline: HumanDuration::from_secs(900),
            log_level: None,
            host: Host::default(),
        }
    }

    /// Whether the URL's path says HTTP+SSE.
    pub(super) fn names_sse(&self) -> bool {
        self.url.path().trim_end_matches('/').ends_with("/sse")
    }
}

/// Which protocol version an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProtocolChoice {
    /// The newest both sides know: `server/discover`, else `initialize`, else HTTP+SSE.
    #[default]
    Auto,
    /// This one or none.
    Version(ProtocolVersion),
}
