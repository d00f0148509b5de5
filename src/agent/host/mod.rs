//! What a server may ask back: the user, the client's model, its folders. And who answers.
//!
//! Whoever connects puts a [`Host`] into the `Config`; `wire` declares what it has, hands it the
//! server's questions in every protocol version, and sends its answers. A host that has nothing
//! declares nothing, and a question that was not declared is answered with an error.
//!
//! Promises: a form's answer fits the schema it was asked with, or it is not sent; an answer that takes
//! longer than `answer_deadline` is a cancelled one.

mod answer;
mod field;
mod form;
mod question;

use std::{fmt, path::PathBuf, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value, json};
use url::Url;

pub(super) use self::answer::Asked;
pub use self::{
    field::{Choice, Field, Kind},
    form::Form,
    question::{Answer, FormQuestion, Question, UrlQuestion},
};
use crate::protocol::ProtocolVersion;

type Answerer<Q, A> = Arc<dyn Fn(Q) -> BoxFuture<'static, A> + Send + Sync>;

/// Who answers a server's questions. Default: nobody, and nothing is declared.
#[derive(Clone, Default)]
pub struct Host {
    elicitation: Option<Answerer<Question, Answer>>,
    sampling: Option<Answerer<Value, Result<Value, Refused>>>,
    roots: Vec<Root>,
}

/// A folder the agent works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// `file:` URI of it.
    pub uri: Url,
    /// What people call it; its last part.
    pub name: String,
}

/// Why a model gave no answer; the server is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Host {
    /// Has `ask` answer what a server asks the user. It may take as long as a person takes.
    #[must_use]
    pub fn with_elicitation<F>(
        mut self,
        ask: impl Fn(Question) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.elicitation = Some(Arc::new(move |question| ask(question).boxed()));
        self
    }

    /// Has `model` answer `sampling/createMessage`: its params in, its result (`role`, `content`,
    /// `model`) out.
    #[must_use]
    pub fn with_sampling<F>(mut self, model: impl Fn(Value) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Value, Refused>> + Send + 'static,
    {
        self.sampling = Some(Arc::new(move |params| model(params).boxed()));
        self
    }

    /// Tells servers of these folders.
    #[must_use]
    pub fn with_roots(mut self, roots: Vec<Root>) -> Self {
        self.roots = roots;
        self
    }

    /// `ClientCapabilities` of a version: what is offered, and no more.
    pub(super) fn capabilities(&self, version: ProtocolVersion) -> Value {
        let mut declared = Map::new();
        if self.elicitation.is_some() && version >= ProtocolVersion::V2025_06_18 {
            // Modes came with 2025-11-25; before it an empty object is all there is.
            let modes = if version >= ProtocolVersion::V2025_11_25 {
                json!({"form": {}, "url": {}})
            } else {
                json!({})
            };
            declared.insert("elicitation".to_owned(), modes);
        }
        if self.sampling.is_some() {
            declared.insert("sampling".to_owned(), json!({}));
        }
        if !self.roots.is_empty() {
            declared.insert("roots".to_owned(), json!({}));
        }
        Value::Object(declared)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("elicitation", &self.elicitation.is_some())
            .field("sampling", &self.sampling.is_some())
            .field("roots", &self.roots)
            .finish()
    }
}

impl Root {
    /// The folder at an absolute path; none where it is not absolute.
    #[must_use]
    pub fn of(folder: &PathBuf) -> Option<Self> {
        let uri = Url::from_directory_path(folder).ok()?;
        let name = folder.file_name().map_or_else(
            || folder.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        Some(Self { uri, name })
    }
}

#[cfg(test)]
mod tests;
