//! A call that needs more than the token allows.

use serde_json::{Map, json};

use super::{
    kit::{Reply, Site, Speaks, empty, json_reply, on, on_rpc, result, start, whoami, with_header},
    trip::{Browser, go},
};
use crate::agent::AgentError;

fn forbidden(scope: &str) -> Reply {
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    with_header(empty(403), "www-authenticate", &challenge)
}

/// A server that grants what is asked, and whose tool wants `scope`.
fn wanting(scope: &'static str) -> Site {
    start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", move |world, seen| {
            let asked = world
                .all("GET /as/authorize")
                .last()
                .unwrap()
                .query("scope");
            if asked.split(' ').any(|asked| asked == scope) {
                return json_reply(200, &result(seen, &whoami()));
            }
            forbidden(scope)
        })],
    )
}

#[actix_web::test]
async fn the_user_is_asked_once_for_what_was_granted_and_what_is_missing() {
    let site = wanting("mcp:write");
    let mut connection = go(&site, "/mcp", Browser::Agrees, |_| {})
        .await
        .connection();

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    let asked = site.world.all("GET /as/authorize");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].query("scope"), "mcp:tools mcp:write");
    assert_eq!(
        asked[0].query("redirect_uri"),
        asked[1].query("redirect_uri")
    );
    assert_eq!(site.world.all("POST /as/register").len(), 1);
}

#[actix_web::test]
async fn scopes_that_were_asked_for_and_not_granted_are_not_asked_for_again() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", |_, _| forbidden("mcp:write"))],
    );
    let mut connection = go(&site, "/mcp", Browser::Agrees, |_| {})
        .await
        .connection();

    let error = connection
        .call_tool("whoami", Map::new())
        .await
        .unwrap_err();

    assert!(
        matches!(&error, AgentError::InsufficientScope(scopes) if scopes.to_string() == "mcp:write")
    );
    assert_eq!(site.world.all("GET /as/authorize").len(), 2);
}

#[actix_web::test]
async fn a_server_that_wants_ever_more_is_left_after_three_times() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", |world, _| {
            let asked = world.all("GET /as/authorize").len();
            forbidden(&format!("mcp:more-{asked}"))
        })],
    );
    let mut connection = go(&site, "/mcp", Browser::Agrees, |_| {})
        .await
        .connection();

    let error = connection
        .call_tool("whoami", Map::new())
        .await
        .unwrap_err();

    assert!(matches!(error, AgentError::InsufficientScope(_)));
    assert_eq!(site.world.all("GET /as/authorize").len(), 4);
}

#[actix_web::test]
async fn a_plain_403_asks_nobody() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("tools/call", |_, _| empty(403))],
    );
    let mut connection = go(&site, "/mcp", Browser::Agrees, |_| {})
        .await
        .connection();

    let error = connection
        .call_tool("whoami", Map::new())
        .await
        .unwrap_err();

    assert!(matches!(error, AgentError::Status { .. }), "{error}");
    assert_eq!(site.world.all("GET /as/authorize").len(), 1);
}

#[actix_web::test]
async fn a_server_that_moved_to_another_issuer_is_signed_in_to_as_a_stranger() {
    let moved = |world: &super::kit::World| !world.all("GET /as/authorize").is_empty();
    let site = start(
        Speaks::Streamable,
        vec![
            on(
                "GET /.well-known/oauth-protected-resource/mcp",
                move |world, _| {
                    let mut document = world.resource_document("/mcp");
                    if moved(world) {
                        document["authorization_servers"] =
                            json!([format!("{}/new", world.origin)]);
                    }
                    json_reply(200, &document)
                },
            ),
            on(
                "GET /.well-known/oauth-authorization-server/new",
                |world, _| {
                    let mut document = world.server_document();
                    document["issuer"] = json!(format!("{}/new", world.origin));
                    document["authorization_response_iss_parameter_supported"] = json!(false);
                    document["authorization_endpoint"] =
                        json!(format!("{}/new/authorize", world.origin));
                    json_reply(200, &document)
                },
            ),
            on("GET /new/authorize", |_, seen| {
                let state = seen.query("state");
                let code = seen.query("code_challenge");
                let back = format!(
                    "{}?code=code.{code}&state={state}",
                    seen.query("redirect_uri")
                );
                with_header(empty(303), "location", &back)
            }),
            on_rpc("tools/call", |world, seen| {
                if world.all("GET /new/authorize").is_empty() {
                    return empty(401);
                }
                json_reply(200, &result(seen, &whoami()))
            }),
        ],
    );
    let mut connection = go(&site, "/mcp", Browser::Agrees, |_| {})
        .await
        .connection();

    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

    assert_eq!(answer, whoami());
    assert_eq!(site.world.all("POST /as/register").len(), 2);
}
