//! The router and its sessions together, as `transport` uses them.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a literal reads better without &"
)]

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    auth::{CutOffConfig, Identity, Method as VerifiedBy},
    handler::{self, CallContext, Change, Elicited, Entries, NoArguments, Tool, ToolError, whoami},
    outlet::{self as queue, Frames, outlet},
    policy::Policy,
    protocol::{Implementation, ServerInfo},
    scope::Scopes,
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);

struct House {
    router: RouterHandle,
    metrics: Metrics,
    clock: Clock,
    changes: handler::Changes,
}

fn house(config: Config) -> House {
    let slow = Tool::new(
        "slow",
        "Runs until it is cancelled",
        |context, _: NoArguments| async move {
            let context: CallContext = context;
            context.cancelled().await;
            Err::<String, _>(ToolError::failed("cancelled"))
        },
    );
    let info = ServerInfo {
        implementation: Implementation {
            name: "test".into(),
            version: "0".into(),
            ..Implementation::default()
        },
        instructions: None,
    };
    let metrics = Metrics::new();
    let clock = Clock::manual(NOW);
    let mut entries = Entries::default();
    for tool in [whoami(), slow, curious()] {
        entries.add_tool(tool);
    }
    let handler = Handler::new(
        handler::Config::default(),
        Policy::default(),
        info,
        entries,
        metrics.clone(),
        clock.clone(),
    )
    .unwrap();
    let changes = handler.changes().clone();
    let cut_offs = CutOffs::new(CutOffConfig::default(), clock.clone());
    let router = RouterHandle::start(
        config,
        handler,
        cut_offs,
        None,
        metrics.clone(),
        clock.clone(),
        None,
    );
    House {
        router,
        metrics,
        clock,
        changes,
    }
}

/// Asks its client something, and says meanwhile how far it is.
fn curious() -> Tool {
    Tool::new(
        "curious",
        "Asks",
        |call: CallContext, _: NoArguments| async move {
            call.progress(1.0, None, None);
            match call
                .elicit_with("colour", "Which colour?", json!({ "type": "object" }))
                .await?
            {
                Elicited::Accepted(content) => Ok(content["colour"].to_string()),
                other => Ok(format!("{other:?}")),
            }
        },
    )
}

fn principal(subject: &str) -> Principal {
    let mut claims = Map::new();
    claims.insert("sub".into(), json!(subject));
    Principal::new(Identity {
        issuer: "https://issuer".into(),
        subject: subject.into(),
        client_id: Some("agent".into()),
        audiences: Vec::new(),
        scopes: Scopes::none(),
        expires_at: Some(NOW.plus(Duration::from_secs(600))),
        verified_by: VerifiedBy::Jwt,
        claims,
    })
}

fn message(value: &Value) -> ClientMessage {
    ClientMessage::parse(&Bytes::from(value.to_string())).unwrap()
}

fn request(id: u32, method: &str, params: Value) -> ClientMessage {
    message(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

async fn next(frames: &mut Frames) -> Value {
    let frame = tokio::time::timeout(Duration::from_secs(5), frames.next())
        .await
        .unwrap()
        .unwrap();
    serde_json::from_slice(frame.bytes()).unwrap()
}

impl House {
    async fn ask(&self, session: &SessionRef, who: &str, message: ClientMessage) -> Value {
        let (outlet, mut frames) = outlet(queue::Config::default());
        self.router
            .dispatch(session, principal(who), message, Some(outlet))
            .await
            .unwrap();
        next(&mut frames).await
    }

    async fn running(&self, who: &str) -> SessionRef {
        let session = self.router.open(principal(who), None).await.unwrap();
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} }
        });
        let answer = self
            .ask(&session, who, request(0, "initialize", hello))
            .await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        let confirmed =
            message(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        self.router
            .dispatch(&session, principal(who), confirmed, None)
            .await
            .unwrap();
        session
    }

    fn find(&self, session: &SessionRef, who: &str) -> Result<SessionRef, RouteError> {
        self.router.find(
            &session.id().to_string(),
            &principal(who),
            session.transport(),
        )
    }

    async fn until_empty(&self) {
        for _ in 0..500 {
            if self.router.sessions() == 0 && self.router.owners() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} sessions were left behind", self.router.sessions());
    }
}

#[actix::test]
async fn a_session_answers_its_owner() {
    let house = house(Config::default());
    let session = house.running("alice").await;

    let call = request(1, "tools/call", json!({ "name": "whoami" }));
    let answer = house.ask(&session, "alice", call).await;

    assert_eq!(answer["result"]["structuredContent"]["sub"], "alice");
}

