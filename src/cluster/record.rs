//! What nodes tell each other of sessions and of themselves, as JSON under the seal. Members that are
//! not known here are ignored, so that an older and a newer version share one store.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is known of a session, and what it takes to build it again elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// To whom it belongs: [`Owner::to_hex`](crate::auth::Owner::to_hex).
    pub owner: String,
    /// How its messages travel: a label of [`Transport`](crate::telemetry::Transport).
    pub transport: String,
    /// The params of `initialize`, where it can be built again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialize: Option<Box<RawValue>>,
    /// The params of the last `logging/setLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<Box<RawValue>>,
    /// The resources it wants to be told of, by URI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<String>,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its random name: another process, another name.
    pub name: String,
    /// Where other nodes reach it: host and port.
    pub address: String,
    /// Its version, for people.
    #[serde(default)]
    pub version: String,
    /// Whether it is stopping, and takes no further session.
    #[serde(default)]
    pub leaving: bool,
}
