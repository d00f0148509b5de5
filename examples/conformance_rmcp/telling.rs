//! Tools that tell the client something while they run: log messages, progress, changes, and that it
//! may hang up until they are done.

use std::time::Duration;

use mcp_usher::handler::CallContext;
use rmcp::{
    ErrorData, Peer, RoleServer,
    handler::server::common::Extension,
    model::{LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam},
    service::{RequestContext, ServiceError},
    tool, tool_router,
};
use serde_json::json;

use crate::Fixture;

const STEP: Duration = Duration::from_millis(50);

type Told = Result<String, ErrorData>;

#[tool_router(router = telling, vis = "pub(crate)")]
impl Fixture {
    /// Logs as it goes along.
    #[tool]
    async fn test_tool_with_logging(&self, peer: Peer<RoleServer>) -> Told {
        logging(&peer).await.map_err(untold)
    }

    /// Logs for a client that wants to know.
    #[tool]
    async fn test_logging_tool(&self, peer: Peer<RoleServer>) -> Told {
        logging(&peer).await.map_err(untold)
    }

    /// Says how far it has come.
    #[tool]
    async fn test_tool_with_progress(&self, context: RequestContext<RoleServer>) -> Told {
        if let Some(token) = context.meta.get_progress_token() {
            for progress in [0.0, 50.0, 100.0] {
                let told =
                    ProgressNotificationParam::new(token.clone(), progress).with_total(100.0);
                context.peer.notify_progress(told).await.map_err(untold)?;
                tokio::time::sleep(STEP).await;
            }
        }
        Ok("Went from 0 to 100.".to_owned())
    }

    /// Lets the client hang up, and come back for the answer. rmcp has no word for it; Usher's is an
    /// extension.
    #[tool]
    async fn test_reconnection(&self, Extension(call): Extension<CallContext>) -> String {
        call.close_stream();
        tokio::time::sleep(2 * STEP).await;
        "Reconnection test completed successfully".to_owned()
    }

    /// Tells every client that listens of a change.
    #[tool]
    async fn test_trigger_tool_change(&self, peer: Peer<RoleServer>) -> Told {
        peer.notify_tool_list_changed().await.map_err(untold)?;
        Ok("Told.".to_owned())
    }

    /// Tells every client that listens of a change.
    #[tool]
    async fn test_trigger_prompt_change(&self, peer: Peer<RoleServer>) -> Told {
        peer.notify_prompt_list_changed().await.map_err(untold)?;
        Ok("Told.".to_owned())
    }
}

async fn logging(peer: &Peer<RoleServer>) -> Result<String, ServiceError> {
    for text in [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ] {
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
        peer.notify_logging_message(message).await?;
        tokio::time::sleep(STEP).await;
    }
    Ok("Logged three messages.".to_owned())
}

pub(crate) fn untold(error: ServiceError) -> ErrorData {
    match error {
        ServiceError::McpError(error) => error,
        other => ErrorData::internal_error(other.to_string(), None),
    }
}
