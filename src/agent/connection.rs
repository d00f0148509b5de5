//! The open connection: ask what there is, use it, go.
//!
//! [`connect`] is the room's door; the command line holds the [`Connection`] it returns. A token that
//! runs out, a session that is gone and a call that needs more scopes are dealt with below, so a
//! request either has its answer or an [`AgentError`] that says what to mend.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value, json};
use tokio::time::{Duration, Instant};

use super::{
    config::Config,
    document::Document,
    error::AgentError,
    event::{Event, Events, Transport},
    lists::{self, Listing},
    said::Said,
    watch::{Canceller, Watched},
    wire::{self, Caller, Conversation, Mirror, ServerSays, Talk},
};
use crate::protocol::{LogLevel, ProtocolVersion, codes};

/// An agent that is in.
#[derive(Debug)]
pub struct Connection {
    conversation: Conversation,
    protocol: ProtocolVersion,
    server: ServerSays,
    events: Events,
    canceller: Canceller,
    /// The tools as they were last listed.
    tools: Option<Vec<Tool>>,
}

/// A tool as the server describes it.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its name, for [`Connection::call_tool`].
    pub name: String,
    /// The whole definition, `inputSchema` included: a stranger's text, not yet fit for a terminal.
    pub definition: Document,
}

impl Tool {
    /// JSON Schema of its arguments; null where it has none.
    #[must_use]
    pub fn input_schema(&self) -> &Value {
        &self.definition.value()["inputSchema"]
    }
}

