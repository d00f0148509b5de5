//! What a server asks back, in every protocol version.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Map, Value, json};

use super::{
    kit::{Site, Speaks, Stage, empty, json_reply, on, on_answer, on_rpc, result, start, whoami},
    trip::{Browser, go},
};
use crate::{
    agent::{AgentError, Answer, Connection, Host, Question, Refused, Root},
    units::HumanDuration,
};

async fn enter(site: &Site, path: &str, host: Host) -> Connection {
    go(site, path, Browser::Agrees, |config| config.host = host)
        .await
        .connection()
}

/// A user who says this to every form, and declines every page.
fn says(values: &Value) -> Host {
    let values = values.as_object().unwrap().clone();
    Host::default().with_elicitation(move |question| {
        let values = values.clone();
        async move {
            match question {
                Question::Form(_) => Answer::Accept(values),
                Question::Url(_) => Answer::Decline,
            }
        }
    })
}

fn asks(id: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": form()})
}

fn form() -> Value {
    json!({
        "message": "Who are you?",
        "requestedSchema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name"],
        },
    })
}

fn input_required(inputs: &Value, state: Option<&str>) -> Value {
    let mut asks = json!({"resultType": "input_required", "inputRequests": inputs});
    if let Some(state) = state {
        asks["requestState"] = json!(state);
    }
    asks
}

/// A server that asks on the stream of the call, and answers it once it was answered.
fn asks_on_the_call(question: Value) -> Site {
    let stage = Stage::default();
    let asking = stage.clone();
    start(
        Speaks::Streamable,
        vec![
            on_rpc("tools/call", move |_, _| {
                let reply = asking.open();
                asking.say(&question);
                reply
            }),
            on_answer(move |world, _| {
                let called = world.all("POST /mcp").into_iter().rev();
                let called = { called }.find(|seen| seen.rpc() == "tools/call").unwrap();
                stage.say(&result(&called, &whoami()));
                empty(202)
            }),
        ],
    )
}

fn answered(site: &Site, path: &str) -> Value {
    let answers = site.world.all(&format!("POST {path}"));
    let mut answers = answers.into_iter().map(|seen| seen.json());
    answers
        .find(|message| message.get("method").is_none())
        .expect("nothing was answered")
}

#[actix_web::test]
async fn a_form_on_the_call_s_stream_is_answered() {
    let site = asks_on_the_call(asks("q1"));
    let mut connection = enter(&site, "/mcp", says(&json!({"name": "Ada"}))).await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    assert_eq!(
        answered(&site, "/mcp"),
        json!({
            "jsonrpc": "2.0", "id": "q1",
            "result": {"action": "accept", "content": {"name": "Ada"}},
        })
    );
}

#[actix_web::test]
async fn values_that_do_not_fit_the_form_are_not_sent() {
    for values in [
        json!({}),
        json!({"name": 7}),
        json!({"name": "Ada", "age": "old"}),
        json!({"name": "Ada", "password": "secret"}),
    ] {
        let site = asks_on_the_call(asks("q1"));
        let mut connection = enter(&site, "/mcp", says(&values)).await;

        connection.call_tool("whoami", Map::new()).await.unwrap();

        assert_eq!(
            answered(&site, "/mcp")["result"],
            json!({"action": "cancel"}),
            "{values}"
        );
    }
}

#[actix_web::test]
async fn a_form_on_the_session_s_own_stream_is_answered() {
    let own = Stage::default();
    let (asking, call) = (own.clone(), Stage::default());
    let calling = call.clone();
    let site = start(
        Speaks::Streamable,
        vec![
            on("GET /mcp", move |_, _| own.open()),
            on_rpc("tools/call", move |_, _| {
                asking.say(&asks("q1"));
                calling.open()
            }),
            on_answer(move |world, _| {
                let called = world.all("POST /mcp").into_iter().rev();
                let called = { called }.find(|seen| seen.rpc() == "tools/call").unwrap();
                call.say(&result(&called, &whoami()));
                empty(202)
            }),
        ],
    );
    let mut connection = enter(&site, "/mcp", says(&json!({"name": "Ada"}))).await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    assert_eq!(answered(&site, "/mcp")["result"]["action"], "accept");
    let listened = site.world.all("GET /mcp").remove(0);
    assert_eq!(listened.header("mcp-session-id"), "session-1");
}

#[actix_web::test]
async fn a_form_on_http_sse_is_answered() {
    let site = start(
        Speaks::HttpSse,
        vec![
            on_rpc("tools/call", |world, _| {
                world.say(&asks("q1"));
                empty(202)
            }),
            on_answer(|world, _| {
                let called = world.all("POST /messages").into_iter().rev();
                let called = { called }.find(|seen| seen.rpc() == "tools/call").unwrap();
                world.say(&result(&called, &whoami()));
                empty(202)
            }),
        ],
    );
    let mut connection = enter(&site, "/sse", says(&json!({"name": "Ada"}))).await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    assert_eq!(
        answered(&site, "/messages")["result"]["content"]["name"],
        "Ada"
    );
}

