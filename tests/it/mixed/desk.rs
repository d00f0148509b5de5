//! What the crowd calls: one tool that asks whoever calls it, one that says too much, one that waits.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use mcp_usher::{
    handler::{CallContext, ClientCapability, NoArguments, Structured, Tool, ToolError},
    protocol::TaskSupport,
};
use serde_json::{Value, json};

use crate::kit::tools::Gate;

/// The tools, and how many of their calls are running.
#[derive(Debug, Clone, Default)]
pub(super) struct Desk {
    running: Arc<AtomicUsize>,
    gate: Gate,
}

/// One call, counted until it is gone, ended or cancelled.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Desk {
    pub(super) fn tools(&self) -> Vec<Tool> {
        let running = Arc::clone(&self.running);
        let ask = move |call: CallContext, arguments: Value| {
            running.fetch_add(1, SeqCst);
            let running = Running(Arc::clone(&running));
            async move {
                let answered = ask(&call, &arguments["nonce"]).await;
                drop(running);
                answered
            }
        };
        let large = |_: CallContext, _: NoArguments| async { Ok("x".repeat(1 << 20)) };
        vec![
            Tool::new("ask", "Asks its caller.", ask).task_support(TaskSupport::Optional),
            Tool::new("large", "Says much.", large),
            self.gate.tool(),
        ]
    }

    /// Calls that are running.
    pub(super) fn running(&self) -> usize {
        let waiting = self.gate.begun() - self.gate.gone();
        self.running.load(SeqCst) + waiting
    }
}

/// Asks in the way that this client knows, and tells who called and what was said.
async fn ask(call: &CallContext, nonce: &Value) -> Result<Structured<Value>, ToolError> {
    let text = nonce.as_str().unwrap_or_default();
    let said = if call.client_supports(ClientCapability::ElicitForm) {
        let schema = json!({ "type": "object", "properties": { "said": { "type": "string" } } });
        let form = call.elicit_with("said", text, schema).await?.accepted()?;
        form["said"].clone()
    } else {
        let content = json!({ "type": "text", "text": text });
        let params =
            json!({ "messages": [{ "role": "user", "content": content }], "maxTokens": 9 });
        call.sample("said", params).await?["content"]["text"].clone()
    };
    let sub = call.principal().subject();
    Ok(Structured(
        json!({ "sub": sub, "nonce": nonce, "said": said }),
    ))
}
