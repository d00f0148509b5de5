//! Asking without a way back (2026-07-28): a call that needs input ends with `input_required`, and is
//! run again from its beginning when the client comes back with the answers.
//!
//! A tool awaits the user's answer as it does in a session. Here the first run ends at that await:
//! what it wants is recorded, and the answers so far are sealed into `requestState`, which the client
//! carries. The next run finds them and goes on past. So a tool must ask for the same things, under
//! the same keys, when it is run with the same arguments; what it does before its last question may
//! be done more than once.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    auth::Owner,
    protocol::{Method, RpcError, codes},
    telemetry::{Limit, Metrics},
    time::{Clock, Timestamp},
    units::HumanDuration,
};

/// The keys that seal `requestState`. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sealer(std::sync::Arc<Inner>);

struct Inner {
    key: RandomizedNonceKey,
    clock: Clock,
    lifetime: HumanDuration,
    /// Where states that come back too late are counted.
    metrics: Metrics,
}

/// What one run knows and wants.
#[derive(Default)]
pub(super) struct Replay {
    answers: Map<String, Value>,
    delegates: Option<String>,
    run: Mutex<Run>,
}

/// What became of the answers so far.
#[derive(Default)]
struct Run {
    kept: Map<String, Value>,
    wanted: Map<String, Value>,
}

/// What is sealed: answers that were asked for and read, and until when they count.
#[derive(Serialize, Deserialize)]
struct State {
    answers: Map<String, Value>,
    ends: u64,
    /// What a delegate wants back, in its own form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delegates: Option<String>,
}

const INPUT_REQUIRED: &str = "input_required";

/// What a state is bound to: another caller, method, tool or arguments can't use it. Most calls never
/// ask anything, so it is put into a digest only by those that do.
#[derive(Debug)]
pub(super) struct Binding {
    owner: Owner,
    method: Method,
    named: Map<String, Value>,
}

impl Binding {
    /// A request's own words: its params without what only a retry carries.
    pub(super) fn of(owner: Owner, method: &Method, params: &Value) -> Self {
        let named = ["name", "arguments", "uri"].into_iter();
        let named = named.filter_map(|name| Some((name.to_owned(), params.get(name)?.clone())));
        // An absent object and an empty one ask for the same.
        let named = named.filter(|(_, value)| value.as_object().is_none_or(|it| !it.is_empty()));
        Self {
            owner,
            method: method.clone(),
            named: named.collect(),
        }
    }

    fn digest(&self) -> Aad<[u8; 32]> {
        let text = json!([self.owner.to_hex(), self.method.as_str(), self.named]).to_string();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Aad::from(bytes)
    }
}

