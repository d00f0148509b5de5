//! Somebody who calls `whoami`, each in its own words: the floor's, and those of each MCP transport.

use std::{fmt::Write as _, net::SocketAddr};

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use serde_json::{Value, json};

use super::wire::{Connection, Events};

/// The first id of a call: they all have the same number of digits, so that a request is made once.
const FIRST_ID: u64 = 10_000_000;

/// How a user talks to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A POST that is answered with the same bytes each time, and no session.
    Floor,
    /// 2026-07-28: everything in one request.
    Modern,
    /// 2025-11-25 over Streamable HTTP.
    Streamable,
    /// 2025-11-25 over HTTP+SSE.
    Sse,
}

impl Manner {
    /// As tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "POST",
            Self::Modern => "2026-07-28",
            Self::Streamable => "Streamable HTTP",
            Self::Sse => "HTTP+SSE",
        }
    }
}

/// Who a user is.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    /// The subject that answers have to name.
    pub(crate) subject: String,
    /// The access token.
    pub(crate) token: String,
}

/// A user that has arrived: initialized, where there is something to initialize.
#[derive(Debug)]
pub(crate) struct User {
    manner: Manner,
    address: SocketAddr,
    posts: Connection,
    /// Where answers come that don't come with the POST.
    events: Option<Events>,
    pass: Pass,
    session: Option<String>,
    call: Vec<u8>,
    id: u64,
    /// Where the id's digits stand in `call`.
    id_at: usize,
    /// What an answer has to contain: the subject as a member, not as text in a text.
    proof: Vec<u8>,
}

