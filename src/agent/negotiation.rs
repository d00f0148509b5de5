//! Which protocol version, over which transport.
//!
//! `connection` calls [`open`] once. The order is that of the specification for clients of both eras
//! (2026-07-28, versioning; 2025-03-26, backwards compatibility): `server/discover`; else
//! `initialize`; else, where even that is not found, HTTP+SSE. 401 and 403 are never evidence: they
//! are dealt with below this file, in `caller`.

use reqwest::StatusCode;
use serde_json::{Map, Value};

use super::{
    caller::Caller,
    config::{Config, ProtocolChoice},
    error::{AgentError, Said},
    event::Transport,
    legacy_sse::{self, LegacySse},
    message::MODERN_CODES,
    reply::Refusal,
    stateless::{self, Probe, Stateless},
    streamable::{self, Streamable},
};
use crate::protocol::ProtocolVersion;

/// An open conversation.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) conversation: Conversation,
    pub(super) version: ProtocolVersion,
    /// Name and version of the server, if it says.
    pub(super) server: Option<String>,
}

/// A conversation over one of the three transports.
#[derive(Debug)]
pub(super) enum Conversation {
    HttpSse(Box<LegacySse>),
    Streamable(Streamable),
    Stateless(Stateless),
}

impl Conversation {
    pub(super) async fn request(
        &mut self,
        caller: &mut Caller,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Value, AgentError> {
        match self {
            Self::HttpSse(session) => session.request(caller, method, params).await,
            Self::Streamable(session) => session.request(caller, method, params).await,
            Self::Stateless(server) => server.request(caller, method, params).await,
        }
    }

    pub(super) async fn close(self, caller: &mut Caller) {
        match self {
            Self::Streamable(session) => session.close(caller).await,
            // Closing the stream ends an HTTP+SSE session; without a session there is nothing to end.
            Self::HttpSse(_) | Self::Stateless(_) => {}
        }
    }

    pub(super) const fn transport(&self) -> Transport {
        match self {
            Self::HttpSse(_) => Transport::HttpSse,
            Self::Streamable(_) => Transport::Streamable,
            Self::Stateless(_) => Transport::Stateless,
        }
    }
}

/// Finds out what the server speaks, and opens a conversation in it.
pub(super) async fn open(caller: &mut Caller, config: &Config) -> Result<Opened, AgentError> {
    let (wanted, exactly) = match config.protocol {
        ProtocolChoice::Version(version) if version.is_modern() => {
            return modern(caller, config).await;
        }
        ProtocolChoice::Version(version) => (version, true),
        ProtocolChoice::Auto if config.names_sse() => (ProtocolVersion::NEWEST_LEGACY, false),
        ProtocolChoice::Auto => {
            if let Probe::Modern { stateless, server } =
                Stateless::discover(caller, &config.url).await?
            {
                return Ok(opened_modern(stateless, server));
            }
            (ProtocolVersion::NEWEST_LEGACY, false)
        }
    };
    legacy(caller, config, wanted, exactly).await
}

async fn modern(caller: &mut Caller, config: &Config) -> Result<Opened, AgentError> {
    match Stateless::discover(caller, &config.url).await? {
        Probe::Modern { stateless, server } => Ok(opened_modern(stateless, server)),
        Probe::Legacy { offered } => Err(AgentError::Version {
            wanted: stateless::VERSION,
            offered: offered.unwrap_or_else(|| Said::new("only versions with a session")),
        }),
    }
}

fn opened_modern(stateless: Stateless, server: Option<String>) -> Opened {
    Opened {
        conversation: Conversation::Stateless(stateless),
        version: stateless::VERSION,
        server,
    }
}

async fn legacy(
    caller: &mut Caller,
    config: &Config,
    wanted: ProtocolVersion,
    exactly: bool,
) -> Result<Opened, AgentError> {
    let url = &config.url;
    let mut refusal = None;
    if !config.names_sse() {
        match Streamable::open(caller, url, wanted, exactly).await? {
            streamable::Opening::Open(session, initialized) => {
                return Ok(Opened {
                    conversation: Conversation::Streamable(session),
                    version: initialized.version,
                    server: initialized.server,
                });
            }
            streamable::Opening::Refused(refused) if perhaps_sse(&refused) => {
                refusal = Some(refused);
            }
            streamable::Opening::Refused(refused) => return Err(refused.of("initialize")),
        }
    }
    match (
        LegacySse::open(caller, url, wanted, exactly).await?,
        refusal,
    ) {
        (legacy_sse::Opening::Open(session, initialized), _) => Ok(Opened {
            conversation: Conversation::HttpSse(session),
            version: initialized.version,
            server: initialized.server,
        }),
        // An error in words says more than two statuses.
        (legacy_sse::Opening::Refused(_), Some(refused)) if refused.error.is_some() => {
            Err(refused.of("initialize"))
        }
        (legacy_sse::Opening::Refused(status), refusal) => Err(AgentError::NotMcp {
            url: url.clone(),
            why: match refusal {
                Some(refused) => {
                    format!(
                        "POST is answered with status {}, GET with {status}",
                        refused.status
                    )
                }
                None => format!("GET is answered with status {status}"),
            },
        }),
    }
}

/// Whether the answer to `initialize` is one that a server of HTTP+SSE gives.
fn perhaps_sse(refusal: &Refusal) -> bool {
    let status = [
        StatusCode::BAD_REQUEST,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
    ];
    let modern = |code| MODERN_CODES.contains(&code);
    status.contains(&refusal.status)
        && !refusal
            .error
            .as_ref()
            .is_some_and(|error| modern(error.code))
}
