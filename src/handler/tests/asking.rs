//! Asking the client, as tools see it: what is asked, what is taken for an answer, what is carried on.

use futures_util::StreamExt;
use tokio::time::sleep;

use super::*;

pub(super) async fn modern(handler: &Handler, params: &Value) -> Result<Value, RpcError> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let context = context(ProtocolVersion::V2026_07_28);
    handler
        .handle(context, &request.method, request.params.as_ref())
        .await
}

#[tokio::test]
async fn a_modern_call_that_needs_input_is_run_again_with_every_answer() {
    let handler = handler();
    let first = modern(&handler, &json!({ "name": "greet" })).await.unwrap();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(
        first["inputRequests"]["name"]["method"],
        "elicitation/create"
    );

    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    let second = json!({
        "name": "greet", "requestState": first["requestState"],
        "inputResponses": { "name": answer }
    });
    let second = modern(&handler, &second).await.unwrap();
    assert_eq!(
        second["inputRequests"]["roots"],
        json!({ "method": "roots/list" })
    );

    let third = json!({
        "name": "greet", "arguments": {}, "requestState": second["requestState"],
        "inputResponses": { "roots": { "roots": [{ "uri": "file:///a" }] }, "extra": 1 }
    });
    let done = modern(&handler, &third).await.unwrap();
    assert_eq!(done["content"][0]["text"], "Ada in 1 folders");
    assert_eq!(done["resultType"], "complete");
}

#[tokio::test]
async fn a_state_that_was_changed_or_belongs_to_another_request_is_refused() {
    let handler = handler();
    let first = modern(&handler, &json!({ "name": "greet" })).await.unwrap();
    let state = first["requestState"].as_str().unwrap();
    let mut forged = state.to_owned();
    forged.replace_range(20..21, if &state[20..21] == "A" { "B" } else { "A" });

    for (name, arguments, state) in [
        ("greet", json!({}), forged.as_str()),
        ("greet", json!({}), "AAAA"),
        ("greet", json!({ "other": 1 }), state),
        ("whoami", json!({}), state),
    ] {
        let params = json!({ "name": name, "arguments": arguments, "requestState": state });
        let error = modern(&handler, &params).await.unwrap_err();
        assert_eq!(error.code, codes::INVALID_PARAMS, "{name} {arguments}");
    }
}

#[tokio::test]
async fn a_modern_client_without_the_capability_is_told_which() {
    let (outlet, _frames) = outlet(queue::Config::default());
    let introduction = introduction(ProtocolVersion::V2026_07_28, json!({}));
    let client = Client::of_request(introduction, outlet, None);
    let context = context(ProtocolVersion::V2026_07_28).with(None, None, |known| *known = client);
    let params = json!({ "name": "greet" });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let asked = handler()
        .handle(context, &request.method, request.params.as_ref())
        .await;

    let error = asked.unwrap_err();
    assert_eq!(error.code, codes::MISSING_REQUIRED_CLIENT_CAPABILITY);
    assert_eq!(
        error.data.unwrap()["requiredCapabilities"],
        json!({ "elicitation": { "form": {} } })
    );
}

