//! What this node tells the others of its sessions, and does at their word.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    super::{RouterHandle, here::Here},
    Fleet,
};
use crate::{
    auth::{CutOff, CutOffError, Verifier, Whom},
    cluster::{Cluster, CutOffOrder, Record, Residents, Word},
    handler::{Change, ChangeListener, Changes},
    outlet::CloseReason,
    protocol::Raw,
    session::{SessionFilter, SessionRef, Verdict},
    telemetry::Transport,
    time::{Clock, Timestamp},
};

/// See the file's head. Holds nothing that keeps the node alive.
#[derive(Debug)]
pub(super) struct Residence {
    pub(super) here: Here,
    pub(super) verifier: Option<Verifier>,
    pub(super) changes: Changes,
    pub(super) clock: Clock,
}

/// Least time between two rounds of changes that the others are told.
const ROUNDS_APART: Duration = Duration::from_millis(50);

impl Residents for Residence {
    fn all(&self) -> Vec<(String, u64)> {
        let all = self.here.table.snapshot().into_iter();
        let settled = all.filter(|session| !session.is_coming() && !session.is_going());
        settled
            .map(|session| (session.id().to_string(), session.epoch()))
            .collect()
    }

    fn record(&self, id: &str) -> Option<Record> {
        record_of(&self.here.table.get(id.parse().ok()?)?)
    }

    fn lost(&self, id: &str) {
        let session = id.parse().ok().and_then(|id| self.here.table.get(id));
        if let Some(session) = session {
            tracing::warn!(session.id = %session.id().short(), "another node has taken a session over");
            session.carry_out(Verdict::End(CloseReason::Moved));
        }
    }

    fn heard(&self, word: Word, now: u64) -> BoxFuture<'_, ()> {
        self.do_as_told(word, now).boxed()
    }
}

impl Residence {
    async fn do_as_told(&self, word: Word, now: u64) {
        let change = match word {
            Word::ToolsChanged => Change::Tools,
            Word::PromptsChanged => Change::Prompts,
            Word::ResourcesChanged => Change::Resources,
            Word::ResourceChanged { uri } => Change::Resource(uri),
            Word::CutOff { cut, .. } if cut.ban_ended_at.is_some() => {
                let then = cut.ban_ended_at.map(Timestamp::from_unix_seconds);
                let whom = serde_json::from_value::<Whom>(cut.whom).ok();
                if let Some((whom, then)) = whom.zip(then) {
                    let ended = self.here.cut_offs.end_ban(&whom, then);
                    log_not_in_force(ended);
                }
                return;
            }
            Word::CutOff { cut, .. } => {
                if let Some(cut) = cut_off_of(cut, now, self.clock.now()) {
                    let (_ended, in_force) = self.here.cut_off(&cut).await;
                    log_not_in_force(in_force);
                }
                return;
            }
            Word::Lifted { whom } => {
                if let Ok(whom) = serde_json::from_value::<Whom>(whom) {
                    let _whether = self.here.cut_offs.lift(&whom);
                }
                return;
            }
            Word::EndSessions {
                id,
                issuer,
                subject,
                client_id,
            } => {
                let filter = SessionFilter {
                    id,
                    issuer,
                    subject,
                    client_id,
                };
                let reason = CloseReason::EndedByOperator;
                let ended = self.here.end(&filter, reason).await;
                tracing::info!(ended, "an operator of another node ended sessions");
                return;
            }
            Word::Purge => {
                self.verifier.iter().for_each(Verifier::forget_all);
                return;
            }
            Word::Beat | Word::Review | Word::Unknown => return,
        };
        self.changes.announce_here(change);
    }
}

/// What other nodes have to know of a session; nothing of one that was never initialized.
pub(super) fn record_of(session: &SessionRef) -> Option<Record> {
    let transport = session.transport();
    let mut record = Record {
        owner: session.owner().to_hex(),
        transport: transport.label().to_owned(),
        initialize: None,
        log_level: None,
        watched: Vec::new(),
    };
    // The other has no way to come back, and so is never built again.
    if transport == Transport::Streamable {
        let noted = session.noted();
        record.initialize = Some(as_json(&noted.initialize?)?);
        record.log_level = noted.log_level.as_ref().and_then(as_json);
        record.watched = noted.watched.into_iter().collect();
    }
    Some(record)
}

fn as_json(raw: &Raw) -> Option<Box<RawValue>> {
    serde_json::from_slice(raw.as_bytes()).ok()
}

