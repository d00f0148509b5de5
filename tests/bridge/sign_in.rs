//! The user's way and the client's: authorize, callback, token, refresh, revoke; rows of group C that
//! concern an authorization server, and the quirks of Logto behind it.

use std::time::Duration;

use serde_json::json;

use crate::kit::{Bridge, Browser, CHALLENGE, REDIRECT_URI, client, parameter, public, send};

#[actix_web::test]
async fn an_agent_registers_signs_its_user_in_and_calls_whoami() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;

    let callback = Browser::default().walk(&bridge.request(&id, &[])).await;

    assert!(callback.starts_with(REDIRECT_URI));
    assert_eq!(parameter(&callback, "state").unwrap(), "s t&te");
    // C24
    assert_eq!(parameter(&callback, "iss").unwrap(), bridge.url);
    {
        let asked = &bridge.logto.state().asked;
        assert_eq!(asked["code_challenge"], CHALLENGE);
        assert_eq!(asked["resource"], bridge.at("/mcp"));
        assert_eq!(asked["prompt"], "consent");
        assert_eq!(asked["redirect_uri"], bridge.at("/callback"));
    }
    let code = parameter(&callback, "code").unwrap();
    let tokens = bridge.exchange(&id, &code, &[]).await.is(200);
    assert_eq!(tokens.header("cache-control"), "no-store");
    let tokens = tokens.json();
    assert_eq!(tokens["scope"], "mcp:tools");
    assert!(
        tokens.get("id_token").is_none(),
        "of an issuer that the client does not know"
    );
    let said = bridge
        .whoami(tokens["access_token"].as_str().unwrap())
        .await
        .is(200);
    assert!(
        said.body.contains(&id) && said.body.contains("alice"),
        "{}",
        said.body
    );
    bridge.stop().await;
}

/// C08: used twice; C10: another client's, another redirect URI, too late; C06: wrong verifiers.
#[actix_web::test]
async fn a_code_is_good_once_and_for_what_it_was_given() {
    let bridge = Bridge::start().await;
    let (id, other) = (bridge.agent().await, bridge.agent().await);
    let code = bridge.code(&id, &[]).await;

    for more in [
        ("client_id", other.as_str()),
        ("redirect_uri", "http://127.0.0.1:5555/other"),
        ("code_verifier", &"a".repeat(43)),
        ("code_verifier", &"a".repeat(42)),
        ("code_verifier", &"a".repeat(129)),
        ("code", "made-up"),
    ] {
        bridge
            .exchange(&id, &code, &[more])
            .await
            .refuses(400, "invalid_grant");
    }
    for missing in ["code_verifier", "code", "redirect_uri", "grant_type"] {
        let reply = bridge.exchange(&id, &code, &[(missing, "")]).await;
        reply.refuses(400, "invalid_request");
    }
    bridge.exchange(&id, &code, &[]).await.is(200);
    bridge
        .exchange(&id, &code, &[])
        .await
        .refuses(400, "invalid_grant");
    let late = bridge.code(&id, &[]).await;
    bridge.clock.advance(Duration::from_secs(61));
    bridge
        .exchange(&id, &late, &[])
        .await
        .refuses(400, "invalid_grant");
    bridge.stop().await;
}

/// C03, R29: never a redirect to where the client did not say.
#[actix_web::test]
async fn an_unknown_client_or_redirect_uri_gets_a_page_and_no_redirect() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    let browser = Browser::default();
    for request in [
        bridge.request("nobody", &[]),
        bridge.request("../users", &[]),
        bridge.request(&id, &[("client_id", "")]),
        bridge.request(&id, &[("redirect_uri", "http://127.0.0.1:53211/other")]),
        bridge.request(&id, &[("redirect_uri", "https://evil.example/cb")]),
        bridge.request(&id, &[("redirect_uri", "http://localhost:5555/cb")]),
    ] {
        let page = browser.get(&request).await.is(400);
        assert_eq!(page.header("location"), "");
        // C16, C32
        assert!(
            page.header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
    }
    let other_port = [("redirect_uri", "http://127.0.0.1:53211/cb")];
    browser.get(&bridge.request(&id, &other_port)).await.is(303);
    bridge.stop().await;
}

/// C05, C06
#[actix_web::test]
async fn what_is_wrong_with_a_request_the_client_is_told_with_state_and_iss() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    for (more, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", "code token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("resource", "https://evil.example/mcp"), "invalid_target"),
        (("scope", "admin:all"), "invalid_scope"),
        (("request_uri", "https://evil.example/"), "invalid_request"),
        (("response_mode", "fragment"), "invalid_request"),
    ] {
        let reply = Browser::default()
            .get(&bridge.request(&id, &[more]))
            .await
            .is(303);
        let callback = reply.header("location");
        assert!(callback.starts_with(REDIRECT_URI), "{callback}");
        assert_eq!(parameter(callback, "error").unwrap(), error, "{more:?}");
        assert_eq!(parameter(callback, "state").unwrap(), "s t&te");
        assert_eq!(parameter(callback, "iss").unwrap(), bridge.url);
    }
    assert!(bridge.logto.state().asked.is_empty(), "Logto was asked");
    bridge.stop().await;
}

