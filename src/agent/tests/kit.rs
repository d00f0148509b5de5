//! A small world for an agent: an MCP server and an authorization server on one port.
//!
//! [`World`] does everything right by itself; a test adds a rule for the one thing that is different.
//! Everything asked of it is kept in order, so that a test can say what was sent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, rt, web};
use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::{Url, form_urlencoded};

/// One request as it came in.
#[derive(Debug, Clone)]
pub(in crate::agent) struct Seen {
    pub(in crate::agent) method: String,
    pub(in crate::agent) path: String,
    query: String,
    headers: HashMap<String, String>,
    body: Bytes,
}

impl Seen {
    /// As in `POST /mcp`.
    pub(in crate::agent) fn is(&self, line: &str) -> bool {
        line == format!("{} {}", self.method, self.path)
    }

    pub(in crate::agent) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(in crate::agent) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The method of a JSON-RPC request, the empty text for anything else.
    pub(in crate::agent) fn rpc(&self) -> String {
        self.json()["method"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(in crate::agent) fn query(&self, name: &str) -> String {
        value(&self.query, name)
    }

    pub(in crate::agent) fn form(&self, name: &str) -> String {
        value(std::str::from_utf8(&self.body).unwrap(), name)
    }
}

pub(in crate::agent) fn value(text: &str, name: &str) -> String {
    form_urlencoded::parse(text.as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// What a rule answers.
pub(in crate::agent) enum Reply {
    Whole {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// An event stream, open as long as the sender is.
    Stream(mpsc::Receiver<String>),
}

pub(in crate::agent) fn json_reply(status: u16, body: &Value) -> Reply {
    Reply::Whole {
        status,
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.to_string(),
    }
}

pub(in crate::agent) fn empty(status: u16) -> Reply {
    Reply::Whole {
        status,
        headers: Vec::new(),
        body: String::new(),
    }
}

/// An event stream that says `text` and ends.
pub(in crate::agent) fn events(text: &str) -> Reply {
    Reply::Whole {
        status: 200,
        headers: vec![("content-type", "text/event-stream".to_owned())],
        body: text.to_owned(),
    }
}

pub(in crate::agent) fn with_header(mut reply: Reply, name: &'static str, text: &str) -> Reply {
    if let Reply::Whole { headers, .. } = &mut reply {
        headers.push((name, text.to_owned()));
    }
    reply
}

/// A JSON-RPC result for the request that was seen.
pub(in crate::agent) fn result(seen: &Seen, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": result})
}

pub(in crate::agent) fn error(seen: &Seen, code: i64, data: &Value) -> Value {
    let error = json!({"code": code, "message": "no", "data": data});
    json!({"jsonrpc": "2.0", "id": seen.json()["id"], "error": error})
}

type Rule = Box<dyn Fn(&World, &Seen) -> Option<Reply> + Send + Sync>;

/// Which transport the MCP server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::agent) enum Speaks {
    Modern,
    Streamable,
    HttpSse,
}

/// What both servers are, and what they saw.
pub(in crate::agent) struct World {
    pub(in crate::agent) origin: String,
    speaks: Speaks,
    rules: Vec<Rule>,
    seen: Mutex<Vec<Seen>>,
    stream: Mutex<Option<mpsc::Sender<String>>>,
}

impl World {
    pub(in crate::agent) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Every request of `line`, as in `POST /as/token`.
    pub(in crate::agent) fn all(&self, line: &str) -> Vec<Seen> {
        self.seen()
            .into_iter()
            .filter(|seen| seen.is(line))
            .collect()
    }

    /// The JSON-RPC methods that were posted with a token, in order.
    pub(in crate::agent) fn methods(&self) -> Vec<String> {
        let authorized = |seen: &Seen| !seen.header("authorization").is_empty();
        let posted = self.seen().into_iter().filter(authorized);
        posted
            .map(|seen| seen.rpc())
            .filter(|method| !method.is_empty())
            .collect()
    }

    pub(in crate::agent) fn resource_document(&self, path: &str) -> Value {
        json!({
            "resource": format!("{}{path}", self.origin),
            "authorization_servers": [format!("{}/as", self.origin)],
            "scopes_supported": ["mcp:tools"],
        })
    }

    pub(in crate::agent) fn server_document(&self) -> Value {
        let at = |path: &str| format!("{}/as{path}", self.origin);
        json!({
            "issuer": at(""),
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "registration_endpoint": at("/register"),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    /// Sends an event on the open HTTP+SSE stream.
    pub(in crate::agent) fn say(&self, message: &Value) {
        let stream = self.stream.lock().unwrap();
        let stream = stream.as_ref().expect("no stream is open");
        stream.try_send(format!("data: {message}\n\n")).unwrap();
    }

    fn answer(&self, seen: &Seen) -> Reply {
        for rule in &self.rules {
            if let Some(reply) = rule(self, seen) {
                return reply;
            }
        }
        match format!("{} {}", seen.method, seen.path).as_str() {
            "GET /.well-known/oauth-protected-resource/mcp" => {
                json_reply(200, &self.resource_document("/mcp"))
            }
            "GET /.well-known/oauth-protected-resource/sse" => {
                json_reply(200, &self.resource_document("/sse"))
            }
            "GET /.well-known/oauth-authorization-server/as" => {
                json_reply(200, &self.server_document())
            }
            "POST /as/register" => json_reply(201, &json!({"client_id": "agent-1"})),
            "GET /as/authorize" => self.authorize(seen),
            "POST /as/token" => token(seen),
            "POST /mcp" | "POST /messages" | "GET /sse" | "GET /mcp" | "DELETE /mcp" => {
                self.protected(seen)
            }
            _ => empty(404),
        }
    }

    /// The user agrees at once. The code carries the challenge, for the token endpoint to check.
    fn authorize(&self, seen: &Seen) -> Reply {
        let mut back = Url::parse(&seen.query("redirect_uri")).unwrap();
        back.query_pairs_mut()
            .append_pair("code", &format!("code.{}", seen.query("code_challenge")))
            .append_pair("state", &seen.query("state"))
            .append_pair("iss", &format!("{}/as", self.origin));
        with_header(empty(303), "location", back.as_str())
    }

    fn protected(&self, seen: &Seen) -> Reply {
        if !seen.header("authorization").starts_with("Bearer token-") {
            let path = if seen.path == "/sse" { "/sse" } else { "/mcp" };
            let metadata = format!("{}/.well-known/oauth-protected-resource{path}", self.origin);
            let challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"mcp:tools\"");
            return with_header(empty(401), "www-authenticate", &challenge);
        }
        self.mcp(seen)
    }

    fn mcp(&self, seen: &Seen) -> Reply {
        match (self.speaks, seen.method.as_str(), seen.path.as_str()) {
            (Speaks::HttpSse, "GET", "/sse" | "/mcp") => {
                let (sender, receiver) = mpsc::channel(16);
                let hello = "event: endpoint\ndata: /messages?sessionId=s1\n\n";
                sender.try_send(hello.to_owned()).unwrap();
                *self.stream.lock().unwrap() = Some(sender);
                Reply::Stream(receiver)
            }
            (Speaks::HttpSse, "POST", "/messages") if seen.query("sessionId") == "s1" => {
                if let Some(result) = self.outcome(seen) {
                    self.say(&result);
                }
                empty(202)
            }
            (Speaks::Streamable, "DELETE", _) => empty(204),
            (Speaks::Streamable | Speaks::Modern, "POST", _) => match self.outcome(seen) {
                Some(outcome) if outcome.get("error").is_some() => json_reply(400, &outcome),
                Some(outcome) => {
                    let reply = json_reply(200, &outcome);
                    if seen.rpc() == "initialize" {
                        return with_header(reply, "mcp-session-id", "session-1");
                    }
                    reply
                }
                None => empty(202),
            },
            _ => empty(405),
        }
    }

    fn outcome(&self, seen: &Seen) -> Option<Value> {
        let message = seen.json();
        message.get("id")?;
        let info = json!({"name": "world", "version": "1"});
        let modern = self.speaks == Speaks::Modern;
        let wanted = &message["params"]["protocolVersion"];
        Some(match message["method"].as_str()? {
            "server/discover" if modern => result(
                seen,
                &json!({
                    "supportedVersions": ["2026-07-28"],
                    "capabilities": {},
                    "_meta": {"io.modelcontextprotocol/serverInfo": info},
                }),
            ),
            "initialize" if !modern => {
                let told =
                    json!({"protocolVersion": wanted, "capabilities": {}, "serverInfo": info});
                result(seen, &told)
            }
            "tools/list" => result(seen, &json!({"tools": [{"name": "whoami"}]})),
            "tools/call" => result(seen, &whoami()),
            _ => error(seen, -32601, &Value::Null),
        })
    }
}

/// What the world's one tool returns.
pub(in crate::agent) fn whoami() -> Value {
    json!({"content": [{"type": "text", "text": "alice"}]})
}

fn token(seen: &Seen) -> Reply {
    let digest = digest::digest(&digest::SHA256, seen.form("code_verifier").as_bytes());
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest);
    let refreshed = seen.form("grant_type") == "refresh_token";
    if !refreshed && seen.form("code") != format!("code.{challenge}") {
        return json_reply(400, &json!({"error": "invalid_grant"}));
    }
    json_reply(
        200,
        &json!({"access_token": "token-1", "token_type": "bearer", "expires_in": 3600}),
    )
}

/// A [`World`] on a port, stopped when dropped.
pub(in crate::agent) struct Site {
    pub(in crate::agent) world: Arc<World>,
    handle: actix_web::dev::ServerHandle,
}

impl Site {
    pub(in crate::agent) fn url(&self, path: &str) -> Url {
        format!("{}{path}", self.world.origin).parse().unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // The command is sent at once; only its completion would be awaited.
        drop(self.handle.stop(false));
    }
}

/// Starts a world in which everything is right but what `rules` say. The first that answers counts.
pub(in crate::agent) fn start(speaks: Speaks, rules: Vec<Rule>) -> Site {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = Arc::new(World {
        origin: format!("http://{}", listener.local_addr().unwrap()),
        speaks,
        rules,
        seen: Mutex::default(),
        stream: Mutex::default(),
    });
    let shared = web::Data::from(Arc::clone(&world));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .default_service(web::to(serve))
    })
    .workers(1)
    // Or a client that lets a stream go would not be noticed.
    .h1_allow_half_closed(false)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = server.handle();
    rt::spawn(server);
    Site { world, handle }
}

async fn serve(world: web::Data<World>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
    let seen = Seen {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body,
    };
    world.seen.lock().unwrap().push(seen.clone());
    match world.answer(&seen) {
        Reply::Whole {
            status,
            headers,
            body,
        } => {
            let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
            for (name, text) in headers {
                response.append_header((name, text));
            }
            response.body(body)
        }
        Reply::Stream(receiver) => {
            let pieces = stream::unfold(receiver, |mut receiver| async {
                let piece = receiver.recv().await?;
                Some((Ok::<_, actix_web::Error>(Bytes::from(piece)), receiver))
            });
            HttpResponse::Ok()
                .content_type("text/event-stream")
                .streaming(pieces)
        }
    }
}

/// A rule, given as a closure.
pub(in crate::agent) fn rule(
    rule: impl Fn(&World, &Seen) -> Option<Reply> + Send + Sync + 'static,
) -> Rule {
    Box::new(rule)
}

/// A rule for one method and path.
pub(in crate::agent) fn on(
    line: &'static str,
    reply: impl Fn(&World, &Seen) -> Reply + Send + Sync + 'static,
) -> Rule {
    rule(move |world, seen| seen.is(line).then(|| reply(world, seen)))
}

/// A rule for one JSON-RPC method, once the token is there.
pub(in crate::agent) fn on_rpc(
    method: &'static str,
    reply: impl Fn(&World, &Seen) -> Reply + Send + Sync + 'static,
) -> Rule {
    rule(move |world, seen| {
        let authorized = !seen.header("authorization").is_empty();
        (authorized && seen.rpc() == method).then(|| reply(world, seen))
    })
}

/// A stream that a rule has opened and that later rules speak on.
#[derive(Clone, Default)]
pub(in crate::agent) struct Stage(Arc<Mutex<Option<mpsc::Sender<String>>>>);

impl Stage {
    /// Opens the stream.
    pub(in crate::agent) fn open(&self) -> Reply {
        let (sender, receiver) = mpsc::channel(16);
        *self.0.lock().unwrap() = Some(sender);
        Reply::Stream(receiver)
    }

    /// Says a message on it.
    pub(in crate::agent) fn say(&self, message: &Value) {
        let sender = self.0.lock().unwrap();
        let sender = sender.as_ref().expect("the stream is not open");
        sender.try_send(format!("data: {message}\n\n")).unwrap();
    }

    /// Ends it.
    pub(in crate::agent) fn end(&self) {
        self.0.lock().unwrap().take();
    }

    /// Waits until the agent has let go of it.
    pub(in crate::agent) async fn left(&self) {
        let sender = self.0.lock().unwrap().clone();
        sender.expect("the stream is not open").closed().await;
    }
}

/// A rule for the agent's answers to what the server asks.
pub(in crate::agent) fn on_answer(
    reply: impl Fn(&World, &Seen) -> Reply + Send + Sync + 'static,
) -> Rule {
    rule(move |world, seen| {
        let message = seen.json();
        let answers = message.get("result").or(message.get("error")).is_some();
        answers.then(|| reply(world, seen))
    })
}
