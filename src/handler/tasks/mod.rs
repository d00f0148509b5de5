//! Tool calls that outlive the request that began them: tasks.
//!
//! One function, two protocols around it: the experimental part of 2025-11-25, where a client asks for
//! a task and waits with `tasks/result`; and the extension of 2026-07-28, where the server makes one
//! for a client that knows them, and the client polls. A task belongs to its caller (issuer, client
//! id, subject) and to no session. It runs on threads of its own, so that neither a session's end nor
//! a worker's takes it along; when the server stops it is cancelled.

mod inputs;
mod listen;
mod methods;
mod plan;
mod run;
mod table;
mod task;

pub use listen::TaskListener;
pub(super) use methods::serves;
pub(super) use plan::{Plan, plan};
pub(super) use run::{Beginning, Work};
pub(super) use table::Tasks;
pub(super) use task::Task;

use crate::units::{ByteSize, HumanDuration};

/// Limits on tasks.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Tasks that run at once on this server; one more is refused. Above zero; default 1,000.
    pub max: usize,
    /// The same of one caller (issuer, client id, subject). Above zero; default 32.
    pub per_principal_max: usize,
    /// Ended tasks that are kept on this server; for one more, the oldest of whoever has most is
    /// forgotten before its ttl. Above zero; default 2,000.
    pub kept_max: usize,
    /// Ended tasks that are kept of one caller; for one more, the oldest is forgotten before its ttl.
    /// Above zero; default 128.
    pub kept_per_principal_max: usize,
    /// How long a task is kept, from its beginning on, where its client does not say; one that still
    /// runs is ended then. Above zero; default 1 h.
    pub ttl: HumanDuration,
    /// The longest that a client may ask for. At least `ttl`; default 24 h.
    pub ttl_max: HumanDuration,
    /// How often clients are told to ask. Above zero; default 1 s.
    pub poll_interval: HumanDuration,
    /// Largest result that is kept; a task with a larger one fails. Above zero; default 1 MiB.
    pub result_max: ByteSize,
    /// Questions that one task may have open; one more fails. Above zero; default 16.
    pub questions_max: usize,
    /// Threads that tasks run on, started with the first. Above zero; default one for each processor.
    pub threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max: 1_000,
            per_principal_max: 32,
            kept_max: 2_000,
            kept_per_principal_max: 128,
            ttl: HumanDuration::from_secs(60 * 60),
            ttl_max: HumanDuration::from_secs(24 * 60 * 60),
            poll_interval: HumanDuration::from_secs(1),
            result_max: ByteSize::from_mib(1),
            questions_max: 16,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
