//! What an agent reports on its way in and while a call runs, so that whoever runs it can show it.
//!
//! The command line prints these and opens the browser on [`Event::SignIn`]; this room never prints.

use std::{fmt, sync::Arc};

use serde_json::Value;
use url::Url;

use super::{document::Document, said::Said};
use crate::{protocol::ProtocolVersion, scope::Scopes};

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The server answered 401: it wants a token.
    Unauthorized,
    /// The authorization server is known, and its metadata is in order.
    Discovered {
        /// Its issuer, compared exactly (RFC 8414 §3.3).
        issuer: String,
    },
    /// The authorization server took the agent on (RFC 7591).
    Registered {
        /// The client id it gave.
        client_id: String,
    },
    /// The user has to open this page now. It is `https`, or `http` on this machine.
    SignIn {
        /// Where to sign in. Hand it to a browser as one argument, never to a shell.
        url: Url,
    },
    /// The user signed in and agreed.
    SignedIn {
        /// What the token allows, as the authorization server says.
        scopes: Scopes,
    },
    /// An expired token was replaced without the user.
    Refreshed,
    /// The server wants more than the token allows: the user is asked again (RFC 6750 §3.1).
    StepUp {
        /// Everything that is asked for now.
        scopes: Scopes,
    },
    /// The server and the agent agree on a protocol version.
    Connected {
        /// Which.
        protocol: ProtocolVersion,
        /// How messages travel.
        transport: Transport,
        /// Name and version the server gives itself, if it does.
        server: Option<String>,
    },
    /// How far the running call has come.
    Progress {
        /// Grows; how much is done.
        progress: f64,
        /// How much there is to do, where that is known.
        total: Option<f64>,
        /// What is being done.
        message: Option<Said>,
    },
    /// A log message of the server.
    Log {
        /// `debug` to `emergency` (RFC 5424), in the server's words.
        level: Said,
        /// Which part of the server.
        logger: Option<Said>,
        /// Text or any JSON: a stranger's, not yet fit for a terminal.
        data: Value,
    },
    /// The server has something new; only while it is watched, or by its own will.
    Changed {
        /// What.
        change: Change,
        /// The notification's params.
        notification: Document,
    },
    /// Changes are reported from here on.
    Watching {
        /// What the server agreed to report, as it says (2026-07-28); null where it does not say.
        honoured: Value,
    },
    /// Something is not as it should be, and the agent goes on: a sentence, fit for a terminal.
    Notice {
        /// What.
        text: String,
    },
}

/// What has changed at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// The resource of this URI: a stranger's text, not yet fit for a terminal.
    Resource(String),
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP+SSE of 2024-11-05: a stream to read from, an endpoint to post to.
    HttpSse,
    /// Streamable HTTP with `initialize` and, where the server gives one, a session.
    Streamable,
    /// 2026-07-28: every request stands alone.
    Stateless,
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::HttpSse => "HTTP+SSE",
            Self::Streamable => "Streamable HTTP",
            Self::Stateless => "Streamable HTTP without a session",
        })
    }
}

/// Whoever listens.
#[derive(Clone)]
pub(super) struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    pub(super) fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(super) fn report(&self, event: Event) {
        (self.0)(event);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Events(…)")
    }
}
