//! Registration, sign-in, tokens: from the 401 to the first answer, and every way it can end.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use super::{
    kit::{Site, Speaks, empty, json_reply, on, on_rpc, rule, start, whoami, with_header},
    trip::{Browser, go},
};
use crate::{
    agent::{AgentError, Event},
    secret::Secret,
    units::HumanDuration,
};

fn without_registration() -> Site {
    start(
        Speaks::Streamable,
        vec![on(
            "GET /.well-known/oauth-authorization-server/as",
            |world, _| {
                let mut document = world.server_document();
                document
                    .as_object_mut()
                    .unwrap()
                    .remove("registration_endpoint");
                document["token_endpoint_auth_methods_supported"] =
                    json!(["none", "client_secret_post", "client_secret_basic"]);
                json_reply(200, &document)
            },
        )],
    )
}

fn with_token(answer: Value) -> Site {
    start(
        Speaks::Streamable,
        vec![on("POST /as/token", move |_, _| json_reply(200, &answer))],
    )
}

#[actix_web::test]
async fn a_stranger_signs_in_and_calls_a_tool() {
    let site = start(Speaks::Streamable, vec![]);

    let mut trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert_eq!(
        trip.steps(),
        [
            "Unauthorized",
            "Discovered",
            "Registered",
            "SignIn",
            "SignedIn",
            "Connected"
        ]
    );
    let (status, page) = trip.page().await;
    assert_eq!(status, 200);
    assert!(page.contains("You are signed in"), "{page}");
    let mut connection = trip.connection();
    let answer = connection.call_tool("whoami", Map::new()).await.unwrap();
    assert_eq!(answer, whoami());
}

#[actix_web::test]
async fn every_step_says_what_the_specifications_demand() {
    let site = start(Speaks::Streamable, vec![]);

    go(&site, "/mcp", Browser::Agrees, |_| {})
        .await
        .connection();

    let resource = site.url("/mcp").to_string();
    let register = site.world.all("POST /as/register").remove(0).json();
    assert_eq!(register["application_type"], "native");
    assert_eq!(register["token_endpoint_auth_method"], "none");
    let redirect_uri = register["redirect_uris"][0].as_str().unwrap();
    assert!(
        redirect_uri.starts_with("http://127.0.0.1:"),
        "{redirect_uri}"
    );
    assert!(redirect_uri.ends_with("/callback"), "{redirect_uri}");
    let authorize = site.world.all("GET /as/authorize").remove(0);
    assert_eq!(authorize.query("response_type"), "code");
    assert_eq!(authorize.query("client_id"), "agent-1");
    assert_eq!(authorize.query("redirect_uri"), redirect_uri);
    assert_eq!(authorize.query("code_challenge_method"), "S256");
    assert_eq!(authorize.query("resource"), resource);
    assert_eq!(authorize.query("scope"), "mcp:tools");
    assert_eq!(authorize.query("prompt"), "");
    let token = site.world.all("POST /as/token").remove(0);
    assert_eq!(token.form("resource"), resource);
    assert_eq!(token.form("redirect_uri"), redirect_uri);
    assert_eq!(token.form("client_id"), "agent-1");
    assert_eq!(token.header("authorization"), "");
}

#[actix_web::test]
async fn a_server_that_needs_no_token_is_simply_used() {
    let open = rule(|_, seen| {
        let reply = match seen.json()["method"].as_str()? {
            "initialize" => json!({"protocolVersion": "2025-06-18", "capabilities": {}}),
            "tools/call" => whoami(),
            "notifications/initialized" => return Some(empty(202)),
            _ => return Some(json_reply(404, &Value::Null)),
        };
        Some(json_reply(200, &super::kit::result(seen, &reply)))
    });
    let site = start(Speaks::Streamable, vec![open]);

    let trip = go(&site, "/mcp", Browser::StaysAway, |_| {}).await;

    assert_eq!(trip.steps(), ["Connected"]);
    let answer = trip
        .connection()
        .call_tool("whoami", Map::new())
        .await
        .unwrap();
    assert_eq!(answer, whoami());
}

