//! What can be seen of the server from outside: metrics, spans, the audit log and health.
//!
//! Every room counts through [`Metrics`]; [`spans`] say to which work a log line belongs; `server`
//! puts [`health`](self) on the admin listener.

pub mod audit;
mod health;
mod labels;
mod limit;
mod lines;
mod metrics;
mod parents;
mod pseudonym;
pub mod spans;

pub use health::{Check, Health, routes};
pub use labels::{CallOutcome, Transport};
pub use limit::Limit;
pub use lines::LineBudget;
pub use metrics::Metrics;
pub use pseudonym::{PSEUDONYM_KEY_BYTES_MIN, Pseudonym, ShortKey, use_pseudonym_key};
