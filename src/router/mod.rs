//! Whose session a message is for, and how it gets there.
//!
//! `transport` asks a [`RouterHandle`]: to open a session, to find one that is the caller's, and to
//! dispatch messages to it. What a stranger is told about somebody's session is what anybody is told
//! about no session at all.

mod actor;
mod error;
mod fleet;
mod here;
mod recent;
mod table;
mod watch;

use std::{sync::Arc, time::Duration};

use actix::{Actor, Addr, Arbiter, MailboxError};
use tokio_util::sync::CancellationToken;

pub use error::RouteError;
pub use fleet::{Elsewhere, Place};

use crate::{
    auth::{CutOffs, Principal, Verifier},
    cluster::Cluster,
    handler::Handler,
    outlet::{CloseReason, EventId, Frames, Outlet},
    protocol::{Batch, ClientMessage},
    session::{self, Lease, Leases, SessionError, SessionId, SessionRef},
    telemetry::{Limit, Metrics, Transport, audit},
    time::Clock,
    units::HumanDuration,
};
use actor::{DrainAll, Open, Router};
use fleet::Fleet;
use here::Here;
use recent::Recent;
use table::Table;
use watch::Watch;

/// Limits on all sessions together.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Sessions on this server; one more is answered 503. Above zero; default 20,000.
    pub sessions_max: usize,
    /// Sessions of one caller (issuer, client id, subject); one more takes the place of a quiet one, or
    /// is answered 429. Above zero; default 32.
    pub per_principal_max: usize,
    /// Calls and streams without a session (2026-07-28) that one caller has open at once; one more is
    /// answered 429. Above zero; default 256.
    pub calls_per_principal_max: usize,
    /// Callers without a session that are remembered for two minutes after their last request, for
    /// those who ask whether callers may still be here; one more is not. Default 20,000.
    pub recent_callers_max: usize,
    /// Silence after which one without a stream or a call is quiet. Default 1 min.
    pub replace_after: HumanDuration,
    /// Threads that session actors run on. Above zero; default one for each processor.
    pub threads: usize,
    /// Limits on each session.
    pub session: session::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sessions_max: 20_000,
            per_principal_max: 32,
            calls_per_principal_max: 256,
            recent_callers_max: 20_000,
            replace_after: HumanDuration::from_secs(60),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            session: session::Config::default(),
        }
    }
}

/// The router as others reach it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RouterHandle {
    address: Addr<Router>,
    table: Arc<Table>,
    leases: Leases,
    recent: Recent,
    cut_offs: CutOffs,
    stopping: CancellationToken,
    metrics: Metrics,
    fleet: Option<Fleet>,
}

/// How long opening a session may take. The router's handlers only count and start, so this is far
/// more than it ever needs.
const ASK_DEADLINE: Duration = Duration::from_secs(5);

impl RouterHandle {
    /// Starts the router and the arbiters of its sessions, which end for callers that are cut off, and
    /// for those whose tokens `verifier` is told to be good no more. With a `cluster`, sessions of other
    /// nodes are found too. Needs an actix system.
    #[must_use]
    pub fn start(
        config: Config,
        handler: Handler,
        cut_offs: CutOffs,
        verifier: Option<Verifier>,
        metrics: Metrics,
        clock: Clock,
        cluster: Option<Cluster>,
    ) -> Self {
        let leases = Leases::new(config.calls_per_principal_max);
        let recent = Recent::new(config.recent_callers_max);
        let table = Arc::new(Table::default());
        let stopping = CancellationToken::new();
        let here = Here {
            table: Arc::clone(&table),
            leases: leases.clone(),
            cut_offs: cut_offs.clone(),
            metrics: metrics.clone(),
        };
        let fleet = cluster.clone().map(|cluster| {
            Fleet::join(
                cluster,
                here,
                verifier.clone(),
                handler.changes().clone(),
                clock.clone(),
            )
        });
        let router = Router {
            config,
            table: Arc::clone(&table),
            leases: leases.clone(),
            recent: recent.clone(),
            watch: Watch {
                cut_offs: cut_offs.clone(),
                verifier,
                is_asking: Arc::default(),
            },
            handler,
            metrics: metrics.clone(),
            clock,
            cluster,
            arbiters: (0..config.threads.max(1)).map(|_| Arbiter::new()).collect(),
            draining: false,
            stopping: stopping.clone(),
        };
        Self {
            address: router.start(),
            table,
            leases,
            recent,
            cut_offs,
            stopping,
            metrics,
            fleet,
        }
    }

    /// Opens a session of the caller's; with a stream it is one of HTTP+SSE.
    ///
    /// # Errors
    /// A bound was reached, or the server is being stopped.
    pub async fn open(
        &self,
        principal: Principal,
        stream: Option<Outlet>,
    ) -> Result<SessionRef, RouteError> {
        self.open_as(principal, stream, None).await
    }