// S02, S03, S09
#[actix::test]
async fn a_stranger_finds_nothing_where_another_has_a_session() {
    let house = house(Config::default());
    let session = house.running("alice").await;

    let stranger = house.find(&session, "mallory").unwrap_err();
    let unknown = SessionId::random().unwrap().to_string();
    let nobody = house
        .router
        .find(&unknown, &principal("mallory"), Transport::Streamable);

    assert_eq!(stranger, nobody.unwrap_err());
    assert!(
        house
            .metrics
            .encode()
            .contains("usher_session_owner_mismatch_total 1")
    );
    assert!(house.find(&session, "alice").is_ok());
}

// S19
#[actix::test]
async fn nothing_runs_before_the_session_is_initialized() {
    let house = house(Config::default());
    let session = house.router.open(principal("alice"), None).await.unwrap();

    let call = request(1, "tools/call", json!({ "name": "whoami" }));
    let early = house.ask(&session, "alice", call).await;
    let ping = house
        .ask(&session, "alice", request(2, "ping", json!({})))
        .await;

    assert_eq!(early["error"]["code"], -32600);
    assert_eq!(ping["result"], json!({}));
}

// S16, S18
#[actix::test]
async fn a_closed_session_cancels_its_calls_and_is_in_no_table() {
    let house = house(Config::default());
    let session = house.running("alice").await;
    let (outlet, mut frames) = outlet(queue::Config::default());
    let slow = request(1, "tools/call", json!({ "name": "slow" }));
    house
        .router
        .dispatch(&session, principal("alice"), slow, Some(outlet))
        .await
        .unwrap();

    house.router.close(&session).await.unwrap();

    let answer = next(&mut frames).await;
    assert_eq!(answer["id"], 1);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("the client ended the session")
    );
    assert_eq!(frames.next().await, None);
    house.until_empty().await;
    assert_eq!(
        house.find(&session, "alice").unwrap_err(),
        RouteError::Unknown
    );
    assert!(
        house
            .metrics
            .encode()
            .contains("sessions_closed_total{reason=\"deleted\"} 1")
    );
}

// S31
#[actix::test]
async fn a_session_of_http_sse_ends_with_its_stream() {
    let house = house(Config::default());
    let (outlet, frames) = outlet(queue::Config::default());
    house
        .router
        .open(principal("alice"), Some(outlet))
        .await
        .unwrap();
    assert_eq!(house.router.sessions(), 1);

    drop(frames);

    house.until_empty().await;
}

#[actix::test]
async fn a_session_whose_stream_is_gone_before_it_runs_leaves_nothing_behind() {
    let house = house(Config::default());
    for _ in 0..200 {
        let (outlet, frames) = outlet(queue::Config::default());
        drop(frames);
        let _opened = house.router.open(principal("alice"), Some(outlet)).await;
    }

    house.until_empty().await;
}

// S14
#[actix::test]
async fn a_second_stream_is_refused_while_the_first_is_open() {
    let house = house(Config::default());
    let session = house.running("alice").await;
    let alice = principal("alice");
    let (first, frames) = outlet(queue::Config::default());
    house
        .router
        .open_stream(&session, &alice, first)
        .await
        .unwrap();

    let (second, _frames) = outlet(queue::Config::default());
    let refused = house
        .router
        .open_stream(&session, &alice, second)
        .await
        .unwrap_err();
    assert_eq!(refused, RouteError::Session(SessionError::StreamTaken));

    drop(frames);
    let (third, _frames) = outlet(queue::Config::default());
    house
        .router
        .open_stream(&session, &alice, third)
        .await
        .unwrap();
}

// S32
#[actix::test]
async fn one_callers_sessions_are_bounded_and_others_are_not_disturbed() {
    let house = house(Config {
        per_principal_max: 2,
        ..Config::default()
    });
    let first = house.running("alice").await;
    house.running("alice").await;

    assert_eq!(
        house
            .router
            .open(principal("alice"), None)
            .await
            .unwrap_err(),
        RouteError::PrincipalFull
    );
    house.running("bob").await;
    house.router.close(&first).await.unwrap();
    house.running("alice").await;
}

#[actix::test]
async fn all_sessions_together_are_bounded() {
    let house = house(Config {
        sessions_max: 1,
        ..Config::default()
    });
    house.running("alice").await;

    assert_eq!(
        house.router.open(principal("bob"), None).await.unwrap_err(),
        RouteError::NodeFull
    );
}

