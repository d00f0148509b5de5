//! A handler written for rmcp, the official SDK, behind our door.
//!
//! [`Rmcp`] makes of any [`ServerHandler`] the [`Delegate`] that `server`
//! puts into the catalog. Each request is read by us, answered by the handler through rmcp's own
//! version rules, and contained as a tool of our own is. What the handler sends meanwhile through
//! its `Peer` leaves by a link made for the call. Only this room knows rmcp's types.
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

mod link;
mod request;

use std::sync::Arc;

use ::rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        ClientCapabilities, Icon, IconTheme, Implementation, InitializeRequestParams, RequestId,
        ServerConfig,
    },
    service::{RequestContext, Service, serve_directly},
};
use serde_json::{Map, Value};

use crate::{
    handler::{CallContext, Delegate, ToolError},
    protocol::{self, Method, ProtocolVersion, RpcError, ServerInfo},
    scope::Scopes,
};
use link::Link;

/// A handler written for rmcp, with what it needs to stand behind our door.
#[derive(Debug)]
pub struct Rmcp {
    info: ServerInfo,
    delegate: Delegate,
}

/// Never used by a handler: it has no request of ours to name.
const REQUEST: RequestId = RequestId::Number(1);

impl Rmcp {
    /// Wraps a handler. Its `get_info` is asked once, here.
    pub fn new(handler: impl ServerHandler) -> Self {
        let config = handler.get_info();
        let handler = Arc::new(handler);
        let answer = move |context, method, params| {
            let handler = Arc::clone(&handler);
            answer(handler, context, method, params)
        };
        Self {
            delegate: Delegate::new(capabilities(&config), answer),
            info: info(config),
        }
    }

    /// The scopes a caller of the tool `name` must have been granted; all of them.
    #[must_use]
    pub fn needs(mut self, name: impl Into<String>, scopes: Scopes) -> Self {
        self.delegate = self.delegate.needs(name, scopes);
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

/// One request: read, answered by the handler, written.
async fn answer<H: ServerHandler>(
    handler: Arc<H>,
    call: CallContext,
    method: Method,
    params: Value,
) -> Result<Value, ToolError> {
    let (request, meta) = request::read(&method, params)?;
    let (link, wants_input) = Link::new(call.clone());
    // A `Peer` comes only from a running service; this one serves nothing but what the handler
    // itself sends, and ends with the call.
    let service = serve_directly(Silent, link, Some(client(&call)));
    let mut context = RequestContext::<RoleServer>::new(REQUEST, service.peer().clone());
    context.ct = call.cancellation().clone();
    context.meta = meta;
    context.extensions.insert(call.principal().clone());
    context.extensions.insert(call);
    tokio::select! {
        answered = handler.handle_request(request, context) => {
            let result = answered.map_err(error)?;
            serde_json::to_value(result).map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a handler's result has no JSON form"
                );
                RpcError::internal().into()
            })
        }
        Ok(ended) = wants_input => Err(ended),
    }
}

/// Takes part in nothing: requests are answered by the handler directly.
struct Silent;

impl ServerHandler for Silent {}

/// What the handler learns of its client from its `Peer`.
///
/// From 2026-07-28 on rmcp lets a handler ask nothing through it. We can ask in every version, so the
/// peer's version is the newest in which it may; the request's own is in its `_meta`.
fn client(call: &CallContext) -> InitializeRequestParams {
    let version = call.protocol_version().min(ProtocolVersion::NEWEST_LEGACY);
    let declared = serde_json::from_value::<ClientCapabilities>(call.client_capabilities());
    let unnamed = Implementation::new("unknown", "");
    let mut client = InitializeRequestParams::new(declared.unwrap_or_default(), unnamed);
    if let Ok(version) = serde_json::from_value(Value::from(version.as_str())) {
        client.protocol_version = version;
    }
    client
}

fn error(error: ErrorData) -> ToolError {
    let ours = RpcError::new(error.code.0, error.message);
    ToolError::Rpc(match error.data {
        Some(data) => ours.with_data(data),
        None => ours,
    })
}

#[cfg(test)]
mod tests;
