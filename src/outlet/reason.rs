//! Why streams and sessions end.

use std::fmt;

/// Why a stream was ended by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Everything there was to say has been said.
    Finished,
    /// The client ended the session.
    Deleted,
    /// The client has been silent for too long.
    Idle,
    /// The session was never initialized.
    NeverInitialized,
    /// `initialize` was answered with an error.
    Refused,
    /// The access token's life is over.
    TokenExpired,
    /// Its issuer says that the access token is good no more.
    TokenRevoked,
    /// Its issuer could not be asked about the access token for too long.
    TokenUnverified,
    /// The caller was cut off, by an operator or by what its issuer has told.
    CutOff,
    /// Its owner has opened one more than it may have, and this one was the quietest.
    Replaced,
    /// An operator ended it.
    EndedByOperator,
    /// The client reads slower than the queue's bound allows.
    SlowReader,
    /// The client is gone.
    Disconnected,
    /// The server is being stopped.
    ServerStopping,
    /// Another node has taken it over.
    Moved,
}

impl CloseReason {
    /// A short word for logs and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Deleted => "deleted",
            Self::Idle => "idle",
            Self::NeverInitialized => "never_initialized",
            Self::Refused => "refused",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::TokenUnverified => "token_unverified",
            Self::CutOff => "cut_off",
            Self::Replaced => "replaced",
            Self::EndedByOperator => "ended_by_operator",
            Self::SlowReader => "slow_reader",
            Self::Disconnected => "disconnected",
            Self::ServerStopping => "server_stopping",
            Self::Moved => "moved",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Finished => "everything has been said",
            Self::Deleted => "the client ended the session",
            Self::Idle => "the client has been silent for too long",
            Self::NeverInitialized => "the session was never initialized",
            Self::Refused => "the session was refused",
            Self::TokenExpired => "the access token has expired",
            Self::TokenRevoked => "the access token is good no more",
            Self::TokenUnverified => "the access token could not be checked for too long",
            Self::CutOff => "access was withdrawn",
            Self::Replaced => "a newer session took its place",
            Self::EndedByOperator => "an operator ended the session",
            Self::SlowReader => "the client reads too slowly",
            Self::Disconnected => "the client is gone",
            Self::ServerStopping => "the server is stopping",
            Self::Moved => "another server has taken over",
        })
    }
}
