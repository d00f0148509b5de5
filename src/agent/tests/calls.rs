//! What happens while a call runs: progress, logs, headers, the clock, and a user who has had enough.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{
    kit::{
        Site, Speaks, Stage, empty, error, events, json_reply, on, on_rpc, result, start, whoami,
    },
    trip::{Browser, Trip, go},
};
use crate::{
    agent::{AgentError, Canceller, Change, Connection, Event, Listing, Reference, Watched},
    protocol::LogLevel,
    units::HumanDuration,
};

async fn enter(site: &Site, path: &str) -> Connection {
    go(site, path, Browser::Agrees, |_| {}).await.connection()
}

async fn impatient(site: &Site, path: &str) -> Connection {
    let soon = HumanDuration::new(Duration::from_millis(300));
    go(site, path, Browser::Agrees, |config| {
        config.call_deadline = soon;
    })
    .await
    .connection()
}

fn notification(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

fn progress(token: &Value, progress: u32) -> Value {
    let params =
        json!({"progressToken": token, "progress": progress, "total": 2, "message": "on\u{1b}"});
    notification("notifications/progress", &params)
}

/// Kinds of the events that a call made, with what matters of them.
fn told(trip: &Trip) -> Vec<String> {
    let events = trip.events.lock().unwrap();
    let told = events.iter().filter_map(|event| match event {
        Event::Progress {
            progress,
            total,
            message,
        } => Some(format!(
            "{progress} of {} {}",
            total.unwrap(),
            message.as_ref().unwrap()
        )),
        Event::Log { level, data, .. } => Some(format!("{level} {data}")),
        Event::Changed { change, .. } => Some(format!("{change:?}")),
        Event::Notice { text } => Some(text.clone()),
        Event::Watching { honoured } => Some(format!("watching {honoured}")),
        _ => None,
    });
    told.collect()
}

#[actix_web::test]
async fn progress_and_logs_are_told_and_another_s_progress_is_not() {
    for speaks in [Speaks::Streamable, Speaks::Modern] {
        let site = start(
            speaks,
            vec![on_rpc("tools/call", |_, seen| {
                let token = &seen.json()["params"]["_meta"]["progressToken"];
                let log = notification(
                    "notifications/message",
                    &json!({"level": "info", "data": "hi"}),
                );
                events(&format!(
                    "data: {}\n\ndata: {}\n\ndata: {log}\n\ndata: {}\n\n",
                    progress(token, 1),
                    progress(&json!("another"), 7),
                    result(seen, &whoami())
                ))
            })],
        );
        let mut trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;
        let connection = trip.outcome.as_mut().unwrap();

        connection.call_tool("whoami", Map::new()).await.unwrap();

        assert_eq!(told(&trip), ["1 of 2 on", "info \"hi\""], "{speaks:?}");
    }
}

#[actix_web::test]
async fn a_call_that_is_interrupted_is_withdrawn_from_the_server() {
    for (speaks, path, posts) in [
        (Speaks::Streamable, "/mcp", "POST /mcp"),
        (Speaks::HttpSse, "/sse", "POST /messages"),
    ] {
        let stage = Stage::default();
        let site = start(
            speaks,
            vec![on_rpc("tools/call", move |_, _| {
                if speaks == Speaks::HttpSse {
                    empty(202)
                } else {
                    stage.open()
                }
            })],
        );
        let mut connection = enter(&site, path).await;
        let canceller = connection.canceller();

        let call = connection.call_tool("whoami", Map::new());
        let (outcome, ()) = tokio::join!(call, async {
            while !site.world.methods().contains(&"tools/call".to_owned()) {
                tokio::task::yield_now().await;
            }
            canceller.cancel();
        });

        assert!(matches!(outcome.unwrap_err(), AgentError::Interrupted));
        let posts = site.world.all(posts);
        let called = posts
            .iter()
            .find(|seen| seen.rpc() == "tools/call")
            .unwrap();
        let withdrawn = posts.last().unwrap().json();
        assert_eq!(withdrawn["method"], "notifications/cancelled");
        assert_eq!(withdrawn["params"]["requestId"], called.json()["id"]);
    }
}

#[actix_web::test]
async fn a_call_of_2026_that_is_interrupted_lets_its_stream_go() {
    let stage = Stage::default();
    let call = stage.clone();
    let site = start(
        Speaks::Modern,
        vec![on_rpc("tools/call", move |_, _| call.open())],
    );
    let mut connection = enter(&site, "/mcp").await;
    let canceller = connection.canceller();

    let (outcome, ()) = tokio::join!(connection.call_tool("whoami", Map::new()), async {
        while !site.world.methods().contains(&"tools/call".to_owned()) {
            tokio::task::yield_now().await;
        }
        canceller.cancel();
    });

    assert!(matches!(outcome.unwrap_err(), AgentError::Interrupted));
    tokio::time::timeout(Duration::from_secs(5), stage.left())
        .await
        .unwrap();
    let methods = site.world.methods();
    assert_eq!(methods, ["server/discover", "tools/list", "tools/call"]);
}

#[actix_web::test]
async fn silence_ends_a_call_and_withdraws_it() {
    let stage = Stage::default();
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", move |_, _| stage.open())],
    );
    let mut connection = impatient(&site, "/mcp").await;

    let error = connection
        .call_tool("whoami", Map::new())
        .await
        .unwrap_err();

    assert!(matches!(error, AgentError::Deadline { .. }), "{error}");
    let last = site.world.methods().pop().unwrap();
    assert_eq!(last, "notifications/cancelled");
}

