//! Logto in trouble: nothing half made, nobody kept waiting, no secret shown.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    kit::{Bridge, public},
    logto::Fault,
};

/// Applications that are there and count for an agent.
fn ready(bridge: &Bridge) -> usize {
    let state = bridge.logto.state();
    let all = state.applications.values();
    all.filter(|one| one["customData"]["usher"]["state"] == "ready")
        .count()
}

/// P21: a fault at every step, of every kind.
#[actix_web::test]
async fn whatever_step_fails_nothing_is_left_half_made() {
    for confidential in [false, true] {
        for fault in [Fault::Status(500), Fault::Status(422), Fault::Lost] {
            for step in 0..9 {
                let bridge = Bridge::start().await;
                // So that the steps of all runs are the same.
                bridge.agent().await;
                let mut metadata = public();
                if confidential {
                    metadata["token_endpoint_auth_method"] = json!("client_secret_basic");
                }
                bridge.logto.fail(step, fault);

                let reply = bridge.register(&metadata).await;

                let told = usize::from(reply.status == 201);
                let made = bridge.logto.state().applications.len();
                assert_eq!(made, 1 + told, "{fault:?} at step {step}: {}", reply.body);
                assert_eq!(ready(&bridge), 1 + told, "{fault:?} at step {step}");
                if told == 0 {
                    assert!(matches!(reply.status, 500 | 503), "{}", reply.status);
                }
                bridge.stop().await;
            }
        }
    }
}

#[actix_web::test]
async fn what_could_not_be_cleared_away_at_once_is_at_the_next_registration() {
    let bridge = Bridge::start().await;
    bridge.agent().await;
    // Made, its scopes refused, and then it can't be deleted either, nor at the second try.
    let scopes = 2;
    bridge.logto.fail(scopes, Fault::Status(422));
    bridge.logto.fail(scopes + 1, Fault::Status(500));
    bridge.logto.fail(scopes + 2, Fault::Status(500));

    bridge.register(&public()).await.is(500);
    assert_eq!(bridge.logto.state().applications.len(), 2);
    assert_eq!(ready(&bridge), 1, "it does not count");
    bridge.register(&public()).await.is(201);

    assert_eq!(bridge.logto.state().applications.len(), 2);
    assert_eq!(ready(&bridge), 2);
    bridge.stop().await;
}

/// R17
#[actix_web::test]
async fn an_expired_token_is_renewed_once_for_all() {
    let bridge = Bridge::start().await;
    bridge.agent().await;
    assert_eq!(bridge.logto.state().token_requests, 1);
    bridge.logto.forget_tokens();

    let metadata = public();
    let replies = join_all((0..5).map(|_| bridge.register(&metadata))).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    assert_eq!(bridge.logto.state().token_requests, 2);
    bridge.stop().await;
}

/// R17
#[actix_web::test]
async fn wrong_credentials_are_the_operators_to_mend_and_are_not_shown() {
    let secret = "s3cret-that-is-wrong";
    let bridge = Bridge::with(|config| {
        config.logto.client_secret = Some(mcp_usher::secret::Secret::new(secret));
    })
    .await;

    let reply = bridge
        .register(&public())
        .await
        .refuses(500, "server_error");

    assert!(!reply.body.contains(secret));
    bridge.stop().await;
}

/// R19
#[actix_web::test]
async fn a_logto_that_hangs_keeps_nobody_waiting_for_long() {
    let bridge = Bridge::start().await;
    bridge.agent().await;
    for step in 0..40 {
        bridge
            .logto
            .fail(step, Fault::Hangs(Duration::from_secs(30)));
    }

    let began = Instant::now();
    let metadata = public();
    let replies = join_all((0..8).map(|_| bridge.register(&metadata))).await;
    for reply in replies {
        let reply = reply.refuses(503, "temporarily_unavailable");
        assert!(!reply.header("retry-after").is_empty());
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );

    // The breaker is open: the next is told at once.
    let began = Instant::now();
    bridge.register(&public()).await.is(503);
    assert!(
        began.elapsed() < Duration::from_millis(1_600),
        "{:?}",
        began.elapsed()
    );
    bridge.logto.no_more_faults();
    bridge.stop().await;
}
