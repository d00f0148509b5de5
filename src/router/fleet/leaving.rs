//! How a node goes: it says so, waits until balancers have heard, and lets its sessions go a few at a
//! time, so that they don't all come to the others at once.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::{RouterHandle, table::Table};
use crate::{
    cluster::Cluster,
    outlet::CloseReason,
    session::{SessionId, SessionRef},
    telemetry::Transport,
};

/// Sessions that are let go at once, at least; of many, a hundredth.
const LET_GO_MIN: usize = 100;
/// Pause before the next.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a session with calls in flight is left alone: it may have none in between.
const BUSY_FOR: Duration = Duration::from_secs(10);

impl RouterHandle {
    /// Tells the other nodes, and waits until whoever sends requests here has heard.
    pub(crate) async fn take_leave(&self) {
        if let Some(fleet) = &self.fleet {
            fleet.cluster.is_leaving();
            sleep(fleet.cluster.config().leave_after.get()).await;
        }
    }
}

/// Lets sessions go that have nothing in flight, until none is left or all that are have been busy for
/// long.
pub(in crate::router) async fn part(table: &Table) {
    let begun = Instant::now();
    loop {
        let mut idle = table.snapshot();
        let at_once = (idle.len() / 100).max(LET_GO_MIN);
        idle.retain(|session| session.calls() == 0 && !session.is_going());
        if idle.is_empty() && (table.len() == 0 || begun.elapsed() >= BUSY_FOR) {
            return;
        }
        idle.iter().take(at_once).for_each(SessionRef::drain);
        if table.len() > 0 {
            sleep(PAUSE).await;
        }
    }
}

/// A session has ended here: the other nodes forget it, or may have it.
pub(in crate::router) fn tell_end(
    cluster: &Cluster,
    (id, epoch): (SessionId, u64),
    transport: Transport,
    reason: CloseReason,
) {
    match (reason, transport) {
        (CloseReason::Moved, _) => {}
        (CloseReason::ServerStopping, Transport::Streamable) => {
            cluster.release(id.to_string(), epoch);
        }
        _ => cluster.forget(id.to_string(), epoch),
    }
}
