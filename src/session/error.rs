//! Why a session did not take a message.

/// The message was not taken; nothing of it has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// It has ended, perhaps this very moment.
    #[error("the session is over")]
    Over,
    /// More messages wait for it than its queue takes.
    #[error("too many messages wait for this session")]
    Busy,
    /// As many calls run as one session may have.
    #[error("too many calls are running in this session")]
    TooManyCalls,
    /// A stream is open already (Streamable HTTP: one GET stream).
    #[error("the session has a stream already")]
    StreamTaken,
    /// The client wants to go on after an event that is not kept any more, or never was.
    #[error("what follows that event is not kept; open a stream without Last-Event-ID")]
    NotKept,
    /// The server is being stopped.
    #[error("the server is stopping")]
    Stopping,
}