/// What is completed (`completion/complete`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// An argument of the prompt of this name.
    Prompt(String),
    /// A variable of this resource template.
    Template(String),
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
    let canceller = Canceller::new();
    let caller = Arc::new(Caller::new(&config, events.clone())?);
    let talk = Talk::new(caller, &config, events.clone(), canceller.0.clone());
    let opened = wire::open(talk, &config).await?;
    events.report(Event::Connected {
        protocol: opened.version,
        transport: opened.conversation.transport(),
        server: opened.server.name(),
    });
    let mut connection = Connection {
        conversation: opened.conversation,
        protocol: opened.version,
        server: opened.server,
        events,
        canceller,
        tools: None,
    };
    if let Some(level) = config.log_level {
        connection.set_log_level(level).await?;
    }
    Ok(connection)
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

    /// What the server said of itself when the connection was opened.
    #[must_use]
    pub const fn server(&self) -> &ServerSays {
        &self.server
    }

    /// Ends the request that is under way, and every later one, with [`AgentError::Interrupted`].
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Everything of one kind that the server shows to this user, within the bounds of `lists`.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn list(&mut self, what: Listing) -> Result<Vec<Document>, AgentError> {
        let mut items = lists::Items::new(what);
        while let Some(params) = items.next_page() {
            let page = self.conversation.request(what.method(), &params).await?;
            items.add(&page)?;
        }
        Ok(items.into_all())
    }

    /// Every tool the server shows to this user. From 2026-07-28 on those are left out, with a
    /// [`Event::Notice`], whose marks for headers break the rules (`x-mcp-header`).
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn list_tools(&mut self) -> Result<Vec<Tool>, AgentError> {
        let mut tools = Vec::new();
        let mut mirrors = HashMap::new();
        for definition in self.list(Listing::Tools).await? {
            let name = definition.value().get("name").and_then(Value::as_str);
            let name = name
                .map(str::to_owned)
                .ok_or_else(|| AgentError::Unreadable {
                    method: Listing::Tools.method().to_owned(),
                    why: "a tool has no name".to_owned(),
                })?;
            let tool = Tool { name, definition };
            if self.protocol.is_modern() {
                match Mirror::of_schema(tool.input_schema()) {
                    Ok(marked) => mirrors.insert(tool.name.clone(), marked),
                    Err(why) => {
                        let name = Said::new(&tool.name);
                        let text = format!("The tool {name} is left out: {why}.");
                        self.events.report(Event::Notice { text });
                        continue;
                    }
                };
            }
            tools.push(tool);
        }
        self.conversation.learn(mirrors);
        self.tools = Some(tools.clone());
        Ok(tools)
    }

    /// The tool of this name, listed only where that has not been done.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn tool(&mut self, name: &str) -> Result<Option<Tool>, AgentError> {
        let tools = match &self.tools {
            Some(tools) => tools,
            None => &self.list_tools().await?,
        };
        Ok(tools.iter().find(|tool| tool.name == name).cloned())
    }

    /// Calls a tool and returns its whole result: `content`, `structuredContent`, `isError`.
    ///
    /// A tool that failed is a result with `isError`, not an [`AgentError`]. From 2026-07-28 on the
    /// tools are listed first: some arguments travel in headers as well.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn call_tool(
        &mut self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<Document, AgentError> {
        const METHOD: &str = "tools/call";
        if self.protocol.is_modern() {
            self.tool(name).await?;
        }
        let params = object(json!({"name": name, "arguments": arguments}));
        match self.ask(METHOD, &params).await {
            Err(AgentError::Rpc { code, .. })
                if self.protocol.is_modern() && code == i64::from(codes::HEADER_MISMATCH) =>
            {
                // The tool may have changed since it was listed (2026-07-28, transports).
                self.list_tools().await?;
                self.ask(METHOD, &params).await
            }
            answer => answer,
        }
    }

    /// Reads a resource: `contents`.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn read_resource(&mut self, uri: &str) -> Result<Document, AgentError> {
        self.ask("resources/read", &object(json!({"uri": uri})))
            .await
    }

    /// Fills a prompt in: `messages`.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn get_prompt(
        &mut self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<Document, AgentError> {
        let params = object(json!({"name": name, "arguments": arguments}));
        self.ask("prompts/get", &params).await
    }

    /// Suggestions for the argument `name`, of which `value` is typed so far, and `others` are known:
    /// `completion`.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn complete(
        &mut self,
        reference: &Reference,
        name: &str,
        value: &str,
        others: Map<String, Value>,
    ) -> Result<Document, AgentError> {
        let reference = match reference {
            Reference::Prompt(name) => json!({"type": "ref/prompt", "name": name}),
            Reference::Template(uri) => json!({"type": "ref/resource", "uri": uri}),
        };
        let argument = json!({"name": name, "value": value});
        let mut params = object(json!({"ref": reference, "argument": argument}));
        if !others.is_empty() {
            params.insert("context".to_owned(), json!({ "arguments": others }));
        }
        self.ask("completion/complete", &params).await
    }

    /// Asks for a sign of life, and how long it took. From 2026-07-28 on, which has no `ping`, by
    /// `server/discover`.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn ping(&mut self) -> Result<Duration, AgentError> {
        let method = if self.protocol.is_modern() {
            "server/discover"
        } else {
            "ping"
        };
        let begun = Instant::now();
        self.conversation.request(method, &Map::new()).await?;
        Ok(begun.elapsed())
    }

    /// Reports changes as [`Event::Changed`] until `stop`. Then the subscriptions are ended.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn watch(&mut self, what: &Watched, stop: &Canceller) -> Result<(), AgentError> {
        if self.protocol.is_modern() {
            return self.conversation.watch(&what.filter(), &stop.0).await;
        }
        // First the stream: a change between the two would be lost.
        self.conversation.listen().await;
        for uri in &what.uris {
            let params = object(json!({ "uri": uri }));
            let asked = self.conversation.request("resources/subscribe", &params);
            asked.await?;
        }
        self.events.report(Event::Watching {
            honoured: Value::Null,
        });
        let watched = self.conversation.watch(&Map::new(), &stop.0).await;
        if watched.is_ok() {
            for uri in &what.uris {
                let params = object(json!({ "uri": uri }));
                let asked = self.conversation.request("resources/unsubscribe", &params);
                asked.await?;
            }
        }
        watched
    }

    /// Ends the session, if there is one. Never fails: the server ends what we can't.
    pub async fn close(self) {
        self.conversation.close().await;
    }

    /// From 2026-07-28 on the level goes with each request instead.
    async fn set_log_level(&mut self, level: LogLevel) -> Result<(), AgentError> {
        if self.protocol.is_modern() {
            return Ok(());
        }
        if self.server.capabilities.get("logging").is_none() {
            let text = "The server does not log to its clients.".to_owned();
            self.events.report(Event::Notice { text });
            return Ok(());
        }
        let params = object(json!({"level": level.as_str()}));
        self.conversation
            .request("logging/setLevel", &params)
            .await?;
        Ok(())
    }

    /// A request that the server may ask the user about.
    async fn ask(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Document, AgentError> {
        self.conversation.listen().await;
        let answer = self.conversation.request(method, params).await?;
        if answer.value().is_object() {
            return Ok(answer);
        }
        Err(AgentError::Unreadable {
            method: method.to_owned(),
            why: "it is no object".to_owned(),
        })
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
