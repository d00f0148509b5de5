//! MCP as data: no await, no actor, no HTTP.

mod version;

pub use version::{ProtocolVersion, UnsupportedVersion};