impl Sealer {
    /// A sealer with a fresh key: states of another process, or of before a restart, are refused.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub(super) fn new(
        clock: Clock,
        lifetime: HumanDuration,
        metrics: Metrics,
    ) -> Result<Self, NoKey> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_unspecified| NoKey(()))?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &secret).map_err(|_invalid| NoKey(()))?;
        Ok(Self(std::sync::Arc::new(Inner {
            key,
            clock,
            lifetime,
            metrics,
        })))
    }

    /// What a request brings along: nothing at first, the answers on a retry.
    ///
    /// # Errors
    /// [`codes::INVALID_PARAMS`] for a state that was changed, is somebody else's, belongs to another
    /// request, or is too old. Which of these is not said.
    pub(super) fn replay(&self, binding: &Binding, params: &Value) -> Result<Replay, RpcError> {
        let (mut answers, delegates) = match brought(params, "requestState")? {
            Some::<String>(sealed) => {
                let state = self.open(binding, &sealed)?;
                (state.answers, state.delegates)
            }
            None => (Map::new(), None),
        };
        let responses: Option<Map<String, Value>> = brought(params, "inputResponses")?;
        answers.extend(responses.into_iter().flatten());
        Ok(Replay {
            answers,
            delegates,
            run: Mutex::default(),
        })
    }

    fn open(&self, binding: &Binding, sealed: &str) -> Result<State, RpcError> {
        let refused = || {
            RpcError::new(
                codes::INVALID_PARAMS,
                "requestState is not one of this request",
            )
        };
        let mut bytes = URL_SAFE_NO_PAD
            .decode(sealed)
            .map_err(|_not_base64| refused())?;
        if bytes.len() < NONCE_LEN {
            return Err(refused());
        }
        let mut body = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_length| refused())?;
        let opened = self
            .0
            .key
            .open_in_place(nonce, binding.digest(), &mut body)
            .map_err(|_forged| refused())?;
        let state: State = serde_json::from_slice(opened).map_err(|_other_form| refused())?;
        if Timestamp::from_unix_seconds(state.ends) < self.0.clock.now() {
            self.0.metrics.limit_hit(Limit::InputDeadline);
            return Err(refused());
        }
        Ok(state)
    }

    /// The `input_required` result of a run that wanted something.
    ///
    /// # Errors
    /// [`RpcError::internal`] where sealing fails.
    pub(super) fn input_required(
        &self,
        (binding, replay): (&Binding, &Replay),
    ) -> Result<Value, RpcError> {
        let requests = Value::Object(replay.lock().wanted.clone());
        Ok(json!({
            "resultType": INPUT_REQUIRED,
            "inputRequests": requests,
            "requestState": self.seal(binding, replay, None)?,
        }))
    }

    /// The same for a delegate that asks by itself: its state is sealed within ours, so that it too
    /// belongs to this caller and request, and ends.
    ///
    /// # Errors
    /// [`RpcError::internal`] where sealing fails.
    pub(super) fn carried(
        &self,
        (binding, replay): (&Binding, &Replay),
        mut asked: Value,
    ) -> Result<Value, RpcError> {
        let state = asked.get("requestState").and_then(Value::as_str);
        let sealed = self.seal(binding, replay, state.map(str::to_owned))?;
        asked["requestState"] = json!(sealed);
        Ok(asked)
    }

    fn seal(
        &self,
        binding: &Binding,
        replay: &Replay,
        delegates: Option<String>,
    ) -> Result<String, RpcError> {
        let ends = self.0.clock.now().plus(self.0.lifetime.get());
        let state = State {
            answers: replay.lock().kept.clone(),
            ends: ends.as_unix_seconds(),
            delegates,
        };
        let mut body = serde_json::to_vec(&state).map_err(|_no_json| RpcError::internal())?;
        let nonce = self
            .0
            .key
            .seal_in_place_append_tag(binding.digest(), &mut body)
            .map_err(|_unspecified| RpcError::internal())?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&body);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }
}

/// A member that only a retry's params have (multi round-trip requests).
fn brought<T: DeserializeOwned>(params: &Value, member: &str) -> Result<Option<T>, RpcError> {
    let Some(value) = params.get(member) else {
        return Ok(None);
    };
    serde_json::from_value(value.clone()).map_err(|error| {
        let text = format!("invalid params: {member}: {error}");
        RpcError::new(codes::INVALID_PARAMS, text)
    })
}

/// Whether a result asks for input, and is none yet.
pub(super) fn asks_for_input(result: &Value) -> bool {
    result
        .get("resultType")
        .is_some_and(|kind| kind == INPUT_REQUIRED)
}

impl Replay {
    /// The state that a delegate left with the client, as the delegate wrote it.
    pub(super) fn delegates_state(&self) -> Option<&str> {
        self.delegates.as_deref()
    }

    /// The answer under `key`, if the client has brought it.
    pub(super) fn answer(&self, key: &str) -> Option<&Value> {
        self.answers.get(key)
    }

    /// Keeps the answer under `key` for the next run. What nobody asked for is carried no further.
    pub(super) fn keep(&self, key: &str) {
        if let Some(answer) = self.answers.get(key) {
            self.lock().kept.insert(key.to_owned(), answer.clone());
        }
    }

    /// Records what is wanted under `key`.
    pub(super) fn want(&self, key: &str, request: Value) {
        self.lock().wanted.insert(key.to_owned(), request);
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The system had no randomness for a sealing key.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no randomness to be had for a sealing key")]
pub struct NoKey(());

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer(…)")
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Replay")
            .field("answers", &self.answers.len())
            .field("delegates", &self.delegates.is_some())
            .field("run", &self.lock().wanted.keys())
            .finish()
    }
}
