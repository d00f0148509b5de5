//! Whoever means harm in the portal: other sites, other developers, copied and changed cookies.

use std::{collections::BTreeSet, time::Duration};

use mcp_usher::{
    auth::{CutOff, Whom},
    secret::Secret,
    time::Timestamp,
};
use serde_json::json;

use crate::{
    kit::{Bridge, NOW, client, send},
    portal::{Developer, server, with_portal},
};

const SESSION: &str = "usher-portal";

fn steps(path: &str) -> Vec<String> {
    let steps = ["/edit", "/secrets", "/end-secret", "/delete"];
    steps.iter().map(|step| format!("{path}{step}")).collect()
}

fn made(bridge: &Bridge) -> usize {
    let state = bridge.logto.state();
    let all = state.applications.values();
    all.filter(|one| one["isThirdParty"] == true).count()
}

// C13
#[actix_web::test]
async fn a_form_of_another_site_or_of_another_session_changes_nothing() {
    let bridge = with_portal(|_| ()).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let (path, _) = alice.make(&server()).await;
    let before = bridge.logto.state().applications.clone();
    let mallory = Developer::signed_in(&bridge, "mallory").await;
    let (mine, theirs) = (alice.token.borrow().clone(), mallory.token.borrow().clone());
    let own = bridge.url.clone();

    let mut targets = steps(&path);
    targets.extend([
        "/developers/new".to_owned(),
        "/developers/sign-out".to_owned(),
    ]);
    for target in targets {
        let foreign: [&[(&str, &str)]; 6] = [
            &[],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "cross-site")],
            &[("origin", &own), ("origin", "https://evil.example")],
        ];
        for headers in foreign {
            let mut form = server().to_vec();
            form.push(("form_token", &mine));
            alice.post_raw(&target, &form, headers).await.is(403);
        }
        // From here, but with no token, an empty one, or that of somebody else's session.
        for token in [None, Some(""), Some(theirs.as_str())] {
            let mut form = server().to_vec();
            form.extend(token.map(|token| ("form_token", token)));
            form.push(("secret", "Default secret"));
            let reply = alice.post_raw(&target, &form, &[("origin", &own)]).await;
            let reply = reply.is(403);
            assert!(
                !reply.body.contains(&theirs),
                "no page tells another's token"
            );
        }
    }
    assert_eq!(bridge.logto.state().applications, before);
    alice.get(&path).await.is(200);
    bridge.stop().await;
}

#[actix_web::test]
async fn another_developers_agent_is_byte_for_byte_an_unknown_one() {
    let bridge = with_portal(|_| ()).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let (path, _) = alice.make(&server()).await;
    let before = bridge.logto.state().applications.clone();
    let mallory = Developer::signed_in(&bridge, "mallory").await;
    let program = format!("/developers/agents/{}", bridge.agent().await);
    let own_app = "/developers/agents/portal-app";
    assert!(!mallory.get("/developers").await.body.contains(&path));

    for target in [path.as_str(), program.as_str(), own_app] {
        for step in ["", "/edit", "/users", "/delete"] {
            let theirs = mallory.get(&format!("{target}{step}")).await.is(404);
            let unknown = format!("/developers/agents/nobody{step}");
            let unknown = mallory.get(&unknown).await.is(404);
            assert_eq!(theirs.body, unknown.body);
            let names = |reply: &crate::kit::Reply| {
                let names = reply.headers.keys().map(ToString::to_string);
                names.collect::<BTreeSet<_>>()
            };
            assert_eq!(names(&theirs), names(&unknown));
        }
        for step in steps(target) {
            let form = [&server()[..], &[("secret", "Default secret")]].concat();
            let theirs = mallory.post(&step, &form).await.is(404);
            let unknown = step.replace(target, "/developers/agents/nobody");
            let unknown = mallory.post(&unknown, &form).await.is(404);
            assert_eq!(theirs.body, unknown.body, "{step}");
        }
    }
    let mut now = bridge.logto.state().applications.clone();
    now.retain(|id, _| before.contains_key(id));
    assert_eq!(now, before);
    bridge.stop().await;
}

