//! What a request costs here, in allocations and in time.
//!
//! That a known caller costs no allocation is a test like any other. The table, with times, is for a
//! release build; `benches/README.md` says how to have it and how to read it.

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use allocation_counter::measure;
use serde_json::json;

use super::*;
use crate::{
    auth::{
        Audiences, Challenge, Identity, IssuerConfig, Reason, judge,
        jwt::{Jwt, Signature},
        key_set::KeySet,
    },
    scope::Scopes,
};

/// What a future comes to that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// Everything that a request of a known caller asks of this room: its token out of the header, its
/// principal out of memory, and the judgement.
fn recognise(scene: &Scene, header: &[u8], audiences: &Audiences, required: &Scopes) {
    let token = bearer([header]).unwrap();
    let principal = at_once(scene.verifier.verify(&token)).unwrap();
    judge(&principal, audiences, required).unwrap();
}

/// Everything that an unknown JWT asks of it, but for the actor that it is taken to.
fn examine(text: &str, rules: &IssuerConfig, keys: &KeySet) -> Identity {
    let jwt = Jwt::parse(text).unwrap();
    jwt.check(rules, Timestamp::from_unix_seconds(NOW)).unwrap();
    assert!(matches!(jwt.signature(rules, keys), Signature::Good(_)));
    jwt.into_identity(rules).unwrap()
}

// "A cached principal costs one hash and one look-up."
#[actix::test]
async fn a_known_caller_costs_no_allocation() {
    let scene = Scene::new(|_| ());
    let text = scene.good_token();
    scene.verify(&text).await.unwrap();
    let header = format!("Bearer {text}");
    let audiences = Audiences::new([RESOURCE.to_owned()]);
    let required = "mcp:tools".parse().unwrap();

    let cost = measure(|| recognise(&scene, header.as_bytes(), &audiences, &required));

    assert_eq!(cost.count_total, 0, "{cost:?}");
    assert_eq!(scene.verifier.counters().hits(), 1);
    // That allocations are counted at all.
    let counted = measure(|| drop(black_box(Box::new(NOW))));
    assert_eq!(counted.count_total, 1);
}

/// Runs something many times, and prints what one time costs: the median of 21 batches, the fastest
/// of them, and allocations with their bytes.
fn cost(what: &str, batch: u32, mut run: impl FnMut()) {
    for _ in 0..batch {
        run();
    }
    let mut nanoseconds: Vec<_> = (0..21)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..batch {
                run();
            }
            started.elapsed().as_nanos() / u128::from(batch)
        })
        .collect();
    nanoseconds.sort_unstable();
    let (fastest, median) = (nanoseconds[0], nanoseconds[10]);
    let allocated = measure(run);
    let (count, bytes) = (allocated.count_total, allocated.bytes_total);
    println!("| {what} | {median} | {fastest} | {count} | {bytes} |");
}

#[ignore = "a measurement: benches/README.md"]
#[actix::test]
async fn the_table() {
    println!("| what | median ns | fastest ns | allocations | bytes |");
    println!("|---|---:|---:|---:|---:|");
    let scene = Scene::new(|_| ());
    let text = scene.good_token();
    scene.verify(&text).await.unwrap();
    let header = format!("Bearer {text}");
    let audiences = Audiences::new([RESOURCE.to_owned()]);
    let required = "mcp:tools".parse().unwrap();
    cost("a known caller: header, memory, judgement", 20_000, || {
        recognise(&scene, header.as_bytes(), &audiences, &required);
    });
    let known = token(&text);
    cost("of that: one hash and one look-up", 20_000, || {
        black_box(at_once(scene.verifier.verify(&known)).unwrap());
    });

    let issuer = scene.issuer.issuer();
    let rules = IssuerConfig::new(issuer.parse().unwrap());
    for algorithm in ["RS256", "ES256", "ES384", "EdDSA"] {
        let key = SigningKey::new(algorithm, "only");
        let keys = KeySet::parse(&json!({ "keys": [key.jwk()] })).unwrap();
        let text = key.token(&claims(issuer));
        let what = format!("an unknown JWT, {algorithm}");
        cost(&what, 200, || {
            black_box(examine(&text, &rules, &keys));
        });
    }

    let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
    let advertised = "openid mcp:tools".parse().unwrap();
    let refused = Reason::Expired.into();
    cost("the challenge of a refused token", 20_000, || {
        let challenge = Challenge::new(&refused, metadata, &advertised).unwrap();
        black_box(challenge.to_string());
    });
    cost("the challenge of a request without one", 20_000, || {
        let challenge = Challenge::new(&AuthError::Missing, metadata, &advertised).unwrap();
        black_box(challenge.to_string());
    });
}
