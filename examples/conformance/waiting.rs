//! A tool that waits until it is cancelled, and one that answers when nothing waits any more: how a
//! client's word to stop is seen to arrive.

use mcp_usher::handler::{CallContext, NoArguments, Tool};
use tokio::sync::watch;

pub(crate) fn tools() -> Vec<Tool> {
    let waiting = watch::Sender::new(0_usize);
    let watched = waiting.clone();
    let wait = move |call: CallContext, _: NoArguments| {
        let waiting = Waiting::begin(&waiting);
        async move {
            call.progress(0.0, None, None);
            std::future::pending::<()>().await;
            drop(waiting);
            Ok("Nobody gets here.")
        }
    };
    let nobody_waits = move |_: CallContext, _: NoArguments| {
        let mut waiting = watched.subscribe();
        async move {
            // The other end lives as long as the tools do.
            let _none = waiting.wait_for(|number| *number == 0).await;
            Ok("Nobody waits.")
        }
    };
    vec![
        Tool::new("test_wait", "Waits until it is cancelled.", wait),
        Tool::new(
            "test_nobody_waits",
            "Answers when every test_wait has ended.",
            nobody_waits,
        ),
    ]
}

/// One call that waits. Counted until it is dropped, as a cancelled one is.
struct Waiting(watch::Sender<usize>);

impl Waiting {
    fn begin(all: &watch::Sender<usize>) -> Self {
        all.send_modify(|number| *number += 1);
        Self(all.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|number| *number -= 1);
    }
}
