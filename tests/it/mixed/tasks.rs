//! Clients of 2026-07-28 that know tasks: the same tool runs as one for them, asks while it waits, and
//! is asked for until it has ended.

use std::{sync::Arc, time::Instant};

use serde_json::{Value, json};

use super::clients::{answer_to, forms, judge, nonce};
use crate::kit::{Ask, BOUND, Scene, Wire};

/// See the file's head.
pub(super) struct Tasked {
    token: String,
    user: String,
    scene: Arc<Scene>,
}

impl Tasked {
    pub(super) fn of(scene: &Arc<Scene>, user: usize) -> Self {
        let user = format!("tasked-{user}");
        Self {
            token: scene.token(&user),
            user,
            scene: Arc::clone(scene),
        }
    }

    /// Begins tasks and sees them through until then; gives the number of right answers.
    pub(super) async fn work(self, until: Instant) -> u64 {
        let mut wire = self.scene.wire().await;
        let mut id = 0;
        while Instant::now() < until {
            id += 1;
            let nonce = nonce(&self.user, id);
            let task = begin(&self.scene, &mut wire, &self.token, id, &nonce).await;
            let asked = self.settled(&mut wire, &task, "input_required").await;
            let questions = asked["inputRequests"].as_object().expect("questions");
            let (key, question) = questions.iter().next().expect("a question");
            let (heard, response) = answer_to(question);
            assert_eq!(heard, nonce);
            let params = json!({
                "taskId": task, "inputResponses": { key: response["result"] },
            });
            ask(&self.scene, &mut wire, &self.token, "tasks/update", params).await;
            let ended = self.settled(&mut wire, &task, "completed").await;
            let answer = json!({ "id": id, "result": ended["result"] });
            judge(&answer, id, &self.user);
        }
        id
    }

    /// What `tasks/get` says once the task stands there.
    async fn settled(&self, wire: &mut Wire, task: &str, status: &str) -> Value {
        let started = Instant::now();
        loop {
            let params = json!({ "taskId": task });
            let shown = ask(&self.scene, wire, &self.token, "tasks/get", params).await;
            if shown["status"] == status {
                return shown;
            }
            assert!(started.elapsed() < BOUND, "not {status}: {shown}");
        }
    }
}

/// A new task of this call; its id.
pub(super) async fn begin(
    scene: &Scene,
    wire: &mut Wire,
    token: &str,
    id: u64,
    nonce: &str,
) -> String {
    let params = json!({ "name": "ask", "arguments": { "nonce": nonce } });
    let ask = Ask::modern(scene, token, id, "tools/call", knowing(params));
    let begun = wire.ask(&ask).await.is(200).json();
    let task = &begun["result"]["taskId"];
    let task = task.as_str().unwrap_or_else(|| panic!("no task: {begun}"));
    task.to_owned()
}

async fn ask(scene: &Scene, wire: &mut Wire, token: &str, method: &str, params: Value) -> Value {
    let ask = Ask::modern(scene, token, 1, method, knowing(params));
    wire.ask(&ask).await.is(200).json()["result"].clone()
}

/// A client that shows forms and knows tasks.
fn knowing(mut params: Value) -> Value {
    let mut declared = forms();
    declared["extensions"] = json!({ "io.modelcontextprotocol/tasks": {} });
    params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": declared });
    params
}
