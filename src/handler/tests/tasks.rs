//! Tasks through the handler's door, in both protocols: the client here is the test.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::*;
use crate::{
    protocol::{RELATED_TASK_KEY, TASKS_EXTENSION, TaskSupport},
    units::ByteSize,
};

const OLD: ProtocolVersion = ProtocolVersion::V2025_11_25;
const NEW: ProtocolVersion = ProtocolVersion::V2026_07_28;

/// Longest wait for what is meant to happen.
const BOUND: Duration = Duration::from_secs(20);

/// A caller's way in. Each request is one of its own; those of 2025-11-25 share a session.
struct Caller {
    handler: Handler,
    principal: Principal,
    version: ProtocolVersion,
    declared: Value,
    conversation: Conversation,
    /// Open as long as this is here.
    _stream: SessionStream,
    heard: queue::Frames,
}

impl Caller {
    fn new(handler: &Handler, version: ProtocolVersion) -> Self {
        Self::of(handler, version, "alice", "agent", "notes:read")
    }

    fn of(
        handler: &Handler,
        version: ProtocolVersion,
        subject: &str,
        client: &str,
        scopes: &str,
    ) -> Self {
        let principal = Principal::new(Identity {
            issuer: "https://issuer".into(),
            subject: subject.into(),
            client_id: Some(client.into()),
            audiences: Vec::new(),
            scopes: scopes.parse().unwrap(),
            expires_at: None,
            verified_by: VerifiedBy::Jwt,
            claims: Map::new(),
        });
        let (outlet, heard) = outlet(queue::Config::default());
        let stream = SessionStream::new(Some(outlet));
        Self {
            handler: handler.clone(),
            principal,
            version,
            declared: json!({ "elicitation": {}, "extensions": { TASKS_EXTENSION: {} } }),
            conversation: Conversation::new(stream.downgrade(), CancellationToken::new()),
            _stream: stream,
            heard,
        }
    }

    fn declaring(mut self, declared: Value) -> Self {
        self.declared = declared;
        self
    }

