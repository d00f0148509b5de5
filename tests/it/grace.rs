//! Sessions that outlive their tokens for a while: what ends with the token, and what goes on with a
//! fresh one.

use std::time::Duration;

use mcp_usher::{
    auth::{CutOff, Verification, Whom},
    config::Config,
    secret::Secret,
    time::Timestamp,
    units::HumanDuration,
};
use serde_json::json;

use crate::kit::{
    Ask, Mcp, Scene, Sse, eventually,
    mcp::call,
    scene::NOW,
    tools::{self, Gate},
};
use crate::resume::telling;

/// The end of tokens of [`short`], as far as they are taken: `exp` and the leeway.
const END: u64 = NOW + 100 + 60;

fn short(scene: &Scene, subject: &str) -> String {
    scene.token_with(subject, &json!({ "jti": "1", "exp": NOW + 100 }))
}

fn fresh(scene: &Scene, subject: &str) -> String {
    scene.token_with(subject, &json!({ "jti": "2", "exp": NOW + 9_000 }))
}

fn grace(config: &mut Config, milliseconds: u64) {
    let grace = HumanDuration::new(Duration::from_millis(milliseconds));
    config.router.session.grace_after_expiry = grace;
}

fn with_token(ask: Ask, token: &str) -> Ask {
    ask.with("Authorization", &format!("Bearer {token}"))
}

impl Scene {
    fn expire(&self) {
        self.clock.set(Timestamp::from_unix_seconds(END));
    }
}

// S06, P9
#[tokio::test]
async fn a_session_ends_what_is_open_with_its_token_and_goes_on_with_the_next() {
    let gate = Gate::default();
    let mut tools = tools::all();
    tools.push(gate.tool());
    let scene = Scene::of(|_| (), tools).await;
    let (first, second) = (short(&scene, "alice"), fresh(&scene, "alice"));
    let mcp = Mcp::ready(&scene, &first).await;
    let mut stream = scene.events(&mcp.stream(&scene)).await;
    let mut waiting = scene.wire().await;
    waiting.send_ask(&mcp.message(&call(1, "wait"))).await;
    eventually("the call runs", || gate.begun() == 1).await;

    scene.expire();

    let farewell = stream.farewell().await;
    assert_eq!(farewell, "closed: the access token has expired");
    let answer = waiting.reply().await.is(200).json();
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["error"]["data"]["reason"], "token_expired");
    eventually("the call is gone", || gate.gone() == 1).await;
    assert_eq!(gate.ended(), 0);
    scene.ask(&mcp.message(&call(2, "whoami"))).await.is(401);
    scene.ask(&mcp.stream(&scene)).await.is(401);

    // Its id is nobody else's meanwhile.
    for stranger in [
        scene.token("mallory"),
        scene.token_with("alice", &json!({ "client_id": "other" })),
    ] {
        let ask = with_token(mcp.message(&call(3, "whoami")), &stranger);
        scene.ask(&ask).await.is(404);
    }

    // The same id may be used again: what had it is gone.
    let again = with_token(mcp.message(&call(1, "whoami")), &second);
    let answer = scene.ask(&again).await.is(200).json();
    assert_eq!(answer["result"]["structuredContent"]["jti"], "2");
    scene.events(&with_token(mcp.stream(&scene), &second)).await;
    assert_eq!(scene.running().sessions(), 1);
}

// S30: what was said at the end is not lost on a client whose connection had broken.
#[tokio::test]
async fn an_answer_that_came_with_the_tokens_end_can_be_come_back_to() {
    let gate = Gate::default();
    let tell = telling(&gate, false);
    let scene = Scene::of(|_| (), vec![tell]).await;
    let mcp = Mcp::ready(&scene, &short(&scene, "alice")).await;
    let mut stream = scene.events(&mcp.message(&call(1, "tell"))).await;
    assert_eq!(stream.message().await["params"]["data"], "before");
    let seen = stream.last_id.clone().expect("an event id");
    stream.reset();
    eventually("the stream is gone", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;

    scene.expire();
    eventually("the call is gone", || {
        let ended = "mcp_server_operation_duration_seconds_count";
        scene.metric(&format!(
            "{ended}{{mcp_method_name=\"tools/call\",error_type=\"cancelled\"}}"
        )) == 1
    })
    .await;

    let back =
        with_token(mcp.stream(&scene), &fresh(&scene, "alice")).header("Last-Event-ID", &seen);
    let answer = scene.events(&back).await.message().await;
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["error"]["data"]["reason"], "token_expired");
}

