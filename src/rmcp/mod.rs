//! A handler written for rmcp, the official SDK, behind our door.
//!
//! [`Rmcp`] makes of any [`ServerHandler`] the [`Delegate`] that `server`
//! puts into the catalog. Each request is read by us, answered by the handler through rmcp's own
//! version rules, and contained as a tool of our own is. What the handler sends through its `Peer`
//! goes to the client of the call, or between calls of the session, by a line that the session's calls
//! use one after the other. Only this room knows rmcp's types.
//!
//! A tool finds the verified caller among its extensions:
//!
//! ```
//! use mcp_usher::{Server, auth::Principal, config::Config, handler::CallContext};
//! use rmcp::{handler::server::common::Extension, tool, tool_router};
//!
//! struct Notes;
//!
//! #[tool_router(server_handler)]
//! impl Notes {
//!     #[tool(description = "Says who calls")]
//!     fn me(&self, Extension(caller): Extension<Principal>) -> String {
//!         caller.subject().to_owned()
//!     }
//! }
//!
//! let server = Server::new(Config::default()).rmcp(Notes);
//! ```

mod desk;
mod host;
mod line;
mod link;
mod request;

use std::{io, sync::Arc};

use ::rmcp::{
    ServerHandler,
    model::{Icon, IconTheme, ServerConfig},
};
use serde_json::{Map, Value};

use crate::{
    handler::Delegate,
    protocol::{self, ServerInfo, TaskSupport},
    scope::Scopes,
};
use host::Host;

/// A handler written for rmcp, with what it needs to stand behind our door.
#[derive(Debug)]
pub struct Rmcp {
    info: ServerInfo,
    delegate: Delegate,
}

impl Rmcp {
    /// Wraps a handler that serves everybody: all sessions, and all requests without one, at once.
    pub fn new(handler: impl ServerHandler) -> Self {
        let handler = Arc::new(handler);
        Self::of(Arc::clone(&handler), Host::Shared(handler))
    }

    /// Wraps what makes handlers, as rmcp's own HTTP service does: each session has one of its own, and
    /// from 2026-07-28 on each request. One more is made here, and only asked for its `get_info` and
    /// its tools' schemas.
    ///
    /// # Errors
    /// `make`'s, here. Later ones are logged, and the request is answered by an internal error.
    pub fn for_each_session<H: ServerHandler>(
        make: impl Fn() -> io::Result<H> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let first = Arc::new(make()?);
        Ok(Self::of(first, Host::Each(Box::new(make))))
    }

    fn of<H: ServerHandler>(example: Arc<H>, host: Host<H>) -> Self {
        let config = example.get_info();
        let answers = Arc::new(host);
        let hears = Arc::clone(&answers);
        let delegate = Delegate::new(capabilities(&config), move |call, method, params| {
            Arc::clone(&answers).answer(call, method, params)
        })
        .hears(move |session, principal, method| {
            Arc::clone(&hears).hear(session, principal, method)
        })
        .input_schemas(move |tool| example.get_tool(tool).map(|tool| tool.input_schema));
        Self {
            delegate,
            info: info(config),
        }
    }

    /// The scopes a caller of the tool `name` must have been granted; all of them.
    #[must_use]
    pub fn needs(mut self, name: impl Into<String>, scopes: Scopes) -> Self {
        self.delegate = self.delegate.needs(name, scopes);
        self
    }

    /// Whether the tool `name` may run as a task, which outlives the request that began it; see
    /// [`Tool::task_support`](crate::handler::Tool::task_support). Usher keeps the task, and the
    /// handler's function is the same either way.
    #[must_use]
    pub fn task_support(mut self, name: impl Into<String>, support: TaskSupport) -> Self {
        self.delegate = self.delegate.task_support(name, support);
        self
    }

    /// The tool `name` begins as a call, and becomes a task when its function says so, with
    /// [`CallContext::begin_task`](crate::handler::CallContext::begin_task) of the call among its
    /// extensions; see [`Tool::asks_first`](crate::handler::Tool::asks_first). From there on it asks and
    /// tells through the context that comes back.
    #[must_use]
    pub fn asks_first(mut self, name: impl Into<String>) -> Self {
        self.delegate = self.delegate.asks_first(name);
        self
    }

    pub(crate) fn into_parts(self) -> (ServerInfo, Delegate) {
        (self.info, self.delegate)
    }
}

impl<H: ServerHandler> From<H> for Rmcp {
    fn from(handler: H) -> Self {
        Self::new(handler)
    }
}

fn capabilities(config: &ServerConfig) -> Map<String, Value> {
    match serde_json::to_value(&config.capabilities) {
        Ok(Value::Object(declared)) => declared,
        _ => Map::new(),
    }
}

fn info(config: ServerConfig) -> ServerInfo {
    let told = config.server_info;
    let icons = told.icons.into_iter().flatten().map(icon).collect();
    ServerInfo {
        implementation: protocol::Implementation {
            name: told.name,
            title: told.title,
            version: told.version,
            description: told.description,
            website_url: told.website_url,
            icons,
        },
        instructions: config.instructions,
    }
}

fn icon(icon: Icon) -> protocol::Icon {
    protocol::Icon {
        src: icon.src,
        mime_type: icon.mime_type,
        sizes: icon.sizes.unwrap_or_default(),
        theme: icon.theme.and_then(|theme| match theme {
            IconTheme::Light => Some(protocol::Theme::Light),
            IconTheme::Dark => Some(protocol::Theme::Dark),
            _ => None,
        }),
    }
}

#[cfg(test)]
mod tests;