#[actix_web::test]
async fn a_user_who_says_no_is_a_clear_end() {
    let site = start(Speaks::Streamable, vec![]);
    let denied = Browser::ComesBackWith("error=access_denied&state={state}&iss={iss}");

    let mut trip = go(&site, "/mcp", denied, |_| {}).await;

    assert!(matches!(trip.error(), AgentError::Denied));
    let (status, page) = trip.page().await;
    assert_eq!(status, 200);
    assert!(page.contains("Access was not granted"), "{page}");
    assert!(site.world.all("POST /as/token").is_empty());
}

#[actix_web::test]
async fn coming_back_with_nothing_is_a_cancel() {
    let site = start(Speaks::Streamable, vec![]);

    let mut trip = go(&site, "/mcp", Browser::ComesBackWith(""), |_| {}).await;

    assert!(matches!(trip.error(), AgentError::Cancelled));
    assert!(trip.page().await.1.contains("Access was not granted"));
}

#[actix_web::test]
async fn an_answer_to_another_request_is_refused() {
    for query in [
        "code=c&state=guessed&iss={iss}",
        "code=c&iss={iss}",
        "error=access_denied",
        "code=c&state={state}x&iss={iss}",
    ] {
        let site = start(Speaks::Streamable, vec![]);

        let mut trip = go(&site, "/mcp", Browser::ComesBackWith(query), |_| {}).await;

        assert!(
            matches!(trip.error(), AgentError::StateMismatch),
            "{query}: {}",
            trip.error()
        );
        assert_eq!(trip.page().await.0, 400);
        assert!(site.world.all("POST /as/token").is_empty());
    }
}

#[actix_web::test]
async fn an_answer_of_another_issuer_is_refused_even_if_it_is_a_denial() {
    for query in [
        "code=c&state={state}&iss=https://evil.example",
        "code=c&state={state}&iss={iss}/",
        "code=c&state={state}",
        "error=access_denied&state={state}&iss=https://evil.example",
    ] {
        let site = start(Speaks::Streamable, vec![]);

        let trip = go(&site, "/mcp", Browser::ComesBackWith(query), |_| {}).await;

        assert!(
            matches!(trip.error(), AgentError::IssMismatch { .. }),
            "{query}"
        );
        assert!(site.world.all("POST /as/token").is_empty());
    }
}

#[actix_web::test]
async fn an_issuer_that_promises_no_iss_may_leave_it_out() {
    let site = start(
        Speaks::Streamable,
        vec![
            on(
                "GET /.well-known/oauth-authorization-server/as",
                |world, _| {
                    let mut document = world.server_document();
                    document["authorization_response_iss_parameter_supported"] = json!(false);
                    json_reply(200, &document)
                },
            ),
            on("POST /as/token", |_, _| {
                json_reply(
                    200,
                    &json!({"access_token": "token-1", "token_type": "Bearer"}),
                )
            }),
        ],
    );

    let trip = go(
        &site,
        "/mcp",
        Browser::ComesBackWith("code=c&state={state}"),
        |_| {},
    )
    .await;

    assert!(trip.outcome.is_ok());
}

#[actix_web::test]
async fn another_refusal_is_told_in_the_server_s_words() {
    let site = start(Speaks::Streamable, vec![]);
    let query = "error=invalid_scope&error_description=not+allowed&state={state}&iss={iss}";

    let trip = go(&site, "/mcp", Browser::ComesBackWith(query), |_| {}).await;

    let text = trip.error().to_string();
    assert!(text.contains("invalid_scope: not allowed"), "{text}");
}

#[actix_web::test]
async fn a_sign_in_that_nobody_finishes_ends_at_its_deadline() {
    let site = start(Speaks::Streamable, vec![]);

    let trip = go(&site, "/mcp", Browser::StaysAway, |config| {
        config.sign_in_deadline = HumanDuration::new(std::time::Duration::from_millis(20));
    })
    .await;

    assert!(matches!(trip.error(), AgentError::SignInDeadline(_)));
}

#[actix_web::test]
async fn without_registration_and_client_id_the_error_says_what_to_do() {
    let site = without_registration();

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert!(matches!(trip.error(), AgentError::NoRegistration { .. }));
    assert!(trip.error().to_string().contains("--client-id"));
}

