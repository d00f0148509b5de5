//! What travels on each of the three transports.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, json};

use super::{
    kit::{
        Reply, Site, Speaks, empty, error, events, json_reply, on, on_rpc, result, start, whoami,
        with_header,
    },
    trip::{Browser, go},
};
use crate::agent::{AgentError, Connection, Transport};

async fn enter(site: &Site, path: &str) -> Connection {
    go(site, path, Browser::Agrees, |_| {}).await.connection()
}

// HTTP+SSE

#[actix_web::test]
async fn http_sse_posts_to_the_endpoint_and_reads_the_stream() {
    let site = start(Speaks::HttpSse, vec![]);

    let mut connection = enter(&site, "/sse").await;
    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    assert_eq!(connection.transport(), Transport::HttpSse);
    let posts = site.world.all("POST /messages");
    assert_eq!(
        site.world.methods(),
        ["initialize", "notifications/initialized", "tools/call"]
    );
    assert!(
        posts
            .iter()
            .all(|post| post.header("authorization") == "Bearer token-1")
    );
    assert_eq!(posts[2].header("mcp-protocol-version"), "2025-11-25");
}

#[actix_web::test]
async fn an_endpoint_of_another_origin_never_sees_the_token() {
    for endpoint in [
        "https://evil.example/messages",
        "//evil.example/messages",
        "http://127.0.0.1:1/m",
    ] {
        let site = start(
            Speaks::HttpSse,
            vec![on("GET /sse", move |_, _| {
                events(&format!("event: endpoint\ndata: {endpoint}\n\n"))
            })],
        );

        let trip = go(&site, "/sse", Browser::Agrees, |_| {}).await;

        assert!(
            matches!(trip.error(), AgentError::ForeignEndpoint(_)),
            "{endpoint}: {}",
            trip.error()
        );
    }
}

#[actix_web::test]
async fn a_ping_on_the_stream_is_answered_and_an_unknown_request_declined() {
    let site = start(
        Speaks::HttpSse,
        vec![on_rpc("tools/call", |world, seen| {
            world.say(&json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}));
            world.say(&json!({"jsonrpc": "2.0", "id": 99, "method": "roots/list"}));
            world.say(&json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}));
            world.say(&json!({"jsonrpc": "2.0", "id": 1000, "result": "another's"}));
            world.say(&result(seen, &whoami()));
            empty(202)
        })],
    );
    let mut connection = enter(&site, "/sse").await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    let posts = site.world.all("POST /messages");
    let [.., ping, roots] = posts.as_slice() else {
        panic!("too few posts");
    };
    assert_eq!(
        ping.json(),
        json!({"jsonrpc": "2.0", "id": "p", "result": {}})
    );
    assert_eq!(roots.json()["error"]["code"], -32601);
}

#[actix_web::test]
async fn a_stream_that_ends_early_is_told() {
    let site = start(
        Speaks::HttpSse,
        vec![
            on("GET /sse", |_, _| {
                events("event: endpoint\ndata: /messages\n\n")
            }),
            on("POST /messages", |_, _| empty(202)),
        ],
    );

    let trip = go(&site, "/sse", Browser::StaysAway, |_| {}).await;

    assert!(matches!(trip.error(), AgentError::StreamEnded));
}

#[actix_web::test]
async fn a_session_that_is_gone_on_http_sse_is_told_by_its_status() {
    let site = start(
        Speaks::HttpSse,
        vec![on_rpc("tools/call", |_, _| empty(404))],
    );
    let mut connection = enter(&site, "/sse").await;

    let error = connection
        .call_tool("whoami", Map::new())
        .await
        .unwrap_err();

    assert!(
        matches!(&error, AgentError::Status { status, .. } if status.as_u16() == 404),
        "{error}"
    );
}

// Streamable HTTP

#[actix_web::test]
async fn a_session_s_id_and_version_go_with_every_later_request() {
    let site = start(Speaks::Streamable, vec![]);

    let mut connection = enter(&site, "/mcp").await;
    connection.call_tool("whoami", Map::new()).await.unwrap();
    connection.close().await;

    let called = site.world.all("POST /mcp").pop().unwrap();
    let ended = site.world.all("DELETE /mcp").pop().unwrap();
    for seen in [called, ended] {
        assert_eq!(seen.header("mcp-session-id"), "session-1");
        assert_eq!(seen.header("mcp-protocol-version"), "2025-11-25");
        assert_eq!(seen.header("authorization"), "Bearer token-1");
    }
}

#[actix_web::test]
async fn both_kinds_of_answer_are_accepted_and_read() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", |_, seen| {
            let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
            let answer = result(seen, &whoami());
            events(&format!(
                "id: 1\ndata:\n\ndata: {ping}\n\ndata: {answer}\n\n"
            ))
        })],
    );
    let mut connection = enter(&site, "/mcp").await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    let posts = site.world.all("POST /mcp");
    assert_eq!(
        posts.last().unwrap().json(),
        json!({"jsonrpc": "2.0", "id": 7, "result": {}})
    );
    assert_eq!(
        posts.last().unwrap().header("accept"),
        "application/json, text/event-stream"
    );
}