#[tokio::test]
async fn without_a_grace_or_after_it_the_session_is_unknown() {
    for milliseconds in [0, 200] {
        let scene = Scene::with(|config| grace(config, milliseconds)).await;
        let mcp = Mcp::ready(&scene, &short(&scene, "alice")).await;

        scene.expire();

        scene.sessions(0).await;
        let late = with_token(mcp.message(&call(1, "whoami")), &fresh(&scene, "alice"));
        scene.ask(&late).await.is(404);
    }
}

// S31
#[tokio::test]
async fn a_session_of_http_sse_ends_with_its_stream_and_so_with_its_token() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &short(&scene, "alice")).await;

    scene.expire();

    let farewell = sse.events.farewell().await;
    assert_eq!(farewell, "closed: the access token has expired");
    scene.sessions(0).await;
}

// K40: an opaque token that is good no more is most often one that has expired.
#[tokio::test]
async fn a_revoked_token_takes_what_is_open_and_leaves_the_session_to_the_next() {
    let scene = Scene::with(|config| {
        config.issuer.verification = Verification::Introspection;
        config.issuer.introspection_client_id = Some("usher".to_owned());
        config.issuer.introspection_client_secret = Some(Secret::new("s3cret"));
        config.verifier.cache.answer_ttl = HumanDuration::new(Duration::from_millis(300));
    })
    .await;
    let claims = json!({ "sub": "alice", "aud": scene.url("/mcp"), "exp": NOW + 600 });
    scene.issuer.know("first", claims.clone());
    scene.issuer.know("second", claims);
    let mcp = Mcp::ready(&scene, "first").await;
    let mut stream = scene.events(&mcp.stream(&scene)).await;

    scene.issuer.know("first", json!({ "active": false }));

    let farewell = stream.farewell().await;
    assert_eq!(farewell, "closed: the access token is good no more");
    scene.ask(&mcp.message(&call(1, "whoami"))).await.is(401);
    let again = with_token(mcp.message(&call(2, "whoami")), "second");
    scene.ask(&again).await.is(200);
}

// X15: what waits for a token waits for a caller that may come back.
#[tokio::test]
async fn who_is_cut_off_has_no_grace() {
    let scene = Scene::new().await;
    let mcp = Mcp::ready(&scene, &short(&scene, "alice")).await;
    let mut stream = scene.events(&mcp.stream(&scene)).await;
    scene.expire();
    stream.farewell().await;
    assert_eq!(scene.running().sessions(), 1);

    let whom = Whom {
        issuer: None,
        client_id: None,
        subject: Some("alice".to_owned()),
    };
    let now = scene.clock.now();
    let cut = CutOff::before(now, whom, now);

    assert_eq!(scene.running().cut_off(&cut).await, Ok(1));
    assert_eq!(scene.running().sessions(), 0);
}

// S32: sessions without a token are the first to give way, however short they have been quiet.
#[tokio::test]
async fn a_session_that_waits_for_a_token_keeps_nobody_out() {
    let scene = Scene::with(|config| {
        config.router.per_principal_max = 2;
        config.router.sessions_max = 3;
    })
    .await;
    let waiting = Mcp::ready(&scene, &short(&scene, "alice")).await;
    let alice = fresh(&scene, "alice");
    let mut quiet = Mcp::ready(&scene, &alice).await;
    let _carol = Mcp::ready(&scene, &short(&scene, "carol")).await;
    scene.clock.set(Timestamp::from_unix_seconds(END - 2));
    let hello = crate::kit::mcp::initialize(0, "2025-11-25");
    let another = |token: &str| Ask::post(&scene, &scene.target("/mcp"), token, &hello);
    scene.ask(&another(&alice)).await.is(503);
    scene.ask(&another(&scene.token("dave"))).await.is(503);

    scene.expire();

    // Of the server: both make room within a sweep.
    let started = std::time::Instant::now();
    while scene.ask(&another(&scene.token("dave"))).await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(5), "still full");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let gone = with_token(waiting.message(&call(1, "whoami")), &alice);
    scene.ask(&gone).await.is(404);
    quiet.call(2, "whoami").await;
}

// S32
#[tokio::test]
async fn of_one_caller_the_session_without_a_token_gives_way_first() {
    let scene = Scene::with(|config| config.router.per_principal_max = 2).await;
    let alice = fresh(&scene, "alice");
    let mut quiet = Mcp::ready(&scene, &alice).await;
    let waiting = Mcp::ready(&scene, &short(&scene, "alice")).await;
    let hello = crate::kit::mcp::initialize(0, "2025-11-25");
    let another = Ask::post(&scene, &scene.target("/mcp"), &alice, &hello);
    scene.ask(&another).await.is(429);

    scene.expire();

    scene.ask(&another).await.is(200);
    let gone = with_token(waiting.message(&call(1, "whoami")), &alice);
    scene.ask(&gone).await.is(404);
    quiet.call(2, "whoami").await;
}