#[actix_web::test]
async fn a_given_client_id_is_used_and_nothing_registered() {
    let site = start(Speaks::Streamable, vec![]);

    let trip = go(&site, "/mcp", Browser::Agrees, |config| {
        config.client_id = Some("by-hand".to_owned());
    })
    .await;

    assert!(trip.outcome.is_ok());
    assert!(site.world.all("POST /as/register").is_empty());
    assert_eq!(
        site.world.all("GET /as/authorize")[0].query("client_id"),
        "by-hand"
    );
    assert_eq!(
        site.world.all("POST /as/token")[0].form("client_id"),
        "by-hand"
    );
}

#[actix_web::test]
async fn a_client_with_a_secret_proves_itself_by_basic_where_it_may() {
    let site = without_registration();

    let trip = go(&site, "/mcp", Browser::Agrees, |config| {
        config.client_id = Some("by hand".to_owned());
        config.client_secret = Some(Secret::new("a:b"));
    })
    .await;

    assert!(trip.outcome.is_ok());
    let token = site.world.all("POST /as/token").remove(0);
    // "by+hand:a%3Ab": both halves are form-encoded first.
    assert_eq!(token.header("authorization"), "Basic YnkraGFuZDphJTNBYg==");
    assert_eq!(token.form("client_secret"), "");
}

#[actix_web::test]
async fn a_registered_secret_is_posted_where_basic_is_not_known() {
    let site = start(
        Speaks::Streamable,
        vec![
            on(
                "GET /.well-known/oauth-authorization-server/as",
                |world, _| {
                    let mut document = world.server_document();
                    document["token_endpoint_auth_methods_supported"] =
                        json!(["client_secret_post"]);
                    json_reply(200, &document)
                },
            ),
            on("POST /as/register", |_, _| {
                json_reply(
                    201,
                    &json!({
                        "client_id": "agent-2",
                        "client_secret": "s3cret",
                        "token_endpoint_auth_method": "client_secret_post",
                    }),
                )
            }),
        ],
    );

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert!(trip.outcome.is_ok());
    let token = site.world.all("POST /as/token").remove(0);
    assert_eq!(token.form("client_secret"), "s3cret");
    assert_eq!(token.form("client_id"), "agent-2");
}

#[actix_web::test]
async fn a_refused_registration_is_told_in_the_server_s_words() {
    let site = start(
        Speaks::Streamable,
        vec![on("POST /as/register", |_, _| {
            let why = json!({"error": "invalid_redirect_uri", "error_description": "no loopback"});
            json_reply(400, &why)
        })],
    );

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    let text = trip.error().to_string();
    assert!(text.contains("invalid_redirect_uri: no loopback"), "{text}");
}

#[actix_web::test]
async fn a_server_with_no_metadata_and_no_registration_is_told_so() {
    let site = start(
        Speaks::Streamable,
        vec![
            on("GET /.well-known/oauth-protected-resource/mcp", |_, _| {
                empty(404)
            }),
            rule(|_, seen| {
                (seen.is("POST /mcp") && seen.header("authorization").is_empty())
                    .then(|| with_header(empty(401), "www-authenticate", "Bearer"))
            }),
        ],
    );

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert!(
        matches!(trip.error(), AgentError::NoMetadata { .. }),
        "{}",
        trip.error()
    );
}

#[actix_web::test]
async fn a_refused_code_is_told_in_the_server_s_words() {
    let site = start(
        Speaks::Streamable,
        vec![on("POST /as/token", |_, _| {
            json_reply(400, &json!({"error": "invalid_target"}))
        })],
    );

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert!(matches!(trip.error(), AgentError::TokenRefused(_)));
    assert!(trip.error().to_string().contains("invalid_target"));
}

#[actix_web::test]
async fn a_token_that_is_no_bearer_token_is_not_used() {
    for answer in [
        json!({"access_token": "a", "token_type": "DPoP"}),
        json!({"access_token": "a"}),
        json!({"access_token": "a\nb", "token_type": "Bearer"}),
        json!({"access_token": "", "token_type": "Bearer"}),
    ] {
        let site = with_token(answer.clone());

        let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

        assert!(
            matches!(trip.error(), AgentError::TokenUnusable(_)),
            "{answer}"
        );
    }
}

