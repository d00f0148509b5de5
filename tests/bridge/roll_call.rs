//! Whether live callers may still be here, asked of a Logto that sends no webhook for it: grants that
//! were taken back, applications that were deleted.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use mcp_usher::{config::Config, units::HumanDuration};
use serde_json::json;

use crate::{
    kit::{Bridge, client, public, send},
    logto::Fault,
};

/// How soon somebody has to be out who is asked about five times a second.
const SOON: Duration = Duration::from_secs(3);

fn often(config: &mut Config) {
    config.roll_call.every = HumanDuration::new(Duration::from_millis(200));
    config.roll_call.per_second = 200;
}

/// A session with its stream open, and the token it is of.
struct Session {
    token: String,
    stream: reqwest::Response,
}

impl Session {
    async fn open(bridge: &Bridge, user: &str, agent: &str) -> Self {
        let token = bridge.logto.access_token(user, agent, &bridge.at("/mcp"));
        let initialize = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "t", "version": "1" },
            },
        });
        let post = |body| {
            let post = client().post(bridge.at("/mcp")).bearer_auth(&token);
            post.header("accept", "application/json, text/event-stream")
                .json(&body)
        };
        let opened = send(post(initialize)).await.is(200);
        let id = opened.header("mcp-session-id").to_owned();
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let initialized = post(initialized).header("mcp-session-id", &id);
        send(initialized).await.is(202);
        let stream = client().get(bridge.at("/mcp")).bearer_auth(&token);
        let stream = stream
            .header("accept", "text/event-stream")
            .header("mcp-session-id", &id)
            .send();
        let stream = stream.await.unwrap();
        assert_eq!(stream.status(), 200);
        Self { token, stream }
    }

    /// Waits until the stream is over, and says what was on it.
    async fn farewell(self) -> String {
        let mut text = Vec::new();
        let mut chunks = self.stream.bytes_stream();
        while let Some(Ok(chunk)) = chunks.next().await {
            text.extend(chunk);
        }
        String::from_utf8(text).unwrap()
    }

    /// That it is ended soon, and its token refused.
    async fn ends_cut_off(self, bridge: &Bridge) {
        let (token, started) = (self.token.clone(), Instant::now());
        let text = tokio::time::timeout(SOON * 5, self.farewell()).await;
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        assert!(text.unwrap().contains("access was withdrawn"));
        bridge.whoami(&token).await.is(401);
    }
}

