//! X01: a token that comes by any way, to any route, is repeated nowhere. Answers are judged here; what is
//! logged meanwhile is judged by `tests/secrets`, which knows the mark of these tokens.

use serde_json::json;

use crate::kit::{Ask, Reply, Scene};

const CANARY: &str = "c4nary.c4nary-c4nary_c4nary";

const ROUTES: [&str; 13] = [
    "/mcp",
    "/sse",
    "/messages",
    "/",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/register",
    "/authorize",
    "/callback",
    "/token",
    "/revoke",
    "/nowhere",
];

fn repeats_nothing(reply: &Reply, what: &str) {
    let head = format!("{:?}", reply.comparable().1);
    assert!(!head.contains("c4nary"), "{what}: {head}");
    assert!(!reply.text().contains("c4nary"), "{what}: {reply:?}");
}

#[tokio::test]
async fn a_token_is_repeated_by_no_route_however_it_came() {
    let scene = Scene::new().await;
    for route in ROUTES {
        let json =
            json!({ "jsonrpc": "2.0", "id": CANARY, "access_token": CANARY, "token": CANARY });
        let form =
            format!("access_token={CANARY}&token={CANARY}&code={CANARY}&client_secret={CANARY}");
        let query = format!("{route}?access_token={CANARY}&code={CANARY}&state={CANARY}");
        let posted = |kind: &str, body: String| {
            Ask::new(&scene, "POST", route)
                .header("Content-Type", kind)
                .header("Accept", "application/json, text/event-stream")
                .body(body)
        };
        for (way, ask) in [
            ("header", Ask::get(&scene, route).bearer(CANARY)),
            (
                "basic",
                Ask::get(&scene, route).header("Authorization", "Basic YzRuYXJ5OmM0bmFyeQ=="),
            ),
            (
                "cookie",
                Ask::get(&scene, route).header("Cookie", &format!("token={CANARY}")),
            ),
            ("query", Ask::get(&scene, &query)),
            ("posted query", Ask::new(&scene, "POST", &query)),
            ("body", posted("application/json", json.to_string())),
            (
                "body, known",
                posted("application/json", json.to_string()).bearer(&scene.token("alice")),
            ),
            (
                "form",
                posted("application/x-www-form-urlencoded", form.clone()),
            ),
            ("deleted", Ask::new(&scene, "DELETE", &query).bearer(CANARY)),
        ] {
            let reply = scene.ask(&ask).await;
            repeats_nothing(&reply, &format!("{way} to {route}"));
        }
    }
    assert!(!scene.running().metrics().encode().contains("c4nary"));
}
