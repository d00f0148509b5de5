//! Around somebody else's code: a deadline, and a panic that ends the one call only.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::{Handler, ToolError, clock::CallClock};
use crate::{
    protocol::{ProtocolVersion, RpcError, codes},
    telemetry::{CallOutcome, Metrics},
    units::HumanDuration,
};

/// A call that is counted when it ends, however that comes: one that is dropped was cancelled.
struct Counted<'a> {
    metrics: &'a Metrics,
    name: &'a str,
    started: Instant,
    outcome: CallOutcome,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let lasted = self.started.elapsed();
        self.metrics.call_ended(self.name, self.outcome, lasted);
    }
}

impl Handler {
    /// Runs a tool's, prompt's or resource's function, and counts how it ended under `name`.
    pub(super) async fn guarded<T>(
        &self,
        clock: &CallClock,
        name: &str,
        version: ProtocolVersion,
        run: impl Future<Output = Result<T, ToolError>>,
    ) -> Result<T, ToolError> {
        let deadline = self.0.config.call_deadline;
        self.guarded_for(deadline, clock, name, version, run).await
    }

    /// The same with another deadline.
    pub(super) async fn guarded_for<T>(
        &self,
        deadline: HumanDuration,
        clock: &CallClock,
        name: &str,
        version: ProtocolVersion,
        run: impl Future<Output = Result<T, ToolError>>,
    ) -> Result<T, ToolError> {
        let mut counted = Counted {
            metrics: &self.0.metrics,
            name,
            started: Instant::now(),
            outcome: CallOutcome::Cancelled,
        };
        // The panic is contained here: the tool's own state may be broken, ours was never lent to it.
        let run = AssertUnwindSafe(run).catch_unwind();
        let run = async {
            tokio::select! {
                // An answer of the last moment is one.
                biased;
                ended = run => Some(ended),
                () = clock.shows(deadline.get()) => None,
            }
        };
        let (outcome, result) = match run.await {
            Some(Ok(Ok(value))) => (CallOutcome::Ok, Ok(value)),
            Some(Ok(Err(error @ ToolError::InputRequired(_)))) => {
                (CallOutcome::InputRequired, Err(error))
            }
            Some(Ok(Err(error))) => (CallOutcome::Error, Err(error)),
            Some(Err(_panic)) => {
                tracing::error!(name, "a handler panicked");
                self.0.metrics.panicked();
                (
                    CallOutcome::Panic,
                    Err(ToolError::failed("the tool failed")),
                )
            }
            None => {
                tracing::warn!(name, %deadline, "a handler took too long");
                let code = if version.is_modern() {
                    codes::INTERNAL_ERROR
                } else {
                    codes::REQUEST_TIMEOUT
                };
                let text = format!("no answer within {deadline}");
                (CallOutcome::Deadline, Err(RpcError::new(code, text).into()))
            }
        };
        counted.outcome = outcome;
        result
    }
}