#[actix::test]
async fn calls_of_one_session_are_bounded() {
    let session = session::Config {
        calls_max: 1,
        ..session::Config::default()
    };
    let house = house(Config {
        session,
        ..Config::default()
    });
    let session = house.running("alice").await;
    let (outlet, _frames) = outlet(queue::Config::default());
    let slow = |id| request(id, "tools/call", json!({ "name": "slow" }));
    let first = Some(outlet.clone());
    house
        .router
        .dispatch(&session, principal("alice"), slow(1), first)
        .await
        .unwrap();

    let second = house
        .router
        .dispatch(&session, principal("alice"), slow(2), Some(outlet))
        .await;

    assert_eq!(
        second.unwrap_err(),
        RouteError::Session(SessionError::TooManyCalls)
    );
}

#[actix::test]
async fn a_cancelled_call_is_not_answered() {
    let house = house(Config::default());
    let session = house.running("alice").await;
    let (outlet, mut frames) = outlet(queue::Config::default());
    let slow = request(7, "tools/call", json!({ "name": "slow" }));
    house
        .router
        .dispatch(&session, principal("alice"), slow, Some(outlet))
        .await
        .unwrap();

    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 }
    });
    house
        .router
        .dispatch(&session, principal("alice"), message(&cancel), None)
        .await
        .unwrap();

    assert_eq!(frames.next().await, None);
}

// S06, K19
#[actix::test]
async fn what_is_open_ends_with_the_token_and_the_session_with_its_grace() {
    for grace in [600, 0] {
        let mut config = Config::default();
        config.session.grace_after_expiry = HumanDuration::from_secs(grace);
        let house = house(config);
        let session = house.running("alice").await;
        let (outlet, frames) = outlet(queue::Config::default());
        house
            .router
            .open_stream(&session, &principal("alice"), outlet.clone())
            .await
            .unwrap();

        house.clock.advance(Duration::from_secs(600));

        outlet.closed().await;
        assert_eq!(frames.ended(), Some(CloseReason::TokenExpired));
        if grace == 0 {
            house.until_empty().await;
        }
        assert_eq!(house.find(&session, "alice").is_ok(), grace > 0);
    }
}

#[actix::test]
async fn draining_lets_calls_finish_and_takes_no_new_session() {
    let house = house(Config::default());
    let idle = house.running("alice").await;
    let busy = house.running("bob").await;
    let (outlet, mut frames) = outlet(queue::Config::default());
    let slow = request(1, "tools/call", json!({ "name": "slow" }));
    house
        .router
        .dispatch(&busy, principal("bob"), slow, Some(outlet))
        .await
        .unwrap();

    let router = house.router.clone();
    let drained = actix::spawn(async move { router.drain().await });
    while house.find(&idle, "alice").is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        house.router.open(principal("eve"), None).await.unwrap_err(),
        RouteError::Stopping
    );
    assert_eq!(
        house.router.sessions(),
        1,
        "the busy session did not wait for its call"
    );

    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 }
    });
    house
        .router
        .dispatch(&busy, principal("bob"), message(&cancel), None)
        .await
        .unwrap();
    drained.await.unwrap();
    assert_eq!(frames.next().await, None);
}

#[actix::test]
async fn a_question_goes_out_on_the_calls_stream_and_its_answer_comes_back() {
    let house = house(Config::default());
    let session = house.running("alice").await;
    let (outlet, mut frames) = outlet(queue::Config::default());
    let params = json!({ "name": "curious", "_meta": { "progressToken": "p" } });
    let call = request(1, "tools/call", params);
    house
        .router
        .dispatch(&session, principal("alice"), call, Some(outlet))
        .await
        .unwrap();

    let progress = next(&mut frames).await;
    assert_eq!(
        progress["params"],
        json!({ "progressToken": "p", "progress": 1.0 })
    );
    let question = next(&mut frames).await;
    assert_eq!(question["method"], "elicitation/create");
    let answer = json!({
        "jsonrpc": "2.0", "id": question["id"],
        "result": { "action": "accept", "content": { "colour": "red" } }
    });
    house
        .router
        .dispatch(&session, principal("alice"), message(&answer), None)
        .await
        .unwrap();

    assert_eq!(
        next(&mut frames).await["result"]["content"][0]["text"],
        "\"red\""
    );
}

#[actix::test]
async fn a_session_is_told_of_changes_it_wants_to_know() {
    let house = house(Config::default());
    let session = house.running("alice").await;
    let (outlet, mut frames) = outlet(queue::Config::default());
    house
        .router
        .open_stream(&session, &principal("alice"), outlet)
        .await
        .unwrap();
    let watch = |method| request(1, method, json!({ "uri": "test://a" }));
    let answer = house
        .ask(&session, "alice", watch("resources/subscribe"))
        .await;
    assert_eq!(
        answer["error"]["code"], -32601,
        "there are no resources to watch"
    );

    house.changes.announce(Change::Resource("test://a".into()));
    house.changes.announce(Change::Tools);

    assert_eq!(
        next(&mut frames).await["method"],
        "notifications/tools/list_changed"
    );
}
