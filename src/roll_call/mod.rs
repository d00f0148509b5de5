//! Asks Logto in turn whether everybody who has something open here may still be here.
//!
//! Logto sends no webhook when a user takes a grant back, or when an application is deleted. So where its
//! Management API may be asked, live callers are asked about, the longest unasked first, each once in
//! [`Config::every`] and all together not more often than [`Config::per_second`]. `server` starts it.
//!
//! | what is asked | cuts off |
//! |---|---|
//! | the application | the agent, for all users: it was deleted, or an operator disabled it |
//! | the user | the user, with all agents: deleted or suspended |
//! | the user's grants to third-party applications | the user's agents that no grant names |
//!
//! Only a definite answer cuts off. What can't be asked, or is answered in another way than Logto
//! answers, changes nothing, and is asked again in its turn. Nobody is banned: who is let in by Logto
//! again, with a new token, is let in here.

mod question;
mod rota;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    auth::{CutOff, Whom},
    logto::{LogtoError, Management},
    router::RouterHandle,
    telemetry::audit::CutOffBy,
    time::{Clock, Timestamp},
    units::HumanDuration,
};
use question::{Answer, Question, Roll};
use rota::Rota;

/// How often, and how fast.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long until a live caller is asked about again; 0 s for never. Default 1 min.
    pub every: HumanDuration,
    /// Questions a second, of all callers together. Above zero; default 10.
    pub per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            every: HumanDuration::from_secs(60),
            per_second: 10,
        }
    }
}

/// Longest time between two looks at who is there: by so much later somebody is asked about.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What it needs of the rest of the house.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// Whose users and agents Logto knows.
    pub(crate) issuer: String,
    pub(crate) management: Arc<Management>,
    pub(crate) router: RouterHandle,
    pub(crate) clock: Clock,
}

/// A roll call that goes on until this is dropped.
#[derive(Debug)]
pub(crate) struct RollCall {
    counters: Arc<Counters>,
    _until_dropped: DropGuard,
}

/// What was asked, and came of it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    good: AtomicU64,
    withdrawn: AtomicU64,
    unanswered: AtomicU64,
    due: AtomicU64,
    oldest: AtomicU64,
}

impl RollCall {
    /// Starts it, unless it is to be never.
    pub(crate) fn start(config: &Config, rooms: Rooms) -> Option<Self> {
        let every = config.every.get();
        if every.is_zero() {
            return None;
        }
        let stop = CancellationToken::new();
        let counters = Arc::new(Counters::default());
        let caller = Caller {
            rooms,
            rota: Rota::new(every),
            per_second: config.per_second.max(1),
            counters: Arc::clone(&counters),
            answered: true,
        };
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(caller.run(every)).await });
        Some(Self {
            counters,
            _until_dropped: stop.drop_guard(),
        })
    }

    /// What was counted since the start.
    pub(crate) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }
}

impl Counters {
    /// Answers by which everything is as it was.
    pub(crate) fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// Answers that cut somebody off.
    pub(crate) fn withdrawn(&self) -> u64 {
        self.withdrawn.load(Ordering::Relaxed)
    }

    /// Questions that were not answered.
    pub(crate) fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Questions whose turn it is.
    pub(crate) fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }

    /// How long ago that was asked which was asked the longest ago, in seconds.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Relaxed)
    }
}

/// Who calls the roll.
struct Caller {
    rooms: Rooms,
    rota: Rota,
    per_second: u32,
    counters: Arc<Counters>,
    /// Whether the last question was answered.
    answered: bool,
}

impl Caller {
    async fn run(mut self, every: Duration) {
        // Often enough that the pace of the settings is kept, and no more: a look is at everybody.
        let look_every = (every / 4).clamp(Duration::from_millis(10), LOOK_EVERY);
        let mut looks = paced(look_every);
        let mut questions = paced(Duration::from_secs(1) / self.per_second);
        let at_once = usize::try_from(self.per_second).unwrap_or(usize::MAX);
        let batch_max = at_once.saturating_mul(5);
        let mut roll = Roll::new(self.rooms.issuer.clone());
        loop {
            looks.tick().await;
            roll = self.look(&roll);
            let now = Instant::now();
            let mut due = self.rota.due(roll.questions(), now);
            self.counters.due.store(due.len() as u64, Ordering::Relaxed);
            let oldest = self.rota.longest_unasked(now).as_secs();
            self.counters.oldest.store(oldest, Ordering::Relaxed);
            // The others are looked at anew: some may have left until it is their turn.
            due.truncate(batch_max);
            for question in due {
                if roll.is_about_somebody(&question) {
                    questions.tick().await;
                    self.rota.asked(&question, Instant::now());
                    self.ask(&question, &mut roll).await;
                }
            }
        }
    }

    /// Whoever is there and not cut off already.
    fn look(&self, before: &Roll) -> Roll {
        let router = &self.rooms.router;
        let callers = router.callers();
        before.next(callers.filter(|caller| !router.cut_offs().concern(caller)))
    }

    async fn ask(&mut self, question: &Question, roll: &mut Roll) {
        // What is true of now is not true of a token that is issued while the answer is under way.
        let (second, moment) = (self.rooms.clock.now(), Instant::now());
        let answer = question.ask(&self.rooms.management, roll).await;
        let withdrawn = match answer {
            Ok(Answer::Good) => {
                self.counters.good.fetch_add(1, Ordering::Relaxed);
                return self.note(None);
            }
            Ok(Answer::Withdrawn(whom)) => whom,
            Err(error) => {
                self.counters.unanswered.fetch_add(1, Ordering::Relaxed);
                return self.note(Some(&error));
            }
        };
        self.note(None);
        self.counters.withdrawn.fetch_add(1, Ordering::Relaxed);
        for whom in withdrawn {
            roll.strike(&whom);
            self.cut_off(whom, second, moment).await;
        }
    }

    async fn cut_off(&self, whom: Whom, issued_before: Timestamp, seen_before: Instant) {
        let cut = CutOff {
            whom,
            issued_before,
            seen_before,
            ban: None,
        };
        // Where there is no place for it, the router says so, and these are asked about again.
        let (_ended, _in_force) = self.rooms.router.cut_off(&cut, CutOffBy::RollCall).await;
    }

    /// Logs that questions are answered no more, or again: a line each time, not for each question.
    fn note(&mut self, error: Option<&LogtoError>) {
        if let (Some(error), true) = (error, self.answered) {
            tracing::warn!(%error, "Logto can't be asked whether live callers may still be here");
        } else if let (None, false) = (error, self.answered) {
            tracing::info!("Logto can be asked about live callers again");
        }
        self.answered = error.is_none();
    }
}

/// A beat that never makes up for what it missed.
fn paced(every: Duration) -> Interval {
    let mut beat = interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}
