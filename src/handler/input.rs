//! Asking the client: the user (elicitation), its model (sampling), its folders (roots).
//!
//! One way to write it for every protocol version. Up to 2025-11-25 the question goes out at once and
//! the call waits; from 2026-07-28 on the call ends here and is run again with the answer (see
//! [`replay`](super::replay)), so pass errors on with `?` and ask under keys that stay the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{CallContext, ToolError, schema::schema_of};
use crate::protocol::{Method, ProtocolVersion};

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
    action: String,
    #[serde(default)]
    content: Value,
}

#[derive(Deserialize)]
struct Roots {
    roots: Vec<Root>,
}

impl CallContext {
    /// Asks the user to fill in a form. `T` is flat: texts, numbers, truth values and choices
    /// (2025-06-18, elicitation). Never ask for a secret.
    ///
    /// # Errors
    /// The client can't ask users, or its answer does not fit `T`.
    pub async fn elicit<T>(&self, key: &str, message: &str) -> Result<Elicited<T>, ToolError>
    where
        T: DeserializeOwned + JsonSchema,
    {
        let schema = schema_of::<T>();
        match self.elicit_with(key, message, schema).await? {
            Elicited::Accepted(content) => serde_json::from_value(content)
                .map(Elicited::Accepted)
                .map_err(|error| {
                    ToolError::failed(format!("the user's answer does not fit: {error}"))
                }),
            Elicited::Declined => Ok(Elicited::Declined),
            Elicited::Cancelled => Ok(Elicited::Cancelled),
        }
    }

    /// The same with a schema written by hand.
    ///
    /// # Errors
    /// The client can't ask users.
    pub async fn elicit_with(
        &self,
        key: &str,
        message: &str,
        schema: Value,
    ) -> Result<Elicited<Value>, ToolError> {
        let mut params = json!({ "message": message, "requestedSchema": schema });
        // 2025-06-18 knows no other mode, and so no member for it.
        if self.protocol_version() >= ProtocolVersion::V2025_11_25 {
            params["mode"] = json!("form");
        }
        self.elicitation(key, "elicitation.form", params).await
    }

    /// Asks the user to open a page and do something there, as paying (from 2025-11-25). That they
    /// agreed to is all that is learned. Never use it to authorize the client itself.
    ///
    /// # Errors
    /// The client can't open pages.
    pub async fn elicit_url(
        &self,
        key: &str,
        message: &str,
        url: &str,
    ) -> Result<Elicited<Value>, ToolError> {
        let mut params = json!({ "mode": "url", "message": message, "url": url });
        if !self.protocol_version().is_modern() {
            params["elicitationId"] = json!(key);
        }
        self.elicitation(key, "elicitation.url", params).await
    }

    async fn elicitation(
        &self,
        key: &str,
        capability: &str,
        params: Value,
    ) -> Result<Elicited<Value>, ToolError> {
        let answer = self
            .ask(key, capability, &Method::ElicitationCreate, Some(params))
            .await?;
        let answer: ElicitResult = read(answer)?;
        match answer.action.as_str() {
            "accept" => Ok(Elicited::Accepted(answer.content)),
            "decline" => Ok(Elicited::Declined),
            "cancel" => Ok(Elicited::Cancelled),
            _ => Err(ToolError::failed(
                "the client's answer is none of accept, decline, cancel",
            )),
        }
    }

    /// Asks the client's model. `params` are those of `sampling/createMessage`: `messages`,
    /// `maxTokens` and what else the specification lists. Returns its result.
    ///
    /// # Errors
    /// The client lends no model, or the user refused.
    pub async fn sample(&self, key: &str, params: Value) -> Result<Value, ToolError> {
        self.ask(
            key,
            "sampling",
            &Method::SamplingCreateMessage,
            Some(params),
        )
        .await
    }

    /// Asks which folders the client works in.
    ///
    /// # Errors
    /// The client has none to tell of.
    pub async fn roots(&self, key: &str) -> Result<Vec<Root>, ToolError> {
        let answer = self.ask(key, "roots", &Method::RootsList, None).await?;
        read::<Roots>(answer).map(|answer| answer.roots)
    }

    async fn ask(
        &self,
        key: &str,
        capability: &str,
        method: &Method,
        params: Option<Value>,
    ) -> Result<Value, ToolError> {
        self.client()
            .ask(key, capability, method, params, self.cancellation())
            .await
    }
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T, ToolError> {
    serde_json::from_value(answer)
        .map_err(|error| ToolError::failed(format!("the client's answer can't be read: {error}")))
}
