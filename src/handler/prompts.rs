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
    protocol::{Content, Presentation, Role},
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
pub struct PromptArgument {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    description: String,
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

impl PromptArgument {
    /// One that must be given.
    pub fn required(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: description.into(),
            required: true,
        }
    }

    /// One that may be left out.
    pub fn optional(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            required: false,
            ..Self::required(name, description)
        }
    }

    /// For people, where the name is for programs (from 2025-06-18).
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
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
        self.takes(PromptArgument::required(name, description))
    }

    /// Takes an argument that may be left out.
    #[must_use]
    pub fn optional_argument(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.takes(PromptArgument::optional(name, description))
    }

    /// Takes an argument of which there is more to say.
    #[must_use]
    pub fn takes(mut self, argument: PromptArgument) -> Self {
        self.description.arguments.push(argument);
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
