//! A handler's tools as tasks: it is Usher that keeps them, in both protocols.

use std::time::Duration;

use ::rmcp::model::{CreateTaskResult, Task, TaskStatus};

use super::*;
use crate::protocol::{RELATED_TASK_KEY, TASKS_EXTENSION, TaskSupport};

/// Makes a task of its own, which only the handler knows.
struct Keeps;

impl ServerHandler for Keeps {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder().enable_tools();
        ServerConfig::new(offered.enable_tasks().build())
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let now = "2026-07-28T00:00:00Z";
        let task = Task::new("mine", TaskStatus::Working, now, now);
        Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
    }
}

/// One request of a client that knows tasks and shows forms.
async fn ask_as(
    subject: &str,
    handler: &Handler,
    version: ProtocolVersion,
    method: &str,
    mut params: Value,
) -> Result<Value, RpcError> {
    let declared = json!({ "elicitation": {}, "extensions": { TASKS_EXTENSION: {} } });
    let context = surroundings_of(subject, version, &declared).context;
    if version.is_modern() {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": declared,
        });
    } else if method == "tools/call" {
        params["task"] = json!({});
    }
    send(handler, context, method, &params).await
}

async fn begin(handler: &Handler, version: ProtocolVersion, tool: &str) -> String {
    let params = json!({ "name": tool });
    let begun = ask_as("alice", handler, version, "tools/call", params).await;
    let begun = begun.unwrap();
    let task = begun.get("task").unwrap_or(&begun);
    assert_eq!(task["status"], "working", "{begun}");
    task["taskId"].as_str().unwrap().to_owned()
}

/// What `tasks/get` says once the task stands there.
async fn settled(handler: &Handler, version: ProtocolVersion, id: &str, status: &str) -> Value {
    for _ in 0..500 {
        let params = json!({ "taskId": id });
        let shown = ask_as("alice", handler, version, "tasks/get", params).await;
        let shown = shown.unwrap();
        if shown["status"] == status {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the task is not {status}");
}

#[tokio::test]
async fn a_tool_runs_as_a_task_in_both_protocols() {
    let handler = handler(Rmcp::new(Notes).task_support("me", TaskSupport::Optional));
    let id = begin(&handler, LEGACY, "me").await;
    let asked = json!({ "taskId": id });
    let result = ask_as("alice", &handler, LEGACY, "tasks/result", asked).await;
    let result = result.unwrap();
    assert_eq!(text(&result), "alice");
    assert_eq!(result["_meta"][RELATED_TASK_KEY]["taskId"], id);

    let id = begin(&handler, MODERN, "me").await;
    let shown = settled(&handler, MODERN, &id, "completed").await;
    assert_eq!(text(&shown["result"]), "alice");
    for method in ["tasks/get", "tasks/cancel"] {
        let asked = json!({ "taskId": id });
        let foreign = ask_as("bob", &handler, MODERN, method, asked).await;
        assert_eq!(foreign.unwrap_err().code, codes::INVALID_PARAMS);
    }
    let waited = ask(&handler, MODERN, "tools/call", json!({ "name": "me" })).await;
    assert_eq!(text(&waited.unwrap()), "alice");
}

#[tokio::test]
async fn only_the_tools_that_are_named_are_told_to_be_tasks() {
    let handler = handler(Rmcp::new(Notes).task_support("me", TaskSupport::Required));
    let listed = ask(&handler, LEGACY, "tools/list", json!({})).await;
    let listed = listed.unwrap();
    let tools = listed["tools"].as_array().unwrap();
    for tool in tools {
        let is_named = tool["name"] == "me";
        let told = tool.get("execution").is_some();
        assert_eq!(told, is_named, "{tool}");
    }
    let refused = ask(&handler, LEGACY, "tools/call", json!({ "name": "me" })).await;
    assert_eq!(refused.unwrap_err().code, codes::METHOD_NOT_FOUND);
    let params = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let refused = ask_as("alice", &handler, LEGACY, "tools/call", params).await;
    assert_eq!(refused.unwrap_err().code, codes::METHOD_NOT_FOUND);
}

#[tokio::test]
async fn what_a_task_asks_waits_with_it() {
    let handler = handler(Rmcp::new(Notes).task_support("greet", TaskSupport::Optional));
    let id = begin(&handler, MODERN, "greet").await;
    let shown = settled(&handler, MODERN, &id, "input_required").await;
    let questions = shown["inputRequests"].as_object().unwrap();
    let (key, question) = questions.iter().next().unwrap();
    assert_eq!(question["params"]["message"], "Your name?");

    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    let params = json!({ "taskId": id, "inputResponses": { key: answer } });
    let answered = ask_as("alice", &handler, MODERN, "tasks/update", params).await;
    answered.unwrap();
    let shown = settled(&handler, MODERN, &id, "completed").await;
    assert_eq!(text(&shown["result"]), "Ada");
}

#[tokio::test]
async fn a_cancelled_task_ends_its_handlers_call() {
    let handler = handler(Rmcp::new(Notes).task_support("stuck", TaskSupport::Optional));
    let id = begin(&handler, MODERN, "stuck").await;
    let params = json!({ "taskId": id });
    let cancelled = ask_as("alice", &handler, MODERN, "tasks/cancel", params).await;
    cancelled.unwrap();
    settled(&handler, MODERN, &id, "cancelled").await;
}

#[tokio::test]
async fn a_panic_ends_its_own_task_only() {
    let handler = handler(Rmcp::new(Notes).task_support("broken", TaskSupport::Optional));
    let id = begin(&handler, MODERN, "broken").await;
    let shown = settled(&handler, MODERN, &id, "completed").await;
    assert_eq!(shown["result"]["isError"], true);
}

// In a task there are questions, and no rounds; before it there are.
#[tokio::test]
async fn a_task_that_ends_with_a_question_has_failed() {
    let plain = || Rmcp::new(Plain).task_support("any", TaskSupport::Optional);
    let at_once = handler(plain());
    let id = begin(&at_once, MODERN, "any").await;
    let shown = settled(&at_once, MODERN, &id, "failed").await;
    assert_eq!(shown["error"]["code"], codes::INTERNAL_ERROR);

    let asking = handler(plain().asks_first("any"));
    let params = json!({ "name": "any" });
    let asked = ask_as("alice", &asking, MODERN, "tools/call", params).await;
    let asked = asked.unwrap();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let params = json!({ "name": "any", "requestState": asked["requestState"] });
    let done = ask_as("alice", &asking, MODERN, "tools/call", params).await;
    assert_eq!(text(&done.unwrap()), "halfway");
}

// Nobody could ask for it: requests about tasks are for those that Usher keeps.
#[tokio::test]
async fn a_handlers_own_task_is_an_error() {
    let own = handler(Keeps);
    let params = json!({ "name": "any" });
    let refused = ask_as("alice", &own, MODERN, "tools/call", params).await;
    assert_eq!(refused.unwrap_err().code, codes::INTERNAL_ERROR);

    let kept = handler(Rmcp::new(Keeps).task_support("any", TaskSupport::Optional));
    let id = begin(&kept, MODERN, "any").await;
    settled(&kept, MODERN, &id, "failed").await;
}
