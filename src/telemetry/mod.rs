//! What can be seen of the server from outside: metrics, health, logs.

mod metrics;

pub use metrics::{CallOutcome, Limit, Metrics, Transport};