/// Waits until Logto was asked so often more.
async fn asked(bridge: &Bridge, what: &str, more: usize) {
    let before = bridge.logto.count(what);
    for _ in 0..2_000 {
        if bridge.logto.count(what) >= before + more {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} was not asked {more} times");
}

// P8
#[actix_web::test]
async fn a_grant_that_is_taken_back_ends_that_agent_for_that_user() {
    let bridge = Bridge::with(often).await;
    let (mail, notes) = (bridge.agent().await, bridge.agent().await);
    for (user, agent) in [("alice", &mail), ("alice", &notes), ("bob", &mail)] {
        bridge.logto.grant(user, agent);
    }
    let withdrawn = Session::open(&bridge, "alice", &mail).await;
    let other_agent = Session::open(&bridge, "alice", &notes).await;
    let other_user = Session::open(&bridge, "bob", &mail).await;
    asked(&bridge, "GET /users/alice/grants", 2).await;
    bridge.whoami(&withdrawn.token).await.is(200);

    let grants = |grants: &mut Vec<serde_json::Value>| {
        grants.retain(|one| one["payload"]["clientId"] != mail.as_str());
    };
    bridge
        .logto
        .state()
        .grants
        .entry("alice".to_owned())
        .and_modify(grants);
    withdrawn.ends_cut_off(&bridge).await;

    asked(&bridge, "GET /users/bob/grants", 2).await;
    for session in [&other_agent, &other_user] {
        bridge.whoami(&session.token).await.is(200);
    }
    // She consents again, and comes back with what she is given then.
    bridge.logto.grant("alice", &mail);
    let code = bridge.code(&mail, &[]).await;
    let answer = bridge.exchange(&mail, &code, &[]).await.is(200).json();
    let again = answer["access_token"].as_str().unwrap();
    bridge.whoami(again).await.is(200);
    asked(&bridge, "GET /users/alice/grants", 2).await;
    bridge.whoami(again).await.is(200);
    bridge.stop().await;
}

// P8
#[actix_web::test]
async fn who_is_gone_is_cut_off_and_nobody_else() {
    let bridge = Bridge::with(often).await;
    let (kept, deleted) = (bridge.agent().await, bridge.agent().await);
    let users = ["alice", "bob", "carol", "dave"];
    for user in users {
        bridge.logto.grant(user, &kept);
        bridge.logto.grant(user, &deleted);
    }
    let of_deleted = Session::open(&bridge, "alice", &deleted).await;
    let suspended = Session::open(&bridge, "bob", &kept).await;
    let gone = Session::open(&bridge, "carol", &kept).await;
    let stays = Session::open(&bridge, "dave", &kept).await;
    // A machine acts for itself, and is no user.
    let machine = Session::open(&bridge, &kept, &kept).await;
    let stateless = bridge.logto.access_token("erin", &kept, &bridge.at("/mcp"));
    bridge.whoami(&stateless).await.is(200);
    asked(&bridge, "GET /applications/", 4).await;

    {
        let mut state = bridge.logto.state();
        state.applications.remove(&deleted);
        state.suspended_users.insert("bob".to_owned());
        state.deleted_users.insert("carol".to_owned());
    }
    of_deleted.ends_cut_off(&bridge).await;
    suspended.ends_cut_off(&bridge).await;
    gone.ends_cut_off(&bridge).await;

    // Erin has nothing open; she has granted nothing either.
    for _ in 0..600 {
        if bridge.whoami(&stateless).await.status == 401 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bridge.whoami(&stateless).await.is(401);
    for session in [&stays, &machine] {
        bridge.whoami(&session.token).await.is(200);
    }
    assert_eq!(bridge.logto.count(&format!("GET /users/{kept}")), 0);
    bridge.stop().await;
}

// What is deleted is over at once, whatever its tokens say.
#[actix_web::test]
async fn an_agent_that_deletes_itself_is_cut_off_at_once() {
    let bridge = Bridge::with(|config| config.roll_call.every = HumanDuration::from_secs(0)).await;
    let made = bridge.register(&public()).await.is(201).json();
    let text = |member: &str| made[member].as_str().unwrap();
    let session = Session::open(&bridge, "alice", text("client_id")).await;
    let other = Session::open(&bridge, "alice", &bridge.agent().await).await;

    let delete = client().delete(text("registration_client_uri"));
    let delete = delete.bearer_auth(text("registration_access_token"));
    send(delete).await.is(204);

    bridge.whoami(&session.token).await.is(401);
    session.ends_cut_off(&bridge).await;
    bridge.whoami(&other.token).await.is(200);
    assert_eq!(bridge.logto.count("GET /users/"), 0, "never means never");
    bridge.stop().await;
}

#[actix_web::test]
async fn a_logto_that_can_not_be_asked_cuts_nobody_off() {
    let bridge = Bridge::with(often).await;
    let agent = bridge.agent().await;
    bridge.logto.grant("alice", &agent);
    let session = Session::open(&bridge, "alice", &agent).await;
    asked(&bridge, "GET /users/alice", 2).await;

    // A proxy in front of it that knows no such page; tokens that are refused; a server error.
    bridge.logto.state().is_behind_a_broken_proxy = true;
    asked(&bridge, "GET /users/alice", 4).await;
    bridge.logto.state().is_behind_a_broken_proxy = false;
    bridge.logto.forget_tokens();
    asked(&bridge, "GET /users/alice", 2).await;
    bridge
        .logto
        .state()
        .deleted_users
        .insert("alice".to_owned());
    for nth in 0..200 {
        bridge.logto.fail(nth, Fault::Status(500));
    }
    asked(&bridge, "GET ", 4).await;
    bridge.whoami(&session.token).await.is(200);
    let questions = |outcome| {
        let name = format!("usher_roll_call_questions_total{{outcome=\"{outcome}\"}}");
        bridge.metric(&name)
    };
    assert!(questions("unanswered") > 0 && questions("good") > 0);
    assert_eq!(questions("withdrawn"), 0);

    bridge.logto.no_more_faults();
    session.ends_cut_off(&bridge).await;
    bridge.stop().await;
}

#[actix_web::test]
async fn the_pace_is_kept_and_everybody_has_a_turn() {
    const PER_SECOND: usize = 40;
    const LASTING: Duration = Duration::from_secs(3);
    let bridge = Bridge::with(|config| {
        config.roll_call.every = HumanDuration::new(Duration::from_millis(100));
        config.roll_call.per_second = u32::try_from(PER_SECOND).unwrap();
    })
    .await;
    let reply = bridge.register(&public()).await.is(201).json();
    let agent = reply["client_id"].as_str().unwrap();
    let mut sessions = Vec::new();
    for number in 0..30 {
        let user = format!("user{number}");
        bridge.logto.grant(&user, agent);
        sessions.push(Session::open(&bridge, &user, agent).await);
    }
    // 61 questions, of which each is due ten times a second.
    asked(&bridge, "GET /users/user29", 1).await;
    let before = bridge.logto.state().ledger.len();
    let started = Instant::now();
    tokio::time::sleep(LASTING).await;
    let questions = bridge.logto.state().ledger[before..].to_vec();

    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap() + 1;
    assert!(
        questions.len() <= PER_SECOND * seconds,
        "{}",
        questions.len()
    );
    assert!(questions.len() >= PER_SECOND, "{}", questions.len());
    let mut turns: HashMap<&String, usize> = HashMap::new();
    for question in &questions {
        *turns.entry(question).or_default() += 1;
    }
    let (least, most) = (turns.values().min(), turns.values().max());
    assert!(most.unwrap() - least.unwrap() <= 1, "{turns:?}");
    assert_eq!(turns.len(), 61, "{turns:?}");
    bridge.stop().await;
}
