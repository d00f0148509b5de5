//! The consent page and what follows from it.

use serde_json::json;

use crate::kit::{Browser, Provider, client, jwt, parameter, without_query};

/// C13
#[actix_web::test]
async fn a_consent_that_our_page_did_not_send_is_refused() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (_, other) = browser.sign_in(&agent.authorization("openid", &[])).await;
    let (url, page) = browser.sign_in(&agent.authorization("openid", &[])).await;
    let allow = |token: Option<String>| {
        let mut form = vec![
            page.form()[0].clone(),
            ("decision".to_owned(), "allow".to_owned()),
        ];
        form.extend(token.map(|token| ("form_token".to_owned(), token)));
        form
    };
    let action = without_query(&url);

    let without = browser.post(&action, &allow(None)).await;
    let with_others = browser
        .post(&action, &allow(Some(other.form()[1].1.clone())))
        .await;
    let own = allow(Some(page.form()[1].1.clone()));
    let from_elsewhere = browser
        .send(
            client()
                .post(&action)
                .form(&own)
                .header("origin", "https://evil.example"),
        )
        .await;
    let from_a_frame = browser
        .send(client().post(&action).form(&own).header("origin", "null"))
        .await;

    for reply in [without, with_others, from_elsewhere, from_a_frame] {
        assert_eq!(reply.status, 403);
        assert_eq!(reply.header("location"), "");
    }
    let as_chromium = client()
        .post(&action)
        .form(&own)
        .header("origin", "null")
        .header("sec-fetch-site", "same-origin");
    assert_eq!(browser.send(as_chromium).await.status, 303);
}

/// C17
#[actix_web::test]
async fn what_a_client_says_is_inert_on_every_page() {
    let provider = Provider::start();
    let attack = "\"'><script>alert(1)</script>";
    let agent = provider.register(attack).await;
    let url = agent.authorization(
        "openid <img/src=x/onerror=alert(1)>",
        &[("state", attack), ("login_hint", attack)],
    );
    let browser = Browser::new();

    let (_, sign_in) = browser.follow(&url).await;
    let (_, consent) = browser.sign_in(&url).await;

    for page in [sign_in, consent] {
        assert!(
            !page.body.contains("<script") && !page.body.contains("<img"),
            "{}",
            page.body
        );
        assert!(page.body.contains("&lt;script&gt;"));
    }
    let callback = browser.allow(&url).await;
    assert_eq!(parameter(&callback, "state").as_deref(), Some(attack));
}

/// C23
#[actix_web::test]
async fn a_denial_tells_the_client() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (url, page) = browser.sign_in(&agent.authorization("openid", &[])).await;

    let (callback, _) = browser.submit(&url, &page, &[("decision", "deny")]).await;

    assert_eq!(
        parameter(&callback, "error").as_deref(),
        Some("access_denied")
    );
    assert_eq!(parameter(&callback, "state").as_deref(), Some("state-1"));
    assert_eq!(parameter(&callback, "iss").unwrap(), provider.issuer);
    assert_eq!(parameter(&callback, "code"), None);
}

/// C26
#[actix_web::test]
async fn another_client_with_the_same_name_asks_again() {
    let provider = Provider::start();
    let (one, other) = (
        provider.register("Agent").await,
        provider.register("Agent").await,
    );
    let browser = Browser::new();
    browser.allow(&one.authorization("openid", &[])).await;

    let (url, _) = browser.follow(&other.authorization("openid", &[])).await;

    assert!(url.contains("/oidc/consent"), "{url}");
}

#[actix_web::test]
async fn a_consent_is_remembered_until_more_is_asked() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    browser
        .allow(&agent.authorization("openid profile", &[]))
        .await;

    for (scope, more, asks) in [
        ("openid profile", &[][..], false),
        ("openid", &[], false),
        ("openid email", &[], true),
        ("openid", &[("prompt", "consent")], true),
        ("openid", &[("resource", "")], true),
    ] {
        let (url, _) = browser.follow(&agent.authorization(scope, more)).await;

        assert_eq!(
            url.contains("/oidc/consent"),
            asks,
            "{scope} {more:?} led to {url}"
        );
    }
}

