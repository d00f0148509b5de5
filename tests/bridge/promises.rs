//! What is promised of the bridge, with figures (docs/promises.md).
//!
//! ```text
//! $ cargo test --test bridge promises:: -- --ignored --nocapture
//! ```

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    kit::{Bridge, Browser, REDIRECT_URI, client, parameter, public, send},
    logto::Fault,
};

const POSTS: usize = 10_000;
/// Of them from one address.
const FROM_ONE: usize = 2_000;
const AT_ONCE: usize = 32;

/// Counts who comes.
struct Sink(Vec<TcpListener>);

impl Sink {
    fn open() -> Self {
        let listen = |host| {
            let listener = TcpListener::bind((host, 0)).unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        };
        Self(["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(listen).into())
    }

    fn url(&self, nth: usize) -> String {
        let listener = &self.0[nth % self.0.len()];
        format!("http://{}/x", listener.local_addr().unwrap())
    }

    fn came(&self) -> usize {
        let all = self.0.iter();
        all.map(|one| std::iter::from_fn(|| one.accept().ok()).count())
            .sum()
    }
}

/// What somebody sends who means no good: a third is nonsense, the rest names addresses of the sink.
fn submitted(nth: usize, sink: &Sink) -> Value {
    let mut metadata = public();
    match nth % 6 {
        0 => metadata["redirect_uris"] = json!(["javascript:alert(1)"]),
        1 => metadata = json!([nth]),
        2 => {
            metadata["token_endpoint_auth_method"] = json!("client_secret_basic");
            metadata["isThirdParty"] = json!(false);
            metadata["type"] = json!("MachineToMachine");
        }
        _ => metadata["scope"] = json!("all admin mcp:tools"),
    }
    if metadata.is_object() {
        for name in [
            "logo_uri",
            "jwks_uri",
            "sector_identifier_uri",
            "tos_uri",
            "client_uri",
        ] {
            metadata[name] = json!(sink.url(nth));
        }
    }
    metadata
}

// P21
#[actix_web::test]
#[ignore = "a measurement"]
async fn p21_of_ten_thousand_registrations_a_hundred_reach_logto_and_none_is_half_made() {
    let sink = Sink::open();
    let bridge = Bridge::with(|config| {
        config.registration.per_address_per_minute = 10;
        config.registration.per_hour = 100;
        config.registration.address_header = Some("x-real-ip".to_owned());
    })
    .await;
    for nth in (3..900).step_by(7) {
        let fault = [Fault::Status(500), Fault::Lost, Fault::Status(422)][nth % 3];
        bridge.logto.fail(nth, fault);
    }
    let began = Instant::now();
    let mut from_one = 0;
    let statuses = stream::iter(0..POSTS).map(|nth| {
        let other = nth.saturating_sub(FROM_ONE) / 8;
        let address = if nth < FROM_ONE {
            "192.0.2.1".to_owned()
        } else {
            format!("198.51.{}.{}", other / 250, other % 250)
        };
        let request = client().post(bridge.at("/register"));
        let request = request.header("x-real-ip", address);
        let metadata = submitted(nth, &sink);
        async move { (nth, send(request.json(&metadata)).await.status) }
    });
    let answers: Vec<(usize, u16)> = statuses.buffered(AT_ONCE).collect().await;
    let took = began.elapsed();
    let count = |status| answers.iter().filter(|(_, one)| *one == status).count();
    let (made, too_many, refused) = (count(201), count(429), count(400));
    for (nth, status) in &answers {
        assert!(matches!(status, 201 | 400 | 429 | 500 | 503), "{status}");
        from_one += usize::from(*nth < FROM_ONE && matches!(status, 201 | 500 | 503));
    }

    let minutes = usize::try_from(took.as_secs() / 60).unwrap() + 1;
    assert!(from_one <= 10 * minutes, "{from_one} from one address");
    let reached = made + count(500) + count(503);
    assert!(reached <= 100, "{reached} in an hour");
    let (there, calls) = {
        let state = bridge.logto.state();
        for application in state.applications.values() {
            assert_eq!(application["isThirdParty"], true);
            assert!(application["type"] == "Native" || application["type"] == "Traditional");
            let uris = &application["oidcClientMetadata"]["redirectUris"];
            assert_eq!(*uris, json!([bridge.at("/callback")]));
        }
        (state.applications.len(), state.ledger.len())
    };
    assert_eq!(there, made, "orphans");
    assert_eq!(sink.came(), 0, "somebody followed what was submitted");
    assert!(calls <= 100 * 12, "{calls} calls");
    println!(
        "P21: {POSTS} posts in {took:?}: {reached} reached Logto ({from_one} from one address) with \
         {calls} calls, {made} made, {refused} refused as written, {too_many} told to come back; \
         orphans {}, outbound connections 0",
        there - made
    );
    bridge.stop().await;
}

// P22: rows C03 to C27, as far as they are the bridge's, whose consent page is the provider's.
#[actix_web::test]
async fn p22_no_code_without_this_browser_and_this_users_consent() {
    let bridge = Bridge::start().await;
    let (id, other) = (bridge.agent().await, bridge.agent().await);
    let mut attacks = 0;
    let mut holds = |what: &str, location: &str| {
        attacks += 1;
        let code = location.contains("code=").then(|| location.to_owned());
        assert_eq!(code, None, "{what}");
    };

    // C03, C05, C06: what is wrong with a request.
    for more in [
        [("client_id", "nobody")],
        [("client_id", "../users/alice")],
        [("redirect_uri", "https://evil.example/cb")],
        [("redirect_uri", "http://127.0.0.1:5555/other")],
        [("redirect_uri", "http://127.0.0.1:5555/cb/../x")],
        [("redirect_uri", "http://127.0.0.1@evil.example/cb")],
        [("response_type", "token")],
        [("response_type", "id_token")],
        [("response_type", "code token")],
        [("code_challenge", "")],
        [("code_challenge_method", "plain")],
        [("resource", "https://evil.example/mcp")],
        [("request_uri", "https://evil.example/request")],
        [("response_mode", "form_post")],
    ] {
        let reply = Browser::default().get(&bridge.request(&id, &more)).await;
        let location = reply.header("location");
        assert!(
            location.is_empty() || location.starts_with(REDIRECT_URI),
            "{location}"
        );
        holds(&format!("{more:?}"), location);
    }

    // C13: a sign-in that began elsewhere, or was another.
    let (mine, theirs) = (Browser::default(), Browser::default());
    let back = mine.until(&bridge.request(&id, &[]), "/callback").await;
    let others = theirs
        .until(&bridge.request(&other, &[]), "/callback")
        .await;
    let state = parameter(&others, "state").unwrap();
    let swapped = {
        let mut url = url::Url::parse(&back).unwrap();
        let code = parameter(&back, "code").unwrap();
        let pairs = [
            ("code", code.as_str()),
            ("state", &state),
            ("iss", &bridge.logto.issuer),
        ];
        url.query_pairs_mut().clear().extend_pairs(pairs);
        String::from(url)
    };
    for (what, browser, url) in [
        ("no cookie", Browser::default(), back.clone()),
        ("the other's browser", theirs, back.clone()),
        ("the other's state", mine, swapped),
    ] {
        holds(what, browser.get(&url).await.is(400).header("location"));
    }
    for (what, from, to) in [
        ("a forged state", "state=", "state=x"),
        ("an empty state", "state=", "s="),
        (
            "another issuer",
            "iss=",
            "iss=https%3A%2F%2Fevil.example%2F",
        ),
        ("no issuer", "&iss=", "&x="),
        ("two codes", "code=", "code=a&code="),
        ("code and error", "code=", "error=access_denied&code="),
    ] {
        let browser = Browser::default();
        let back = browser.until(&bridge.request(&id, &[]), "/callback").await;
        let reply = browser.get(&back.replacen(from, to, 1)).await;
        holds(what, reply.header("location"));
    }
    let late = Browser::default();
    let back = late.until(&bridge.request(&id, &[]), "/callback").await;
    bridge.clock.advance(Duration::from_secs(601));
    holds("too late", late.get(&back).await.is(400).header("location"));

    // C17: what looks like more than it is stays what it was.
    let cruel = "\"><script>alert(1)</script>\r\nSet-Cookie: a=b";
    let callback = Browser::default()
        .walk(&bridge.request(&id, &[("state", cruel), ("response_type", "token")]))
        .await;
    assert_eq!(parameter(&callback, "state").unwrap(), cruel);
    holds("a cruel state", &callback);

    // C23: the user says no.
    bridge.logto.state().cancels = true;
    holds(
        "no",
        &Browser::default().walk(&bridge.request(&id, &[])).await,
    );
    bridge.logto.state().cancels = false;
    println!("P22: {attacks} attacks, 0 codes");

    // And one that is as it should be, or none of this says anything. Its code is of its client alone.
    let code = bridge.code(&id, &[]).await;
    bridge
        .exchange(&other, &code, &[])
        .await
        .refuses(400, "invalid_grant");
    bridge.exchange(&id, &code, &[]).await.is(200);
    bridge.stop().await;
}