    /// A request, and what is said on its own stream.
    fn request(
        &self,
        method: &str,
        params: &Value,
    ) -> (
        impl Future<Output = Result<Value, RpcError>> + Send + 'static,
        queue::Frames,
    ) {
        let (outlet, frames) = outlet(queue::Config::default());
        let introduction = introduction(self.version, self.declared.clone());
        let client = if self.version.is_modern() {
            Client::of_request(introduction, outlet, Some(LogLevel::Info))
        } else {
            self.conversation.introduce(introduction);
            Client::in_session(self.conversation.clone(), outlet)
        };
        let (id, cancelled) = (RequestId::Integer(1), CancellationToken::new());
        let context = CallContext::new(self.principal.clone(), id, cancelled, client);
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let handler = self.handler.clone();
        let answered = async move {
            let body = Bytes::from(body.to_string());
            let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&body) else {
                panic!("no request");
            };
            let answered = handler.handle(context, &request.method, request.params.as_ref());
            tokio::time::timeout(BOUND, answered)
                .await
                .expect("in time")
        };
        (answered, frames)
    }

    async fn ask(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let (answered, _unheard) = self.request(method, &params);
        answered.await
    }

    /// Calls a tool, in 2025-11-25 as a task.
    async fn call(&self, tool: &str) -> Result<Value, RpcError> {
        self.ask("tools/call", json!({ "name": tool, "task": {} }))
            .await
    }

    /// The id of a new task.
    async fn begin(&self, tool: &str) -> String {
        let begun = self.call(tool).await.unwrap();
        let task = begun.get("task").unwrap_or(&begun);
        assert_eq!(task["status"], "working", "{begun}");
        task["taskId"].as_str().unwrap().to_owned()
    }

    async fn of_task(&self, method: &str, id: &str) -> Result<Value, RpcError> {
        self.ask(method, json!({ "taskId": id })).await
    }

    async fn get(&self, id: &str) -> Value {
        self.of_task("tasks/get", id).await.unwrap()
    }

    /// What `tasks/get` says once the task stands there.
    async fn settled(&self, id: &str, status: &str) -> Value {
        self.shown(id, |task| task["status"] == status).await
    }

    /// What `tasks/get` says once it is this.
    async fn shown(&self, id: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let task = self.handler.0.tasks.find(&self.principal.owner(), id);
        let mut changes = task.unwrap().changes();
        let reached = async {
            loop {
                let shown = self.get(id).await;
                if is_it(&shown) {
                    return shown;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(BOUND, reached).await.expect("in time")
    }

    /// The id of a task whose function has begun, and never ends by itself.
    async fn begin_long(&self) -> String {
        let id = self.begin("long").await;
        self.shown(&id, |task| task["statusMessage"] == "1 of 2")
            .await;
        id
    }

    /// What the client hears on its session's stream next.
    async fn hears(&mut self) -> Value {
        read(&mut self.heard).await
    }
}

async fn read(frames: &mut queue::Frames) -> Value {
    let frame = tokio::time::timeout(BOUND, frames.next())
        .await
        .expect("a message");
    serde_json::from_slice(frame.unwrap().bytes()).unwrap()
}

fn answer(questions: &Questions, id: &Value, answer: &Value) {
    let mut body = json!({ "jsonrpc": "2.0", "id": id });
    for (name, value) in answer.as_object().unwrap() {
        body[name] = value.clone();
    }
    match ClientMessage::parse(&Bytes::from(body.to_string())).unwrap() {
        ClientMessage::Response(response) => questions.answer(&response.id, response.outcome),
        other => panic!("no response: {other:?}"),
    }
}

fn named(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

/// Says when it is let go.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _nobody_listens = self.0.try_send(());
    }
}

fn handler_with(change: impl FnOnce(&mut TaskConfig)) -> (Handler, mpsc::Receiver<()>) {
    let mut config = Config::default();
    config.tasks.threads = 1;
    change(&mut config.tasks);
    let (let_go, gone) = mpsc::channel(64);
    let mut entries = Entries::default();
    for tool in tools(let_go) {
        entries.add_tool(tool);
    }
    let info = handler().0.info.clone();
    let handler = Handler::new(
        config,
        Policy::default(),
        info,
        entries,
        Metrics::new(),
        clock(),
    );
    (handler.unwrap(), gone)
}

fn task_handler() -> Handler {
    handler_with(|_| ()).0
}

fn tools(let_go: mpsc::Sender<()>) -> Vec<Tool> {
    let optional = TaskSupport::Optional;
    vec![
        Tool::new("quick", "", |_, _: NoArguments| async { Ok("done") }).task_support(optional),
        Tool::new("plain", "", |_, _: NoArguments| async { Ok("done") }),
        Tool::new("long", "", move |call: CallContext, _: NoArguments| {
            let guard = Guard(let_go.clone());
            async move {
                call.progress(1.0, Some(2.0), None);
                std::future::pending::<()>().await;
                drop(guard);
                Ok("never")
            }
        })
        .task_support(TaskSupport::Required),
        Tool::new("fails", "", |_, _: NoArguments| async {
            Err::<bool, _>(ToolError::failed("no such note"))
        })
        .task_support(optional),
        Tool::new("breaks", "", |_, _: NoArguments| async {
            let error = RpcError::new(-32_099, "broken").with_data(json!({ "a": 1 }));
            Err::<bool, _>(error.into())
        })
        .task_support(optional),
        Tool::new("panics", "", |_, _: NoArguments| async {
            Ok("no truth".parse::<bool>().expect("a panic that is meant"))
        })
        .task_support(optional),
        Tool::new("large", "", |_, _: NoArguments| async {
            Ok("x".repeat(2_000))
        })
        .task_support(optional),
        Tool::new("secret", "", |_, _: NoArguments| async { Ok("hidden") })
            .task_support(optional)
            .needs("notes:read".parse().unwrap()),
        Tool::new("asks", "", |call: CallContext, _: NoArguments| async move {
            let Name { name } = call.elicit("name", "Who?").await?.accepted()?;
            Ok(format!("Hello, {name}"))
        })
        .task_support(optional),
        Tool::new(
            "asks_two",
            "",
            |call: CallContext, _: NoArguments| async move {
                let (one, other) = tokio::join!(
                    call.elicit::<Name>("name", "Who?"),
                    call.elicit::<Name>("name", "Who else?"),
                );
                Ok(format!(
                    "{} {}",
                    one?.accepted()?.name,
                    other?.accepted()?.name
                ))
            },
        )
        .task_support(optional),
        Tool::new(
            "asks_either",
            "",
            |call: CallContext, _: NoArguments| async move {
                let Name { name } = tokio::select! {
                    biased;
                    one = call.elicit("one", "Who?") => one,
                    other = call.elicit("other", "Or who?") => other,
                }?
                .accepted()?;
                Ok(name)
            },
        )
        .task_support(optional),
        Tool::new(
            "asks_first",
            "",
            |call: CallContext, _: NoArguments| async move {
                let Name { name } = call.elicit("name", "Who?").await?.accepted()?;
                if name == "Nobody" {
                    return Ok("nobody".to_owned());
                }
                let call = call.begin_task()?;
                let Name { name: other } = call.elicit("name", "Who else?").await?.accepted()?;
                Ok(format!("{name} and {other}"))
            },
        )
        .task_support(TaskSupport::Required)
        .asks_first(),
    ]
}

// === 2025-11-25 ===

#[tokio::test]
async fn a_task_is_begun_asked_for_waited_for_and_listed() {
    let handler = task_handler();
    let caller = Caller::new(&handler, OLD);

    let params = json!({ "name": "quick", "task": { "ttl": 60_000 } });
    let begun = caller.ask("tools/call", params).await.unwrap();
    let task = &begun["task"];
    assert_eq!(
        (&task["ttl"], &task["pollInterval"]),
        (&json!(60_000), &json!(1_000))
    );
    assert_eq!(task["createdAt"], "1970-01-01T00:16:40Z");
    let id = task["taskId"].as_str().unwrap();
    assert_eq!(begun["_meta"][RELATED_TASK_KEY]["taskId"], id);

    let result = caller.of_task("tasks/result", id).await.unwrap();
    assert_eq!(result["content"][0]["text"], "done");
    assert_eq!(result["_meta"][RELATED_TASK_KEY]["taskId"], id);
    assert!(result.get("resultType").is_none(), "{result}");
    let shown = caller.get(id).await;
    assert_eq!(shown["status"], "completed");
    assert!(
        shown.get("_meta").is_none() && shown.get("result").is_none(),
        "{shown}"
    );
    let listed = caller.ask("tasks/list", json!({})).await.unwrap();
    assert_eq!(listed["tasks"], json!([shown]));
}

#[tokio::test]
async fn what_a_task_asks_goes_out_with_whoever_waits_for_its_result() {
    let handler = task_handler();
    let mut caller = Caller::new(&handler, OLD);
    let id = caller.begin("asks").await;
    let told = caller.hears().await;
    assert_eq!(told["method"], "notifications/tasks/status");
    assert_eq!(
        (&told["params"]["taskId"], &told["params"]["status"]),
        (&json!(id), &json!("input_required"))
    );

    // The first one's client goes away before it answers.
    let (waits, mut frames) = caller.request("tasks/result", &json!({ "taskId": id }));
    let first = tokio::spawn(waits);
    let asked = read(&mut frames).await;
    assert_eq!(asked["method"], "elicitation/create");
    assert_eq!(
        asked["params"]["_meta"][RELATED_TASK_KEY]["taskId"],
        id.as_str()
    );
    first.abort();

    let (waits, mut frames) = caller.request("tasks/result", &json!({ "taskId": id }));
    let second = tokio::spawn(waits);
    let again = read(&mut frames).await;
    assert_ne!(asked["id"], again["id"]);
    answer(
        caller.conversation.questions(),
        &again["id"],
        &json!({ "result": named("Ada") }),
    );

    let result = second.await.unwrap().unwrap();
    assert_eq!(result["content"][0]["text"], "Hello, Ada");
    assert_eq!(caller.hears().await["params"]["status"], "working");
    assert_eq!(caller.hears().await["params"]["status"], "completed");
}

#[tokio::test]
async fn a_client_that_refuses_or_can_not_be_asked_is_told_to_the_tool() {
    let handler = task_handler();
    let caller = Caller::new(&handler, OLD);
    let id = caller.begin("asks").await;
    let (waits, mut frames) = caller.request("tasks/result", &json!({ "taskId": id }));
    let waits = tokio::spawn(waits);
    let asked = read(&mut frames).await;
    let refused = json!({ "error": { "code": -1, "message": "not now" } });
    answer(caller.conversation.questions(), &asked["id"], &refused);
    let result = waits.await.unwrap().unwrap();
    assert_eq!(result["isError"], true);
    assert!(result.to_string().contains("not now"), "{result}");

    let unable = Caller::new(&handler, OLD).declaring(json!({}));
    let id = unable.begin("asks").await;
    let result = unable.of_task("tasks/result", &id).await.unwrap();
    assert!(result.to_string().contains("does not support"), "{result}");
}

#[tokio::test]
async fn a_tools_failure_is_a_failed_task_and_its_result_what_the_call_would_have_said() {
    let handler = task_handler();
    let caller = Caller::new(&handler, OLD);

    let id = caller.begin("fails").await;
    let result = caller.of_task("tasks/result", &id).await.unwrap();
    assert_eq!(result["isError"], true);
    assert_eq!(caller.get(&id).await["status"], "failed");

    let id = caller.begin("breaks").await;
    let error = caller.of_task("tasks/result", &id).await.unwrap_err();
    assert_eq!((error.code, error.data), (-32_099, Some(json!({ "a": 1 }))));
    let shown = caller.get(&id).await;
    assert_eq!(
        (&shown["status"], &shown["statusMessage"]),
        (&json!("failed"), &json!("broken"))
    );
}

#[tokio::test]
async fn a_cancelled_task_lets_its_function_go_and_stays_cancelled() {
    let (handler, mut gone) = handler_with(|_| ());
    let caller = Caller::new(&handler, OLD);
    let id = caller.begin_long().await;
    let (waits, _unheard) = caller.request("tasks/result", &json!({ "taskId": id }));
    let waits = tokio::spawn(waits);

    let shown = caller.of_task("tasks/cancel", &id).await.unwrap();

    assert_eq!(shown["status"], "cancelled");
    gone.recv().await.unwrap();
    let error = waits.await.unwrap().unwrap_err();
    assert!(error.message.contains("cancelled"), "{error:?}");
    let again = caller.of_task("tasks/cancel", &id).await.unwrap_err();
    assert_eq!(again.code, codes::INVALID_PARAMS);
    assert_eq!(caller.get(&id).await["status"], "cancelled");
}

#[tokio::test]
async fn progress_is_heard_on_the_sessions_stream_and_shown_with_the_status() {
    let handler = task_handler();
    let mut caller = Caller::new(&handler, OLD);
    let params = json!({ "name": "long", "task": {}, "_meta": { "progressToken": "p" } });
    let begun = caller.ask("tools/call", params).await.unwrap();
    let id = begun["task"]["taskId"].as_str().unwrap();

    let told = caller.hears().await;

    assert_eq!(told["method"], "notifications/progress");
    assert_eq!(told["params"]["progressToken"], "p");
    assert_eq!(told["params"]["_meta"][RELATED_TASK_KEY]["taskId"], id);
    caller
        .shown(id, |task| task["statusMessage"] == "1 of 2")
        .await;
}

#[tokio::test]
async fn a_ttl_is_kept_within_what_there_is() {
    let handler = handler_with(|tasks| tasks.ttl_max = HumanDuration::from_secs(100)).0;
    let caller = Caller::new(&handler, OLD);
    for (asked, given) in [
        (json!(0), 1_000),
        (json!(9_999_999), 100_000),
        (json!(null), 100_000),
    ] {
        let params = json!({ "name": "quick", "task": { "ttl": asked } });
        let begun = caller.ask("tools/call", params).await.unwrap();
        assert_eq!(begun["task"]["ttl"], given);
    }
}

// === 2026-07-28 ===

#[tokio::test]
async fn a_client_that_knows_tasks_gets_one_and_polls_for_its_result() {
    let handler = task_handler();
    let caller = Caller::new(&handler, NEW);

    let begun = caller.call("quick").await.unwrap();

    assert_eq!(begun["resultType"], "task");
    assert_eq!(begun["ttlMs"], 3_600_000);
    for absent in ["task", "result", "requestState", "ttl"] {
        assert!(begun.get(absent).is_none(), "{begun}");
    }
    let id = begun["taskId"].as_str().unwrap();
    let shown = caller.settled(id, "completed").await;
    assert_eq!(shown["resultType"], "complete");
    assert_eq!(shown["result"]["content"][0]["text"], "done");
    assert_eq!(shown["result"]["resultType"], "complete");
    for gone in ["tasks/result", "tasks/list"] {
        let error = caller.of_task(gone, id).await.unwrap_err();
        assert_eq!(error.code, codes::METHOD_NOT_FOUND);
    }
}

#[tokio::test]
async fn a_client_that_knows_no_tasks_waits_or_is_told_what_it_lacks() {
    let handler = task_handler();
    let caller = Caller::new(&handler, NEW).declaring(json!({ "tasks": {} }));

    let answered = caller.call("quick").await.unwrap();
    assert_eq!(answered["content"][0]["text"], "done");
    let required = caller.call("long").await.unwrap_err();
    assert_eq!(required.code, codes::MISSING_REQUIRED_CLIENT_CAPABILITY);
    let lacking = json!({ "requiredCapabilities": { "extensions": { TASKS_EXTENSION: {} } } });
    assert_eq!(required.data.unwrap(), lacking);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let error = caller.of_task(method, "any").await.unwrap_err();
        assert_eq!(
            error.code,
            codes::MISSING_REQUIRED_CLIENT_CAPABILITY,
            "{method}"
        );
    }
}

