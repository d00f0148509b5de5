//! Sessions: one actor for each client's conversation, up to protocol version 2025-11-25, and the
//! exchange that takes their place from 2026-07-28 on.
//!
//! `router` opens, finds and ends sessions; nothing else holds their addresses.

mod abroad;
mod actor;
mod batch;
mod call;
mod error;
mod exchange;
mod farewell;
mod id;
mod lease;
mod listen;
mod messages;
mod operation;
mod own_stream;
mod phase;
mod reference;
mod streams;
mod summary;
mod vital;

pub use abroad::Noted;
pub use error::SessionError;
pub use exchange::exchange;
pub use farewell::Farewell;
pub use id::{NoRandomness, SessionId, SessionIdError};
pub use lease::{Lease, LeaseRef, Leases};
pub use listen::Listening;
pub use reference::{Opening, Prepared, SessionRef};
pub use streams::STREAMS_KEPT_MAX;
pub use summary::{ID_PREFIX_MIN, SessionFilter, SessionSummary};
pub use vital::Verdict;

use crate::units::HumanDuration;

/// Limits on one session.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Silence after which a session is ended. A client with an open stream is asked (`ping`) at
    /// half of it, and lives on if it answers. Above zero; default 30 min.
    pub idle_after: HumanDuration,
    /// Time from opening to `notifications/initialized`. Above zero; default 60 s.
    pub initialize_deadline: HumanDuration,
    /// How long a session over Streamable HTTP is kept, with nothing open in it, once its owner's last
    /// token is good no more; a fresh one carries it on. Default 10 min; 0 ends it with the token.
    pub grace_after_expiry: HumanDuration,
    /// Calls that may run at once in one session; one more is refused. Above zero; default 64.
    pub calls_max: usize,
    /// Messages that may wait for one session; one more is refused. Above zero; default 1,024.
    pub mailbox_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_after: HumanDuration::from_secs(30 * 60),
            initialize_deadline: HumanDuration::from_secs(60),
            grace_after_expiry: HumanDuration::from_secs(10 * 60),
            calls_max: 64,
            mailbox_max: 1_024,
        }
    }
}