#[actix_web::test]
async fn what_the_user_unticks_is_in_no_token() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (url, page) = browser
        .sign_in(&agent.authorization("openid profile email", &[]))
        .await;
    let mut form = page.form();
    form.retain(|(_, value)| value != "email");
    form.push(("decision".to_owned(), "allow".to_owned()));

    let (callback, _) = browser.submit_form(&url, &form).await;
    let code = parameter(&callback, "code").unwrap();
    let tokens = agent.exchange(&code, &[]).await.json();

    assert_eq!(tokens["scope"], "openid profile");
    for token in ["access_token", "id_token"] {
        let (_, claims) = jwt(tokens[token].as_str().unwrap());
        assert_eq!(claims["name"], "Demo User", "{token}");
        assert_eq!(claims.get("email"), None, "{token}");
    }
}

#[actix_web::test]
async fn the_page_says_who_asks_for_what_and_where_it_leads() {
    let provider = Provider::start();
    let agent = provider.register("SmartMail AI").await;

    let (_, page) = Browser::new()
        .sign_in(&agent.authorization("openid profile mcp:tools", &[]))
        .await;

    for text in [
        "SmartMail AI",
        "Not verified",
        "127.0.0.1:5555",
        "http://127.0.0.1:3001/mcp",
        "Demo User",
        "Use another account",
        "See your name",
        "mcp:tools",
    ] {
        assert!(page.body.contains(text), "{text} is missing");
    }
}

#[actix_web::test]
async fn another_account_may_be_used() {
    let provider = Provider::start_with(|config| {
        let other = mcp_usher::idp::User::new("other", "other", "Other User", "o@example.com");
        config.users.push(other);
    });
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (url, _) = browser
        .sign_in(&agent.authorization("openid profile", &[]))
        .await;
    let sign_in = url.replace("/consent", "/sign-in");

    let page = browser.get(&sign_in).await;
    let (url, page) = browser
        .submit(
            &sign_in,
            &page,
            &[("username", "other"), ("password", "other")],
        )
        .await;

    assert!(url.contains("/oidc/consent"), "{url}");
    assert!(page.body.contains("Other User"));
}

#[actix_web::test]
async fn a_consent_counts_only_for_who_saw_the_page() {
    let provider = Provider::start_with(|config| {
        let other = mcp_usher::idp::User::new("other", "other", "Other User", "o@example.com");
        config.users.push(other);
    });
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (url, page) = browser.sign_in(&agent.authorization("openid", &[])).await;
    // In another tab, somebody else signs in.
    let again = agent.authorization("openid", &[("prompt", "login")]);
    let (tab, form) = browser.follow(&again).await;
    browser
        .submit(&tab, &form, &[("username", "other"), ("password", "other")])
        .await;

    let (next, _) = browser.submit(&url, &page, &[("decision", "allow")]).await;

    assert!(next.contains("/oidc/sign-in"), "{next}");
}

#[actix_web::test]
async fn a_page_answered_once_is_over() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (url, page) = browser.sign_in(&agent.authorization("openid", &[])).await;
    browser.submit(&url, &page, &[("decision", "allow")]).await;

    let (_, again) = browser.submit(&url, &page, &[("decision", "allow")]).await;

    assert_eq!(again.status, 400);
    assert!(again.body.contains("This sign-in is over"));
}

#[actix_web::test]
async fn a_client_without_refresh_is_not_offered_to_stay() {
    let provider = Provider::start();
    let reply = provider
        .register_with(&json!({
            "client_name": "Agent",
            "redirect_uris": [crate::kit::REDIRECT_URI],
            "token_endpoint_auth_method": "none",
        }))
        .await;
    let agent = crate::kit::Agent {
        provider: &provider,
        client_id: reply.json()["client_id"].as_str().unwrap().to_owned(),
    };

    let tokens = agent.tokens("openid offline_access", &[]).await;

    assert_eq!(tokens["scope"], "openid");
    assert_eq!(tokens.get("refresh_token"), None);
}
