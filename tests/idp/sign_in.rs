//! Signing in.

use crate::kit::{Browser, Provider, Reply, client};

/// Tries a password on a fresh sign-in page.
async fn attempt(provider: &Provider, username: &str, password: &str) -> Reply {
    let agent = provider.official();
    let url = agent.authorization("openid", &[("redirect_uri", "http://127.0.0.1/callback")]);
    let browser = Browser::new();
    let (url, page) = browser.follow(&url).await;
    let (_, reply) = browser
        .submit(
            &url,
            &page,
            &[("username", username), ("password", password)],
        )
        .await;
    reply
}

/// A page without what differs from one transaction to the next.
fn without_secrets(page: &Reply) -> String {
    page.form()
        .iter()
        .fold(page.body.clone(), |body, (_, value)| {
            body.replace(&format!("value=\"{value}\""), "")
        })
}

#[actix_web::test]
async fn an_unknown_user_is_answered_like_a_wrong_password() {
    let provider = Provider::start();

    let wrong = attempt(&provider, "demo", "nope").await;
    let unknown = attempt(&provider, "nobody", "nope").await;

    assert_eq!((wrong.status, unknown.status), (422, 422));
    assert_eq!(
        without_secrets(&wrong),
        without_secrets(&unknown).replace("value=\"nobody\"", "value=\"demo\"")
    );
}

/// C20
#[actix_web::test]
async fn after_ten_wrong_passwords_the_right_one_gets_the_same_message() {
    let provider = Provider::start();
    let mut wrong = attempt(&provider, "demo", "nope").await;
    for _ in 0..9 {
        wrong = attempt(&provider, "demo", "nope").await;
    }

    let right = attempt(&provider, "demo", "demo").await;
    assert_eq!(right.status, 422);
    assert_eq!(without_secrets(&right), without_secrets(&wrong));

    provider.advance(15 * 60);
    assert_eq!(attempt(&provider, "demo", "demo").await.status, 303);
}

/// C20
#[actix_web::test]
async fn fifty_wrong_passwords_for_many_accounts_close_the_door() {
    let provider = Provider::start();
    for number in 0..50 {
        attempt(&provider, &format!("user-{number}"), "nope").await;
    }

    let reply = attempt(&provider, "demo", "demo").await;

    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("retry-after"), "900");
}

/// C16, C32
#[actix_web::test]
async fn pages_are_neither_framed_nor_kept() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (_, sign_in) = browser.follow(&agent.authorization("openid", &[])).await;
    let (_, consent) = browser.sign_in(&agent.authorization("openid", &[])).await;
    let (_, redirect) = browser
        .follow(&agent.authorization("openid", &[("prompt", "none")]))
        .await;
    let error = provider.get(&provider.at("/auth")).await;
    let home = provider.get(&provider.origin).await;

    for page in [&sign_in, &consent, &error, &home] {
        let policy = page.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert!(!page.body.contains("<script") && !page.body.contains("style="));
    }
    for answer in [&sign_in, &consent, &error, &home, &redirect] {
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
}

#[actix_web::test]
async fn the_page_before_a_redirect_lets_its_form_lead_there() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;

    let (_, page) = Browser::new()
        .follow(&agent.authorization("openid", &[]))
        .await;

    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:5555"),
        "{policy}"
    );
}

/// C18, as far as it goes without https
#[actix_web::test]
async fn the_cookie_is_for_the_provider_alone_and_never_grows() {
    let provider = Provider::start();
    let browser = Browser::new();
    let agent = provider.register("Agent").await;
    let first = browser.get(&agent.authorization("openid", &[])).await;
    for number in 0..100 {
        let agent = provider.register(&format!("Agent {number}")).await;
        browser.allow(&agent.authorization("openid", &[])).await;
    }

    let cookie = first.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    assert!(browser.cookie().len() < 100, "{}", browser.cookie());
}

#[actix_web::test]
async fn a_cookie_planted_before_sign_in_is_not_signed_in_after() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let (victim, attacker) = (Browser::new(), Browser::new());
    attacker.get(&agent.authorization("openid", &[])).await;
    victim.plant(&attacker.cookie());

    victim.allow(&agent.authorization("openid", &[])).await;

    let (url, _) = attacker.follow(&agent.authorization("openid", &[])).await;
    assert!(url.contains("/oidc/sign-in"), "{url}");
}

#[actix_web::test]
async fn a_login_hint_fills_the_field() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let url = agent.authorization("openid", &[("login_hint", "\"><script>")]);

    let (_, page) = Browser::new().follow(&url).await;

    assert!(page.body.contains("value=\"&quot;&gt;&lt;script&gt;\""));
}

#[actix_web::test]
async fn a_transaction_belongs_to_the_browser_it_began_in() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let (url, _) = Browser::new()
        .follow(&agent.authorization("openid", &[]))
        .await;

    let reply = Browser::new().get(&url).await;

    assert_eq!(reply.status, 400);
}

#[actix_web::test]
async fn a_transaction_ends_after_ten_minutes() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    let (url, _) = browser.follow(&agent.authorization("openid", &[])).await;

    provider.advance(600);

    assert_eq!(browser.get(&url).await.status, 400);
}

#[actix_web::test]
async fn signing_out_asks_for_the_password_next_time() {
    let provider = Provider::start();
    let agent = provider.register("Agent").await;
    let browser = Browser::new();
    browser.allow(&agent.authorization("openid", &[])).await;
    assert!(
        browser
            .get(&provider.origin)
            .await
            .body
            .contains("You are signed in")
    );

    let foreign = client()
        .post(provider.at("/session/end"))
        .header("origin", "https://evil.example");
    assert_eq!(browser.send(foreign).await.status, 403);
    browser.post(&provider.at("/session/end"), &[]).await;

    let (url, _) = browser.follow(&agent.authorization("openid", &[])).await;
    assert!(url.contains("/oidc/sign-in"), "{url}");
}
