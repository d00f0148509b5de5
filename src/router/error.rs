//! Why a message could not be routed.

use crate::{cluster::Away, session::SessionError};

/// No session was found, opened or reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No such session, or somebody else's: the caller can't tell which.
    #[error("session not found")]
    Unknown,
    /// The caller has as many sessions as one may have.
    #[error("too many sessions of one caller")]
    PrincipalFull,
    /// The caller has as much open without a session as one may have.
    #[error("too many calls of one caller")]
    CallsFull,
    /// The server has as many sessions as it may have.
    #[error("too many sessions on this server")]
    NodeFull,
    /// The server is being stopped.
    #[error("the server is stopping")]
    Stopping,
    /// Whose it is, or where, nobody can tell at the moment.
    #[error("the other servers can't be asked at the moment")]
    Away,
    /// The node that has the session does not answer.
    #[error("the server that has this session does not answer")]
    NodeGone,
    /// Another node took it for here, and it is not.
    #[error("this session is not here")]
    NotHere,
    /// A part of the server is not there; the log knows why.
    #[error("the server can't open sessions now")]
    Broken,
    /// The session did not take the message.
    #[error(transparent)]
    Session(SessionError),
}

impl From<Away> for RouteError {
    fn from(_: Away) -> Self {
        Self::Away
    }
}

impl From<SessionError> for RouteError {
    fn from(error: SessionError) -> Self {
        match error {
            // It ended between being found and being reached: for the caller, that is unknown.
            SessionError::Over => Self::Unknown,
            SessionError::Stopping => Self::Stopping,
            other => Self::Session(other),
        }
    }
}
