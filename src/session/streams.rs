//! The streams of a session that a client may come back to (2025-11-25, resumability).
//!
//! Pure bookkeeping: which stream has which number, and which are let go when there are too many.

use std::collections::BTreeMap;

use crate::outlet::{EventId, Frames, NotKept, Outlet};

/// Streams of one session, by number.
#[derive(Debug, Default)]
pub(super) struct Streams {
    last: u64,
    kept: BTreeMap<u64, Outlet>,
}

/// Streams that are kept for one session, ended ones included. The oldest that has ended makes room;
/// while none has, a further stream is not kept, and so has no event ids.
pub const STREAMS_KEPT_MAX: usize = 16;

/// Streams that are told from those of the node which had the session before.
const STREAMS_PER_EPOCH: u64 = 1 << 32;

impl Streams {
    /// Of a session that is here since this change of hands, so that an event of another node's is none of
    /// ours.
    pub(super) fn since(epoch: u64) -> Self {
        Self {
            last: epoch.saturating_sub(1).saturating_mul(STREAMS_PER_EPOCH),
            kept: BTreeMap::new(),
        }
    }

    /// Keeps what is said on `outlet` under a number of its own, as far as there is room.
    pub(super) fn keep(&mut self, outlet: &Outlet) {
        self.kept.retain(|_, outlet| outlet.is_kept());
        if self.kept.len() >= STREAMS_KEPT_MAX {
            let ended = self
                .kept
                .iter()
                .find(|(_, outlet)| outlet.ended().is_some());
            let Some(oldest) = ended.map(|(number, _)| *number) else {
                return;
            };
            self.kept.remove(&oldest);
        }
        self.last += 1;
        outlet.keep(self.last);
        self.kept.insert(self.last, outlet.clone());
    }

    /// A new reader that goes on after an event.
    pub(super) fn resume(&self, after: EventId) -> Option<Result<Frames, NotKept>> {
        self.kept
            .get(&after.stream)
            .map(|outlet| outlet.resume(after.frame))
    }

    /// All that are kept, to be ended with the session.
    pub(super) fn all(&self) -> impl Iterator<Item = &Outlet> {
        self.kept.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outlet::{CloseReason, Config, outlet};

    #[test]
    fn streams_are_bounded_and_ended_ones_make_room() {
        let mut streams = Streams::default();
        let pairs: Vec<_> = (0..=STREAMS_KEPT_MAX)
            .map(|_| outlet(Config::default()))
            .collect();
        for (outlet, _) in &pairs {
            streams.keep(outlet);
        }
        assert!(
            !pairs[STREAMS_KEPT_MAX].0.is_kept(),
            "one too many was kept"
        );

        pairs[3].0.close(CloseReason::Finished);
        let (late, _frames) = outlet(Config::default());
        streams.keep(&late);

        assert!(late.is_kept());
        assert!(
            streams
                .resume(EventId {
                    stream: 4,
                    frame: 0
                })
                .is_none()
        );
        assert!(
            streams
                .resume(EventId {
                    stream: 1,
                    frame: 0
                })
                .unwrap()
                .is_ok()
        );
    }
}
