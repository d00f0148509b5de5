//! Signals, and the order in which the server stops.
//!
//! To be read aloud: not ready any more; no new sessions; sessions end as their calls do, at most for
//! `drain_after`; the listeners finish what is in flight; done. A second signal does not wait.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for the operator.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes SIGTERM, SIGINT and SIGHUP over from their default, which is to die at once.
    ///
    /// # Errors
    /// Where the system does not let us listen.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one, and says which.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}
