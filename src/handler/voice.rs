//! Where what a call says leaves: on its own stream while it is answered there; for a task, which was
//! answered long ago, on its session's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use crate::outlet::{Frame, Outlet, OutletError};

/// A session's stream for what belongs to no request: that of HTTP+SSE, or the one that its client
/// opened by GET. Owned by the session; others hold a `SessionStreamRef`, which keeps nothing open.
#[derive(Debug, Default)]
pub struct SessionStream(Arc<Mutex<Option<Outlet>>>);

/// A session's stream, if it has one and lives. Cheap to clone; the default is nobody's.
#[derive(Debug, Clone, Default)]
pub struct SessionStreamRef(Weak<Mutex<Option<Outlet>>>);

/// See the file's head.
#[derive(Debug)]
pub(super) enum Voice {
    Call(Outlet),
    Session(SessionStreamRef),
}

impl SessionStream {
    /// A stream that is open from the beginning, as that of HTTP+SSE.
    #[must_use]
    pub fn new(outlet: Option<Outlet>) -> Self {
        Self(Arc::new(Mutex::new(outlet)))
    }

    /// The stream, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<Outlet> {
        self.lock().clone()
    }

    /// From now on this one.
    pub fn set(&self, outlet: Outlet) {
        *self.lock() = Some(outlet);
    }

    /// Lets go of it.
    #[must_use]
    pub fn take(&self) -> Option<Outlet> {
        self.lock().take()
    }

    /// For whoever may speak on it while the session lives.
    #[must_use]
    pub fn downgrade(&self) -> SessionStreamRef {
        SessionStreamRef(Arc::downgrade(&self.0))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outlet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStreamRef {
    /// Says what nobody has to hear; without a stream, nobody does.
    pub(super) fn mention(&self, message: Bytes) {
        if let Some(outlet) = self.get() {
            outlet.mention(message);
        }
    }

    pub(super) fn get(&self) -> Option<Outlet> {
        SessionStream(self.0.upgrade()?).get()
    }
}

impl Voice {
    /// Says what nobody has to hear, as progress.
    pub(super) fn mention(&self, message: Bytes) {
        match self {
            Self::Call(outlet) => outlet.mention(message),
            Self::Session(stream) => stream.mention(message),
        }
    }

    /// Says what has to be heard, as a question.
    ///
    /// # Errors
    /// The client is gone, or reads too slowly.
    pub(super) fn say(&self, message: Bytes) -> Result<(), OutletError> {
        match self {
            Self::Call(outlet) => outlet.send(Frame::Message(message)),
            Self::Session(stream) => {
                let outlet = stream.get().ok_or(OutletError::Gone)?;
                outlet.send(Frame::Message(message))
            }
        }
    }

    /// Lets the client go for now, if this is a stream it can come back to.
    pub(super) fn detach(&self) {
        if let Self::Call(outlet) = self {
            outlet.detach();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outlet::{self as queue, outlet};

    #[test]
    fn who_may_speak_on_a_sessions_stream_keeps_it_not_open() {
        let (outlet, frames) = outlet(queue::Config::default());
        let stream = SessionStream::new(Some(outlet));
        let others = stream.downgrade();
        others.mention(Bytes::from_static(b"a"));
        assert!(frames.ended().is_none());

        drop(stream);

        assert!(frames.ended().is_some());
        others.mention(Bytes::from_static(b"to nobody"));
    }
}