#[tokio::test]
async fn answers_are_taken_one_by_one_and_only_for_what_is_asked() {
    let handler = task_handler();
    let caller = Caller::new(&handler, NEW);
    let id = caller.begin("asks_two").await;
    let asks_both = |task: &Value| {
        let open = task["inputRequests"].as_object();
        open.is_some_and(|open| open.len() == 2)
    };
    let shown = caller.shown(&id, asks_both).await;
    let open = shown["inputRequests"].as_object().unwrap();
    let [first, second] = [0, 1].map(|n| open.keys().nth(n).unwrap().clone());
    assert_eq!(open[&first]["method"], "elicitation/create");
    let update = |responses: Value| {
        let params = json!({ "taskId": id, "inputResponses": responses });
        caller.ask("tasks/update", params)
    };

    let acknowledged = update(json!({ "name": 1, "nothing": {}, first.clone(): named("Ada") }));
    let acknowledged = acknowledged.await.unwrap();
    let members: Vec<_> = acknowledged.as_object().unwrap().keys().collect();
    assert_eq!(members, ["_meta", "resultType"]);
    let shown = caller.get(&id).await;
    assert_eq!(shown["status"], "input_required");
    let open: Vec<_> = shown["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(open, [&second]);

    update(json!({ first: named("Eve"), second: named("Bob") }))
        .await
        .unwrap();
    let shown = caller.settled(&id, "completed").await;
    let text = shown["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Ada") && text.contains("Bob"), "{text}");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again_under_another_key() {
    let handler = task_handler();
    let caller = Caller::new(&handler, NEW);
    let id = caller.begin("asks").await;
    let shown = caller.settled(&id, "input_required").await;
    assert!(shown["inputRequests"].get("name-1").is_some(), "{shown}");

    let params = json!({ "taskId": id, "inputResponses": { "name-1": { "action": "perhaps" } } });
    caller.ask("tasks/update", params).await.unwrap();
    let asked_again = |task: &Value| task["inputRequests"].get("name-2").is_some();
    caller.shown(&id, asked_again).await;

    let params = json!({ "taskId": id, "inputResponses": { "name-2": named("Ada") } });
    caller.ask("tasks/update", params).await.unwrap();
    let shown = caller.settled(&id, "completed").await;
    assert_eq!(shown["result"]["content"][0]["text"], "Hello, Ada");
}

#[tokio::test]
async fn a_tools_failure_is_a_completed_task_and_only_a_json_rpc_error_a_failed_one() {
    let handler = task_handler();
    let caller = Caller::new(&handler, NEW);

    let id = caller.begin("fails").await;
    let shown = caller.settled(&id, "completed").await;
    assert_eq!(shown["result"]["isError"], true);
    let id = caller.begin("breaks").await;
    let shown = caller.settled(&id, "failed").await;
    assert_eq!(shown["error"]["code"], -32_099);
    assert!(shown.get("result").is_none(), "{shown}");
    let id = caller.begin("panics").await;
    let shown = caller.settled(&id, "completed").await;
    assert!(
        !shown.to_string().contains("meant"),
        "the panic's text leaked: {shown}"
    );
}

#[tokio::test]
async fn cancelling_is_acknowledged_whether_it_comes_in_time_or_not() {
    let (handler, mut gone) = handler_with(|_| ());
    let caller = Caller::new(&handler, NEW);
    let id = caller.begin_long().await;

    for _ in 0..2 {
        let acknowledged = caller.of_task("tasks/cancel", &id).await.unwrap();
        assert_eq!(acknowledged["resultType"], "complete");
        assert!(acknowledged.get("taskId").is_none());
    }

    gone.recv().await.unwrap();
    assert_eq!(caller.get(&id).await["status"], "cancelled");
}

#[tokio::test]
async fn a_tool_may_ask_first_and_go_on_as_a_task() {
    let handler = task_handler();
    let caller = Caller::new(&handler, NEW);
    let first = caller.call("asks_first").await.unwrap();
    assert_eq!(first["resultType"], "input_required");
    assert!(first.get("taskId").is_none());
    let retry = |name| {
        let params = json!({
            "name": "asks_first", "requestState": first["requestState"],
            "inputResponses": { "name": named(name) }
        });
        caller.ask("tools/call", params)
    };

    let begun = retry("Ada").await.unwrap();
    assert_eq!(begun["resultType"], "task");
    assert!(begun.get("requestState").is_none());
    let id = begun["taskId"].as_str().unwrap();
    let shown = caller.settled(id, "input_required").await;
    let key = shown["inputRequests"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap();
    let params = json!({ "taskId": id, "inputResponses": { key.as_str(): named("Bob") } });
    caller.ask("tasks/update", params).await.unwrap();
    let shown = caller.settled(id, "completed").await;
    assert_eq!(shown["result"]["content"][0]["text"], "Ada and Bob");

    let without = retry("Nobody").await.unwrap();
    assert_eq!(without["resultType"], "complete");
    assert_eq!(without["content"][0]["text"], "nobody");
}

#[tokio::test]
async fn where_the_client_decides_what_asks_first_is_a_task_from_the_beginning() {
    let handler = task_handler();
    let caller = Caller::new(&handler, OLD);
    let id = caller.begin("asks_first").await;

    caller.settled(&id, "input_required").await;
}

#[tokio::test]
async fn a_listener_is_told_where_a_task_stands_and_of_every_change_until_its_end() {
    let handler = task_handler();
    let caller = Caller::new(&handler, NEW);
    let id = caller.begin("asks").await;
    caller.settled(&id, "input_required").await;
    let stranger = Caller::of(&handler, NEW, "mallory", "agent", "");
    let listen = |caller: &Caller, ids: &[&str]| {
        let declared = serde_json::from_value(caller.declared.clone()).unwrap();
        let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
        handler.listen_to_tasks(&caller.principal, &declared, NEW, &ids)
    };

    let mut listener = listen(&caller, &[&id, "unknown", &id]).unwrap();
    assert_eq!(listener.ids(), [id.as_str()]);
    assert!(listen(&stranger, &[&id]).unwrap().ids().is_empty());
    let ignorant = Caller::new(&handler, NEW).declaring(json!({}));
    assert!(listen(&ignorant, &[]).is_ok());
    let refused = listen(&ignorant, &[&id]).unwrap_err();
    assert_eq!(refused.code, codes::MISSING_REQUIRED_CLIENT_CAPABILITY);

    let told = listener.next().await;
    assert_eq!(
        (&told["status"], &told["taskId"]),
        (&json!("input_required"), &json!(id))
    );
    caller.of_task("tasks/cancel", &id).await.unwrap();
    assert_eq!(listener.next().await["status"], "cancelled");
    assert!(
        listener.next().now_or_never().is_none(),
        "told of a task that has ended"
    );
}

// === In both ===

#[tokio::test]
async fn a_strangers_answer_is_that_for_a_task_that_never_was() {
    let handler = task_handler();
    for version in [OLD, NEW] {
        let owner = Caller::new(&handler, version);
        let id = owner.begin_long().await;
        let unknown = "A".repeat(22);
        for (subject, client) in [("mallory", "agent"), ("alice", "other")] {
            let stranger = Caller::of(&handler, version, subject, client, "notes:read");
            for method in ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"] {
                let theirs = stranger.of_task(method, &id).await.unwrap_err();
                let nobodys = stranger.of_task(method, &unknown).await.unwrap_err();
                assert_eq!(theirs, nobodys, "{method}");
            }
            assert!(of_task(&handler, &stranger, &id).is_empty());
        }
        if version == OLD {
            let stranger = Caller::of(&handler, version, "mallory", "agent", "");
            let listed = stranger.ask("tasks/list", json!({})).await.unwrap();
            assert_eq!(listed["tasks"], json!([]));
        }
        assert_eq!(owner.get(&id).await["status"], "working");
    }
}

/// The scopes that a request about a task needs.
fn of_task(handler: &Handler, caller: &Caller, id: &str) -> Scopes {
    let peek = serde_json::from_value(json!({ "taskId": id })).unwrap();
    handler.needed_scopes(&caller.principal, &Method::TasksGet, &peek)
}

// K22
#[tokio::test]
async fn a_task_needs_the_scopes_of_its_tool_whenever_it_is_asked_for() {
    let handler = task_handler();
    let caller = Caller::new(&handler, OLD);
    let id = caller.begin("secret").await;
    let fewer = Caller::of(&handler, OLD, "alice", "agent", "openid");

    assert_eq!(of_task(&handler, &fewer, &id).to_string(), "notes:read");
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let error = fewer.of_task(method, &id).await.unwrap_err();
        assert!(error.message.contains("notes:read"), "{method}: {error:?}");
    }
    let listed = fewer.ask("tasks/list", json!({})).await.unwrap();
    assert_eq!(listed["tasks"], json!([]));
    let result = caller.of_task("tasks/result", &id).await.unwrap();
    assert_eq!(result["content"][0]["text"], "hidden");
}