/// What a tool that works for a minute and asks meanwhile comes to, if its client answers so late.
async fn asked_and_answered_after(seconds: u64) -> Value {
    let handler = handler_of(Tool::new(
        "slow",
        "Asks between two pieces of work",
        |call, _: NoArguments| async move {
            let call: CallContext = call;
            sleep(Duration::from_secs(40)).await;
            let answer = call.elicit::<Named>("name", "Who?").await?;
            sleep(Duration::from_secs(10)).await;
            Ok(format!("asked: {}", matches!(answer, Elicited::Declined)))
        },
    ));
    let (outlet, mut frames) = outlet(queue::Config::default());
    let conversation = Conversation::new(SessionStreamRef::default(), CancellationToken::new());
    conversation.introduce(introduction(
        ProtocolVersion::V2025_11_25,
        json!({ "elicitation": {} }),
    ));
    let client = Client::in_session(conversation.clone(), outlet);
    let context = context(ProtocolVersion::V2025_11_25).with(None, None, |known| *known = client);
    let answers = async move {
        let asked: Value = serde_json::from_slice(frames.next().await.unwrap().bytes()).unwrap();
        sleep(Duration::from_secs(seconds)).await;
        let id = serde_json::from_value(asked["id"].clone()).unwrap();
        let declined =
            json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "decline" } });
        let Ok(ClientMessage::Response(response)) =
            ClientMessage::parse(&Bytes::from(declined.to_string()))
        else {
            panic!("no response");
        };
        conversation.questions().answer(&id, response.outcome);
        frames
    };
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "x", "params": { "name": "slow" } });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let call = handler.handle(context, &Method::ToolsCall, request.params.as_ref());
    let (answered, _frames) = tokio::join!(call, answers);
    answered.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_time_of_whoever_is_asked_is_not_the_calls() {
    let answered = asked_and_answered_after(10 * 60).await;
    assert_eq!(answered["content"][0]["text"], "asked: true");

    let too_late = asked_and_answered_after(16 * 60).await;
    assert_eq!(too_late["isError"], true);
    assert_eq!(too_late["content"][0]["text"], "the client did not answer");
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    name: String,
}

/// A server with this tool and no other.
pub(super) fn handler_of(tool: Tool) -> Handler {
    let mut entries = Entries::default();
    entries.add_tool(tool);
    let implementation = Implementation {
        name: "test".into(),
        version: "0".into(),
        ..Implementation::default()
    };
    let info = ServerInfo {
        implementation,
        instructions: None,
    };
    serving(info, entries).unwrap()
}

fn form_and_folders() -> Handler {
    handler_of(Tool::new(
        "both",
        "Asks twice",
        |call, _: NoArguments| async move {
            let (form, roots) =
                tokio::join!(call.elicit::<Named>("name", "Who?"), call.roots("roots"));
            let (Elicited::Accepted(Named { name }), roots) = (form?, roots?) else {
                return Ok("nobody".to_owned());
            };
            Ok(format!("{name} in {} folders", roots.len()))
        },
    ))
}

#[tokio::test]
async fn what_is_asked_together_is_asked_in_one_round_trip() {
    let handler = form_and_folders();

    let first = modern(&handler, &json!({ "name": "both" })).await.unwrap();
    let asked: Vec<_> = first["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(asked, ["name", "roots"]);

    let answers = json!({
        "name": { "action": "accept", "content": { "name": "Ada" } },
        "roots": { "roots": [] }
    });
    let second = json!({
        "name": "both", "requestState": first["requestState"], "inputResponses": answers
    });
    let done = modern(&handler, &second).await.unwrap();
    assert_eq!(done["content"][0]["text"], "Ada in 0 folders");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again_and_no_other_is() {
    let handler = form_and_folders();
    for unfit in [
        json!(12345),
        json!({ "action": "perhaps" }),
        json!({ "action": "accept", "content": { "name": 7 } }),
        json!({ "action": "accept" }),
    ] {
        let params = json!({
            "name": "both", "inputResponses": { "name": unfit, "roots": { "roots": [] }, "x": 1 }
        });
        let asked = modern(&handler, &params).await.unwrap();
        assert_eq!(asked["resultType"], "input_required", "{unfit}");
        let keys: Vec<_> = asked["inputRequests"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["name"], "{unfit}");

        let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
        let params = json!({
            "name": "both", "requestState": asked["requestState"],
            "inputResponses": { "name": answer }
        });
        let done = modern(&handler, &params).await.unwrap();
        assert_eq!(done["content"][0]["text"], "Ada in 0 folders");
    }
}

#[tokio::test]
async fn a_tool_can_ask_what_the_client_supports() {
    let handler = handler_of(Tool::new("can", "", |call, _: NoArguments| async move {
        let can = |capability| call.client_supports(capability);
        Ok(format!(
            "{} {} {} {}",
            can(ClientCapability::ElicitForm),
            can(ClientCapability::ElicitUrl),
            can(ClientCapability::Sample),
            can(ClientCapability::Roots),
        ))
    }));

    let answer = modern(&handler, &json!({ "name": "can" })).await.unwrap();

    assert_eq!(answer["content"][0]["text"], "true false false true");
}

#[tokio::test]
async fn a_schema_written_by_hand_is_listed_as_it_is_and_arguments_come_as_they_are() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "$defs": { "a": { "$anchor": "x" } }, "if": {}, "then": {}, "properties": { "a": {} },
        "additionalProperties": false
    });
    let echo = |_, arguments: Value| async move { Ok(arguments.to_string()) };
    let handler = handler_of(Tool::with_schema("echo", "Echoes", schema.clone(), echo));

    let listed = handler
        .handle(
            context(ProtocolVersion::V2025_11_25),
            &Method::ToolsList,
            None,
        )
        .await;
    assert_eq!(listed.unwrap()["tools"][0]["inputSchema"], schema);

    let params = json!({ "name": "echo", "arguments": { "a": [1, null] } });
    let answer = modern(&handler, &params).await.unwrap();
    assert_eq!(answer["content"][0]["text"], r#"{"a":[1,null]}"#);
}

