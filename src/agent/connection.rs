//! The open connection: list tools, call one, go.
//!
//! [`connect`] is the room's door; the command line holds the [`Connection`] it returns. A token that
//! runs out, a session that is gone and a call that needs more scopes are dealt with below, so a
//! call either has its answer or an [`AgentError`] that says what to mend.

use serde_json::{Map, Value};

use super::{
    caller::Caller,
    config::Config,
    error::AgentError,
    event::{Event, Events, Transport},
    negotiation::{self, Conversation},
};
use crate::protocol::ProtocolVersion;

/// Most pages of a list that are read.
const PAGES_MAX: usize = 64;

/// An agent that is in.
#[derive(Debug)]
pub struct Connection {
    caller: Caller,
    conversation: Conversation,
    protocol: ProtocolVersion,
}

/// A tool as the server describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name, for [`Connection::call_tool`].
    pub name: String,
    /// What it does, in the server's words: a stranger's text, not yet fit for a terminal.
    pub description: Option<String>,
    /// The whole definition, `inputSchema` included.
    pub definition: Value,
}

/// Goes in: reaches the server, signs the user in if a token is wanted, and agrees on a version.
///
/// `events` is called from within this future and from within calls on the connection; it must not
/// block. On [`Event::SignIn`] somebody has to open the page, or the sign-in deadline passes.
///
/// # Errors
/// See [`AgentError`].
pub async fn connect(
    config: Config,
    events: impl Fn(Event) + Send + Sync + 'static,
) -> Result<Connection, AgentError> {
    let events = Events::new(events);
    let mut caller = Caller::new(&config, events.clone())?;
    let opened = negotiation::open(&mut caller, &config).await?;
    events.report(Event::Connected {
        protocol: opened.version,
        transport: opened.conversation.transport(),
        server: opened.server,
    });
    Ok(Connection {
        caller,
        conversation: opened.conversation,
        protocol: opened.version,
    })
}

impl Connection {
    /// The protocol version agreed on.
    #[must_use]
    pub const fn protocol(&self) -> ProtocolVersion {
        self.protocol
    }

    /// How messages travel.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.conversation.transport()
    }

    /// Every tool the server shows to this user, of at most 64 pages.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn list_tools(&mut self) -> Result<Vec<Tool>, AgentError> {
        const METHOD: &str = "tools/list";
        let unreadable = |why: &str| AgentError::Unreadable {
            method: METHOD.to_owned(),
            why: why.to_owned(),
        };
        let mut tools = Vec::new();
        let mut params = Map::new();
        for _page in 0..PAGES_MAX {
            let mut result = self.request(METHOD, &params).await?;
            let Some(Value::Array(page)) = result.get_mut("tools").map(Value::take) else {
                return Err(unreadable("it has no list of tools"));
            };
            for definition in page {
                tools.push(tool(definition).ok_or_else(|| unreadable("a tool has no name"))?);
            }
            match result.get("nextCursor").and_then(Value::as_str) {
                Some(cursor) => params.insert("cursor".to_owned(), cursor.into()),
                None => return Ok(tools),
            };
        }
        Err(unreadable("it has no end"))
    }

    /// Calls a tool and returns its whole result: `content`, `structuredContent`, `isError`.
    ///
    /// A tool that failed is a result with `isError`, not an [`AgentError`].
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn call_tool(
        &mut self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, AgentError> {
        let params = Map::from_iter([
            ("name".to_owned(), name.into()),
            ("arguments".to_owned(), arguments.into()),
        ]);
        self.request("tools/call", &params).await
    }

    /// Ends the session, if there is one. Never fails: the server ends what we can't.
    pub async fn close(mut self) {
        self.conversation.close(&mut self.caller).await;
    }

    async fn request(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Value, AgentError> {
        self.conversation
            .request(&mut self.caller, method, params)
            .await
    }
}

fn tool(definition: Value) -> Option<Tool> {
    let text = |key| {
        definition
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    Some(Tool {
        name: text("name")?,
        description: text("description"),
        definition,
    })
}