#[tokio::test]
async fn running_tasks_of_one_caller_and_of_all_are_bounded() {
    let (handler, mut gone) = handler_with(|tasks| {
        tasks.per_principal_max = 2;
        tasks.max = 3;
    });
    let alice = Caller::new(&handler, NEW);
    let bob = Caller::of(&handler, NEW, "bob", "agent", "");
    let metrics = || handler.0.metrics.encode();

    let first = alice.begin_long().await;
    alice.begin_long().await;
    let error = alice.call("quick").await.unwrap_err();
    assert_eq!(error.code, codes::SERVER_ERROR);
    assert!(metrics().contains("limit_hit_total{limit=\"task.per_principal_max\"} 1"));
    bob.begin_long().await;
    let error = bob.call("quick").await.unwrap_err();
    assert_eq!(error.code, codes::SERVER_ERROR);
    assert!(metrics().contains("limit_hit_total{limit=\"task.max\"} 1"));
    assert!(metrics().contains("usher_tasks_running 3"));

    // A place is free when the function is gone, and no earlier.
    alice.of_task("tasks/cancel", &first).await.unwrap();
    gone.recv().await.unwrap();
    let place = async {
        while alice.call("quick").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, place).await.expect("a place");
}

impl Caller {
    /// The id of a task that has ended.
    async fn end_one(&self) -> String {
        let id = self.begin("quick").await;
        self.settled(&id, "completed").await;
        id
    }

