//! What an adapter does with its handler's own messages: tells and asks the client of a call.
//!
//! The room `rmcp` calls this; our own tools have the named functions of [`CallContext`].

use serde_json::{Value, json};

use super::{CallContext, ClientCapability, ToolError, client::Question};
use crate::protocol::{LogLevel, Method, ProtocolVersion};

impl CallContext {
    /// Hands a handler's notification on to the client, if it is one for this call's stream.
    pub(crate) fn relay(&self, method: &str, mut params: Value) {
        let version = self.protocol_version();
        match Method::from(method) {
            Method::LogMessage => {
                let level = params.get("level").and_then(Value::as_str);
                let Some(level) = level.and_then(|level| level.parse::<LogLevel>().ok()) else {
                    return;
                };
                let logger = params.get("logger").and_then(Value::as_str);
                let nothing = Value::Null;
                let data = params.get("data").unwrap_or(&nothing);
                self.client().log(level, logger, data);
            }
            Method::Progress => {
                if version < ProtocolVersion::V2025_03_26
                    && let Value::Object(members) = &mut params
                {
                    members.remove("message");
                }
                self.client().notify(&Method::Progress, &params);
            }
            // From 2026-07-28 on changes are told on a stream that asked for them.
            changed @ (Method::ToolsListChanged
            | Method::PromptsListChanged
            | Method::ResourcesListChanged
            | Method::ResourcesUpdated)
                if !version.is_modern() =>
            {
                self.client().notify(&changed, &params);
            }
            other => tracing::debug!(
                method = other.as_str(),
                "a handler's notification is not for a call"
            ),
        }
    }

    /// Asks the client in a handler's own words, and returns its answer as it came.
    ///
    /// # Errors
    /// As for [`CallContext::elicit`]; also for a method that no client serves.
    pub(crate) async fn relay_question(
        &self,
        key: &str,
        method: &str,
        mut params: Option<Value>,
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
        if capability == ClientCapability::ElicitForm
            && self.protocol_version() < ProtocolVersion::V2025_11_25
            && let Some(Value::Object(members)) = &mut params
        {
            members.remove("mode");
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
        let cancelled = self.cancellation();
        self.client().ask(question, as_it_came, cancelled).await
    }

    /// What the client has declared.
    pub(crate) fn client_capabilities(&self) -> Value {
        json!(self.client().capabilities)
    }
}