#[actix_web::test]
async fn a_batch_of_answers_is_searched() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", |_, seen| {
            let note = json!({"jsonrpc": "2.0", "method": "notifications/progress"});
            json_reply(200, &json!([note, result(seen, &whoami())]))
        })],
    );
    let mut connection = enter(&site, "/mcp").await;

    assert_eq!(
        connection.call_tool("whoami", Map::new()).await.unwrap(),
        whoami()
    );
}

#[actix_web::test]
async fn a_stream_that_ends_early_is_resumed_where_it_ended() {
    let site = start(
        Speaks::Streamable,
        vec![
            on_rpc("tools/call", |_, _| events("id: e1\nretry: 1\ndata:\n\n")),
            on("GET /mcp", |world, seen| {
                if seen.header("last-event-id").is_empty() {
                    return empty(405);
                }
                let called = world.all("POST /mcp").pop().unwrap();
                let answer = result(&called, &whoami());
                events(&format!("data: {answer}\n\n"))
            }),
        ],
    );
    let mut connection = enter(&site, "/mcp").await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    let resumed = site.world.all("GET /mcp").pop().unwrap();
    assert_eq!(resumed.header("last-event-id"), "e1");
    assert_eq!(resumed.header("mcp-session-id"), "session-1");
}

#[actix_web::test]
async fn a_session_that_is_gone_is_opened_anew_once() {
    let gone = AtomicUsize::new(0);
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", move |_, seen| {
            if gone.fetch_add(1, Ordering::SeqCst) == 0 {
                return empty(404);
            }
            json_reply(200, &result(seen, &whoami()))
        })],
    );
    let mut connection = enter(&site, "/mcp").await;

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    let opened = site
        .world
        .methods()
        .into_iter()
        .filter(|method| method == "initialize");
    assert_eq!(opened.count(), 2);
}

#[actix_web::test]
async fn an_error_of_the_server_is_told_in_its_words() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", |_, seen| {
            json_reply(200, &error(seen, -32602, &json!(null)))
        })],
    );
    let mut connection = enter(&site, "/mcp").await;

    let error = connection
        .call_tool("nothing", Map::new())
        .await
        .unwrap_err();

    assert!(
        matches!(error, AgentError::Rpc { code: -32602, .. }),
        "{error}"
    );
}

#[actix_web::test]
async fn every_page_of_a_list_is_read() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/list", |_, seen| {
            let page = match seen.json()["params"]["cursor"].as_str() {
                None => json!({"tools": [{"name": "a", "description": "A"}], "nextCursor": "2"}),
                Some(_) => json!({"tools": [{"name": "b"}]}),
            };
            json_reply(200, &result(seen, &page))
        })],
    );
    let mut connection = enter(&site, "/mcp").await;

    let tools = connection.list_tools().await.unwrap();

    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(tools[0].definition.value()["description"], "A");
}

#[actix_web::test]
async fn a_list_without_end_is_given_up() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/list", |_, seen| {
            json_reply(
                200,
                &result(seen, &json!({"tools": [], "nextCursor": "again"})),
            )
        })],
    );
    let mut connection = enter(&site, "/mcp").await;

    let error = connection.list_tools().await.unwrap_err();

    assert!(matches!(error, AgentError::Unreadable { .. }), "{error}");
}

#[actix_web::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let site = start(
        Speaks::Streamable,
        vec![on("POST /mcp", |_, _| {
            with_header(empty(307), "location", "https://evil.example/")
        })],
    );

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert!(matches!(trip.error(), AgentError::Redirected { .. }));
    assert!(trip.error().to_string().contains("https://evil.example/"));
}

#[actix_web::test]
async fn a_web_page_is_no_mcp_server() {
    let site = start(
        Speaks::Streamable,
        vec![on("POST /mcp", |_, _| Reply::Whole {
            status: 200,
            headers: vec![("content-type", "text/html".to_owned())],
            body: "<html>".to_owned(),
        })],
    );

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert!(
        matches!(trip.error(), AgentError::NotMcp { .. }),
        "{}",
        trip.error()
    );
}

// 2026-07-28

#[actix_web::test]
async fn a_modern_request_says_everything_by_itself() {
    let site = start(Speaks::Modern, vec![]);

    let mut connection = enter(&site, "/mcp").await;
    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();
    connection.close().await;

    assert_eq!(answer, whoami());
    assert_eq!(
        site.world.methods(),
        ["server/discover", "tools/list", "tools/call"]
    );
    assert!(site.world.all("DELETE /mcp").is_empty());
    let call = site.world.all("POST /mcp").pop().unwrap();
    assert_eq!(call.header("mcp-protocol-version"), "2026-07-28");
    assert_eq!(call.header("mcp-method"), "tools/call");
    assert_eq!(call.header("mcp-name"), "whoami");
    let meta = &call.json()["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({})
    );
    assert!(meta["io.modelcontextprotocol/clientInfo"]["name"].is_string());
}

#[actix_web::test]
async fn a_modern_answer_may_come_on_a_stream() {
    let site = start(
        Speaks::Modern,
        vec![on_rpc("tools/call", |_, seen| {
            let note = json!({"jsonrpc": "2.0", "method": "notifications/progress"});
            events(&format!(
                ": hello\n\ndata: {note}\n\ndata: {}\n\n",
                result(seen, &whoami())
            ))
        })],
    );
    let mut connection = enter(&site, "/mcp").await;

    assert_eq!(
        connection.call_tool("whoami", Map::new()).await.unwrap(),
        whoami()
    );
}
