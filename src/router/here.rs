//! What operators, issuers and other nodes order: what is done here, and that the other nodes are told.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{RouterHandle, table::Table};
use crate::{
    auth::{CutOff, CutOffError, CutOffs, Whom},
    outlet::CloseReason,
    session::{Leases, SessionFilter, SessionRef, SessionSummary},
    telemetry::{
        Limit, Metrics,
        audit::{self, CutOffBy},
    },
    time::Timestamp,
};

/// What is open on this node, and who is shut out of it.
#[derive(Debug, Clone)]
pub(super) struct Here {
    pub(super) table: Arc<Table>,
    pub(super) leases: Leases,
    pub(super) cut_offs: CutOffs,
    pub(super) metrics: Metrics,
}

impl Here {
    pub(super) fn meant(&self, filter: &SessionFilter) -> impl Iterator<Item = SessionRef> {
        let all = self.table.snapshot().into_iter();
        all.filter(|session| session.matches(filter))
    }

    /// Ends every session meant by `filter`, and waits until they are gone; how many it ended.
    pub(super) async fn end(&self, filter: &SessionFilter, reason: CloseReason) -> usize {
        end_all(self.meant(filter), reason).await
    }

    /// Puts a cut-off in force, and ends what it concerns; how many sessions that were.
    pub(super) async fn cut_off(&self, cut: &CutOff) -> (usize, Result<(), CutOffError>) {
        let in_force = self.cut_offs.add(cut);
        if in_force == Err(CutOffError::Full) {
            self.metrics.limit_hit(Limit::CutOffs);
            tracing::error!("too many cut-offs are in force: raise cut_off.max");
        }
        for lease in self.leases.snapshot() {
            if cut.refuses(&lease.caller()) {
                lease.end(CloseReason::CutOff);
            }
        }
        let sessions = self.table.snapshot().into_iter();
        let concerned = sessions.filter(|session| cut.refuses(&session.caller()));
        (end_all(concerned, CloseReason::CutOff).await, in_force)
    }
}

impl RouterHandle {
    /// What an operator may know of the sessions meant by `filter`, the longest open first.
    #[must_use]
    pub fn summaries(&self, filter: &SessionFilter) -> Vec<SessionSummary> {
        let mut found: Vec<_> = self
            .here()
            .meant(filter)
            .map(|session| session.summary())
            .collect();
        found.sort_by(|one, other| (one.opened_at, &one.id).cmp(&(other.opened_at, &other.id)));
        found
    }

    /// Ends every session meant by `filter`, calls in flight included, and waits until they are gone; other
    /// nodes are told to do the same. Returns how many it ended here; one that ended by itself meanwhile
    /// is none of them.
    pub async fn end(&self, filter: &SessionFilter, reason: CloseReason) -> usize {
        self.tell_to_end(filter).await;
        self.here().end(filter, reason).await
    }

    /// Refuses the tokens that are meant from now on, and ends what their callers have open: sessions
    /// before this returns, exchanges and streams without one at once; on other nodes too. Returns how
    /// many sessions ended here, and whether the cut-off is in force: where it is not, its callers may
    /// come back. Audited as done `by` somebody.
    pub async fn cut_off(&self, cut: &CutOff, by: CutOffBy) -> (usize, Result<(), CutOffError>) {
        let (ended, in_force) = self.here().cut_off(cut).await;
        let (banned, is_in_force) = (cut.ban.is_some(), in_force.is_ok());
        audit::cut_off(by, cut.whom.audited(), ended, banned, is_in_force);
        let by = by.label();
        tracing::info!(
            by,
            ended,
            banned,
            in_force = is_in_force,
            "callers were cut off"
        );
        self.tell_cut_off(cut).await;
        (ended, in_force)
    }

    /// Ends the ban of those callers that was spoken until `then`, on every node; see
    /// [`CutOffs::end_ban`].
    ///
    /// # Errors
    /// See [`CutOffError`]; nothing has changed here then.
    pub async fn end_ban(&self, whom: &Whom, then: Timestamp) -> Result<(), CutOffError> {
        let ended = self.cut_offs.end_ban(whom, then);
        self.tell_ban_ended(whom, then).await;
        ended
    }

    /// Lets those callers in again, on every node; whether they were cut off here.
    pub async fn lift(&self, whom: &Whom) -> bool {
        let lifted = self.cut_offs.lift(whom);
        self.tell_lifted(whom).await;
        lifted
    }

    fn here(&self) -> Here {
        Here {
            table: Arc::clone(&self.table),
            leases: self.leases.clone(),
            cut_offs: self.cut_offs.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

async fn end_all(sessions: impl Iterator<Item = SessionRef>, reason: CloseReason) -> usize {
    let ending = sessions.map(async |session| session.close(reason).await.is_ok());
    let ended = join_all(ending).await;
    ended.into_iter().filter(|by_us| *by_us).count()
}
