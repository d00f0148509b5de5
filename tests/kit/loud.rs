//! All that the servers under test log, on standard error, where `USHER_IT_LOG` says at which level: for
//! `tests/secrets` (X01). Shared by suites that keep no log lines themselves.

use std::{io, sync::OnceLock};

/// Listens, if somebody wants to read all of it.
pub(crate) fn listen_if_wanted() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "of the tests, not of a server")]
        let level = std::env::var("USHER_IT_LOG");
        if let Ok(level) = level {
            tracing_subscriber::fmt()
                .with_env_filter(level)
                .json()
                .flatten_event(true)
                // Not the harness's, which captures what tests print.
                .with_writer(io::stderr)
                .init();
        }
    });
}