#[actix_web::test]
async fn a_fresh_token_that_the_server_refuses_ends_it() {
    let site = with_token(json!({"access_token": "other", "token_type": "Bearer"}));

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert!(matches!(trip.error(), AgentError::TokenNotAccepted(_)));
    assert_eq!(site.world.all("GET /as/authorize").len(), 1);
}

#[actix_web::test]
async fn the_token_s_scopes_are_what_the_server_says() {
    let site =
        with_token(json!({"access_token": "token-1", "token_type": "Bearer", "scope": "mcp:read"}));

    let trip = go(&site, "/mcp", Browser::Agrees, |config| {
        config.scope = Some("mcp:read mcp:write".parse().unwrap());
    })
    .await;

    assert_eq!(
        site.world.all("GET /as/authorize")[0].query("scope"),
        "mcp:read mcp:write"
    );
    let events = trip.events.lock().unwrap();
    let granted = events.iter().find_map(|event| match event {
        Event::SignedIn { scopes } => Some(scopes.to_string()),
        _ => None,
    });
    assert_eq!(granted.unwrap(), "mcp:read");
}

#[actix_web::test]
async fn offline_access_is_asked_for_with_consent_and_only_if_wanted() {
    let site = start(Speaks::Streamable, vec![]);

    go(&site, "/mcp", Browser::Agrees, |config| {
        config.offline_access = true;
    })
    .await
    .connection();

    let authorize = site.world.all("GET /as/authorize").remove(0);
    assert_eq!(authorize.query("scope"), "mcp:tools offline_access");
    assert_eq!(authorize.query("prompt"), "consent");
}

#[actix_web::test]
async fn a_token_at_its_end_is_refreshed_without_the_user() {
    let tokens = AtomicUsize::new(0);
    let site = start(
        Speaks::Streamable,
        vec![on("POST /as/token", move |_, _| {
            let number = tokens.fetch_add(1, Ordering::SeqCst);
            let life = if number == 0 { 0 } else { 3600 };
            json_reply(
                200,
                &json!({
                    "access_token": format!("token-{number}"),
                    "token_type": "Bearer",
                    "expires_in": life,
                    "refresh_token": format!("refresh-{number}"),
                }),
            )
        })],
    );

    let trip = go(&site, "/mcp", Browser::Agrees, |_| {}).await;

    assert!(
        trip.steps().contains(&"Refreshed".to_owned()),
        "{:?}",
        trip.steps()
    );
    let refresh = site.world.all("POST /as/token").remove(1);
    assert_eq!(refresh.form("grant_type"), "refresh_token");
    assert_eq!(refresh.form("refresh_token"), "refresh-0");
    assert_eq!(refresh.form("resource"), site.url("/mcp").as_str());
    assert_eq!(
        site.world
            .all("POST /mcp")
            .last()
            .unwrap()
            .header("authorization"),
        "Bearer token-1"
    );
}

#[actix_web::test]
async fn a_token_that_is_refused_mid_run_is_refreshed_or_the_user_asked_again() {
    for (refreshable, sign_ins) in [(true, 1), (false, 2)] {
        let tokens = AtomicUsize::new(0);
        let issue = on("POST /as/token", move |_, seen| {
            let number = tokens.fetch_add(1, Ordering::SeqCst);
            if seen.form("grant_type") == "refresh_token" && !refreshable {
                return json_reply(400, &json!({"error": "invalid_grant"}));
            }
            let token = format!("token-{number}");
            let body = json!({"access_token": token, "token_type": "Bearer", "refresh_token": "r"});
            json_reply(200, &body)
        });
        let revoke = on_rpc("tools/call", |_, seen| {
            if seen.header("authorization") == "Bearer token-0" {
                return with_header(empty(401), "www-authenticate", "Bearer error=invalid_token");
            }
            json_reply(200, &super::kit::result(seen, &whoami()))
        });
        let site = start(Speaks::Streamable, vec![issue, revoke]);
        let mut connection = go(&site, "/mcp", Browser::Agrees, |_| {})
            .await
            .connection();

        let answer = connection.call_tool("whoami", Map::new()).await.unwrap();

        assert_eq!(answer, whoami());
        assert_eq!(site.world.all("GET /as/authorize").len(), sign_ins);
        assert_eq!(site.world.all("POST /as/register").len(), 1);
    }
}