#[actix_web::test]
async fn a_page_elsewhere_is_shown_and_one_on_this_machine_is_not() {
    // The world itself is on this machine, so what it may not name here is plain http elsewhere.
    for (url, outcome) in [
        ("https://bank.example/pay", json!({"action": "decline"})),
        ("http://bank.example/pay", Value::Null),
        ("javascript:alert(1)", Value::Null),
    ] {
        let params = json!({"mode": "url", "message": "Pay", "url": url, "elicitationId": "e"});
        let site = asks_on_the_call(
            json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": params}),
        );
        let mut connection = enter(&site, "/mcp", says(&json!({}))).await;

        connection.call_tool("whoami", Map::new()).await.unwrap();

        let answer = answered(&site, "/mcp");
        assert_eq!(answer["result"], outcome, "{url}");
        assert_eq!(answer["error"].is_object(), outcome.is_null(), "{url}");
    }
}

#[actix_web::test]
async fn what_was_not_declared_is_not_answered() {
    for method in ["elicitation/create", "sampling/createMessage", "roots/list"] {
        let site = asks_on_the_call(
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": form()}),
        );
        let mut connection = enter(&site, "/mcp", Host::default()).await;

        connection.call_tool("whoami", Map::new()).await.unwrap();

        assert_eq!(answered(&site, "/mcp")["error"]["code"], -32601, "{method}");
        let opened = site.world.all("POST /mcp").into_iter();
        let opened = { opened }.find(|seen| seen.rpc() == "initialize").unwrap();
        assert_eq!(opened.json()["params"]["capabilities"], json!({}));
    }
}

#[actix_web::test]
async fn model_and_folders_answer_for_themselves() {
    let reply =
        json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"});
    let model = reply.clone();
    let host = Host::default()
        .with_sampling(move |params| {
            let reply = model.clone();
            async move {
                if params["maxTokens"] == 100 {
                    Ok(reply)
                } else {
                    Err(Refused("too dear".to_owned()))
                }
            }
        })
        .with_roots(vec![Root::of(&"/srv/notes".into()).unwrap()]);
    for (method, params, outcome) in [
        (
            "sampling/createMessage",
            json!({"maxTokens": 100}),
            json!({"result": reply}),
        ),
        (
            "sampling/createMessage",
            json!({"maxTokens": 9}),
            json!({"error": {"code": -1, "message": "too dear"}}),
        ),
        (
            "roots/list",
            json!({}),
            json!({"result": {"roots": [{"uri": "file:///srv/notes/", "name": "notes"}]}}),
        ),
    ] {
        let site = asks_on_the_call(
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}),
        );
        let mut connection = enter(&site, "/mcp", host.clone()).await;

        connection.call_tool("whoami", Map::new()).await.unwrap();

        let mut answer = answered(&site, "/mcp");
        for key in ["jsonrpc", "id"] {
            answer.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(answer, outcome);
    }
}

#[actix_web::test]
async fn a_question_that_is_withdrawn_is_not_answered() {
    let stage = Stage::default();
    let asking = stage.clone();
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", move |_, seen| {
            let reply = asking.open();
            asking.say(&asks("q1"));
            let params = json!({"requestId": "q1"});
            asking.say(
                &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}),
            );
            asking.say(&result(seen, &whoami()));
            reply
        })],
    );
    let host = Host::default().with_elicitation(|_| std::future::pending());
    let mut connection = enter(&site, "/mcp", host).await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    let mut posts = site.world.all("POST /mcp").into_iter();
    assert!(posts.all(|seen| seen.json().get("method").is_some()));
}

#[actix_web::test]
async fn an_answer_that_takes_too_long_is_a_cancelled_one() {
    let site = asks_on_the_call(asks("q1"));
    let trip = go(&site, "/mcp", Browser::Agrees, |config| {
        config.host = Host::default().with_elicitation(|_| std::future::pending());
        config.answer_deadline = HumanDuration::new(std::time::Duration::from_millis(20));
    });
    let mut connection = trip.await.connection();

    connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(
        answered(&site, "/mcp")["result"],
        json!({"action": "cancel"})
    );
}

// 2026-07-28

/// Round by round.
fn rounds(results: Vec<Value>) -> Site {
    let round = AtomicUsize::new(0);
    start(
        Speaks::Modern,
        vec![on_rpc("tools/call", move |_, seen| {
            let at = round.fetch_add(1, Ordering::SeqCst).min(results.len() - 1);
            json_reply(200, &result(seen, &results[at]))
        })],
    )
}