/// Says what has changed on this node to the others: each once, however often it was said meanwhile.
pub(in crate::router) async fn tell_others(cluster: Cluster, mut outward: ChangeListener) {
    while let Some(changes) = outward.next().await {
        for change in changes {
            let word = match change {
                Change::Tools => Word::ToolsChanged,
                Change::Prompts => Word::PromptsChanged,
                Change::Resources => Word::ResourcesChanged,
                Change::Resource(uri) => Word::ResourceChanged { uri },
            };
            // Nobody can be told now; whoever looks at a list sees it as it is.
            let _away = cluster.say(&word).await;
        }
        tokio::time::sleep(ROUNDS_APART).await;
    }
}

impl RouterHandle {
    /// Has every node verify its callers anew; this one has done so.
    pub async fn tell_purged(&self) {
        if let Some(fleet) = &self.fleet
            && fleet.cluster.say(&Word::Purge).await.is_err()
        {
            tracing::warn!("the other nodes could not be told to verify everybody anew");
        }
    }

    pub(in crate::router) async fn tell_to_end(&self, filter: &SessionFilter) {
        let Some(fleet) = &self.fleet else { return };
        let filter = filter.clone();
        let word = Word::EndSessions {
            id: filter.id,
            issuer: filter.issuer,
            subject: filter.subject,
            client_id: filter.client_id,
        };
        if fleet.cluster.say(&word).await.is_err() {
            tracing::warn!("the other nodes could not be told to end sessions");
        }
    }

    pub(in crate::router) async fn tell_cut_off(&self, cut: &CutOff) {
        let Some(fleet) = &self.fleet else { return };
        let clock = fleet.clock.now();
        let order = order_of(cut, fleet.now(), clock, self.cut_offs.lasting());
        fleet.order(order).await;
    }

    pub(in crate::router) async fn tell_ban_ended(&self, whom: &Whom, then: Timestamp) {
        let Some(fleet) = &self.fleet else { return };
        let clock = fleet.clock.now();
        let cut = CutOff::before(then, whom.clone(), clock);
        let order = order_of(&cut, fleet.now(), clock, self.cut_offs.lasting());
        let order = order.map(|order| CutOffOrder {
            ban_ended_at: Some(then.as_unix_seconds()),
            ..order
        });
        fleet.order(order).await;
    }

    pub(in crate::router) async fn tell_lifted(&self, whom: &Whom) {
        let (Some(fleet), Ok(whom)) = (&self.fleet, serde_json::to_value(whom)) else {
            return;
        };
        if fleet.cluster.withdraw(whom).await.is_err() {
            tracing::warn!("the other nodes could not be told that a cut-off was lifted");
        }
    }
}

impl Fleet {
    /// In milliseconds of the time that nodes share, as far as it is known.
    fn now(&self) -> u64 {
        let clock = self.clock.now().as_unix_seconds();
        let now = self.cluster.now();
        now.unwrap_or_else(|| clock.saturating_mul(1_000))
    }

    async fn order(&self, order: Option<CutOffOrder>) {
        if let Some(order) = order
            && self.cluster.order(order).await.is_err()
        {
            tracing::warn!("the other nodes learn of a cut-off when the cluster's store is back");
        }
    }
}

fn log_not_in_force(in_force: Result<(), CutOffError>) {
    if let Err(error) = in_force {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "what another node has ordered is not in force here");
    }
}

fn order_of(cut: &CutOff, now: u64, clock: Timestamp, lasting: Duration) -> Option<CutOffOrder> {
    let ago = u64::try_from(cut.seen_before.elapsed().as_millis()).unwrap_or(u64::MAX);
    let lasting = lasting.max(cut.ban.unwrap_or_default());
    Some(CutOffOrder {
        whom: serde_json::to_value(&cut.whom).ok()?,
        issued_before: cut.issued_before.as_unix_seconds(),
        seen_before: now.saturating_sub(ago),
        ban_ended_at: None,
        banned_until: cut.ban.map(|ban| clock.plus(ban).as_unix_seconds()),
        ends_at: clock.plus(lasting).as_unix_seconds(),
    })
}

fn cut_off_of(order: CutOffOrder, now: u64, clock: Timestamp) -> Option<CutOff> {
    let ago = Duration::from_millis(now.saturating_sub(order.seen_before));
    let present = Instant::now();
    let ban = order
        .banned_until
        .map(|until| Timestamp::from_unix_seconds(until).since(clock));
    Some(CutOff {
        whom: serde_json::from_value(order.whom).ok()?,
        issued_before: Timestamp::from_unix_seconds(order.issued_before),
        // Before this machine's first moment there was no token to be seen.
        seen_before: present.checked_sub(ago).unwrap_or(present),
        ban: ban.filter(|ban| !ban.is_zero()),
    })
}
