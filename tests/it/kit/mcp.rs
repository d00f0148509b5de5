//! A small MCP client on the raw one: HTTP+SSE, and Streamable HTTP with a session.

use serde_json::{Value, json};

use super::{Ask, Events, Reply, Scene, Wire};

/// A request.
pub(crate) fn request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// A notification.
pub(crate) fn notification(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": method })
}

/// `initialize`, as clients send it.
pub(crate) fn initialize(id: u64, version: &str) -> Value {
    initialize_with(id, version, &json!({}))
}

/// The same from a client with these capabilities.
pub(crate) fn initialize_with(id: u64, version: &str, capabilities: &Value) -> Value {
    let params = json!({
        "protocolVersion": version, "capabilities": capabilities,
        "clientInfo": { "name": "it", "version": "1" },
    });
    request(id, "initialize", &params)
}

/// The call of a tool.
pub(crate) fn call(id: impl Into<Value>, name: &str) -> Value {
    request(id, "tools/call", &json!({ "name": name, "arguments": {} }))
}

/// A session over HTTP+SSE: its stream, and a connection for its POSTs.
#[derive(Debug)]
pub(crate) struct Sse {
    pub(crate) events: Events,
    pub(crate) posts: Wire,
    /// `/messages?sessionId=…`
    pub(crate) endpoint: String,
    template: Ask,
}

impl Sse {
    /// Opens the stream and reads where to post.
    pub(crate) async fn open(scene: &Scene, token: &str) -> Self {
        let mut events = scene
            .events(&Ask::stream(scene, &scene.target("/sse"), token))
            .await;
        let (name, endpoint) = events.event().await.expect("the endpoint event");
        assert_eq!(name, "endpoint");
        Self {
            events,
            posts: scene.wire().await,
            template: Ask::post(scene, &endpoint, token, &Value::Null),
            endpoint,
        }
    }

    /// Opens, and says hello.
    pub(crate) async fn ready(scene: &Scene, token: &str) -> Self {
        Self::ready_with(scene, token, &initialize(0, "2025-11-25")).await
    }

    /// The same with an `initialize` of the test's own.
    pub(crate) async fn ready_with(scene: &Scene, token: &str, hello: &Value) -> Self {
        let mut sse = Self::open(scene, token).await;
        let answer = sse.ask(hello).await;
        assert_eq!(
            answer["result"]["protocolVersion"],
            hello["params"]["protocolVersion"]
        );
        sse.tell(&notification("notifications/initialized")).await;
        sse
    }

    /// The session's id.
    pub(crate) fn id(&self) -> &str {
        self.endpoint
            .strip_prefix("/messages?sessionId=")
            .expect("an endpoint")
    }

    /// A good POST of a message.
    pub(crate) fn message(&self, message: &Value) -> Ask {
        self.template.clone().body(message.to_string())
    }

    /// Posts, and returns the answer to the POST.
    pub(crate) async fn post(&mut self, message: &Value) -> Reply {
        let ask = self.message(message);
        self.posts.ask(&ask).await
    }

    /// Posts, and sees that it is taken.
    pub(crate) async fn tell(&mut self, message: &Value) {
        self.post(message).await.is(202);
    }

    /// Posts a request, and waits for what comes next on the stream.
    pub(crate) async fn ask(&mut self, message: &Value) -> Value {
        self.tell(message).await;
        let answer = self.events.message().await;
        assert_eq!(answer["id"], message["id"]);
        answer
    }

    /// Calls a tool.
    pub(crate) async fn call(&mut self, id: u64, name: &str) -> Value {
        self.ask(&call(id, name)).await
    }
}

/// A session over Streamable HTTP.
#[derive(Debug)]
pub(crate) struct Mcp {
    pub(crate) posts: Wire,
    /// The session's id.
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) version: String,
    template: Ask,
}

impl Mcp {
    /// Initializes, without the confirmation.
    pub(crate) async fn open(scene: &Scene, token: &str, version: &str) -> Self {
        Self::open_with(scene, token, &initialize(0, version)).await
    }

    /// The same with an `initialize` of the test's own.
    pub(crate) async fn open_with(scene: &Scene, token: &str, hello: &Value) -> Self {
        let mut posts = scene.wire().await;
        let hello = Ask::post(scene, &scene.target("/mcp"), token, hello);
        let reply = posts.ask(&hello).await.is(200);
        let id = reply.header("mcp-session-id").expect("an id").to_owned();
        let version = reply.json()["result"]["protocolVersion"].clone();
        let version = version.as_str().expect("a version").to_owned();
        let mut template = Ask::post(scene, &scene.target("/mcp"), token, &Value::Null)
            .header("Mcp-Session-Id", &id);
        if version.as_str() > "2025-03-26" {
            template = template.header("MCP-Protocol-Version", &version);
        }
        Self {
            posts,
            id,
            token: token.to_owned(),
            version,
            template,
        }
    }

    /// Initializes and confirms.
    pub(crate) async fn ready(scene: &Scene, token: &str) -> Self {
        Self::ready_in(scene, token, "2025-11-25").await
    }

    /// The same in another version.
    pub(crate) async fn ready_in(scene: &Scene, token: &str, version: &str) -> Self {
        let mut mcp = Self::open(scene, token, version).await;
        let confirmed = mcp.post(&notification("notifications/initialized")).await;
        confirmed.is(202);
        mcp
    }

    /// A good POST of a message.
    pub(crate) fn message(&self, message: &Value) -> Ask {
        self.template.clone().body(message.to_string())
    }

    /// A good GET of the session's stream.
    pub(crate) fn stream(&self, scene: &Scene) -> Ask {
        Ask::stream(scene, &scene.target("/mcp"), &self.token).header("Mcp-Session-Id", &self.id)
    }

    /// A good DELETE of the session.
    pub(crate) fn end(&self, scene: &Scene) -> Ask {
        Ask::new(scene, "DELETE", &scene.target("/mcp"))
            .bearer(&self.token)
            .header("Mcp-Session-Id", &self.id)
    }

    /// Posts a message.
    pub(crate) async fn post(&mut self, message: &Value) -> Reply {
        let ask = self.message(message);
        self.posts.ask(&ask).await
    }

    /// Posts a request and returns its answer.
    pub(crate) async fn ask(&mut self, message: &Value) -> Value {
        let answer = self.post(message).await.is(200).json();
        assert_eq!(answer["id"], message["id"]);
        answer
    }

    /// Calls a tool.
    pub(crate) async fn call(&mut self, id: u64, name: &str) -> Value {
        self.ask(&call(id, name)).await
    }
}
