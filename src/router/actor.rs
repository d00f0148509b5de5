//! The router actor: opens sessions, sees to it that they end in time, and drains them at the end.
//!
//! Finding a session for a message is a look-up in the shared [`Table`], done where the request is
//! (a hop through this mailbox would put every call of the server in one queue, and buys nothing);
//! what changes the table goes through here, one thing after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext, Arbiter, ArbiterHandle, AsyncContext, Context, Handler as Handles,
    Message, ResponseFuture, WrapFuture,
};
use tokio_util::sync::CancellationToken;

use super::{
    Config, RouteError,
    fleet::{part, tell_end, tell_others},
    recent::Recent,
    table::Table,
    watch::{Open as Opened, Watch},
};
use crate::{
    auth::Principal,
    cluster::Cluster,
    handler::Handler,
    outlet::{CloseReason, Outlet},
    session::{Farewell, Leases, Opening, SessionId, SessionRef, Verdict},
    telemetry::{Limit, Metrics, Transport, audit},
    time::Clock,
};

// === Messages ===

/// Opens a session; with a stream it is one of HTTP+SSE.
#[derive(Debug, Message)]
#[rtype(result = "Result<SessionRef, RouteError>")]
pub(super) struct Open {
    pub(super) principal: Principal,
    pub(super) stream: Option<Outlet>,
    /// Under this name, since this epoch: another node has had it.
    pub(super) taken_over: Option<(SessionId, u64)>,
}

/// Refuses new sessions and ends the others as their calls end. Answered when none is left.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct DrainAll;

// === State ===

/// See the file's head.
pub(super) struct Router {
    pub(super) config: Config,
    pub(super) table: Arc<Table>,
    pub(super) leases: Leases,
    pub(super) recent: Recent,
    pub(super) watch: Watch,
    pub(super) handler: Handler,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) cluster: Option<Cluster>,
    pub(super) arbiters: Vec<Arbiter>,
    pub(super) draining: bool,
    /// Tells streams without a session that the server stops.
    pub(super) stopping: CancellationToken,
}

/// How often the sweep looks at every session.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often a drain looks whether sessions are left.
const DRAIN_POLL: Duration = Duration::from_millis(20);

// === Lifecycle ===

impl Actor for Router {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(SWEEP_EVERY, |router, context| {
            router.sweep();
            // The sweep alone would keep the actor for ever, and its threads.
            if !context.connected() {
                router.end_all(context);
            }
        });
        let (table, mut changes) = (Arc::clone(&self.table), self.handler.changes().listen());
        let announce = async move {
            while let Some(told) = changes.next().await {
                for (session, change) in table
                    .snapshot()
                    .iter()
                    .flat_map(|s| told.iter().map(move |c| (s, c)))
                {
                    session.announce(change.clone());
                }
            }
        };
        context.spawn(announce.into_actor(self));
        if let Some(cluster) = self.cluster.clone() {
            let outward = self.handler.changes().listen_outward();
            context.spawn(tell_others(cluster, outward).into_actor(self));
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

// === Handlers ===

impl Handles<Open> for Router {
    type Result = Result<SessionRef, RouteError>;

    fn handle(&mut self, open: Open, _: &mut Self::Context) -> Self::Result {
        self.open(open)
    }
}

impl Handles<DrainAll> for Router {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: DrainAll, _: &mut Self::Context) -> Self::Result {
        self.draining = true;
        // Before the streams that tell of them end.
        self.handler.stop_tasks();
        self.stopping.cancel();
        let table = Arc::clone(&self.table);
        let is_alone = self.cluster.is_none();
        Box::pin(async move {
            if !is_alone {
                part(&table).await;
            }
            while table.len() > 0 {
                // Again each time: a mailbox may have been full, a session just been opened.
                table.snapshot().iter().for_each(SessionRef::drain);
                tokio::time::sleep(DRAIN_POLL).await;
            }
        })
    }
}

// === Plain functions ===

fn fresh_id() -> Result<SessionId, RouteError> {
    SessionId::random().map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "no session id");
        RouteError::Broken
    })
}

impl Router {
    fn open(
        &mut self,
        Open {
            principal,
            stream,
            taken_over,
        }: Open,
    ) -> Result<SessionRef, RouteError> {
        if self.draining {
            return Err(RouteError::Stopping);
        }
        if self.table.len() >= self.config.sessions_max {
            self.metrics.limit_hit(Limit::SessionsPerNode);
            return Err(RouteError::NodeFull);
        }
        let (id, epoch) = match taken_over {
            Some(taken_over) => taken_over,
            None => (fresh_id()?, 1),
        };
        let arbiter = self.arbiter_of(id).ok_or(RouteError::Broken)?;
        let owner = principal.owner();
        let reserve = || self.table.reserve(id, owner, self.config.per_principal_max);
        if reserve().is_err() {
            self.metrics.limit_hit(Limit::SessionsPerPrincipal);
            // An agent that crashes and comes back has left sessions that nobody will use again.
            let quiet_for = self.config.replace_after.get();
            self.table.replace(owner, quiet_for, self.clock.now());
            reserve()?;
        }

        let transport = Transport::of_stream(stream.is_some());
        let (table, metrics) = (Arc::clone(&self.table), self.metrics.clone());
        let (caller, opened) = (principal.pseudonym(), Instant::now());
        let cluster = self.cluster.clone();
        let farewell = Farewell::new(move |reason| {
            // Before it is gone here: who looks for it then finds it in no state between.
            if let Some(cluster) = &cluster {
                tell_end(cluster, (id, epoch), transport, reason);
            }
            table.remove(id, owner);
            metrics.session_closed(transport, reason, opened.elapsed());
            audit::session_closed(caller, &id.short(), reason.label());
        });
        self.metrics.session_opened(transport);
        let opening = Opening {
            id,
            principal,
            stream,
            opened_at: self.clock.now(),
            farewell,
            epoch,
        };
        let (session, prepared) =
            SessionRef::prepare(self.config.session, self.handler.clone(), opening);
        // Entered before it runs: it may end as soon as it does, and then has to be found here.
        self.table.insert(session.clone());
        prepared.run(&arbiter);
        Ok(session)
    }

    fn arbiter_of(&self, id: SessionId) -> Option<ArbiterHandle> {
        let index = id.spread().checked_rem(self.arbiters.len())?;
        self.arbiters.get(index).map(Arbiter::handle)
    }

    /// Nobody can reach a session any more: the last handle was dropped.
    fn end_all(&mut self, context: &mut Context<Self>) {
        self.handler.stop_tasks();
        self.stopping.cancel();
        if self.table.len() == 0 {
            return context.stop();
        }
        let end = Verdict::End(CloseReason::ServerStopping);
        for session in self.table.snapshot() {
            session.carry_out(end);
        }
    }

    fn sweep(&self) {
        self.recent.forget_old();
        let now = self.clock.now();
        let is_full = self.table.len() >= self.config.sessions_max;
        let live = self.table.snapshot().into_iter().filter(|session| {
            let verdict = match session.judge(now) {
                // Nobody new is turned away for those who perhaps never come back.
                Verdict::Live if is_full && session.is_suspended(now) => {
                    Verdict::End(CloseReason::Replaced)
                }
                verdict => verdict,
            };
            session.carry_out(verdict);
            !matches!(verdict, Verdict::End(_))
        });
        let leases = self.leases.snapshot().into_iter().map(Opened::Lease);
        self.watch
            .look_at(live.map(Opened::Session).chain(leases), now);
    }
}
