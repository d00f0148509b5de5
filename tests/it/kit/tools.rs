//! Tools that attack the server from inside: slow, loud, hungry for scopes, and worse.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use mcp_usher::handler::{CallContext, NoArguments, Structured, Tool, ToolError};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A tool that holds its calls back, and says how many it has begun, ended and lost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Semaphore,
    begun: AtomicUsize,
    ended: AtomicUsize,
    dropped: AtomicUsize,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            gate: Semaphore::new(0),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
        }
    }
}

/// Counts a call's end, however it came.
struct Call(Arc<Inner>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

impl Gate {
    /// The tool `wait`.
    pub(crate) fn tool(&self) -> Tool {
        let inner = Arc::clone(&self.0);
        Tool::new("wait", "Waits.", move |_: CallContext, _: NoArguments| {
            let call = Call(Arc::clone(&inner));
            async move {
                call.0.begun.fetch_add(1, SeqCst);
                call.0.gate.acquire().await.expect("an open gate").forget();
                call.0.ended.fetch_add(1, SeqCst);
                Ok("done")
            }
        })
    }

    /// Waits until a call is let go on; for tools of a test's own.
    pub(crate) async fn pass(&self) {
        self.0.gate.acquire().await.expect("an open gate").forget();
    }

    /// Lets so many calls go on.
    pub(crate) fn release(&self, calls: usize) {
        self.0.gate.add_permits(calls);
    }

    /// Calls that have begun.
    pub(crate) fn begun(&self) -> usize {
        self.0.begun.load(SeqCst)
    }

    /// Calls that ended by themselves.
    pub(crate) fn ended(&self) -> usize {
        self.0.ended.load(SeqCst)
    }

    /// Calls that are gone, ended or cancelled.
    pub(crate) fn gone(&self) -> usize {
        self.0.dropped.load(SeqCst)
    }
}

/// The tools of most scenes, beside `whoami`.
pub(crate) fn all() -> Vec<Tool> {
    vec![
        echo(),
        odd(),
        notes_read(),
        notes_write(),
        broken(),
        panics(),
    ]
}

/// Says its argument `text` again.
fn echo() -> Tool {
    Tool::new(
        "echo",
        "Says it again.",
        |_: CallContext, arguments: Value| async move {
            Ok(Structured(json!({ "said": arguments["text"] })))
        },
    )
}

/// Every character that could end a line, an event or a string.
pub(crate) const ODD: &str =
    "a\nb\rc\r\nd\0e\u{2028}f\u{2029}g\u{85}h\u{feff}\n\ndata: x\n\n\"\\\u{7f}";

fn odd() -> Tool {
    Tool::new(
        "odd",
        "Says odd things.",
        |_: CallContext, _: NoArguments| async move { Ok(ODD.to_owned()) },
    )
}

fn notes_read() -> Tool {
    Tool::new(
        "notes_read",
        "Reads.",
        |_: CallContext, _: NoArguments| async move { Ok("read") },
    )
    .needs("notes:read".parse().unwrap())
}

fn notes_write() -> Tool {
    Tool::new(
        "notes_write",
        "Writes.",
        |_: CallContext, _: NoArguments| async move { Ok("written") },
    )
    .needs("notes:read notes:write".parse().unwrap())
}

fn broken() -> Tool {
    Tool::new(
        "broken",
        "Fails.",
        |_: CallContext, _: NoArguments| async move {
            Err::<bool, _>(ToolError::failed("no such note"))
        },
    )
}

fn panics() -> Tool {
    Tool::new(
        "panics",
        "Panics.",
        |_: CallContext, _: NoArguments| async move {
            Ok("no truth".parse::<bool>().expect("a panic that is meant"))
        },
    )
}
