//! What can be seen of the server from outside: metrics and health.
//!
//! Every room counts through [`Metrics`]; `server` puts [`health`](self) on the admin listener.

mod health;
mod metrics;

pub use health::{Check, Health, routes};
pub use metrics::{CallOutcome, Limit, Metrics, Transport};
