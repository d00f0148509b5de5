//! Prompts: messages that a client's user can ask for by name, filled in with arguments.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    CallContext, ToolError,
    builders::{completed, presented},
    completion::Completer,
};
use crate::{
    protocol::{Content, Presentation, ProtocolVersion, Role},
    scope::Scopes,
};

type Fill = dyn Fn(CallContext, PromptArguments) -> BoxFuture<'static, Result<Vec<PromptMessage>, ToolError>>
    + Send
    + Sync;

/// A prompt. Cheap to clone.
#[derive(Clone)]
pub struct Prompt {
    pub(super) description: PromptDescription,
    pub(super) needs: Scopes,
    pub(super) fill: Arc<Fill>,
    pub(super) completer: Option<Completer>,
}

/// A prompt as `prompts/list` shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PromptDescription {
    pub(super) name: String,
    pub(super) description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) arguments: Vec<PromptArgument>,
    #[serde(flatten)]
    pub(super) presentation: Presentation,
}

presented!(Prompt);
completed!(Prompt);

/// An argument that a prompt takes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PromptArgument {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) required: bool,
}

/// What a user filled in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct PromptArguments(Map<String, Value>);

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromptMessage {
    role: Role,
    content: Content,
}

impl PromptArguments {
    /// An argument's text; empty for one that was not given.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl PromptMessage {
    /// Said by the user.
    #[must_use]
    pub const fn user(content: Content) -> Self {
        Self {
            role: Role::User,
            content,
        }
    }

    /// Said by the model.
    #[must_use]
    pub const fn assistant(content: Content) -> Self {
        Self {
            role: Role::Assistant,
            content,
        }
    }

    pub(super) fn for_version(mut self, version: ProtocolVersion) -> Self {
        self.content = self.content.for_version(version);
        self
    }
}

impl Prompt {
    /// A prompt from an async function that fills it in.
    pub fn new<F>(
        name: impl Into<String>,
        description: impl Into<String>,
        fill: impl Fn(CallContext, PromptArguments) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<PromptMessage>, ToolError>> + Send + 'static,
    {
        Self {
            description: PromptDescription {
                name: name.into(),
                description: description.into(),
                arguments: Vec::new(),
                presentation: Presentation::default(),
            },
            needs: Scopes::none(),
            fill: Arc::new(move |context, arguments| Box::pin(fill(context, arguments))),
            completer: None,
        }
    }

    /// Takes an argument that must be given.
    #[must_use]
    pub fn argument(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.with_argument(name.into(), description.into(), true)
    }

    /// Takes an argument that may be left out.
    #[must_use]
    pub fn optional_argument(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.with_argument(name.into(), description.into(), false)
    }

    fn with_argument(mut self, name: String, description: String, required: bool) -> Self {
        self.description.arguments.push(PromptArgument {
            name,
            description,
            required,
        });
        self
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Prompt")
            .field(&self.description.name)
            .finish()
    }
}
