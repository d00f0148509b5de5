//! Tools that tell the client something while they run: log messages, progress, and that it may hang
//! up until they are done.

use std::time::Duration;

use mcp_usher::{
    handler::{CallContext, NoArguments, Tool},
    protocol::LogLevel,
};

const STEP: Duration = Duration::from_millis(50);

pub(crate) fn tools() -> Vec<Tool> {
    let logging = |call: CallContext, _: NoArguments| async move {
        call.log(LogLevel::Info, "Tool execution started");
        tokio::time::sleep(STEP).await;
        call.log(LogLevel::Info, "Tool processing data");
        tokio::time::sleep(STEP).await;
        call.log(LogLevel::Info, "Tool execution completed");
        Ok("Logged three messages.")
    };
    let progress = |call: CallContext, _: NoArguments| async move {
        call.progress(0.0, Some(100.0), None);
        tokio::time::sleep(STEP).await;
        call.progress(50.0, Some(100.0), None);
        tokio::time::sleep(STEP).await;
        call.progress(100.0, Some(100.0), None);
        Ok("Went from 0 to 100.")
    };
    let reconnection = |call: CallContext, _: NoArguments| async move {
        call.close_stream();
        tokio::time::sleep(2 * STEP).await;
        Ok("Reconnection test completed successfully")
    };
    vec![
        Tool::new("test_tool_with_logging", "Logs as it goes along.", logging),
        Tool::new(
            "test_logging_tool",
            "Logs for a client that wants to know.",
            logging,
        ),
        Tool::new(
            "test_tool_with_progress",
            "Says how far it has come.",
            progress,
        ),
        Tool::new(
            "test_reconnection",
            "Lets the client hang up, and come back for the answer.",
            reconnection,
        ),
    ]
}
