//! Who is shut out although its tokens still live: by an operator, a webhook or a logout token.
//!
//! [`Verifier`](super::Verifier) asks on every request, known caller or not, and the router's sweep
//! asks for everything that is open. Where nobody is cut off, that costs one look at an atomic.
//!
//! A cut-off refuses the tokens that were issued before its moment; whoever signs in anew is let in.
//! A *ban* refuses every token until it ends. A cut-off is forgotten when no token that it concerns
//! can live any more, and not before: a full table takes no further one, and says so.
//!
//! Kept in memory, so a restart forgets them all: what has to last is done at the issuer.

mod cut_off;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub use cut_off::{CutOff, CutOffSummary, Whom};

use super::Principal;
use crate::{
    time::{Clock, Timestamp},
    units::HumanDuration,
};
use table::{InForce, Table};

/// How many are kept, and for how long.
#[derive(Debug, Clone)]
pub struct CutOffConfig {
    /// Cut-offs at once; a further one is refused, and whoever asked for it is told. Above zero;
    /// default 10,000.
    pub max: usize,
    /// The longest life of an access token that any issuer writes, and so how long a cut-off lasts; one
    /// that meets a token of a longer life lasts as long as that. Above zero; default 24 h.
    pub token_life_max: HumanDuration,
}

impl Default for CutOffConfig {
    fn default() -> Self {
        Self {
            max: 10_000,
            token_life_max: HumanDuration::from_secs(24 * 60 * 60),
        }
    }
}

/// Why a cut-off is not in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CutOffError {
    /// [`CutOffConfig::max`] are, and none of them has ended.
    #[error("too many cut-offs are in force (cut_off.max): tokens that live are still taken")]
    Full,
    /// Neither a client nor a subject nor an issuer is named.
    #[error("a cut-off has to name a client, a subject or an issuer")]
    Everybody,
}

/// All of them. Clones share everything.
#[derive(Clone)]
pub struct CutOffs(Arc<Inner>);

struct Inner {
    config: CutOffConfig,
    clock: Clock,
    table: RwLock<Table>,
    /// How many there are, to be read on every request without a lock.
    live: AtomicUsize,
    turned_away: AtomicU64,
}

impl CutOffs {
    /// Nobody is cut off yet.
    #[must_use]
    pub fn new(config: CutOffConfig, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            config,
            clock,
            table: RwLock::default(),
            live: AtomicUsize::new(0),
            turned_away: AtomicU64::new(0),
        }))
    }

    /// Puts one in force. One of the same callers becomes the stricter of both.
    ///
    /// # Errors
    /// See [`CutOffError`]; nothing has changed then.
    pub fn add(&self, cut: &CutOff) -> Result<(), CutOffError> {
        self.put(self.begin(cut), InForce::take_over)
    }

    /// Ends the ban of those callers that was spoken until `then`, also where it is only told of later,
    /// since what was said first may arrive last. Tokens from before the ban stay refused; where it is
    /// not known, those from before `then`.
    ///
    /// # Errors
    /// See [`CutOffError`]; nothing has changed then.
    pub fn end_ban(&self, whom: &Whom, then: Timestamp) -> Result<(), CutOffError> {
        let cut = CutOff::before(then, whom.clone(), self.0.clock.now());
        let mut added = self.begin(&cut);
        added.end_ban(then);
        self.put(added, |known, _| known.end_ban(then))
    }

    fn begin(&self, cut: &CutOff) -> InForce {
        let now = self.0.clock.now();
        InForce::new(cut, now, now.plus(self.lasting()))
    }

    /// Puts a cut-off in force; where one of the same callers is, that is changed instead.
    fn put(
        &self,
        added: InForce,
        change: impl FnOnce(&mut InForce, &InForce),
    ) -> Result<(), CutOffError> {
        if added.whom.is_everybody() {
            return Err(CutOffError::Everybody);
        }
        let now = self.0.clock.now();
        let mut table = self.write();
        if let Some(known) = table.find(&added.whom) {
            change(known, &added);
            return Ok(());
        }
        if self.len() >= self.0.config.max {
            table.forget(now);
        }
        let full = table.len() >= self.0.config.max;
        if full {
            self.0.turned_away.fetch_add(1, Ordering::Relaxed);
        } else {
            table.insert(added);
        }
        self.0.live.store(table.len(), Ordering::Release);
        if full { Err(CutOffError::Full) } else { Ok(()) }
    }

    /// Lets those callers in again, with any token. Returns whether they were cut off.
    #[must_use]
    pub fn lift(&self, whom: &Whom) -> bool {
        let mut table = self.write();
        let lifted = table.remove(whom);
        self.0.live.store(table.len(), Ordering::Release);
        lifted
    }

    /// Whether this caller's token is refused.
    #[must_use]
    pub fn concern(&self, caller: &Principal) -> bool {
        if self.0.live.load(Ordering::Acquire) == 0 {
            return false;
        }
        let now = self.0.clock.now();
        let table = self.read();
        table.concerning(caller).any(|cut| cut.refuses(caller, now))
    }

    /// From now on nobody knows when a token was first seen: those that don't say when they were issued
    /// are refused to whoever is cut off now.
    pub(super) fn forget_first_sights(&self) {
        for cut in self.read().all() {
            cut.refuse_undated();
        }
    }

    /// Forgets those that have ended.
    pub(super) fn sweep(&self) {
        if !self.is_empty() {
            let mut table = self.write();
            table.forget(self.0.clock.now());
            self.0.live.store(table.len(), Ordering::Release);
        }
    }

    /// Those in force, in an order that stays.
    #[must_use]
    pub fn list(&self) -> Vec<CutOffSummary> {
        let now = self.0.clock.now();
        let mut list: Vec<_> = self.read().all().map(|cut| cut.summary(now)).collect();
        list.sort_by(|one, other| one.whom.cmp(&other.whom));
        list
    }

    /// How many are in force.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.live.load(Ordering::Acquire)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often one was refused, since the table was full.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.0.turned_away.load(Ordering::Relaxed)
    }

    /// How long a cut-off made now lasts.
    #[must_use]
    pub fn lasting(&self) -> Duration {
        self.0.config.token_life_max.get()
    }

    /// No step leaves the table half done, so a lock that a panic poisoned is as good as any.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is cut off is personal data: `Debug` tells the number.
impl fmt::Debug for CutOffs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CutOffs({})", self.len())
    }
}
