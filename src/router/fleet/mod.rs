//! Sessions of other nodes: where one is, and what becomes of it when its node is gone.
//!
//! The table says *here*; what is not here is asked for at the cluster's directory, which says
//! *elsewhere*, *unknown*, or that nobody can tell. Whose a session is was written there by the node
//! that opened it, and is compared here as in the table, before anything is sent anywhere; the other
//! node compares it again.

mod leaving;
mod residence;
mod take_over;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep, timeout},
};

pub(super) use leaving::{part, tell_end};
pub(super) use residence::tell_others;

use super::{RouteError, RouterHandle, here::Here};
use crate::{
    auth::{Owner, Principal, Verifier},
    cluster::{Cluster, Holder, Host, Node, Record},
    handler::Changes,
    session::{SessionId, SessionRef},
    telemetry::{Transport, audit},
    time::Clock,
};
use residence::Residence;

/// What the router knows of other nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Fleet {
    pub(super) cluster: Cluster,
    clock: Clock,
    /// By session: of those that want the same one, one takes it over.
    turns: Arc<[Mutex<()>]>,
}

/// Where a session is.
#[derive(Debug)]
pub enum Place {
    /// On this node.
    Here(SessionRef),
    /// On another.
    Elsewhere(Elsewhere),
}

/// A session on another node.
#[derive(Debug)]
pub struct Elsewhere {
    /// Which.
    pub node: Node,
    /// Since which change of hands.
    pub epoch: u64,
    id: SessionId,
    holder: Holder,
    record: Arc<Record>,
}

/// How many sessions may be taken over side by side, at least.
const TURNS: usize = 256;

/// Pause before another look at a session that is between two nodes.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

impl Fleet {
    /// Joins the other nodes, with the sessions that are `here`.
    pub(super) fn join(
        cluster: Cluster,
        here: Here,
        verifier: Option<Verifier>,
        changes: Changes,
        clock: Clock,
    ) -> Self {
        let residence = Residence {
            here,
            verifier,
            changes,
            clock: clock.clone(),
        };
        cluster.tend(Arc::new(residence));
        Self {
            cluster,
            clock,
            turns: (0..TURNS).map(|_| Mutex::new(())).collect(),
        }
    }

    async fn turn(&self, id: SessionId) -> MutexGuard<'_, ()> {
        self.turns[id.spread() % TURNS].lock().await
    }
}