    async fn knows(&self, id: &str) -> bool {
        self.of_task("tasks/get", id).await.is_ok()
    }
}

#[tokio::test]
async fn of_too_many_ended_tasks_the_oldest_is_forgotten() {
    let handler = handler_with(|tasks| tasks.kept_per_principal_max = 2).0;
    let alice = Caller::new(&handler, NEW);
    let running = alice.begin_long().await;
    let first = alice.end_one().await;
    let second = alice.end_one().await;

    let third = alice.end_one().await;

    assert!(!alice.knows(&first).await);
    for kept in [&running, &second, &third] {
        assert!(alice.knows(kept).await);
    }
    let metrics = handler.0.metrics.encode();
    assert!(metrics.contains("limit_hit_total{limit=\"task.kept_per_principal_max\"} 1"));
}

#[tokio::test]
async fn nobody_pushes_out_what_others_have_not_fetched() {
    let handler = handler_with(|tasks| tasks.kept_max = 3).0;
    let alice = Caller::new(&handler, NEW);
    let greedy = Caller::of(&handler, NEW, "mallory", "agent", "");
    let hers = alice.end_one().await;

    let mut last = String::new();
    for _ in 0..10 {
        last = greedy.end_one().await;
    }

    assert!(alice.knows(&hers).await);
    assert!(greedy.knows(&last).await);
    let metrics = handler.0.metrics.encode();
    assert!(metrics.contains("usher_tasks_kept 3"), "{metrics}");
    assert!(metrics.contains("limit_hit_total{limit=\"task.kept_max\"} 8"));
}