#[actix_web::test]
async fn a_call_that_goes_on_and_on_is_given_up() {
    let stage = Stage::default();
    let call = stage.clone();
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", move |_, seen| {
            let token = seen.json()["params"]["_meta"]["progressToken"].clone();
            let reply = call.open();
            let call = call.clone();
            actix_web::rt::spawn(async move {
                for step in 0..100 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    call.say(&progress(&token, step));
                }
            });
            reply
        })],
    );
    let trip = go(&site, "/mcp", Browser::Agrees, |config| {
        config.call_deadline = HumanDuration::new(Duration::from_millis(200));
        config.call_max = HumanDuration::new(Duration::from_millis(700));
    });
    let mut connection = trip.await.connection();

    let error = connection
        .call_tool("whoami", Map::new())
        .await
        .unwrap_err();

    // Longer than the silence that is borne: each step started it anew.
    assert!(matches!(error, AgentError::TooLong(_)), "{error}");
}

#[actix_web::test]
async fn marked_arguments_travel_in_headers_and_a_tool_marked_wrongly_is_left_out() {
    let tools = json!({"tools": [
        {"name": "sql", "inputSchema": {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}},
        {"name": "bad", "inputSchema": {"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}},
    ]});
    let site = start(
        Speaks::Modern,
        vec![on_rpc("tools/list", move |_, seen| {
            json_reply(200, &result(seen, &tools))
        })],
    );
    let mut trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;
    let connection = trip.outcome.as_mut().unwrap();

    let names: Vec<_> = connection.list_tools().await.unwrap();
    let arguments = Map::from_iter([("region".to_owned(), json!("eu"))]);
    connection.call_tool("sql", arguments).await.unwrap();

    assert_eq!(
        names.iter().map(|tool| &tool.name).collect::<Vec<_>>(),
        ["sql"]
    );
    assert!(told(&trip)[0].contains("bad"), "{:?}", told(&trip));
    let called = site.world.all("POST /mcp").pop().unwrap();
    assert_eq!(called.header("mcp-param-region"), "eu");
}

#[actix_web::test]
async fn a_tool_whose_marks_have_changed_is_listed_again() {
    let lists = AtomicUsize::new(0);
    let site = start(
        Speaks::Modern,
        vec![
            on_rpc("tools/list", move |_, seen| {
                let marked = json!({"type": "string", "x-mcp-header": "Region"});
                let first = lists.fetch_add(1, Ordering::SeqCst) == 0;
                let region = if first {
                    json!({"type": "string"})
                } else {
                    marked
                };
                let tool =
                    json!({"name": "sql", "inputSchema": {"properties": {"region": region}}});
                json_reply(200, &result(seen, &json!({"tools": [tool]})))
            }),
            on_rpc("tools/call", |_, seen| {
                if seen.header("mcp-param-region") == "eu" {
                    return json_reply(200, &result(seen, &whoami()));
                }
                json_reply(400, &error(seen, -32020, &Value::Null))
            }),
        ],
    );
    let mut connection = enter(&site, "/mcp").await;

    let arguments = Map::from_iter([("region".to_owned(), json!("eu"))]);
    let answer = connection.call_tool("sql", arguments).await.unwrap();

    assert_eq!(answer, whoami());
}

#[actix_web::test]
async fn resources_prompts_and_suggestions_are_asked_for_by_name() {
    let echo = |_: &super::kit::World, seen: &super::kit::Seen| {
        json_reply(200, &result(seen, &seen.json()["params"]))
    };
    for speaks in [Speaks::Streamable, Speaks::Modern] {
        let site = start(
            speaks,
            vec![
                on_rpc("resources/read", echo),
                on_rpc("prompts/get", echo),
                on_rpc("completion/complete", echo),
                on_rpc("resources/templates/list", |_, seen| {
                    json_reply(
                        200,
                        &result(seen, &json!({"resourceTemplates": [{"name": "t"}]})),
                    )
                }),
            ],
        );
        let mut connection = enter(&site, "/mcp").await;
        let who = Map::from_iter([("who".to_owned(), json!("Ada"))]);

        let read = connection.read_resource("test://a").await.unwrap();
        let prompt = connection.get_prompt("greet", who.clone()).await.unwrap();
        let template = Reference::Template("test://{id}".to_owned());
        let suggested = connection
            .complete(&template, "id", "4", who.clone())
            .await
            .unwrap();
        let templates = connection.list(Listing::Templates).await.unwrap();

        assert_eq!(read.value()["uri"], "test://a");
        assert_eq!(prompt.value()["arguments"], json!({"who": "Ada"}));
        assert_eq!(
            suggested.value()["ref"],
            json!({"type": "ref/resource", "uri": "test://{id}"})
        );
        assert_eq!(
            suggested.value()["argument"],
            json!({"name": "id", "value": "4"})
        );
        assert_eq!(
            suggested.value()["context"],
            json!({"arguments": {"who": "Ada"}})
        );
        assert_eq!(templates[0].value()["name"], "t");
    }
}

#[actix_web::test]
async fn a_log_level_is_set_once_or_goes_with_each_request() {
    let level = |config: &mut crate::agent::Config| config.log_level = Some(LogLevel::Warning);
    let site = start(
        Speaks::Streamable,
        vec![
            on_rpc("initialize", |_, seen| {
                let told =
                    json!({"protocolVersion": "2025-06-18", "capabilities": {"logging": {}}});
                json_reply(200, &result(seen, &told))
            }),
            on_rpc("logging/setLevel", |_, seen| {
                json_reply(200, &result(seen, &json!({})))
            }),
        ],
    );
    go(&site, "/mcp", Browser::Agrees, level).await.connection();
    let set = site.world.all("POST /mcp").pop().unwrap().json();
    assert_eq!(set["params"], json!({"level": "warning"}));

    let site = start(Speaks::Modern, vec![]);
    go(&site, "/mcp", Browser::Agrees, level).await.connection();
    let discovered = site.world.all("POST /mcp").pop().unwrap().json();
    let meta = &discovered["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/logLevel"], "warning");
}

#[actix_web::test]
async fn changes_are_told_until_the_user_has_seen_enough() {
    let updated = notification(
        "notifications/resources/updated",
        &json!({"uri": "test://a"}),
    );
    let watched = Watched {
        tools: true,
        uris: vec!["test://a".to_owned()],
        ..Watched::default()
    };
    for speaks in [Speaks::Streamable, Speaks::Modern] {
        let stage = Stage::default();
        let (own, listening, speaker) = (stage.clone(), stage.clone(), stage.clone());
        let site = start(
            speaks,
            vec![
                on("GET /mcp", move |_, _| own.open()),
                on_rpc("subscriptions/listen", move |_, seen| {
                    let reply = listening.open();
                    let honoured = &seen.json()["params"]["notifications"];
                    let params = json!({"notifications": honoured});
                    let method = "notifications/subscriptions/acknowledged";
                    listening.say(&notification(method, &params));
                    reply
                }),
                on_rpc("resources/subscribe", |_, seen| {
                    json_reply(200, &result(seen, &json!({})))
                }),
                on_rpc("resources/unsubscribe", |_, seen| {
                    json_reply(200, &result(seen, &json!({})))
                }),
            ],
        );
        let mut trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;
        let heard = std::sync::Arc::clone(&trip.events);
        let stop = Canceller::new();
        let is = |wanted: &'static str| {
            let heard = std::sync::Arc::clone(&heard);
            async move {
                while !format!("{:?}", heard.lock().unwrap()).contains(wanted) {
                    tokio::task::yield_now().await;
                }
            }
        };

        let connection = trip.outcome.as_mut().unwrap();
        let (outcome, ()) = tokio::join!(connection.watch(&watched, &stop), async {
            is("Watching").await;
            speaker.say(&updated);
            is("Changed {").await;
            stop.cancel();
        });

        outcome.unwrap();
        let honoured = if speaks == Speaks::Modern {
            r#"watching {"resourceSubscriptions":["test://a"],"toolsListChanged":true}"#
        } else {
            "watching null"
        };
        let changed = format!("{:?}", Change::Resource("test://a".to_owned()));
        assert_eq!(told(&trip), [honoured, &changed], "{speaks:?}");
        let methods = site.world.methods();
        let unsubscribed = methods.contains(&"resources/unsubscribe".to_owned());
        assert_eq!(unsubscribed, speaks == Speaks::Streamable);
    }
}

#[actix_web::test]
async fn a_server_without_a_stream_can_not_be_watched() {
    let site = start(Speaks::Streamable, vec![on("GET /mcp", |_, _| empty(405))]);
    let mut connection = enter(&site, "/mcp").await;

    let (everything, stop) = (Watched::default(), Canceller::new());
    let outcome = connection.watch(&everything, &stop).await;

    assert!(matches!(outcome, Err(AgentError::NoStream)));
}

#[actix_web::test]
async fn a_stream_of_changes_that_ends_is_opened_again() {
    let opened = std::sync::Arc::new(AtomicUsize::new(0));
    let times = std::sync::Arc::clone(&opened);
    let stage = Stage::default();
    let site = start(
        Speaks::Modern,
        vec![on_rpc("subscriptions/listen", move |_, _| {
            if times.fetch_add(1, Ordering::SeqCst) == 0 {
                let reply = stage.open();
                stage.end();
                return reply;
            }
            stage.open()
        })],
    );
    let mut connection = enter(&site, "/mcp").await;
    let (nothing, stop) = (Watched::default(), Canceller::new());

    let (outcome, ()) = tokio::join!(connection.watch(&nothing, &stop), async {
        while opened.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    });

    outcome.unwrap();
}
