//! How long the server may be silent while somebody waits for it.
//!
//! One [`Patience`] per connection. `talk` starts it anew with each request and with each sign of
//! progress; `caller` and `host` hold it while a person is asked, whose time is not the server's.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    select,
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{agent::error::AgentError, units::HumanDuration};

/// Silence that is borne, and since when.
#[derive(Debug)]
pub(in crate::agent) struct Patience {
    limit: HumanDuration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    until: Instant,
    held: usize,
}

/// While this lives, no time passes.
#[derive(Debug)]
pub(in crate::agent) struct Hold<'a>(&'a Patience);

impl Patience {
    pub(super) fn new(limit: HumanDuration) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                until: end_of(limit),
                held: 0,
            }),
            changed: Notify::new(),
        }
    }

    /// The server showed that it is at work.
    pub(super) fn restart(&self) {
        self.state().until = end_of(self.limit);
        self.changed.notify_waiters();
    }

    /// Stops the clock until the [`Hold`] is dropped.
    pub(in crate::agent) fn hold(&self) -> Hold<'_> {
        self.state().held += 1;
        self.changed.notify_waiters();
        Hold(self)
    }

    /// Comes back with the error once the server was silent for too long.
    pub(super) async fn run_out(&self) -> AgentError {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on a change is not missed, whatever happens before the await.
            changed.as_mut().enable();
            let until = {
                let state = self.state();
                (state.held == 0).then_some(state.until)
            };
            match until {
                Some(until) if until <= Instant::now() => return self.error(),
                Some(until) => select! {
                    () = sleep_until(until) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// Waits for `work`, but not longer than the server may be silent.
    pub(super) async fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, AgentError>>,
    ) -> Result<T, AgentError> {
        self.restart();
        select! {
            biased;
            done = work => done,
            late = self.run_out() => Err(late),
        }
    }

    fn error(&self) -> AgentError {
        AgentError::Deadline {
            what: "the server's answer",
            after: self.limit,
        }
    }

    /// No code panics while it holds the lock, so a poisoned one is as good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.held -= 1;
        state.until = end_of(self.0.limit);
        drop(state);
        self.0.changed.notify_waiters();
    }
}

fn end_of(limit: HumanDuration) -> Instant {
    // A limit past the end of time is a year.
    const YEAR: Duration = Duration::from_secs(31_536_000);
    let now = Instant::now();
    now.checked_add(limit.get()).unwrap_or_else(|| now + YEAR)
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    const LIMIT: HumanDuration = HumanDuration::from_secs(10);

    async fn is_out(patience: &Patience) -> bool {
        timeout(Duration::ZERO, patience.run_out()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_of_progress_starts_it_anew() {
        let patience = Patience::new(LIMIT);

        advance(Duration::from_secs(8)).await;
        patience.restart();
        advance(Duration::from_secs(8)).await;

        assert!(!is_out(&patience).await);
        advance(Duration::from_secs(3)).await;
        assert!(is_out(&patience).await);
    }

    #[tokio::test(start_paused = true)]
    async fn no_time_passes_while_a_person_is_asked() {
        let patience = Patience::new(LIMIT);

        let hold = patience.hold();
        advance(Duration::from_secs(3600)).await;
        assert!(!is_out(&patience).await);
        drop(hold);

        assert!(!is_out(&patience).await);
        advance(Duration::from_secs(11)).await;
        assert!(is_out(&patience).await);
    }
}