#[tokio::test]
async fn a_result_that_is_too_large_is_not_kept() {
    let handler = handler_with(|tasks| tasks.result_max = ByteSize::from_kib(1)).0;
    let caller = Caller::new(&handler, NEW);

    let id = caller.begin("large").await;

    let shown = caller.settled(&id, "failed").await;
    assert!(
        shown["error"]["message"].as_str().unwrap().contains("1KiB"),
        "{shown}"
    );
    let metrics = handler.0.metrics.encode();
    assert!(metrics.contains("limit_hit_total{limit=\"task.result_max\"} 1"));
}

#[tokio::test]
async fn a_task_with_too_many_questions_is_told_so() {
    let handler = handler_with(|tasks| tasks.questions_max = 1).0;
    let caller = Caller::new(&handler, NEW);

    let id = caller.begin("asks_either").await;

    let shown = caller.settled(&id, "completed").await;
    assert!(
        shown["result"].to_string().contains("too many questions"),
        "{shown}"
    );
    let metrics = handler.0.metrics.encode();
    assert!(metrics.contains("limit_hit_total{limit=\"task.questions_max\"} 1"));
}

#[tokio::test]
async fn a_task_ends_with_its_ttl_and_is_forgotten() {
    let (handler, mut gone) =
        handler_with(|tasks| tasks.ttl = HumanDuration::new(Duration::from_millis(50)));
    let caller = Caller::new(&handler, OLD);
    let id = caller.begin_long().await;

    let error = caller.of_task("tasks/result", &id).await.unwrap_err();

    assert!(error.message.contains("time is over"), "{error:?}");
    gone.recv().await.unwrap();
    let error = caller.of_task("tasks/get", &id).await.unwrap_err();
    assert_eq!(error.code, codes::INVALID_PARAMS);
    let swept = async {
        while !handler.0.metrics.encode().contains("usher_tasks_kept 0") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUND, swept).await.expect("the sweep");
    assert!(handler.0.metrics.encode().contains("usher_tasks_running 0"));
}

