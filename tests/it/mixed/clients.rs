//! Three generations of well-behaved clients. Each calls, answers what it is asked, and holds every
//! message against what it sent: its own user, its own call, its own stream.

use std::{collections::HashMap, sync::Arc, time::Instant};

use serde_json::{Value, json};

use crate::kit::{
    Ask, Events, Item, Mcp, Scene, Sse, Wire, mcp::initialize_with, notification, request,
};

/// Calls that a client of a session has running at once.
const AT_ONCE: u64 = 2;

/// What clients of 2024-11-05 can do for a server.
pub(super) fn model() -> Value {
    json!({ "sampling": {} })
}

/// What later ones can.
pub(super) fn forms() -> Value {
    json!({ "elicitation": { "form": {} } })
}

/// The call of `ask`.
pub(super) fn ask_call(id: u64, nonce: &str) -> Value {
    let arguments = json!({ "nonce": nonce });
    request(
        id,
        "tools/call",
        &json!({ "name": "ask", "arguments": arguments }),
    )
}

/// Who says it, in which call.
pub(super) fn nonce(user: &str, id: u64) -> String {
    format!("{user}, call {id}")
}

/// What a user or a model says to a question.
fn said(nonce: &str) -> String {
    format!("I am {nonce}")
}

/// The nonce in a question of the server's, and the answer to it.
pub(super) fn answer_to(question: &Value) -> (String, Value) {
    let (asked, result) = match question["method"].as_str() {
        Some("elicitation/create") => {
            let asked = question["params"]["message"].as_str().expect("a message");
            let content = json!({ "said": said(asked) });
            (asked, json!({ "action": "accept", "content": content }))
        }
        Some("sampling/createMessage") => {
            let content = &question["params"]["messages"][0]["content"]["text"];
            let asked = content.as_str().expect("a text");
            let content = json!({ "type": "text", "text": said(asked) });
            let result = json!({ "role": "assistant", "model": "it", "content": content });
            (asked, result)
        }
        _ => panic!("not a question: {question}"),
    };
    let response = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result });
    (asked.to_owned(), response)
}

#[track_caller]
pub(super) fn judge(answer: &Value, id: u64, user: &str) {
    let nonce = nonce(user, id);
    assert_eq!(answer["id"], id, "{answer}");
    let result = &answer["result"];
    let told = result.get("structuredContent").cloned();
    // 2024-11-05 knows only text.
    let told = told.or_else(|| serde_json::from_str(result["content"][0]["text"].as_str()?).ok());
    let told = told.unwrap_or_else(|| panic!("no answer: {answer}"));
    assert_eq!(
        told,
        json!({ "sub": user, "nonce": nonce, "said": said(&nonce) })
    );
}

/// 2024-11-05: everything comes on one stream.
pub(super) struct Legacy {
    sse: Sse,
    user: String,
}

impl Legacy {
    pub(super) async fn open(scene: &Scene, user: usize) -> Self {
        let user = format!("legacy-{user}");
        let hello = initialize_with(0, "2024-11-05", &model());
        let sse = Sse::ready_with(scene, &scene.token(&user), &hello).await;
        Self { sse, user }
    }

    /// Calls until then; gives the number of right answers.
    pub(super) async fn work(mut self, until: Instant) -> u64 {
        let mut next = 1;
        while Instant::now() < until {
            let mut open = HashMap::new();
            for id in next..next + AT_ONCE {
                let nonce = nonce(&self.user, id);
                self.sse.tell(&ask_call(id, &nonce)).await;
                open.insert(nonce, id);
            }
            while !open.is_empty() {
                let message = self.sse.events.message().await;
                if message.get("method").is_some() {
                    let (asked, response) = answer_to(&message);
                    assert!(open.contains_key(&asked), "{asked:?} is not {}", self.user);
                    self.sse.tell(&response).await;
                } else {
                    let id = message["id"].as_u64().expect("an id");
                    judge(&message, id, &self.user);
                    assert!(open.remove(&nonce(&self.user, id)).is_some(), "{message}");
                }
            }
            next += AT_ONCE;
        }
        next - 1
    }
}