impl User {
    /// Connects, and says hello where that is the manner.
    pub(crate) async fn arrive(address: SocketAddr, manner: Manner, pass: Pass) -> Result<Self> {
        let mut user = Self {
            manner,
            address,
            posts: Connection::open(address).await?,
            events: None,
            session: None,
            call: Vec::new(),
            id: FIRST_ID,
            id_at: 0,
            proof: format!("\"sub\":\"{}\"", pass.subject).into_bytes(),
            pass,
        };
        let mut endpoint = "/mcp".to_owned();
        if manner == Manner::Sse {
            let request = user.get("/sse");
            let (_, mut events) = Connection::open(address).await?.listen(&request).await?;
            endpoint = String::from_utf8(events.next().await?.to_vec())?;
            user.events = Some(events);
        }
        if matches!(manner, Manner::Streamable | Manner::Sse) {
            let hello = json!({
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "load", "version": "1" },
            });
            let request = user.post(&endpoint, &message(1, "initialize", &hello));
            user.session = user.posts.ask(&request).await?.0.session;
            if let Some(events) = &mut user.events {
                events.next().await?;
            }
            let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            let request = user.post(&endpoint, &told);
            let (head, _) = user.posts.ask(&request).await?;
            ensure!(head.status == 202, "a session begins with {}", head.status);
        }
        user.prepare(&endpoint)?;
        Ok(user)
    }

    fn prepare(&mut self, endpoint: &str) -> Result<()> {
        let mut params = json!({ "name": "whoami", "arguments": {} });
        if self.manner == Manner::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "load", "version": "1" },
            });
        }
        self.call = self.post(endpoint, &message(FIRST_ID, "tools/call", &params));
        let digits = FIRST_ID.to_string();
        self.id_at = memmem::rfind(&self.call, digits.as_bytes()).context("the call's id")?;
        Ok(())
    }

    /// Calls, and sees that the answer is to this call and names this user.
    pub(crate) async fn call(&mut self) -> Result<()> {
        self.id += 1;
        let mut digits = [0; 8];
        write_digits(self.id, &mut digits);
        self.call[self.id_at..self.id_at + digits.len()].copy_from_slice(&digits);
        let (head, body) = self.posts.ask(&self.call).await?;
        let answer = match &mut self.events {
            None => {
                ensure!(head.status == 200, "a call was answered {}", head.status);
                body
            }
            Some(events) => {
                ensure!(head.status == 202, "a call was answered {}", head.status);
                events.next().await?
            }
        };
        if self.manner == Manner::Floor {
            return Ok(());
        }
        ensure!(
            memmem::find(answer, &digits).is_some(),
            "an answer to another call: {}",
            String::from_utf8_lossy(answer)
        );
        ensure!(
            memmem::find(answer, &self.proof).is_some(),
            "an answer for somebody else: {}",
            String::from_utf8_lossy(answer)
        );
        Ok(())
    }

    /// Asks for something, and sees that it is refused for its token. Without a body: one that is
    /// refused unread takes its connection along.
    pub(crate) async fn is_refused(&mut self) -> Result<()> {
        let request = self.get("/mcp");
        let (head, _) = self.posts.ask(&request).await?;
        ensure!(
            head.status == 401,
            "a bad token was answered {}",
            head.status
        );
        Ok(())
    }

    /// Opens the stream of a session over Streamable HTTP, and keeps no other connection.
    pub(crate) async fn settle(mut self) -> Result<Idle> {
        let events = if let Some(events) = self.events.take() {
            events
        } else {
            let request = self.get("/mcp");
            let connection = Connection::open(self.address).await?;
            connection.listen(&request).await?.1
        };
        Ok(Idle {
            address: self.address,
            goodbye: self.goodbye(),
            events,
        })
    }

    /// Ends the session, if there is one.
    pub(crate) async fn leave(mut self) -> Result<()> {
        match self.goodbye() {
            Some(request) => say_goodbye(&mut self.posts, &request).await,
            None => Ok(()),
        }
    }

    /// HTTP+SSE has none: its session ends with its stream.
    fn goodbye(&self) -> Option<Vec<u8>> {
        let has_one = self.manner == Manner::Streamable;
        has_one.then(|| self.head("DELETE", "/mcp", "").into_bytes())
    }

    fn get(&self, target: &str) -> Vec<u8> {
        self.head("GET", target, "Accept: text/event-stream\r\n")
            .into_bytes()
    }

    fn post(&self, target: &str, message: &Value) -> Vec<u8> {
        let body = message.to_string();
        let mut more = format!(
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Content-Length: {}\r\n",
            body.len()
        );
        if self.manner == Manner::Modern {
            more.push_str("Mcp-Method: tools/call\r\nMcp-Name: whoami\r\n");
        }
        let mut request = self.head("POST", target, &more);
        request.push_str(&body);
        request.into_bytes()
    }

    fn head(&self, method: &str, target: &str, more: &str) -> String {
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{more}",
            self.address, self.pass.token
        );
        let version = match self.manner {
            Manner::Modern => Some("2026-07-28"),
            Manner::Streamable if self.session.is_some() => Some("2025-11-25"),
            Manner::Floor | Manner::Streamable | Manner::Sse => None,
        };
        if let Some(version) = version {
            let _infallible = write!(head, "MCP-Protocol-Version: {version}\r\n");
        }
        if let Some(session) = &self.session {
            let _infallible = write!(head, "Mcp-Session-Id: {session}\r\n");
        }
        head.push_str("\r\n");
        head
    }
}

/// A user that only listens.
#[derive(Debug)]
pub(crate) struct Idle {
    address: SocketAddr,
    goodbye: Option<Vec<u8>>,
    events: Events,
}

impl Idle {
    /// Closes the stream, and ends the session.
    pub(crate) async fn leave(self) -> Result<()> {
        drop(self.events);
        if let Some(request) = self.goodbye {
            let mut connection = Connection::open(self.address).await?;
            say_goodbye(&mut connection, &request).await?;
        }
        Ok(())
    }
}

async fn say_goodbye(connection: &mut Connection, request: &[u8]) -> Result<()> {
    let (head, _) = connection.ask(request).await?;
    ensure!(head.status == 204, "a session ends with {}", head.status);
    Ok(())
}

fn message(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn write_digits(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}