/// C23: Logto says nothing but the bare redirect URI.
#[actix_web::test]
async fn a_cancel_at_logto_is_access_denied_to_the_client() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    bridge.logto.state().cancels = true;

    let callback = Browser::default().walk(&bridge.request(&id, &[])).await;

    assert_eq!(parameter(&callback, "error").unwrap(), "access_denied");
    assert_eq!(parameter(&callback, "state").unwrap(), "s t&te");
    assert_eq!(parameter(&callback, "iss").unwrap(), bridge.url);
    assert_eq!(parameter(&callback, "code"), None);
    bridge.stop().await;
}

/// P22, C18
#[actix_web::test]
async fn a_sign_in_ends_in_the_browser_it_began_in_or_nowhere() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    let browser = Browser::default();
    let begun = browser.get(&bridge.request(&id, &[])).await.is(303);
    let cookie = begun.header("set-cookie").to_owned();
    assert!(
        cookie.contains("; HttpOnly; SameSite=Lax; Max-Age=600"),
        "{cookie}"
    );
    assert!(cookie.len() < 4_096);
    let back = browser.until(begun.header("location"), "/callback").await;

    let nobody = Browser::default();
    nobody.get(&back).await.is(400);
    let somebody = Browser::default();
    somebody.get(&bridge.request(&id, &[])).await.is(303);
    somebody.get(&back).await.is(400);
    let forged = back.replace("state=", "state=x");
    browser.get(&forged).await.is(400);
    browser
        .get(&back.replace("iss=", "iss=https%3A%2F%2Fevil.example%2F"))
        .await
        .is(400);
    let without_iss = back.split("&iss=").next().unwrap();
    browser.get(without_iss).await.is(400);

    bridge.clock.advance(Duration::from_secs(601));
    browser.get(&back).await.is(400);
    bridge.stop().await;
}

#[actix_web::test]
async fn two_sign_ins_in_one_browser_do_not_disturb_each_other() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    let browser = Browser::default();
    let one = browser
        .until(&bridge.request(&id, &[("state", "one")]), "/callback")
        .await;
    let two = browser
        .until(&bridge.request(&id, &[("state", "two")]), "/callback")
        .await;

    let first = browser.get(&one).await.is(303);
    let second = browser.get(&two).await.is(303);

    assert_eq!(parameter(first.header("location"), "state").unwrap(), "one");
    assert_eq!(
        parameter(second.header("location"), "state").unwrap(),
        "two"
    );
    bridge.stop().await;
}

/// Logto's `invalid_scope` for a user's data and its silence about the rest.
#[actix_web::test]
async fn scopes_that_a_client_may_not_have_are_left_out() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;

    let code = bridge
        .code(
            &id,
            &[("scope", "openid profile email phone mcp:tools notes:read")],
        )
        .await;

    let asked = bridge.logto.state().asked["scope"].clone();
    assert!(
        !asked.contains("email") && !asked.contains("phone"),
        "{asked}"
    );
    let tokens = bridge.exchange(&id, &code, &[]).await.is(200).json();
    assert_eq!(tokens["scope"], "mcp:tools");
    bridge.stop().await;
}

/// A client of 2025-03-26 names no resource, ever; a token without one would be opaque.
#[actix_web::test]
async fn a_client_that_names_no_resource_gets_a_token_for_this_server_and_refreshes_it() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    let code = bridge.code(&id, &[("resource", ""), ("scope", "")]).await;

    let tokens = bridge.exchange(&id, &code, &[]).await.is(200).json();
    bridge
        .whoami(tokens["access_token"].as_str().unwrap())
        .await
        .is(200);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &id),
        ("refresh_token", refresh),
    ];
    let again = bridge.token(&form).await.is(200).json();

    bridge
        .whoami(again["access_token"].as_str().unwrap())
        .await
        .is(200);
    bridge.token(&form).await.refuses(400, "invalid_grant");
    bridge.stop().await;
}

