//! What is watched, and how a wait is ended from elsewhere.

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// What is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// The list of tools.
    pub tools: bool,
    /// The list of prompts.
    pub prompts: bool,
    /// The list of resources.
    pub resources: bool,
    /// Resources, by URI.
    pub uris: Vec<String>,
}

/// Ends a wait from elsewhere. Clones end the same one.
#[derive(Debug, Clone, Default)]
pub struct Canceller(pub(super) CancellationToken);

impl Canceller {
    /// One that has not been used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the wait, now or as soon as it begins. The server is told.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it was used.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Watched {
    /// `SubscriptionFilter` (2026-07-28).
    pub(super) fn filter(&self) -> Map<String, Value> {
        let mut filter = Map::new();
        for (key, wanted) in [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ] {
            if wanted {
                filter.insert(key.to_owned(), true.into());
            }
        }
        if !self.uris.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), json!(self.uris));
        }
        filter
    }
}