fn calls(site: &Site) -> Vec<Value> {
    let posts = site.world.all("POST /mcp").into_iter();
    let calls = posts.filter(|seen| seen.rpc() == "tools/call");
    calls.map(|seen| seen.json()).collect()
}

#[actix_web::test]
async fn input_is_given_round_by_round_and_state_goes_back_unread() {
    let question = |key: &str| json!({key: {"method": "elicitation/create", "params": form()}});
    let site = rounds(vec![
        input_required(&question("who"), Some("{\"not\": \"ours\"}")),
        input_required(&question("again"), None),
        whoami(),
    ]);
    let mut connection = enter(&site, "/mcp", says(&json!({"name": "Ada"}))).await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    let given = json!({"action": "accept", "content": {"name": "Ada"}});
    let calls = calls(&site);
    assert_eq!(calls[1]["params"]["inputResponses"], json!({"who": given}));
    assert_eq!(calls[1]["params"]["requestState"], "{\"not\": \"ours\"}");
    assert_eq!(
        calls[2]["params"]["inputResponses"],
        json!({"again": given})
    );
    assert_eq!(calls[2]["params"].get("requestState"), None);
    let ids: std::collections::HashSet<_> =
        calls.iter().map(|call| call["id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
}

#[actix_web::test]
async fn input_without_end_is_given_up() {
    let question = json!({"who": {"method": "elicitation/create", "params": form()}});
    let site = rounds(vec![input_required(&question, None)]);
    let mut connection = enter(&site, "/mcp", says(&json!({"name": "Ada"}))).await;

    let error = connection
        .call_tool("whoami", Map::new())
        .await
        .unwrap_err();

    assert!(matches!(error, AgentError::TooManyRounds(_)), "{error}");
}

#[actix_web::test]
async fn input_that_is_not_offered_is_named_with_the_way_to_offer_it() {
    let question = json!({"model": {"method": "sampling/createMessage", "params": {}}});
    let site = rounds(vec![input_required(&question, None)]);
    let mut connection = enter(&site, "/mcp", Host::default()).await;

    let error = connection
        .call_tool("whoami", Map::new())
        .await
        .unwrap_err();

    assert!(error.to_string().contains("--sampling-command"), "{error}");
}

#[actix_web::test]
async fn the_same_page_is_known_as_one_that_was_agreed_to() {
    let page = json!({"pay": {"method": "elicitation/create", "params": {
        "mode": "url", "message": "Pay", "url": "https://bank.example/pay",
    }}});
    let asked = input_required(&page, Some("s"));
    let site = rounds(vec![asked.clone(), asked, whoami()]);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let host = Host::default().with_elicitation(move |question| {
        let Question::Url(question) = question else {
            panic!("no page");
        };
        kept.lock().unwrap().push(question.again);
        async { Answer::Accept(Map::new()) }
    });
    let mut connection = enter(&site, "/mcp", host).await;

    connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(*seen.lock().unwrap(), [false, true]);
    let given = &calls(&site)[1]["params"]["inputResponses"]["pay"];
    assert_eq!(*given, json!({"action": "accept"}));
}

#[actix_web::test]
async fn each_version_is_told_what_it_knows_and_what_there_is() {
    let host = says(&json!({})).with_roots(vec![Root::of(&"/srv".into()).unwrap()]);
    let all = json!({"elicitation": {"form": {}, "url": {}}, "roots": {}});
    for (speaks, path, version, declared) in [
        (Speaks::HttpSse, "/sse", "2024-11-05", json!({"roots": {}})),
        (
            Speaks::Streamable,
            "/mcp",
            "2025-03-26",
            json!({"roots": {}}),
        ),
        (
            Speaks::Streamable,
            "/mcp",
            "2025-06-18",
            json!({"elicitation": {}, "roots": {}}),
        ),
        (Speaks::Streamable, "/mcp", "2025-11-25", all.clone()),
        (Speaks::Modern, "/mcp", "2026-07-28", all.clone()),
    ] {
        let site = start(speaks, vec![]);
        let host = host.clone();
        let trip = go(&site, path, Browser::Agrees, |config| {
            config.host = host;
            config.protocol = crate::agent::ProtocolChoice::Version(version.parse().unwrap());
        });
        trip.await.connection().close().await;

        let seen = site.world.seen();
        let params = |method: &str| {
            let found = seen.iter().find(|seen| seen.rpc() == method);
            found.map(|seen| seen.json()["params"].clone())
        };
        let told = match params("initialize") {
            Some(params) => params["capabilities"].clone(),
            None => params("server/discover").unwrap()["_meta"]
                ["io.modelcontextprotocol/clientCapabilities"]
                .clone(),
        };
        assert_eq!(told, declared, "{version}");
    }
}