    async fn open_as(
        &self,
        principal: Principal,
        stream: Option<Outlet>,
        taken_over: Option<(SessionId, u64)>,
    ) -> Result<SessionRef, RouteError> {
        let caller = principal.clone();
        let open = Open {
            principal,
            stream,
            taken_over,
        };
        let asked = self.address.send(open).timeout(ASK_DEADLINE);
        match asked.await {
            Ok(Ok(session)) => {
                let transport = session.transport().label();
                audit::session_opened(caller.audited(), &session.id().short(), transport);
                Ok(session)
            }
            Ok(Err(error)) => Err(error),
            Err(error @ (MailboxError::Closed | MailboxError::Timeout)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the router is gone"
                );
                Err(RouteError::Broken)
            }
        }
    }

    /// The caller's session of this name on this transport.
    ///
    /// # Errors
    /// [`RouteError::Unknown`], be it nobody's, somebody else's, or the other transport's.
    pub fn find(
        &self,
        id: &str,
        principal: &Principal,
        transport: Transport,
    ) -> Result<SessionRef, RouteError> {
        let id: SessionId = id.parse().map_err(|_no_id| RouteError::Unknown)?;
        let session = self.table.find(id, &principal.owner(), &self.metrics)?;
        if session.transport() != transport {
            return Err(RouteError::Unknown);
        }
        Ok(session)
    }

    /// Dispatches a message to the caller's session. The answer to a request follows on `outlet`, or
    /// on the session's own stream without one.
    ///
    /// # Errors
    /// [`RouteError::Unknown`] as for [`RouterHandle::find`], or why the session did not take it.
    pub async fn dispatch(
        &self,
        session: &SessionRef,
        principal: Principal,
        message: ClientMessage,
        outlet: Option<Outlet>,
    ) -> Result<(), RouteError> {
        let noted = match &message {
            ClientMessage::Request(request) => self.fleet.is_some() && session.note(request),
            ClientMessage::Notification(_) | ClientMessage::Response(_) => false,
        };
        let delivered = session.deliver(principal, message, outlet).await;
        if noted {
            self.write_down(session);
        }
        delivered.map_err(|error| self.count(error))
    }

    /// Dispatches several messages to the caller's session, as one. Answers follow as for
    /// [`RouterHandle::dispatch`]; `outlet` ends with the last.
    ///
    /// # Errors
    /// The same; nothing of the batch has run.
    pub async fn dispatch_batch(
        &self,
        session: &SessionRef,
        principal: Principal,
        batch: Batch,
        outlet: Option<Outlet>,
    ) -> Result<(), RouteError> {
        let noted = self.fleet.is_some() && {
            let noted = batch.requests().filter(|request| session.note(request));
            noted.count() > 0
        };
        let delivered = session.deliver_batch(principal, batch, outlet).await;
        if noted {
            self.write_down(session);
        }
        let too_many = delivered.map_err(|error| self.count(error))?;
        for _call in 0..too_many {
            self.metrics.limit_hit(Limit::CallsPerSession);
        }
        Ok(())
    }

    /// Opens the caller's stream for what the server says unasked.
    ///
    /// # Errors
    /// [`SessionError::StreamTaken`] while another one is open.
    pub async fn open_stream(
        &self,
        session: &SessionRef,
        principal: &Principal,
        outlet: Outlet,
    ) -> Result<(), RouteError> {
        let opened = session.open_stream(principal, outlet).await;
        opened.map_err(|error| self.count(error))
    }

    /// A new reader of a stream of the caller's that broke, after the last event it saw.
    ///
    /// # Errors
    /// [`SessionError::NotKept`] where there is nothing to go on from.
    pub async fn resume(
        &self,
        session: &SessionRef,
        principal: &Principal,
        after: EventId,
    ) -> Result<Frames, RouteError> {
        let resumed = session.resume(principal, after).await;
        resumed.map_err(|error| self.count(error))
    }

    /// Ends the caller's session, calls in flight included, and waits until it is gone.
    ///
    /// # Errors
    /// [`RouteError::Unknown`] where it was over already: of two that end it at once, one does.
    pub async fn close(&self, session: &SessionRef) -> Result<(), RouteError> {
        Ok(session.close(CloseReason::Deleted).await?)
    }

    /// Who is shut out.
    #[must_use]
    pub fn cut_offs(&self) -> &CutOffs {
        &self.cut_offs
    }

    /// Whoever has something open, or was here without a session within two minutes; once for each
    /// token at least.
    pub fn callers(&self) -> impl Iterator<Item = Principal> {
        let sessions = self.table.snapshot().into_iter();
        let leases = self.leases.snapshot().into_iter();
        sessions
            .map(|session| session.caller())
            .chain(leases.map(|lease| lease.caller()))
            .chain(self.recent.all())
    }

    /// Lets a caller keep something open without a session, as long as it may be here.
    ///
    /// # Errors
    /// [`RouteError::CallsFull`]: it has as much open as one may have.
    pub fn lease(&self, principal: Principal) -> Result<Lease, RouteError> {
        if !self.recent.note(&principal) {
            self.metrics.limit_hit(Limit::RecentCallers);
        }
        let lease = self.leases.grant(principal);
        lease.ok_or_else(|| {
            self.metrics.limit_hit(Limit::CallsPerPrincipal);
            RouteError::CallsFull
        })
    }

    /// Refuses new sessions and ends the others as their calls end; returns when none is left. Those that
    /// another node can carry on are let go for it.
    pub async fn drain(&self) {
        self.take_leave().await;
        if let Err(error) = self.address.send(DrainAll).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the router is gone"
            );
        }
        if let Some(fleet) = &self.fleet {
            fleet.cluster.leave().await;
        }
    }

    /// Ends when the server is being stopped: for streams that belong to no session.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Sessions that are open now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.table.len()
    }

    /// Callers with at least one open session.
    #[must_use]
    pub fn owners(&self) -> usize {
        self.table.owners()
    }

    fn count(&self, error: SessionError) -> RouteError {
        match error {
            SessionError::Busy => self.metrics.limit_hit(Limit::SessionMailbox),
            SessionError::TooManyCalls => self.metrics.limit_hit(Limit::CallsPerSession),
            SessionError::Over
            | SessionError::StreamTaken
            | SessionError::NotKept
            | SessionError::Stopping => {}
        }
        error.into()
    }
}

#[cfg(test)]
mod tests;
