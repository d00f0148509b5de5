//! What an adapter does with its handler's own messages: tells and asks the client, of a call or
//! between calls.
//!
//! The room `rmcp` calls this; our own tools have the named functions of [`CallContext`].

use serde_json::{Map, Value};

use super::{
    CallContext, Change, Client, ClientCapability, Conversation, ToolError, client::Question,
};
use crate::protocol::{LogLevel, Method, ProtocolVersion};

impl CallContext {
    /// Hands a handler's notification on to the client, if it is one for this call's stream, and a
    /// change to everybody who wants to know.
    pub(crate) fn relay(&self, method: &str, mut params: Value) {
        let method = Method::from(method);
        if let Some(change) = change(&method, &params) {
            if let Some(changes) = self.changes() {
                changes.announce(change);
            }
            return;
        }
        match method {
            Method::LogMessage => self.client().relay_log(&params),
            // Another call's, if it is not this one's: that one is over.
            Method::Progress if params.get("progressToken") == self.progress_token() => {
                if self.protocol_version() < ProtocolVersion::V2025_03_26
                    && let Value::Object(members) = &mut params
                {
                    members.remove("message");
                }
                let number = |name| params.get(name).and_then(Value::as_f64);
                if let Some(progress) = number("progress") {
                    let message = params.get("message").and_then(Value::as_str);
                    self.say_how_far(progress, number("total"), message);
                }
                self.client().notify(&Method::Progress, &params);
            }
            other => tracing::debug!(
                method = other.as_str(),
                "a handler's notification is not for a call"
            ),
        }
    }

    /// Asks the client in a handler's own words until `over`, and returns its answer as it came.
    ///
    /// # Errors
    /// As for [`CallContext::elicit`]; also for a method that no client serves.
    pub(crate) async fn relay_question(
        &self,
        key: &str,
        method: &str,
        params: Option<Value>,
        over: impl Future<Output = ()>,
    ) -> Result<Value, ToolError> {
        self.client()
            .relay_question(key, method, params, over)
            .await
    }
}

impl Conversation {
    /// Hands a handler's notification on to this session's client, if it is one for its own stream.
    pub(crate) fn relay(&self, method: &str, params: &Value) {
        let method = Method::from(method);
        if let Some(change) = change(&method, params) {
            self.send(&change);
        } else if let Some(client) = self.client().filter(|_| method == Method::LogMessage) {
            client.relay_log(params);
        } else {
            tracing::debug!(
                method = method.as_str(),
                "a handler's notification is not for a session"
            );
        }
    }

    /// Asks the client on the session's own stream, in a handler's own words, and returns its answer
    /// as it came.
    ///
    /// # Errors
    /// As for [`CallContext::elicit`]; also without a stream, and for a method that no client serves.
    pub(crate) async fn relay_question(
        &self,
        method: &str,
        params: Option<Value>,
        over: impl Future<Output = ()>,
    ) -> Result<Value, ToolError> {
        let client = self.client();
        let client = client.ok_or_else(|| ToolError::failed("the client has no stream open"))?;
        client.relay_question("", method, params, over).await
    }

    fn client(&self) -> Option<Client> {
        self.stream()
            .get()
            .map(|stream| Client::in_session(self.clone(), stream))
    }
}

impl Client {
    fn relay_log(&self, params: &Value) {
        let level = params.get("level").and_then(Value::as_str);
        let Some(level) = level.and_then(|level| level.parse::<LogLevel>().ok()) else {
            return;
        };
        let logger = params.get("logger").and_then(Value::as_str);
        self.log(level, logger, params.get("data").unwrap_or(&Value::Null));
    }

    async fn relay_question(
        &self,
        key: &str,
        method: &str,
        mut params: Option<Value>,
        over: impl Future<Output = ()>,
    ) -> Result<Value, ToolError> {
        let mode = params.as_ref().and_then(|params| params.get("mode"));
        let capability = match Method::from(method) {
            Method::SamplingCreateMessage => ClientCapability::Sample,
            Method::RootsList => ClientCapability::Roots,
            Method::ElicitationCreate if mode.is_some_and(|mode| mode == "url") => {
                ClientCapability::ElicitUrl
            }
            Method::ElicitationCreate => ClientCapability::ElicitForm,
            _ => return Err(ToolError::failed("no client serves this method")),
        };
        if let Some(Value::Object(members)) = &mut params {
            fit(members, capability, self.introduction.version);
        }
        let question = Question {
            key,
            capability,
            params,
        };
        let as_it_came = |answer: Value| {
            let is_object = answer.is_object();
            is_object
                .then_some(answer)
                .ok_or_else(|| "the client's answer is no object".to_owned())
        };
        self.ask(question, as_it_came, over).await
    }
}

/// Leaves out what a client of `version` does not know.
fn fit(params: &mut Map<String, Value>, capability: ClientCapability, version: ProtocolVersion) {
    match capability {
        ClientCapability::ElicitForm if version < ProtocolVersion::V2025_11_25 => {
            params.remove("mode");
        }
        ClientCapability::ElicitUrl if version.is_modern() => {
            params.remove("elicitationId");
        }
        _ => {}
    }
}

/// What has changed, if a notification is about a change.
fn change(method: &Method, params: &Value) -> Option<Change> {
    match method {
        Method::ToolsListChanged => Some(Change::Tools),
        Method::PromptsListChanged => Some(Change::Prompts),
        Method::ResourcesListChanged => Some(Change::Resources),
        Method::ResourcesUpdated => {
            let uri = params.get("uri").and_then(Value::as_str);
            uri.map(|uri| Change::Resource(uri.to_owned()))
        }
        _ => None,
    }
}
