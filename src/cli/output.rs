//! What the user reads: results on standard output, everything else on standard error.
//!
//! A reader that has gone away (`usher … | head`) is no error.

use std::io::{self, IsTerminal, Write};

use super::advice::advice;

/// One line of result.
pub(super) fn line(text: &str) {
    tolerate(writeln!(io::stdout().lock(), "{text}"));
}

/// A result that is no text.
pub(super) fn bytes(data: &[u8]) {
    tolerate(io::stdout().lock().write_all(data));
}

/// Whether a person reads the result.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// One line of progress.
pub(super) fn progress(text: &str) {
    tolerate(writeln!(io::stderr().lock(), "{text}"));
}

/// What went wrong, with every cause on a line of its own, and what to do about it.
pub(super) fn error(error: &anyhow::Error) {
    let mut text = format!("usher: {error}");
    for cause in error.chain().skip(1) {
        text.push_str("\n  because: ");
        text.push_str(&cause.to_string());
    }
    if let Some(advice) = advice(error) {
        text.push_str("\n  to mend it: ");
        text.push_str(&advice);
    }
    progress(&text);
}

fn tolerate(written: io::Result<()>) {
    // Nobody is left to be told.
    drop(written);
}
