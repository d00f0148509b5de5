//! How a node stands to the store, and so what it may do: pure bookkeeping of beats and silences.
//!
//! Others take a node for dead that has been silent for two thirds of its lease and refuses connections,
//! or for the whole of it. So after two thirds a node is *suspect*: it takes no step for others until it
//! has reached the store again and looked through its sessions. And only who has been in touch for a
//! whole lease judges others dead: when the store comes back, all leases have run out, and nobody died.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::store::Beat;

/// How long after the store has lost its memory a session that is not in it may still be entered.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// See the file's head.
#[derive(Debug)]
pub(super) struct Contact {
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    renewed: Option<Instant>,
    in_touch_since: Option<Instant>,
    is_away: bool,
    era: Option<String>,
    unsettled_since: Option<Instant>,
    review_due: bool,
    has_forgotten: bool,
    /// The store's clock, and when it was read.
    clock: Option<(u64, Instant)>,
}

/// What a beat has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beaten {
    /// Sessions have to be looked through before anything is done for others.
    pub(super) review_due: bool,
    /// The store could not be reached before.
    pub(super) is_back: bool,
    /// It has lost its memory.
    pub(super) has_forgotten: bool,
}

impl Contact {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease,
            state: Mutex::default(),
        }
    }

    /// No step leaves the state half done, so a lock that a panic poisoned is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A beat that was begun at `begun`, and would have begun the era `offered`, was answered.
    pub(super) fn beaten(&self, begun: Instant, offered: &str, beat: &Beat) -> Beaten {
        let mut state = self.lock();
        let is_first = state.era.is_none();
        let is_new = state.era.as_deref() != Some(&beat.era);
        // Of a store that was empty when we came, others may still remember more.
        if is_new && (!is_first || beat.era == offered) {
            state.unsettled_since = Some(begun);
        }
        if is_new {
            state.in_touch_since = Some(begun);
        }
        let is_back = state.is_away;
        let had_run_out = beat.lapsed && !is_first;
        state.review_due |= is_new || had_run_out || is_back;
        state.has_forgotten |= is_new && !is_first;
        state.era = Some(beat.era.clone());
        state.renewed = Some(begun);
        state.in_touch_since.get_or_insert(begun);
        state.is_away = false;
        state.clock = Some((beat.now, Instant::now()));
        Beaten {
            review_due: state.review_due,
            is_back,
            has_forgotten: is_new && !is_first,
        }
    }

    /// The store has said nothing. Whether that is new.
    pub(super) fn lost(&self) -> bool {
        let mut state = self.lock();
        state.in_touch_since = None;
        !std::mem::replace(&mut state.is_away, true)
    }

    /// All sessions were looked through.
    pub(super) fn reviewed(&self) {
        let mut state = self.lock();
        state.review_due = false;
        state.has_forgotten = false;
    }

    /// Whether the store has lost its memory since the last review.
    pub(super) fn has_forgotten(&self) -> bool {
        self.lock().has_forgotten
    }

    /// A review is due with the next beat.
    pub(super) fn want_review(&self) {
        self.lock().review_due = true;
    }

    /// Whether asking the store is in vain: only the beat does, until one is answered.
    pub(super) fn is_away(&self) -> bool {
        let state = self.lock();
        state.is_away || state.renewed.is_none()
    }

    /// Whether others may have taken our sessions: no step is taken for them.
    pub(super) fn is_suspect(&self) -> bool {
        let state = self.lock();
        let silent = state.renewed.map(|renewed| renewed.elapsed());
        state.review_due || silent.is_none_or(|silent| silent >= suspect_after(self.lease))
    }

    /// Whether a lease that has run out tells that its node is dead.
    pub(super) fn can_judge(&self) -> bool {
        let state = self.lock();
        let in_touch = state.in_touch_since.map(|since| since.elapsed());
        in_touch.is_some_and(|lasting| lasting >= self.lease)
    }

    /// Whether what is not in a memory of this era was perhaps in the one before it.
    pub(super) fn is_unsettled(&self, era: Option<&str>) -> bool {
        let state = self.lock();
        let unsettled = state.unsettled_since.map(|since| since.elapsed());
        era != state.era.as_deref() || unsettled.is_some_and(|lasting| lasting < SETTLED_AFTER)
    }

    /// The time that all nodes share, in milliseconds, once it is known.
    pub(super) fn now(&self) -> Option<u64> {
        let (read, at) = self.lock().clock?;
        let since = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(read.saturating_add(since))
    }
}

/// How long a node may say nothing before others may act for it.
pub(super) fn suspect_after(lease: Duration) -> Duration {
    lease * 2 / 3
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LEASE: Duration = Duration::from_secs(15);

    fn beat(contact: &Contact, era: &str, lapsed: bool) -> Beaten {
        let beat = Beat {
            era: era.to_owned(),
            now: 1_000,
            lapsed,
        };
        let beaten = contact.beaten(Instant::now(), "mine", &beat);
        contact.reviewed();
        beaten
    }

    // L16
    #[tokio::test(start_paused = true)]
    async fn a_silent_node_takes_no_step_before_others_may_take_its_sessions() {
        let contact = Contact::new(LEASE);
        assert!(contact.is_suspect() && contact.is_away());
        beat(&contact, "a", true);
        assert!(!contact.is_suspect());

        advance(Duration::from_secs(10)).await;
        assert!(contact.is_suspect());
        contact.lost();

        let back = contact.beaten(
            Instant::now(),
            "mine",
            &Beat {
                era: "a".to_owned(),
                now: 0,
                lapsed: false,
            },
        );
        assert!(back.review_due && back.is_back);
        assert!(contact.is_suspect(), "its sessions were not looked through");
        contact.reviewed();
        assert!(!contact.is_suspect());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_judged_dead_right_after_a_silence_of_the_store() {
        let contact = Contact::new(LEASE);
        beat(&contact, "a", true);
        assert!(!contact.can_judge());
        advance(LEASE).await;
        assert!(contact.can_judge());

        assert!(contact.lost());
        assert!(!contact.lost());
        beat(&contact, "a", true);

        assert!(!contact.can_judge());
        advance(LEASE).await;
        assert!(contact.can_judge());
    }

    // L11
    #[tokio::test(start_paused = true)]
    async fn what_is_missing_from_a_new_memory_is_not_unknown_yet() {
        let contact = Contact::new(LEASE);
        beat(&contact, "a", true);
        assert!(!contact.is_unsettled(Some("a")));
        assert!(contact.is_unsettled(Some("b")) && contact.is_unsettled(None));

        assert!(beat(&contact, "b", true).review_due);

        assert!(contact.is_unsettled(Some("b")));
        advance(SETTLED_AFTER).await;
        assert!(!contact.is_unsettled(Some("b")));
    }

    #[tokio::test(start_paused = true)]
    async fn all_go_by_the_clock_of_the_store() {
        let contact = Contact::new(LEASE);
        assert_eq!(contact.now(), None);
        beat(&contact, "a", true);

        advance(Duration::from_millis(250)).await;

        assert_eq!(contact.now(), Some(1_250));
    }
}