#[actix_web::test]
async fn a_refresh_token_remembers_its_resource() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    let sse = bridge.at("/sse");
    let code = bridge.code(&id, &[("resource", &sse)]).await;
    let tokens = bridge.exchange(&id, &code, &[]).await.is(200).json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &id),
        ("refresh_token", refresh),
    ];

    let again = bridge.token(&form).await.is(200).json();

    let token = again["access_token"].as_str().unwrap();
    bridge.whoami(token).await.is(200);
    // C29, and given back it is gone.
    let refresh = again["refresh_token"].as_str().unwrap();
    let revoke = |token: &str| {
        let form = [("client_id", id.clone()), ("token", token.to_owned())];
        client().post(bridge.at("/revoke")).form(&form)
    };
    send(revoke("never-heard-of")).await.is(200);
    send(revoke(refresh)).await.is(200);
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &id),
        ("refresh_token", refresh),
    ];
    bridge.token(&form).await.refuses(400, "invalid_grant");
    send(revoke(token))
        .await
        .refuses(400, "unsupported_token_type");
    bridge.stop().await;
}

#[actix_web::test]
async fn a_confidential_client_shows_its_secret_by_header_or_form() {
    let bridge = Bridge::start().await;
    let mut metadata = public();
    metadata["token_endpoint_auth_method"] = json!("client_secret_post");
    let told = bridge.register(&metadata).await.is(201).json();
    let (id, secret) = (
        told["client_id"].as_str().unwrap(),
        told["client_secret"].as_str().unwrap(),
    );

    let code = bridge.code(id, &[]).await;
    bridge
        .exchange(id, &code, &[])
        .await
        .refuses(401, "invalid_client");
    let wrong = bridge
        .exchange(id, &code, &[("client_secret", "wrong")])
        .await;
    let wrong = wrong.refuses(401, "invalid_client");
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
    bridge
        .exchange(id, &code, &[("client_secret", secret)])
        .await
        .is(200);
    // PKCE though Logto would not ask it of this kind.
    let reply = Browser::default()
        .get(&bridge.request(id, &[("code_challenge", "")]))
        .await;
    assert_eq!(
        parameter(reply.header("location"), "error").unwrap(),
        "invalid_request"
    );
    bridge.stop().await;
}

/// C28
#[actix_web::test]
async fn the_token_endpoint_takes_forms_by_post_alone() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;

    send(client().get(bridge.at("/token"))).await.is(405);
    send(client().post(bridge.at("/token")).json(&json!({})))
        .await
        .refuses(400, "invalid_request");
    let unknown = [("grant_type", "password"), ("client_id", id.as_str())];
    bridge
        .token(&unknown)
        .await
        .refuses(400, "unsupported_grant_type");
    let nobody = [
        ("grant_type", "refresh_token"),
        ("client_id", "nobody"),
        ("refresh_token", "x"),
    ];
    bridge.token(&nobody).await.refuses(401, "invalid_client");
    bridge.stop().await;
}

/// Logto's 400 for a client that an operator deleted, while we still have a copy of it.
#[actix_web::test]
async fn a_client_that_was_deleted_in_logto_is_no_client() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    let code = bridge.code(&id, &[]).await;
    bridge.logto.state().applications.clear();

    bridge
        .exchange(&id, &code, &[])
        .await
        .refuses(401, "invalid_client");
    bridge.stop().await;
}

/// M06, M13, M03: and what the resource says of it.
#[actix_web::test]
async fn the_metadata_is_of_configuration_alone() {
    let bridge = Bridge::start().await;
    let url = bridge.at("/.well-known/oauth-authorization-server");

    let reply = send(
        client()
            .get(&url)
            .header("x-forwarded-host", "evil.example"),
    )
    .await
    .is(200);

    let metadata = reply.json();
    assert_eq!(metadata["issuer"], bridge.url);
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(metadata["registration_endpoint"], bridge.at("/register"));
    assert!(!reply.body.contains("evil.example"));
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    let tag = reply.header("etag");
    send(client().get(&url).header("if-none-match", tag))
        .await
        .is(304);
    let head = send(client().head(&url)).await.is(200);
    assert_eq!((head.header("etag"), head.body.as_str()), (tag, ""));
    let ours = bridge.at("/.well-known/oauth-protected-resource/mcp");
    let ours = send(client().get(ours)).await.is(200).json();
    assert_eq!(ours["authorization_servers"], json!([bridge.url]));
    // M12
    let other = bridge.at("/.well-known/oauth-authorization-server/%2e%2e/register");
    assert_eq!(send(client().get(other)).await.status, 404);
    bridge.stop().await;
}

/// M07
#[actix_web::test]
async fn endpoints_that_no_browser_should_see_are_never_redirected_to() {
    for endpoint in ["javascript:alert(1)", "http://evil.example/auth"] {
        let logto = crate::logto::Logto::start();
        logto.state().metadata = json!({ "authorization_endpoint": endpoint });
        let bridge = Bridge::unready(logto, |_| ());
        let id = bridge.agent().await;

        let reply = Browser::default()
            .get(&bridge.request(&id, &[]))
            .await
            .is(303);

        let callback = reply.header("location");
        assert_eq!(
            parameter(callback, "error").unwrap(),
            "temporarily_unavailable"
        );
        bridge.stop().await;
    }
}