#[actix_web::test]
async fn a_session_cookie_is_good_unchanged_in_its_time_and_until_signing_out() {
    let bridge = with_portal(|_| ()).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let is_in = async |cookie: &str| {
        let request = client().get(bridge.at("/developers/new"));
        let reply = send(request.header("cookie", format!("{SESSION}={cookie}"))).await;
        match reply.status {
            200 => true,
            303 => false,
            status => panic!("{status}: {}", reply.body),
        }
    };
    let cookie = alice.jar.borrow()[SESSION].clone();
    assert!(is_in(&cookie).await);

    for at in [0, 20, cookie.len() - 1] {
        let mut changed = cookie.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(!is_in(&String::from_utf8(changed).unwrap()).await, "{at}");
    }
    assert!(!is_in("").await);
    // What was sealed for something else is no session.
    let newcomer = Developer::new(&bridge);
    newcomer.get("/developers/sign-in").await.is(303);
    let other = newcomer.jar.borrow()["usher-portal-sign-in"].clone();
    assert!(!is_in(&other).await);

    // Copied before, and shown after signing out.
    let out = alice.post("/developers/sign-out", &[]).await.is(200);
    assert!(out.body.contains("You are signed out"));
    assert!(!alice.jar.borrow().contains_key(SESSION));
    assert!(!is_in(&cookie).await);

    let alice = Developer::signed_in(&bridge, "alice").await;
    let cookie = alice.jar.borrow()[SESSION].clone();
    bridge.clock.advance(Duration::from_secs(8 * 3_600 - 1));
    assert!(is_in(&cookie).await);
    bridge.clock.advance(Duration::from_secs(1));
    assert!(!is_in(&cookie).await);
    bridge.stop().await;
}

