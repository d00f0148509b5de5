//! Suggestions for an argument of a prompt or a variable of a template (`completion/complete`).

use std::{fmt, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

type Suggest = dyn Fn(&str, &str) -> Vec<String> + Send + Sync;

/// Suggests values from an argument's name and what was typed so far.
#[derive(Clone)]
pub(super) struct Completer(Arc<Suggest>);

/// Values a client is shown at most (2024-11-05, completion).
const SHOWN_MAX: usize = 100;

/// Params of `completion/complete`.
#[derive(Debug, Deserialize)]
pub(super) struct CompleteParams {
    #[serde(rename = "ref")]
    pub(super) reference: Reference,
    pub(super) argument: Argument,
}

/// What is being filled in.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

/// Which part of it, and what was typed so far.
#[derive(Debug, Deserialize)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) value: String,
}

impl Completer {
    pub(super) fn new(suggest: impl Fn(&str, &str) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(suggest))
    }
}

/// The result for an argument; nothing is suggested without a completer.
pub(super) fn complete(completer: Option<&Completer>, argument: &Argument) -> Value {
    let mut values = completer.map_or_else(Vec::new, |completer| {
        (completer.0)(&argument.name, &argument.value)
    });
    let total = values.len();
    values.truncate(SHOWN_MAX);
    json!({ "completion": { "values": values, "total": total, "hasMore": total > SHOWN_MAX } })
}

impl fmt::Debug for Completer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Completer(…)")
    }
}
