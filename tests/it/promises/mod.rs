//! What is promised of the verifier, measured; docs/promises.md has the figures.
//!
//! ```console
//! $ cargo test --test it promises:: -- --ignored --nocapture --test-threads=1
//! ```
//!
//! Each prints a line for each figure. Times are scaled down where that changes nothing, and every
//! scale is said. Ignored in the usual run: together they take four minutes.

mod p8;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use mcp_usher::{
    auth::{AuthError, BearerToken, Verification, Verifier, bearer},
    config::Config,
    secret::Secret,
    units::HumanDuration,
};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::kit::{
    Ask, Scene, Sse,
    issuer::{Behaviour, Endpoint, signing::SigningKey},
    process::{Usher, run},
    scene::{NOW, admin},
};

const SECOND: Duration = Duration::from_secs(1);

fn introspecting(config: &mut Config) {
    config.issuer.verification = Verification::Introspection;
    config.issuer.introspection_client_id = Some("usher".to_owned());
    config.issuer.introspection_client_secret = Some(Secret::new("s3cret"));
}

fn header(text: &str) -> String {
    format!("Bearer {text}")
}

fn token(header: &str) -> BearerToken<'_> {
    bearer([header.as_bytes()]).unwrap()
}

fn is_unavailable<T>(verdict: &Result<T, AuthError>) -> bool {
    matches!(verdict, Err(AuthError::Unavailable { .. }))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// The value below which so many of a hundred lie.
fn percentile(mut all: Vec<Duration>, of_hundred: usize) -> Duration {
    all.sort_unstable();
    let place = (all.len() * of_hundred / 100).min(all.len() - 1);
    all[place]
}

/// Does something about so many times a second, for so long.
async fn steadily<F: Future<Output = ()>>(
    per_second: u32,
    lasting: Duration,
    mut act: impl FnMut(u64) -> F,
) {
    let mut beat = tokio::time::interval(SECOND / per_second);
    let (started, mut number) = (Instant::now(), 0);
    while started.elapsed() < lasting {
        beat.tick().await;
        act(number).await;
        number += 1;
    }
}

// === P4 ===

/// Who was answered how in an outage.
#[derive(Debug, Default)]
struct Tally {
    served: usize,
    unavailable: Vec<Duration>,
    refused: usize,
}

/// Callers who were there before, at 100 a second.
async fn known(scene: &Scene, lasting: Duration) -> Tally {
    let mut tally = Tally::default();
    let mut wires = Vec::new();
    for number in 0..20 {
        let ask = Ask::modern(
            scene,
            &format!("known{number}"),
            1,
            "tools/call",
            json!({ "name": "whoami" }),
        );
        wires.push((scene.wire().await, ask));
    }
    let started = Instant::now();
    let mut beat = tokio::time::interval(SECOND / 5);
    while started.elapsed() < lasting {
        beat.tick().await;
        for (wire, ask) in &mut wires {
            match wire.ask(ask).await.status {
                200 => tally.served += 1,
                503 => tally.unavailable.push(Duration::ZERO),
                _ => tally.refused += 1,
            }
        }
    }
    tally
}

/// Strangers, about 20 a second, each on a connection of its own.
async fn strangers(scene: &Scene, lasting: Duration) -> Tally {
    let mut asks = Vec::new();
    let mut beat = tokio::time::interval(SECOND / 20);
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed() < lasting {
        beat.tick().await;
        number += 1;
        let ask = Ask::stream(scene, "/sse", &format!("stranger{number}"));
        let mut wire = scene.wire().await;
        asks.push(async move {
            let asked = Instant::now();
            (wire.ask(&ask).await, asked.elapsed())
        });
        if asks.len() >= 20 {
            break;
        }
    }
    let mut tally = Tally::default();
    let mut count = |reply: crate::kit::Reply, took| match reply.status {
        503 if reply.header("retry-after").is_some() => tally.unavailable.push(took),
        _ => tally.refused += 1,
    };
    for (reply, took) in join_all(asks).await {
        count(reply, took);
    }
    // By now nobody waits for anything any more.
    while started.elapsed() < lasting {
        beat.tick().await;
        number += 1;
        let ask = Ask::stream(scene, "/sse", &format!("stranger{number}"));
        let asked = Instant::now();
        let reply = scene.ask(&ask).await;
        count(reply, asked.elapsed());
    }
    tally
}

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_an_outage_of_the_issuer() {
    const LASTING: Duration = Duration::from_secs(15);
    for (name, trouble) in [
        ("500", Behaviour::Answer(500, String::new())),
        ("cut", Behaviour::Cut),
        ("hung", Behaviour::Held(Arc::new(Semaphore::new(0)))),
        ("slow (10 s)", Behaviour::Late(SECOND * 10)),
    ] {
        let scene = Scene::with(|config| {
            introspecting(config);
            // 60 s and 300 s are promised: a tenth of that.
            config.verifier.cache.answer_ttl = HumanDuration::from_secs(6);
            config.verifier.cache.stale_if_error = HumanDuration::from_secs(30);
        })
        .await;
        let about = json!({ "sub": "alice", "aud": scene.url("/mcp"), "exp": NOW + 600 });
        for number in 0..20 {
            scene.issuer.know(&format!("known{number}"), about.clone());
        }
        known(&scene, Duration::from_millis(1)).await;
        scene.issuer.behave(Endpoint::Introspection, trouble);

        let asked = || scene.metric("usher_verifier_questions_total");
        let opened = async {
            // The first questions are under way until their deadline.
            tokio::time::sleep(SECOND * 4).await;
            let (asked_before, started) = (asked(), Instant::now());
            tokio::time::sleep(LASTING.saturating_sub(SECOND * 5)).await;
            (asked() - asked_before, started.elapsed())
        };
        let (old, new, (probes, watched)) =
            tokio::join!(known(&scene, LASTING), strangers(&scene, LASTING), opened);

        assert_eq!(old.refused + new.refused, 0, "wrongly refused");
        assert!(old.unavailable.is_empty(), "a known caller was sent away");
        let worst = *new.unavailable.iter().max().unwrap();
        let later: Vec<_> = new.unavailable[20..].to_vec();
        let usual = percentile(later.clone(), 90);
        let waited = later.iter().filter(|took| **took > SECOND / 4).count();
        let per_second = float(probes) / watched.as_secs_f64();
        assert!(worst < Duration::from_millis(3_500), "{worst:?}");
        assert!(per_second <= 1.2, "{per_second}");
        // The one who asks whether it is back waits for the answer.
        assert!(waited <= 5, "{waited}");
        assert_eq!(scene.running().verifier().usage().refusals, 0);

        scene.issuer.know("late", about);
        scene
            .issuer
            .behave(Endpoint::Introspection, Behaviour::Normal);
        let returned = Instant::now();
        let ask = Ask::modern(&scene, "late", 1, "tools/call", json!({ "name": "whoami" }));
        while scene.ask(&ask).await.status != 200 {
            assert!(returned.elapsed() < SECOND * 5);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!(
            "P4 {name}: {} of {} known callers served; {} strangers told 503, at worst after {:.0} ms, \
             but for {waited} who asked 90 % of those after the breaker opened within {:.0} ms; \
             {per_second:.2} questions a second; 0 refused; normal again after {:.0} ms",
            old.served,
            old.served + old.unavailable.len(),
            new.unavailable.len(),
            milliseconds(worst),
            milliseconds(usual),
            milliseconds(returned.elapsed()),
        );
    }
}

// === P5 ===

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_one_verification_a_token() {
    let scene = Scene::with(|config| {
        introspecting(config);
        config.verifier.cache.answer_ttl = HumanDuration::from_secs(2);
    })
    .await;
    let about = json!({ "sub": "alice", "aud": scene.url("/mcp"), "exp": NOW + 600 });
    scene.issuer.know("hot", about);
    scene.issuer.behave(
        Endpoint::Introspection,
        Behaviour::Late(Duration::from_millis(500)),
    );
    let verifier = scene.running().verifier().clone();
    let asked = || scene.issuer.count(Endpoint::Introspection);

    let hot = header("hot");
    let verdicts = join_all((0..5_000).map(|_| async {
        let hot = token(&hot);
        verifier.verify(&hot).await
    }))
    .await;
    assert!(verdicts.iter().all(Result::is_ok));
    assert_eq!(asked(), 1);
    println!("P5: 5000 at once with one new token, 1 question, all let in");

    scene
        .issuer
        .behave(Endpoint::Introspection, Behaviour::Normal);
    let (before, served) = (asked(), AtomicUsize::new(0));
    steadily(1_000, SECOND * 10, |_| async {
        verifier.verify(&token(&hot)).await.unwrap();
        served.fetch_add(1, Relaxed);
    })
    .await;
    let questions = asked() - before;
    assert!((4..=6).contains(&questions), "{questions}");
    println!(
        "P5: {} requests of one token in 10 s, answers count 2 s, {questions} questions",
        served.into_inner()
    );

    scene.issuer.behave(
        Endpoint::Introspection,
        Behaviour::Late(Duration::from_millis(500)),
    );
    let before = asked();
    let headers: Vec<_> = (0..5_000)
        .map(|number| header(&format!("t{number}")))
        .collect();
    let started = Instant::now();
    let verdicts = join_all(headers.iter().map(|header| async {
        let token = token(header);
        verifier.verify(&token).await
    }))
    .await;
    let away = verdicts
        .iter()
        .filter(|verdict| is_unavailable(verdict))
        .count();
    let turned_away = scene.metric("usher_verifier_turned_away_total");
    assert!(verdicts.iter().all(Result::is_err));
    assert!(scene.issuer.peak() <= 64);
    assert!(turned_away >= 5_000 - 2_048);
    println!(
        "P5: 5000 tokens at once, {} refused by their issuer, {away} told 503 ({turned_away} of them \
         at once), at most {} questions under way, {} in all, over after {:.1} s",
        5_000 - away,
        scene.issuer.peak(),
        asked() - before,
        started.elapsed().as_secs_f64(),
    );
}

// === P6 ===

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_flood_of_made_up_tokens() {
    const LASTING: Duration = Duration::from_secs(20);
    let scene = Scene::with(introspecting).await;
    let verifier = scene.running().verifier().clone();
    let about = json!({ "sub": "alice", "aud": scene.url("/mcp"), "exp": NOW + 600 });
    let valid: Vec<_> = (0..1_000).map(|number| format!("valid{number}")).collect();
    for text in &valid {
        scene.issuer.know(text, about.clone());
    }
    let headers: Vec<_> = valid.iter().map(|text| header(text)).collect();
    for some in headers.chunks(50) {
        join_all(some.iter().map(|header| async {
            let token = token(header);
            // Fifty a second are asked about.
            eventually_let_in(&verifier, &token).await;
        }))
        .await;
    }
    let resident = resident_bytes();
    let asked = || scene.issuer.count(Endpoint::Introspection);
    let (before, started) = (asked(), Instant::now());

    let flood = |part: u64| {
        let verifier = verifier.clone();
        async move {
            let mut sent = 0_u64;
            while started.elapsed() < LASTING {
                let headers: Vec<_> = (0..500)
                    .map(|number| header(&format!("made-up-{part}-{}", sent + number)))
                    .collect();
                sent += 500;
                join_all(headers.iter().map(|header| async {
                    let token = token(header);
                    // Nobody waits: what is not turned away is left to itself.
                    let in_time = Duration::from_millis(20);
                    let _late = tokio::time::timeout(in_time, verifier.verify(&token)).await;
                }))
                .await;
            }
            sent
        }
    };
    let callers = async {
        let (mut hits, mut misses) = (0, 0);
        while started.elapsed() < LASTING {
            for header in &headers {
                match verifier.verify(&token(header)).await {
                    Ok(_) => hits += 1,
                    Err(_) => misses += 1,
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        (hits, misses)
    };
    let (first, second, (hits, misses)) =
        tokio::join!(tokio::spawn(flood(1)), tokio::spawn(flood(2)), callers);
    let sent = first.unwrap() + second.unwrap();
    let per_second = float((asked() - before) as u64) / started.elapsed().as_secs_f64();
    let usage = verifier.usage();
    let grown = resident_bytes().saturating_sub(resident);

    let ratio = f64::from(hits) / f64::from(hits + misses);
    assert!(ratio >= 0.999, "{ratio}");
    assert!(usage.bytes <= 48 << 20, "{usage:?}");
    assert_eq!(usage.entries, 1_000, "{usage:?}");
    println!(
        "P6: {sent} made-up tokens in {:.0} s; {:.3} % of {} requests of 1000 callers let in; {} KiB of \
         callers and {} refusals remembered; memory {:+.1} MiB; {per_second:.1} questions a second",
        started.elapsed().as_secs_f64(),
        ratio * 100.0,
        hits + misses,
        usage.bytes / 1_024,
        usage.refusals,
        float(grown) / f64::from(1 << 20),
    );
    // The callers' own answers age and are asked for again, at 1000 a minute at most.
    assert!(per_second <= 50.0 + 17.0 + 3.0, "{per_second}");
}

async fn eventually_let_in(verifier: &Verifier, token: &BearerToken<'_>) {
    for _ in 0..20 {
        if verifier.verify(token).await.is_ok() {
            return;
        }
    }
    panic!("not let in");
}

/// Memory of this process, the issuer's books and the test's own included.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

// === P7 ===

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_keys_that_change() {
    let scene = Scene::with(|config| {
        // 30 s and 600 s are promised: a tenth, and a 120th.
        config.issuer.keys.unknown_key_pause = HumanDuration::from_secs(3);
        config.issuer.keys.refresh_every = HumanDuration::from_secs(5);
    })
    .await;
    let verifier = scene.running().verifier().clone();
    let fetches = || scene.issuer.count(Endpoint::Keys);
    let claims = scene.claims("mallory").to_string();

    let (before, started) = (fetches(), Instant::now());
    let mut sent = 0_u64;
    while started.elapsed() < SECOND * 10 {
        let headers: Vec<_> = (0..50)
            .map(|number| {
                let kid = format!("k{}", sent + number);
                let header_of = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid });
                header(&scene.key.token_with(&header_of, &claims))
            })
            .collect();
        sent += 50;
        let verdicts = join_all(headers.iter().map(|header| async {
            let token = token(header);
            verifier.verify(&token).await
        }))
        .await;
        assert!(verdicts.iter().all(Result::is_err));
    }
    let (done, lasted) = (fetches() - before, started.elapsed().as_secs_f64());
    assert!(done <= 6, "{done}");
    println!(
        "P7: {sent} unknown keys in {lasted:.0} s, {done} fetches (one in 3 s for unknown keys, one \
         in 5 s in any case)"
    );

    // A rotation that is published at once.
    tokio::time::sleep(SECOND * 4).await;
    let next = SigningKey::new("ES256", "second");
    scene.issuer.publish(&[&scene.key, &next]);
    let (mut failed, started) = (0, Instant::now());
    let fresh = header(&next.token(&scene.claims("alice")));
    while verifier.verify(&token(&fresh)).await.is_err() {
        failed += 1;
        assert!(started.elapsed() < SECOND * 5);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(failed <= 1, "{failed}");
    println!(
        "P7: a new key that is published: {failed} requests failed, taken after {:.0} ms",
        milliseconds(started.elapsed())
    );

    // A rotation behind a copy that is stale for a while.
    tokio::time::sleep(SECOND * 4).await;
    let third = SigningKey::new("ES256", "third");
    let late = header(&third.token(&scene.claims("alice")));
    assert!(verifier.verify(&token(&late)).await.is_err());
    scene.issuer.publish(&[&scene.key, &next, &third]);
    let started = Instant::now();
    while verifier.verify(&token(&late)).await.is_err() {
        assert!(
            verifier.verify(&token(&fresh)).await.is_ok(),
            "old keys work"
        );
        assert!(started.elapsed() < SECOND * 4, "the pause and a second");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "P7: a new key behind a stale copy: taken {:.0} ms after the copy was fresh (pause 3 s)",
        milliseconds(started.elapsed())
    );

    // A key that is withdrawn.
    scene.issuer.publish(&[&scene.key, &third]);
    let started = Instant::now();
    while verifier.verify(&token(&fresh)).await.is_ok() {
        assert!(started.elapsed() < SECOND * 6, "still taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "P7: a withdrawn key: refused after {:.0} ms (refreshed every 5 s)",
        milliseconds(started.elapsed())
    );
    verifier.verify(&token(&late)).await.unwrap();
    scene.issuer.publish(&[&scene.key]);
    let started = Instant::now();
    verifier.forget_all();
    while verifier.verify(&token(&late)).await.is_ok() {
        assert!(started.elapsed() < SECOND * 2, "still taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!(
        "P7: a withdrawn key after a purge: refused after {:.0} ms",
        milliseconds(started.elapsed())
    );
}

// === P9 ===

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_expiry_to_the_second() {
    const LEEWAY: u64 = 2;
    let scene = Scene::with(|config| {
        config.issuer.leeway = HumanDuration::from_secs(LEEWAY);
    })
    .await;
    let verifier = scene.running().verifier().clone();
    // As many again that are shown for the first time in the second in which they end.
    let tokens: Vec<_> = (0..2_000_u64)
        .map(|number| {
            let exp = NOW + 10 + number % 20;
            let claims = json!({ "exp": exp, "jti": number });
            (exp, header(&scene.token_with("alice", &claims)))
        })
        .collect();
    let (remembered, unseen) = tokens.split_at(1_000);
    for (_, header) in remembered {
        verifier.verify(&token(header)).await.unwrap();
    }
    let mut streams = Vec::new();
    for number in 0..20 {
        let claims = json!({ "exp": NOW + 10 + number, "jti": format!("s{number}") });
        let text = scene.token_with(&format!("user{number}"), &claims);
        streams.push((NOW + 10 + number, Sse::ready(&scene, &text).await));
    }

    let (mut early, mut late, mut looked) = (0, 0, 0);
    for now in NOW + 8..NOW + 34 {
        scene
            .clock
            .set(mcp_usher::time::Timestamp::from_unix_seconds(now));
        let of_now = unseen.iter().filter(|(exp, _)| *exp + LEEWAY == now);
        for (exp, header) in remembered.iter().chain(of_now) {
            let let_in = verifier.verify(&token(header)).await.is_ok();
            looked += 1;
            late += usize::from(let_in && now >= exp + LEEWAY);
            early += usize::from(!let_in && now < exp + LEEWAY);
        }
    }
    assert_eq!((early, late), (0, 0));
    println!(
        "P9: 2000 tokens over 26 s, {looked} looks, {late} let in after exp + {LEEWAY} s, {early} sent \
         away before"
    );

    let started = Instant::now();
    let number = streams.len();
    for (_, mut stream) in streams {
        stream.events.farewell().await;
    }
    assert!(started.elapsed() < SECOND * 5);
    println!(
        "P9: the last of {number} streams is closed {:.0} ms after its token's end",
        milliseconds(started.elapsed())
    );
}

// === P24 ===

/// Waits until the binary says that it is ready, and how long that took since.
async fn ready(usher: &Usher, since: Instant, within: Duration) -> Duration {
    while admin(usher.admin(), "/readyz").await.0 != 200 {
        assert!(since.elapsed() < within, "not ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    since.elapsed()
}

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p24_start() {
    let scene = Scene::new().await;
    let started = Instant::now();
    let usher = Usher::serve(scene.issuer.issuer(), &[]);
    let took = ready(&usher, started, SECOND * 2).await;
    println!(
        "P24: ready {:.0} ms after it was called",
        milliseconds(took)
    );
    drop(usher);

    for endpoint in [Endpoint::Metadata, Endpoint::Keys] {
        scene.issuer.behave(endpoint, Behaviour::Cut);
    }
    let usher = Usher::serve(scene.issuer.issuer(), &[]);
    tokio::time::sleep(SECOND * 12).await;
    assert_eq!(admin(usher.admin(), "/readyz").await.0, 503);
    for endpoint in [Endpoint::Metadata, Endpoint::Keys] {
        scene.issuer.behave(endpoint, Behaviour::Normal);
    }
    let took = ready(&usher, Instant::now(), SECOND * 5).await;
    println!(
        "P24: started without its issuer, ready {:.0} ms after that came (12 s later)",
        milliseconds(took)
    );
    drop(usher);

    for (flags, key) in [
        (&["--set", "server.lissten=1"][..], "server.lissten"),
        (&["--listen", "0.0.0.0:0"], "server.public_url"),
        (
            &["--verification", "introspection"],
            "issuer.introspection_client_id",
        ),
    ] {
        let arguments = [&["serve", "--issuer", "https://issuer.example"], flags].concat();
        let started = Instant::now();
        let (code, _, err) = run(&arguments);
        let took = started.elapsed();
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains(key), "{err}");
        assert!(took < SECOND, "{took:?}");
        println!("P24: {key} is named after {:.0} ms", milliseconds(took));
    }
}
