//! The room through its door, against a fake issuer, and JWTs through the checks they pass.
//!
//! One test per row of the attack catalogue that this room can show, with the row's number beside it.
//! Time is the manual clock for `exp`, and [`Scene::time_passes`] for ages; nothing sleeps.

mod costs;
mod inspection;
mod issuers;
mod jwt;
mod keys;
mod outage;
mod promises;
mod upstream;
mod verdicts;

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    AuthError, BearerToken, Config, Principal, Status, Verification, Verifier, bearer,
    fake_issuer::{FakeIssuer, signing::SigningKey},
};
use crate::{
    fetch::{self, Fetcher},
    time::{Clock, Timestamp},
    units::HumanDuration,
};

/// The present of all these tests.
const NOW: u64 = 1_800_000_000;

const RESOURCE: &str = "https://mcp.example.com/mcp";

fn clock() -> Clock {
    Clock::manual(Timestamp::from_unix_seconds(NOW))
}

/// The claims of a good token, as Logto writes them.
fn claims(issuer: &str) -> Value {
    json!({
        "jti": "1", "sub": "alice", "client_id": "agent", "scope": "mcp:tools notes:read",
        "iss": issuer, "aud": RESOURCE, "iat": NOW - 10, "exp": NOW + 600,
    })
}

/// Good claims with one changed; `null` takes it away.
fn with(issuer: &str, name: &str, value: Value) -> Value {
    let mut claims = claims(issuer);
    if let Some(members) = claims.as_object_mut() {
        members.insert(name.to_owned(), value);
        members.retain(|_, value| !value.is_null());
    }
    claims
}

fn token(text: &str) -> BearerToken<'static> {
    let header = format!("Bearer {text}");
    bearer([header.as_bytes()]).unwrap().to_static()
}

/// A fake issuer with one key, a verifier that trusts it, and the clock of both.
struct Scene {
    issuer: FakeIssuer,
    key: SigningKey,
    verifier: Verifier,
    clock: Clock,
}

impl Scene {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let key = SigningKey::new("ES256", "first");
        let issuer = FakeIssuer::start(&[&key]);
        Self::with_issuer(issuer, key, change)
    }

    fn with_issuer(issuer: FakeIssuer, key: SigningKey, change: impl FnOnce(&mut Config)) -> Self {
        let clock = clock();
        let mut config = Config::new(issuer.issuer().parse().unwrap());
        config.issuer.discovery.retry_first = HumanDuration::new(Duration::from_millis(5));
        config.issuer.discovery.retry_max = HumanDuration::new(Duration::from_millis(20));
        config.issuer.keys.retry_every = HumanDuration::new(Duration::from_millis(20));
        change(&mut config);
        let fetcher = Fetcher::new(fetch::Config::default()).unwrap();
        let verifier = Verifier::start(config, &fetcher, &clock);
        Self {
            issuer,
            key,
            verifier,
            clock,
        }
    }

    /// A scene for opaque tokens.
    fn opaque(verification: Verification, change: impl FnOnce(&mut Config)) -> Self {
        Self::new(|config| {
            config.issuer.verification = verification;
            config.issuer.client = Some(super::ClientCredentials {
                id: "usher".to_owned(),
                proof: super::ClientProof::Basic(crate::secret::Secret::new("s3cret")),
            });
            change(config);
        })
    }

    fn claims(&self) -> Value {
        claims(self.issuer.issuer())
    }

    fn good_token(&self) -> String {
        self.key.token(&self.claims())
    }

    /// As many good tokens as wanted, no two alike.
    fn good_tokens(&self) -> impl Iterator<Item = String> {
        (0..).map(|number| {
            self.key
                .token(&with(self.issuer.issuer(), "jti", json!(number)))
        })
    }

    async fn verify(&self, text: &str) -> Result<Principal, AuthError> {
        self.verifier.verify(&token(text)).await
    }

    /// How the only issuer is doing.
    fn status(&self) -> Status {
        let [status] = self.verifier.status().try_into().unwrap();
        status
    }

    /// Lets ages grow, on this thread and on the verifier's.
    async fn time_passes(&self, by: Duration) {
        time_passes(&self.verifier, by).await;
    }
}

/// Lets ages grow, on this thread and on each of the verifier's.
async fn time_passes(verifier: &Verifier, by: Duration) {
    for desk in verifier.desks() {
        let (done, seen) = tokio::sync::oneshot::channel();
        desk.arbiter().spawn(async move {
            advance(by).await;
            done.send(()).unwrap();
        });
        seen.await.unwrap();
    }
    advance(by).await;
}

/// Moves tokio's clock of this thread; it runs on by itself afterwards, since sockets are real.
async fn advance(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

/// Waits until something that is under way has come about, for 5 s at most.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..5_000 {
        if let Some(seen) = look().await {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{what} did not come about");
}