#[tokio::test]
async fn when_the_server_stops_tasks_are_cancelled_and_none_is_begun() {
    let (handler, mut gone) = handler_with(|_| ());
    let caller = Caller::new(&handler, OLD);
    let id = caller.begin_long().await;
    let (waits, _unheard) = caller.request("tasks/result", &json!({ "taskId": id }));
    let waits = tokio::spawn(waits);

    handler.stop_tasks();

    gone.recv().await.unwrap();
    let error = waits.await.unwrap().unwrap_err();
    assert!(
        error.message.contains("the server is stopping"),
        "{error:?}"
    );
    let shown = caller.get(&id).await;
    assert_eq!(
        (&shown["status"], &shown["statusMessage"]),
        (&json!("cancelled"), &json!("the server is stopping"))
    );
    assert_eq!(
        caller.call("quick").await.unwrap_err().code,
        codes::SERVER_ERROR
    );
}

#[tokio::test]
async fn tasks_are_declared_where_a_tool_can_be_one_and_as_each_version_has_them() {
    let with_tasks = task_handler();
    let offered = |version| with_tasks.now().capabilities(version);

    assert_eq!(
        offered(OLD)["tasks"],
        json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } })
    );
    assert!(offered(OLD).get("extensions").is_none());
    assert!(offered(ProtocolVersion::V2025_06_18).get("tasks").is_none());
    assert_eq!(offered(NEW)["extensions"], json!({ TASKS_EXTENSION: {} }));
    assert!(offered(NEW).get("tasks").is_none());
    let without = handler();
    assert!(without.now().capabilities(OLD).get("tasks").is_none());
    let error = handle(OLD, "tasks/list", json!({})).await.unwrap_err();
    assert_eq!(error.code, codes::METHOD_NOT_FOUND);
    // Asked for where nobody offered it, it is no task and no error (2025-11-25, task support).
    let params = json!({ "name": "whoami", "task": {} });
    let answered = handle(OLD, "tools/call", params).await.unwrap();
    assert!(answered.get("content").is_some());
}

#[tokio::test]
async fn a_tool_says_whether_it_can_be_a_task_to_those_who_may_ask_for_one() {
    let handler = task_handler();
    let execution = async |version| {
        let listed = Caller::new(&handler, version)
            .ask("tools/list", json!({}))
            .await;
        let tools = listed.unwrap()["tools"].as_array().unwrap().clone();
        let of = |name: &str| {
            let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
            tool.get("execution").cloned()
        };
        [of("plain"), of("quick"), of("long")]
    };

    let said = |support| Some(json!({ "taskSupport": support }));
    assert_eq!(
        execution(OLD).await,
        [None, said("optional"), said("required")]
    );
    assert_eq!(execution(NEW).await, [None, None, None]);
    assert_eq!(
        execution(ProtocolVersion::V2025_06_18).await,
        [None, None, None]
    );
    let error = Caller::new(&handler, OLD).call("plain").await.unwrap_err();
    assert_eq!(error.code, codes::METHOD_NOT_FOUND);
}