impl RouterHandle {
    /// Where the caller's session of this name is, on this transport. One whose node is gone is taken
    /// over, and then here. A request that another node has sent must not be sent on
    /// (`may_forward`).
    ///
    /// # Errors
    /// [`RouteError::Unknown`], be it nobody's, somebody else's, or the other transport's;
    /// [`RouteError::Away`] and [`RouteError::NodeGone`] where nobody can tell now.
    pub async fn locate(
        &self,
        name: &str,
        caller: &Principal,
        transport: Transport,
        may_forward: bool,
    ) -> Result<Place, RouteError> {
        let Some(fleet) = &self.fleet else {
            return self.find(name, caller, transport).map(Place::Here);
        };
        let id: SessionId = name.parse().map_err(|_no_id| RouteError::Unknown)?;
        let patience = fleet.cluster.config().patience.get();
        let begun = Instant::now();
        loop {
            match self.find(name, caller, transport) {
                // Whoever builds it has the turn.
                Ok(session) if session.is_coming() => drop(fleet.turn(id).await),
                Ok(session) if session.is_going() => {
                    let left = patience.saturating_sub(begun.elapsed());
                    let over = timeout(left, session.over()).await;
                    over.map_err(|_elapsed| RouteError::Stopping)?;
                    continue;
                }
                Ok(session) => return Ok(Place::Here(session)),
                Err(error) if self.table.has(id) => return Err(error),
                Err(_nobodys) => {
                    let asked = Asked {
                        fleet,
                        id,
                        caller,
                        transport,
                    };
                    if let Some(place) = self.look_around(&asked, name, may_forward).await? {
                        return Ok(place);
                    }
                }
            }
            if begun.elapsed() >= patience {
                return Err(RouteError::NodeGone);
            }
            sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// Where the session is, or nothing while it is between two nodes.
    async fn look_around(
        &self,
        asked: &Asked<'_>,
        name: &str,
        may_forward: bool,
    ) -> Result<Option<Place>, RouteError> {
        let cluster = &asked.fleet.cluster;
        let known = cluster.whereabouts(name).await?;
        let known = known.ok_or(RouteError::Unknown)?;
        self.require_owner(&known.record, asked)?;
        let elsewhere = |node| Elsewhere {
            node,
            epoch: known.holder.epoch,
            id: asked.id,
            holder: known.holder.clone(),
            record: Arc::clone(&known.record),
        };
        match known.host {
            Host::Node(node) if may_forward => Ok(Some(Place::Elsewhere(elsewhere(node)))),
            Host::Node(_) => Err(RouteError::NotHere),
            Host::Me if cluster.takes_sessions() => {
                // It is being taken over by somebody else's request, or has ended.
                let _turn = asked.fleet.turn(asked.id).await;
                let is_here = self.table.has(asked.id);
                is_here.then_some(None).ok_or(RouteError::Unknown)
            }
            // It has ended here, and is soon written to be free.
            Host::Me => Ok(None),
            // That protocol has no way to come back to a session (2024-11-05).
            Host::Nobody | Host::Dead if asked.transport == Transport::Sse => {
                Err(RouteError::Unknown)
            }
            Host::Nobody | Host::Dead if !cluster.takes_sessions() => {
                if !may_forward {
                    return Err(RouteError::NotHere);
                }
                let another = cluster.another().await?.ok_or(RouteError::Stopping)?;
                Ok(Some(Place::Elsewhere(elsewhere(another))))
            }
            Host::Nobody | Host::Dead => {
                let from = (&known.holder, &*known.record);
                self.take_over(asked, from, false).await
            }
        }
    }

    /// The node that has the session takes no connection. Where it is dead, the session is taken over; it
    /// is waited for that a little.
    ///
    /// # Errors
    /// As [`RouterHandle::locate`].
    pub async fn stand_in(
        &self,
        gone: &Elsewhere,
        caller: &Principal,
        transport: Transport,
    ) -> Result<Place, RouteError> {
        let fleet = self.fleet.as_ref().ok_or(RouteError::Unknown)?;
        let cluster = &fleet.cluster;
        let (name, begun) = (gone.id.to_string(), Instant::now());
        let asked = Asked {
            fleet,
            id: gone.id,
            caller,
            transport,
        };
        loop {
            cluster.forget_whereabouts(&name);
            let known = cluster.whereabouts(&name).await?;
            let known = known.ok_or(RouteError::Unknown)?;
            if known.holder != gone.holder || !matches!(known.host, Host::Node(_)) {
                return self.locate(&name, caller, transport, true).await;
            }
            if transport == Transport::Streamable && cluster.takes_sessions() {
                let from = (&gone.holder, &*gone.record);
                if let Some(place) = self.take_over(&asked, from, true).await? {
                    return Ok(place);
                }
            }
            if begun.elapsed() >= cluster.config().patience.get() {
                return Err(RouteError::NodeGone);
            }
            sleep(LOOK_AGAIN_AFTER * 5).await;
        }
    }

    /// Another node has sent a request for this session, and knows it in this epoch. Whether that node
    /// knows better than this one: then the session is no longer ours, and ends here.
    #[must_use]
    pub fn is_fenced(&self, name: &str, epoch: u64) -> bool {
        let session = name.parse().ok().and_then(|id| self.table.get(id));
        let Some(session) = session.filter(|session| session.epoch() < epoch) else {
            return false;
        };
        self.lose(&session);
        true
    }

    /// The cluster that this node is one of.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.fleet.as_ref().map(|fleet| &fleet.cluster)
    }

    /// Lets other nodes find a session that begins here; before its client knows of it.
    pub async fn enlist(&self, session: &SessionRef) {
        if let (Some(fleet), Some(record)) = (&self.fleet, residence::record_of(session)) {
            let name = session.id().to_string();
            // It is entered when the store is back; until then it is found here only.
            let _away = fleet.cluster.enter(&name, session.epoch(), &record).await;
        }
    }

    /// Something about a session that other nodes would have to know is new.
    pub(super) fn write_down(&self, session: &SessionRef) {
        if let (Some(fleet), Some(record)) = (&self.fleet, residence::record_of(session)) {
            let name = session.id().to_string();
            fleet.cluster.rewrite(name, session.epoch(), record);
        }
    }

    /// That the session is the caller's, and of its transport. A stranger gets the answer for an unknown
    /// one.
    fn require_owner(&self, record: &Record, asked: &Asked<'_>) -> Result<(), RouteError> {
        let caller = asked.caller.owner();
        let owner = Owner::from_hex(&record.owner).ok_or(RouteError::Unknown)?;
        if owner != caller {
            self.metrics.owner_mismatch();
            audit::session_of_another(caller.pseudonym(), owner.pseudonym(), &asked.id.short());
            return Err(RouteError::Unknown);
        }
        if record.transport != asked.transport.label() {
            return Err(RouteError::Unknown);
        }
        Ok(())
    }
}

/// Whose session is looked for.
struct Asked<'a> {
    fleet: &'a Fleet,
    id: SessionId,
    caller: &'a Principal,
    transport: Transport,
}