/// 2025-11-25: each call has its stream, and every other client one for what the server says unasked.
pub(super) struct Streamable {
    mcp: Mcp,
    user: String,
    got: Option<Events>,
    scene: Arc<Scene>,
}

impl Streamable {
    pub(super) async fn open(scene: &Arc<Scene>, number: usize) -> Self {
        let user = format!("streamable-{number}");
        let hello = initialize_with(0, "2025-11-25", &forms());
        let mut mcp = Mcp::open_with(scene, &scene.token(&user), &hello).await;
        let initialized = notification("notifications/initialized");
        mcp.post(&initialized).await.is(202);
        let mut got = None;
        if number.is_multiple_of(2) {
            got = Some(scene.events(&mcp.stream(scene)).await);
        }
        Self {
            mcp,
            user,
            got,
            scene: Arc::clone(scene),
        }
    }

    /// Calls until then; gives the number of right answers.
    pub(super) async fn work(mut self, until: Instant) -> u64 {
        let mut next = 1;
        let mut wires = Vec::new();
        for _ in 0..AT_ONCE {
            wires.push(self.scene.wire().await);
        }
        while Instant::now() < until {
            let mut streams = Vec::new();
            for (id, wire) in (next..).zip(wires.drain(..)) {
                let ask = self.mcp.message(&ask_call(id, &nonce(&self.user, id)));
                streams.push((id, wire.events(&ask).await));
            }
            // The last call's question is answered first.
            for (id, stream) in streams.iter_mut().rev() {
                let (asked, response) = answer_to(&stream.message().await);
                assert_eq!(asked, nonce(&self.user, *id), "on another's stream");
                self.mcp.post(&response).await.is(202);
            }
            for (id, mut stream) in streams {
                judge(&stream.message().await, id, &self.user);
                assert_eq!(stream.next().await, None);
                wires.push(stream.into_wire());
            }
            next += AT_ONCE;
        }
        self.leave().await;
        next - 1
    }

    /// Nothing was said on the stream that is for no call. Some end their session, the others are gone
    /// without a word.
    async fn leave(self) {
        let Some(mut got) = self.got else { return };
        self.scene.ask(&self.mcp.end(&self.scene)).await.is(204);
        while let Some(item) = got.next().await {
            assert!(matches!(item, Item::Comment(_)), "{item:?}");
        }
    }
}

/// 2026-07-28: each request stands alone, and what was asked travels with it.
pub(super) struct Modern {
    token: String,
    user: String,
    scene: Arc<Scene>,
}

impl Modern {
    pub(super) fn of(scene: &Arc<Scene>, user: usize) -> Self {
        let user = format!("modern-{user}");
        Self {
            token: scene.token(&user),
            user,
            scene: Arc::clone(scene),
        }
    }

    /// Calls until then; gives the number of right answers.
    pub(super) async fn work(self, until: Instant) -> u64 {
        let mut wire = self.scene.wire().await;
        let mut id = 0;
        while Instant::now() < until {
            id += 1;
            let nonce = nonce(&self.user, id);
            let asked = self.call(&mut wire, id, &nonce, &json!({})).await;
            let result = &asked["result"];
            assert_eq!(result["resultType"], "input_required", "{asked}");
            let (heard, response) = answer_to(&result["inputRequests"]["said"]);
            assert_eq!(heard, nonce);
            let again = json!({
                "inputResponses": { "said": response["result"] },
                "requestState": result["requestState"],
            });
            let answer = self.call(&mut wire, id, &nonce, &again).await;
            judge(&answer, id, &self.user);
        }
        id
    }

    async fn call(&self, wire: &mut Wire, id: u64, nonce: &str, more: &Value) -> Value {
        let mut params = json!({
            "name": "ask", "arguments": { "nonce": nonce },
            "_meta": { "io.modelcontextprotocol/clientCapabilities": forms() },
        });
        for (name, value) in more.as_object().expect("an object") {
            params[name] = value.clone();
        }
        let ask = Ask::modern(&self.scene, &self.token, id, "tools/call", params);
        wire.ask(&ask).await.is(200).json()
    }
}