#[actix_web::test]
async fn a_key_before_still_opens_a_session_and_a_strange_one_does_not() {
    let old = with_portal(|_| ()).await;
    let alice = Developer::signed_in(&old, "alice").await;
    let cookie = format!("{SESSION}={}", alice.jar.borrow()[SESSION]);
    let folder = std::env::temp_dir().join(format!("usher-portal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let previous = folder.join("previous");
    std::fs::write(&previous, "k".repeat(64)).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&previous, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let logto = old.logto.clone();

    for (file, status) in [(Some(previous.clone()), 200), (None, 303)] {
        let next = Bridge::before(logto.clone(), |config| {
            config.portal.enabled = true;
            config.portal.client_id = Some("portal-app".to_owned());
            config.registration.key = Some(Secret::new("n".repeat(64)));
            config.registration.previous_key_file = file;
        })
        .await;
        let request = client().get(next.at("/developers/new"));
        send(request.header("cookie", &cookie)).await.is(status);
        next.stop().await;
    }
    std::fs::remove_dir_all(&folder).unwrap();
    old.stop().await;
}

#[actix_web::test]
async fn a_developer_who_is_cut_off_is_out_of_the_portal_too() {
    let bridge = with_portal(|_| ()).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let bob = Developer::signed_in(&bridge, "bob").await;
    bridge.clock.advance(Duration::from_secs(5));
    let whom = Whom {
        issuer: None,
        client_id: None,
        subject: Some("alice".to_owned()),
    };
    let now = Timestamp::from_unix_seconds(NOW + 5);
    let cut_offs = bridge.running().verifier().cut_offs().clone();
    cut_offs.add(&CutOff::before(now, whom, now)).unwrap();

    alice.get("/developers/new").await.is(303);
    bob.get("/developers/new").await.is(200);
    // Whoever signs in anew is let in, as everywhere.
    let alice = Developer::signed_in(&bridge, "alice").await;
    alice.get("/developers/new").await.is(200);
    bridge.stop().await;
}

#[actix_web::test]
async fn a_sign_in_ends_in_the_browser_it_began_in_and_leads_nowhere_else() {
    let bridge = with_portal(|_| ()).await;
    let (alice, mallory) = (Developer::new(&bridge), Developer::new(&bridge));
    let to_logto = mallory.get("/developers/sign-in").await;
    let callback = mallory.get(to_logto.header("location")).await;
    let callback = callback.header("location").to_owned();
    // Mallory's link, in a browser without a sign-in, and in one with another.
    alice.get(&callback).await.is(400);
    alice.get("/developers/sign-in").await;
    alice.get(&callback).await.is(400);
    // The code is used once, and not by a changed answer.
    let with = |from: &str, to: &str| callback.replace(from, to);
    mallory.get(&with("state=", "state=x")).await.is(400);
    mallory.get(&with("iss=", "iss=x")).await.is(400);
    mallory.get(&callback).await.is(303);
    mallory.get(&callback).await.is(400);

    for to in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/developers.evil.example",
        "/developersx",
        "/developers//evil.example",
        "/developers/../mcp",
        "/developers/%2e%2e/mcp",
        "/mcp",
        "javascript:alert(1)",
    ] {
        let visitor = Developer::new(&bridge);
        let query = url::form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>();
        let led_to = visitor
            .sign_in(&format!("/developers/sign-in?to={query}"))
            .await;
        assert_eq!(led_to, "/developers", "{to}");
    }
    bridge.stop().await;
}

#[actix_web::test]
async fn an_id_token_that_is_not_for_this_sign_in_opens_nothing() {
    let bridge = with_portal(|_| ()).await;
    for wrong in [
        json!({ "aud": "another-app" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "nonce": "another" }),
        json!({ "exp": 1 }),
        json!({ "sub": "" }),
    ] {
        bridge.logto.state().id_token = wrong.clone();
        let visitor = Developer::new(&bridge);
        let to_logto = visitor.get("/developers/sign-in").await;
        let callback = visitor.get(to_logto.header("location")).await;
        let reply = visitor.get(callback.header("location")).await;
        assert_eq!(reply.status, 400, "{wrong}");
        assert!(!visitor.jar.borrow().contains_key(SESSION));
    }
    bridge.logto.state().cancels = true;
    let visitor = Developer::new(&bridge);
    let to_logto = visitor.get("/developers/sign-in").await;
    let callback = visitor.get(to_logto.header("location")).await;
    let reply = visitor.get(callback.header("location")).await.is(400);
    assert!(reply.body.contains("You were not signed in"));
    bridge.stop().await;
}

// C16, C17, C18
#[actix_web::test]
async fn pages_are_inert_unframed_and_kept_by_nobody() {
    let bridge = with_portal(|_| ()).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let evil = "\"'></textarea><script>alert(1)</script><img src=x onerror=alert(1)>";
    let mut form = server().to_vec();
    form[0].1 = evil;
    let (path, page) = alice.make(&form).await;
    let mistaken: Vec<_> = [
        "name",
        "kind",
        "redirect_uris",
        "home",
        "logo",
        "terms",
        "privacy",
    ]
    .map(|field| (field, evil))
    .to_vec();
    let again = alice.post("/developers/new", &mistaken).await.is(422);
    let mut pages = vec![page, again];
    for step in ["", "/edit", "/users", "/delete"] {
        pages.push(alice.get(&format!("{path}{step}")).await.is(200));
    }
    pages.push(alice.get("/developers").await);
    pages.push(alice.get("/developers/agents/nobody").await);
    pages.push(Developer::new(&bridge).get("/developers").await);

    for page in pages {
        let body = &page.body;
        assert!(
            !body.contains("<script") && !body.contains("<img"),
            "{body}"
        );
        assert!(
            !body.contains("style=\"") && !body.contains(" onerror=\""),
            "{body}"
        );
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("referrer-policy"), "same-origin");
    }
    // Of alice's name the bold was Logto's to give, and is shown as it is.
    assert!(
        alice
            .get("/developers")
            .await
            .body
            .contains("alice &lt;b&gt;")
    );
    assert_eq!(made(&bridge), 1);
    bridge.stop().await;
}
