//! Which protocol version, over which transport.
//!
//! `connection` calls [`open`] once. The order is that of the specification for clients of both eras
//! (2026-07-28, versioning; 2025-03-26, backwards compatibility): `server/discover`; else
//! `initialize`; else, where even that is not found, HTTP+SSE. 401 and 403 are never evidence: they
//! are dealt with below this file, in `caller`.

use std::collections::HashMap;

use reqwest::StatusCode;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{
    handshake::ServerSays,
    headers::Mirror,
    legacy_sse::{self, LegacySse},
    message::MODERN_CODES,
    reply::Refusal,
    stateless::{self, Probe, Stateless},
    streamable::{self, Streamable},
    talk::Talk,
};
use crate::{
    agent::{
        config::{Config, ProtocolChoice},
        document::Document,
        error::AgentError,
        event::Transport,
        said::Said,
    },
    protocol::ProtocolVersion,
};

/// A call needs pages visited first (2025-11-25, URL mode; no other version has it).
const URL_ELICITATION_REQUIRED: i64 = -32042;

/// How often one call may want that.
const VISITS_MAX: usize = 8;

/// An open conversation.
#[derive(Debug)]
pub(in crate::agent) struct Opened {
    pub(in crate::agent) conversation: Conversation,
    pub(in crate::agent) version: ProtocolVersion,
    pub(in crate::agent) server: ServerSays,
}

/// A conversation over one of the three transports.
#[derive(Debug)]
pub(in crate::agent) struct Conversation(Over);

#[derive(Debug)]
enum Over {
    HttpSse(Box<LegacySse>),
    Streamable(Box<Streamable>),
    Stateless(Box<Stateless>),
}

impl Conversation {
    /// Sends a request and waits for its answer, whatever the server asks meanwhile.
    pub(in crate::agent) async fn request(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Document, AgentError> {
        for _visit in 0..VISITS_MAX {
            let (outcome, talk) = match &mut self.0 {
                Over::HttpSse(session) => (session.request(method, params).await, session.talk()),
                Over::Streamable(session) => {
                    (session.request(method, params).await, session.talk())
                }
                Over::Stateless(server) => return server.request(method, params).await,
            };
            match &outcome {
                Err(AgentError::Rpc { code, data, .. })
                    if *code == URL_ELICITATION_REQUIRED && talk.visit(data).await? => {}
                _ => return outcome,
            }
        }
        Err(AgentError::TooManyRounds(VISITS_MAX))
    }

    /// Opens what the server may ask the user on, before a request that it may ask about.
    pub(in crate::agent) async fn listen(&mut self) {
        match &mut self.0 {
            Over::Streamable(session) => session.listen().await,
            // Its one stream is open; without a session there is none.
            Over::HttpSse(_) | Over::Stateless(_) => {}
        }
    }

    /// Reports changes until `stop`: what was subscribed to, or from 2026-07-28 on what `filter` names.
    pub(in crate::agent) async fn watch(
        &mut self,
        filter: &Map<String, Value>,
        stop: &CancellationToken,
    ) -> Result<(), AgentError> {
        match &mut self.0 {
            Over::HttpSse(session) => session.watch(stop).await,
            Over::Streamable(session) => session.watch(stop).await,
            Over::Stateless(server) => server.watch(filter, stop).await,
        }
    }

    /// Keeps the arguments that are repeated in headers, by tool (2026-07-28).
    pub(in crate::agent) fn learn(&mut self, mirrors: HashMap<String, Vec<Mirror>>) {
        if let Over::Stateless(server) = &mut self.0 {
            server.learn(mirrors);
        }
    }

    pub(in crate::agent) async fn close(self) {
        match self.0 {
            Over::Streamable(session) => session.close().await,
            // Closing the stream ends an HTTP+SSE session; without a session there is nothing to end.
            Over::HttpSse(_) | Over::Stateless(_) => {}
        }
    }

    pub(in crate::agent) const fn transport(&self) -> Transport {
        match &self.0 {
            Over::HttpSse(_) => Transport::HttpSse,
            Over::Streamable(_) => Transport::Streamable,
            Over::Stateless(_) => Transport::Stateless,
        }
    }
}

/// Finds out what the server speaks, and opens a conversation in it.
pub(in crate::agent) async fn open(talk: Talk, config: &Config) -> Result<Opened, AgentError> {
    let (talk, wanted, exactly) = match config.protocol {
        ProtocolChoice::Version(version) if version.is_modern() => {
            return match Stateless::discover(talk, &config.url, config.log_level).await? {
                Probe::Modern { stateless, server } => Ok(opened_modern(stateless, server)),
                Probe::Legacy { offered, .. } => Err(AgentError::Version {
                    wanted: stateless::VERSION,
                    offered: offered.unwrap_or_else(|| Said::new("only versions with a session")),
                }),
            };
        }
        ProtocolChoice::Version(version) => (talk, version, true),
        ProtocolChoice::Auto if config.names_sse() => (talk, ProtocolVersion::NEWEST_LEGACY, false),
        ProtocolChoice::Auto => {
            match Stateless::discover(talk, &config.url, config.log_level).await? {
                Probe::Modern { stateless, server } => {
                    return Ok(opened_modern(stateless, server));
                }
                Probe::Legacy { talk, .. } => (*talk, ProtocolVersion::NEWEST_LEGACY, false),
            }
        }
    };
    legacy(talk, config, wanted, exactly).await
}

fn opened_modern(stateless: Box<Stateless>, server: ServerSays) -> Opened {
    Opened {
        conversation: Conversation(Over::Stateless(stateless)),
        version: stateless::VERSION,
        server,
    }
}

async fn legacy(
    mut talk: Talk,
    config: &Config,
    wanted: ProtocolVersion,
    exactly: bool,
) -> Result<Opened, AgentError> {
    let url = &config.url;
    let mut refusal = None;
    if !config.names_sse() {
        match Streamable::open(talk, url, wanted, exactly).await? {
            streamable::Opening::Open(session, initialized) => {
                return Ok(Opened {
                    conversation: Conversation(Over::Streamable(session)),
                    version: initialized.version,
                    server: initialized.server,
                });
            }
            streamable::Opening::Refused(refused, back) if perhaps_sse(&refused) => {
                refusal = Some(refused);
                talk = *back;
            }
            streamable::Opening::Refused(refused, _) => return Err(refused.of("initialize")),
        }
    }
    match (LegacySse::open(talk, url, wanted, exactly).await?, refusal) {
        (legacy_sse::Opening::Open(session, initialized), _) => Ok(Opened {
            conversation: Conversation(Over::HttpSse(session)),
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
