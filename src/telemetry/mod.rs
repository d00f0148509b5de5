//! What can be seen of the server from outside: metrics, spans and health.
//!
//! Every room counts through [`Metrics`]; [`spans`] say to which work a log line belongs; `server`
//! puts [`health`](self) on the admin listener.

mod health;
mod limit;
mod lines;
mod metrics;
pub mod spans;

pub use health::{Check, Health, routes};
pub use limit::Limit;
pub use lines::LineBudget;
pub use metrics::{CallOutcome, Metrics, Transport};
