//! One request, as it will be written: good by default, and as wrong as a test wants it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Scene;

/// A request. Headers are written in order and as given, twice if added twice.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    /// A request of this server with nothing but its `Host`.
    pub(crate) fn new(scene: &Scene, method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("Host".to_owned(), scene.authority())],
            body: Vec::new(),
        }
    }

    pub(crate) fn get(scene: &Scene, target: &str) -> Self {
        Self::new(scene, "GET", target)
    }

    /// A good POST of a message.
    pub(crate) fn post(scene: &Scene, target: &str, token: &str, message: &Value) -> Self {
        Self::new(scene, "POST", target)
            .bearer(token)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(message.to_string())
    }

    /// A good GET of a stream.
    pub(crate) fn stream(scene: &Scene, target: &str, token: &str) -> Self {
        Self::get(scene, target)
            .bearer(token)
            .header("Accept", "text/event-stream")
    }

    /// A good request of 2026-07-28, with all that its headers have to repeat. The client can do
    /// nothing for the server, unless `params` say otherwise in their `_meta`.
    pub(crate) fn modern(
        scene: &Scene,
        token: &str,
        id: u64,
        method: &str,
        mut params: Value,
    ) -> Self {
        const VERSION: &str = "2026-07-28";
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(VERSION);
        let capabilities = &mut meta["io.modelcontextprotocol/clientCapabilities"];
        if capabilities.is_null() {
            *capabilities = json!({});
        }
        let name = params.get("name").or_else(|| params.get("taskId"));
        let name = name.and_then(Value::as_str).map(str::to_owned);
        let message = super::request(id, method, &params);
        let ask = Self::post(scene, &scene.target("/mcp"), token, &message)
            .header("MCP-Protocol-Version", VERSION)
            .header("Mcp-Method", method);
        match name {
            Some(name) => ask.header("Mcp-Name", &name),
            None => ask,
        }
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Adds a header, beside any other of that name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes every header of that name away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// This header instead of any other of that name.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The request's bytes. `Content-Length` is added where there is a body and no framing yet.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let framed = self.headers.iter().any(|(name, _)| {
            name.eq_ignore_ascii_case("content-length")
                || name.eq_ignore_ascii_case("transfer-encoding")
        });
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            let _always = write!(head, "{name}: {value}\r\n");
        }
        if !framed && (!self.body.is_empty() || self.method == "POST") {
            let _always = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
