//! What one node says to all others, and what is ordered to last.

use serde::{Deserialize, Serialize};

/// A word from another node. Those not known here are ignored: a newer version says more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Word {
    /// Nothing: who does not hear its own is deaf, and listens anew.
    Beat,
    /// The store has lost its memory: enter your sessions again.
    Review,
    /// The list of tools is another.
    ToolsChanged,
    /// The list of prompts is another.
    PromptsChanged,
    /// The list of resources is another.
    ResourcesChanged,
    /// This resource is another.
    ResourceChanged {
        /// Its URI.
        uri: String,
    },
    /// End what these callers have open, and refuse their tokens.
    CutOff {
        /// Under which it is kept.
        name: String,
        /// Whose, and which.
        cut: CutOffOrder,
    },
    /// Let these callers in again.
    Lifted {
        /// The cut-off's members, as JSON.
        whom: serde_json::Value,
    },
    /// End these sessions.
    EndSessions {
        /// Whose id begins so.
        #[serde(default)]
        id: Option<String>,
        /// Whose issuer this is.
        #[serde(default)]
        issuer: Option<String>,
        /// Whose user this is.
        #[serde(default)]
        subject: Option<String>,
        /// Whose agent this is.
        #[serde(default)]
        client_id: Option<String>,
    },
    /// Forget every verdict on a token, and fetch keys anew.
    Purge,
    /// One that is not known here.
    #[serde(other)]
    Unknown,
}

/// A cut-off as nodes tell each other: with moments in the time that they share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOffOrder {
    /// Its members, as JSON.
    pub whom: serde_json::Value,
    /// Tokens issued before then, in seconds since the epoch.
    pub issued_before: u64,
    /// And those seen before then, in milliseconds of the nodes' shared time.
    pub seen_before: u64,
    /// Not a cut-off, but the end of bans that were spoken until then, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban_ended_at: Option<u64>,
    /// And all others until then, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned_until: Option<u64>,
    /// When it can be forgotten, in seconds since the epoch.
    pub ends_at: u64,
}
