//! What is done when a session is over, exactly once, however it came to its end.

use std::fmt;

use crate::outlet::CloseReason;

/// Says why a session ended to whoever keeps a record of it. Runs when dropped, so that an actor
/// that panicked leaves no entry behind either.
pub struct Farewell {
    reason: CloseReason,
    say: Option<Box<dyn FnOnce(CloseReason) + Send>>,
}

impl Farewell {
    /// `say` removes the session from tables and counts its end.
    pub fn new(say: impl FnOnce(CloseReason) + Send + 'static) -> Self {
        Self {
            reason: CloseReason::Finished,
            say: Some(Box::new(say)),
        }
    }

    pub(super) fn because(&mut self, reason: CloseReason) {
        self.reason = reason;
    }

    pub(super) fn reason(&self) -> CloseReason {
        self.reason
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(say) = self.say.take() {
            say(self.reason);
        }
    }
}

impl fmt::Debug for Farewell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Farewell({:?})", self.reason)
    }
}
