//! How long a call may take: a clock that stands while the client is asked, since a person may have to
//! read and decide before it answers.
//!
//! [`guard`](super::guard) looks at it, asking stops it. Each answer has a limit of its own.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::telemetry::{Limit, Metrics};

/// One call's clock. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct CallClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    answer_within: Duration,
    /// Where answers that are too late are counted.
    metrics: Option<Metrics>,
    stood: Mutex<Stood>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Stood {
    /// Questions that are open.
    questions: usize,
    since: Option<Instant>,
    total: Duration,
}

/// As long as it is held, the clock stands.
#[derive(Debug)]
pub(super) struct Standing(CallClock);

impl Default for CallClock {
    fn default() -> Self {
        Self::with(Duration::MAX, None)
    }
}

impl CallClock {
    /// A clock of a call whose client may take so long for each answer.
    pub(super) fn new(answer_within: Duration, metrics: Metrics) -> Self {
        Self::with(answer_within, Some(metrics))
    }

    fn with(answer_within: Duration, metrics: Option<Metrics>) -> Self {
        Self(Arc::new(Inner {
            answer_within,
            metrics,
            stood: Mutex::default(),
            changed: watch::Sender::default(),
        }))
    }

    /// Stops the clock; of several who do, until the last lets it go on.
    pub(super) fn stand(&self) -> Standing {
        let mut stood = self.lock();
        stood.questions += 1;
        stood.since.get_or_insert_with(Instant::now);
        drop(stood);
        self.0.changed.send_replace(());
        Standing(self.clone())
    }

    /// Ends when an answer that is awaited from now on is too late.
    pub(super) async fn answer_is_late(&self) {
        sleep(self.0.answer_within).await;
        if let Some(metrics) = &self.0.metrics {
            metrics.limit_hit(Limit::InputDeadline);
        }
    }

    /// Ends when the clock, started now, shows `deadline`.
    pub(super) async fn shows(&self, deadline: Duration) {
        let started = Instant::now();
        let mut changed = self.0.changed.subscribe();
        loop {
            let (is_standing, total) = {
                let stood = self.lock();
                (stood.since.is_some(), stood.total)
            };
            let end = started.checked_add(deadline.saturating_add(total));
            tokio::select! {
                // Its sender lives as long as the clock.
                _changed = changed.changed() => {}
                () = until(end), if !is_standing => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stood> {
        self.0.stood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut stood = self.0.lock();
        stood.questions -= 1;
        if stood.questions == 0
            && let Some(since) = stood.since.take()
        {
            stood.total += since.elapsed();
        }
        drop(stood);
        self.0.0.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn the_clock_stands_while_anybody_waits_for_an_answer() {
        let clock = CallClock::new(MINUTE, Metrics::new());
        let call = clock.clone();
        let over = tokio::spawn(async move {
            call.shows(MINUTE).await;
            Instant::now()
        });
        let started = Instant::now();
        tokio::task::yield_now().await;

        advance(MINUTE / 2).await;
        let (one, other) = (clock.stand(), clock.stand());
        advance(MINUTE * 3).await;
        drop(one);
        advance(MINUTE * 3).await;
        assert!(!over.is_finished());
        drop(other);

        let ended = over.await.unwrap();
        assert_eq!((ended - started).as_secs(), 7 * 60);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_only_so_long() {
        let clock = CallClock::new(MINUTE, Metrics::new());

        assert!(timeout(MINUTE / 2, clock.answer_is_late()).await.is_err());
        timeout(MINUTE * 2, clock.answer_is_late()).await.unwrap();
    }
}