/// A call in a session: what it says, and the way back for answers.
pub(super) fn live_call() -> (CallContext, queue::Frames, Questions) {
    let (outlet, frames) = outlet(queue::Config::default());
    let version = ProtocolVersion::V2025_11_25;
    let declared = json!({ "elicitation": { "form": {}, "url": {} }, "roots": {} });
    let conversation = conversation(introduction(version, declared));
    let client = Client::in_session(conversation.clone(), outlet);
    let context = context(version).with(None, None, |known| *known = client);
    (context, frames, conversation.questions().clone())
}

pub(super) fn answer(questions: &Questions, id: &Value, result: &Value) {
    let body = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
    match ClientMessage::parse(&Bytes::from(body)).unwrap() {
        ClientMessage::Response(response) => questions.answer(&response.id, response.outcome),
        other => panic!("no response: {other:?}"),
    }
}

pub(super) async fn next_question(frames: &mut queue::Frames) -> Value {
    let frame = frames.next().await.unwrap();
    serde_json::from_slice(frame.bytes()).unwrap()
}

/// Calls the tool `both` in a session whose user gives this name.
async fn both_in_session(form: Value) -> Value {
    let (context, mut frames, questions) = live_call();
    let params = json!({ "name": "both" });
    let handler = form_and_folders();
    let client = async move {
        let form_asked = next_question(&mut frames).await;
        let roots_asked = next_question(&mut frames).await;
        assert_eq!(form_asked["method"], "elicitation/create");
        assert_eq!(roots_asked["method"], "roots/list");
        answer(&questions, &roots_asked["id"], &json!({ "roots": [] }));
        answer(&questions, &form_asked["id"], &form);
    };
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let call = handler.handle(context, &request.method, request.params.as_ref());
    let (result, ()) = tokio::join!(call, client);
    result.unwrap()
}

#[tokio::test]
async fn in_a_session_questions_go_out_together_and_answers_come_in_any_order() {
    let form = json!({ "action": "accept", "content": { "name": "Ada" } });

    let result = both_in_session(form).await;

    assert_eq!(result["content"][0]["text"], "Ada in 0 folders");
}

#[tokio::test]
async fn in_a_session_an_answer_that_does_not_fit_fails_the_call() {
    let result = both_in_session(json!({ "action": "accept", "content": 7 })).await;

    assert_eq!(result["isError"], true);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("does not fit"), "{text}");
}

#[tokio::test]
async fn each_page_that_a_client_is_asked_to_open_has_an_id_of_its_own() {
    let (context, mut frames, _questions) = live_call();
    let declared = json!({ "elicitation": { "url": {} } });
    let introduction = introduction(context.protocol_version(), declared);
    let context = context.with(None, None, |client| {
        client.introduction = introduction.into();
    });
    let ask = || context.elicit_url("bill", "Please pay", "https://pay.example/");
    let asked = async {
        [
            next_question(&mut frames).await,
            next_question(&mut frames).await,
        ]
    };

    let asked = tokio::select! {
        asked = asked => asked,
        answered = async { tokio::join!(ask(), ask()) } => panic!("{answered:?}"),
    };

    let ids = asked.map(|question| question["params"]["elicitationId"].clone());
    assert!(ids[0].is_string() && ids[0] != ids[1], "{ids:?}");
}
