//! Log lines of the servers under test: some kept for the tests of `tracing`, and all of them on
//! standard error where `USHER_IT_LOG` says at which level, for `tests/secrets` (X01).

use std::{
    io::{self, Write},
    sync::{Mutex, OnceLock},
};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

/// Lines about requests whose id begins like this are kept; everything else is not.
pub(crate) const KEPT: &str = "it-tracing-";

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keep;

impl Write for Keep {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if text.contains(KEPT) {
            LINES.lock().unwrap().push(text.into_owned());
        }
        if level().is_some() {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Keep {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Log lines as the binary writes them by default, but for programs; or louder.
pub(crate) fn listen() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let usual = "info,actix_server=warn,actix_http=off,usher::audit=off";
        tracing_subscriber::fmt()
            .with_env_filter(level().unwrap_or(usual))
            .json()
            .flatten_event(true)
            .with_writer(Keep)
            .init();
    });
}

/// The same, if somebody wants to read all of it.
pub(crate) fn listen_if_wanted() {
    if level().is_some() {
        listen();
    }
}

fn level() -> Option<&'static str> {
    static LEVEL: OnceLock<Option<String>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "of the tests, not of a server")]
    let level = LEVEL.get_or_init(|| std::env::var("USHER_IT_LOG").ok());
    level.as_deref()
}

/// The lines about one request.
pub(crate) fn lines(id: &str) -> Vec<Value> {
    let lines = LINES.lock().unwrap();
    let all = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let about = |line: &Value| line["spans"][0]["request.id"] == id;
    all.filter(about).collect()
}
