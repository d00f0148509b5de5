//! Asking the client: the user (elicitation), its model (sampling), its folders (roots).
//!
//! One way to write it for every protocol version. Up to 2025-11-25 the question goes out at once and
//! the call waits; from 2026-07-28 on the call ends here and is run again with the answer (see
//! [`replay`](super::replay)), so pass errors on with `?` and ask under keys that stay the same. What
//! is asked together, with `tokio::join!`, costs one round trip.

use std::fmt::Display;

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    CallContext, ToolError,
    client::Question,
    form::form_of,
    schema::{check, compile},
};
use crate::protocol::{Method, ProtocolVersion, RpcError};

/// What the user did with a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elicited<T> {
    /// Filled it in.
    Accepted(T),
    /// Said no.
    Declined,
    /// Closed it without an answer.
    Cancelled,
}

impl<T> Elicited<T> {
    /// What the user filled in, for a call that can't go on without.
    ///
    /// # Errors
    /// [`ToolError::Failed`] where the user declined or cancelled.
    pub fn accepted(self) -> Result<T, ToolError> {
        match self {
            Self::Accepted(content) => Ok(content),
            Self::Declined => Err(ToolError::failed("the user declined to answer")),
            Self::Cancelled => Err(ToolError::failed("the user gave no answer")),
        }
    }
}

/// What a client may be able to do for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCapability {
    /// Shows its user a form: [`CallContext::elicit`] (from 2025-06-18).
    ElicitForm,
    /// Opens a page for its user: [`CallContext::elicit_url`] (from 2025-11-25).
    ElicitUrl,
    /// Lends its model: [`CallContext::sample`].
    Sample,
    /// Tells which folders it works in: [`CallContext::roots`].
    Roots,
}

impl ClientCapability {
    /// Where it is among the capabilities that a client declares.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::ElicitForm => "elicitation.form",
            Self::ElicitUrl => "elicitation.url",
            Self::Sample => "sampling",
            Self::Roots => "roots",
        }
    }

    pub(super) const fn method(self) -> Method {
        match self {
            Self::ElicitForm | Self::ElicitUrl => Method::ElicitationCreate,
            Self::Sample => Method::SamplingCreateMessage,
            Self::Roots => Method::RootsList,
        }
    }
}

/// A folder or file that the client works in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Root {
    /// A `file://` URI.
    pub uri: String,
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Deserialize)]
struct ElicitResult {
    action: Action,
    #[serde(default)]
    content: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Accept,
    Decline,
    Cancel,
}

#[derive(Deserialize)]
struct Roots {
    roots: Vec<Root>,
}

impl CallContext {
    /// Asks the user to fill in a form. `T` is flat: texts, numbers, truth values and choices among
    /// texts (2025-06-18, elicitation); an `Option` may be left empty, and the doc comments of a field
    /// and of a choice are what the user reads. Never ask for a secret.
    ///
    /// # Errors
    /// The client can't ask users, or its answer does not fit `T`; from 2026-07-28 on it is asked
    /// again for an answer that does not fit.
    pub async fn elicit<T>(&self, key: &str, message: &str) -> Result<Elicited<T>, ToolError>
    where
        T: DeserializeOwned + JsonSchema,
    {
        let form = form_of::<T>(self.protocol_version());
        self.form(key, message, form, read).await
    }

    /// The same with a schema written by hand. What is accepted is an object that fits it.
    ///
    /// # Errors
    /// As for [`CallContext::elicit`]; also a schema that is none, or refers to another document.
    pub async fn elicit_with(
        &self,
        key: &str,
        message: &str,
        schema: Value,
    ) -> Result<Elicited<Value>, ToolError> {
        let compiled = compile(&schema).map_err(|why| {
            tracing::error!(key, why, "a form's schema can't be used");
            ToolError::failed("the user can't be asked: the form is broken")
        })?;
        let fitting = |content| {
            check(&compiled, &content).map_err(unfit)?;
            Ok(content)
        };
        self.form(key, message, schema, fitting).await
    }

    async fn form<T>(
        &self,
        key: &str,
        message: &str,
        schema: Value,
        accept: impl Fn(Value) -> Result<T, String>,
    ) -> Result<Elicited<T>, ToolError> {
        let mut params = json!({ "message": message, "requestedSchema": schema });
        // 2025-06-18 knows no other mode, and so no member for it.
        if self.protocol_version() >= ProtocolVersion::V2025_11_25 {
            params["mode"] = json!("form");
        }
        let read = |answer| elicited(answer, &accept);
        self.ask(key, ClientCapability::ElicitForm, Some(params), read)
            .await
    }

    /// Asks the user to open a page and do something there, as paying (from 2025-11-25). That they
    /// agreed to open it is all that is learned here: whether they did it, the page knows. Never use
    /// it to authorize the client itself.
    ///
    /// # Errors
    /// The client can't open pages.
    pub async fn elicit_url(
        &self,
        key: &str,
        message: &str,
        url: &str,
    ) -> Result<Elicited<()>, ToolError> {
        let mut params = json!({ "mode": "url", "message": message, "url": url });
        if !self.protocol_version().is_modern() {
            params["elicitationId"] = json!(elicitation_id()?);
        }
        let agreed = |answer| elicited(answer, |_nothing| Ok(()));
        self.ask(key, ClientCapability::ElicitUrl, Some(params), agreed)
            .await
    }

    /// Asks the client's model. `params` are those of `sampling/createMessage`: `messages`,
    /// `maxTokens` and what else the specification lists. Returns its result.
    ///
    /// # Errors
    /// The client lends no model, or the user refused.
    pub async fn sample(&self, key: &str, params: Value) -> Result<Value, ToolError> {
        let sampled = |answer| read::<Map<String, Value>>(answer).map(Value::Object);
        self.ask(key, ClientCapability::Sample, Some(params), sampled)
            .await
    }

    /// Asks which folders the client works in.
    ///
    /// # Errors
    /// The client has none to tell of.
    pub async fn roots(&self, key: &str) -> Result<Vec<Root>, ToolError> {
        let roots = |answer| read::<Roots>(answer).map(|answer| answer.roots);
        self.ask(key, ClientCapability::Roots, None, roots).await
    }

    async fn ask<T>(
        &self,
        key: &str,
        capability: ClientCapability,
        params: Option<Value>,
        read: impl Fn(Value) -> Result<T, String>,
    ) -> Result<T, ToolError> {
        let question = Question {
            key,
            capability,
            params,
        };
        let cancelled = self.cancellation().cancelled();
        self.client().ask(question, read, cancelled).await
    }
}

/// Names one request to open a page: to be unique on this server (2025-11-25, elicitation), so not a key
/// of the tool's, and not to be guessed by another client.
fn elicitation_id() -> Result<String, RpcError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_unspecified| RpcError::internal())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn elicited<T>(
    answer: Value,
    accept: impl Fn(Value) -> Result<T, String>,
) -> Result<Elicited<T>, String> {
    let answer: ElicitResult = read(answer)?;
    match answer.action {
        Action::Accept => {
            let content = Value::Object(answer.content.unwrap_or_default());
            accept(content).map(Elicited::Accepted)
        }
        Action::Decline => Ok(Elicited::Declined),
        Action::Cancel => Ok(Elicited::Cancelled),
    }
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T, String> {
    serde_json::from_value(answer).map_err(unfit)
}

fn unfit(why: impl Display) -> String {
    format!("the client's answer does not fit: {why}")
}
