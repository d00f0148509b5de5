//! What one task asks its client, and who waits for the answers.
//!
//! Pure bookkeeping: [`Task`](super::Task) keeps it under its lock, and tells of what changes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::handler::{ClientCapability, client::Question};

/// What a client answers, or why it does not.
pub(super) type Answer = Result<Value, String>;

/// Questions that wait for their answers, in the order they were asked.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    asked: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    request: InputRequest,
    answer: oneshot::Sender<Answer>,
}

/// A question as a client is asked it.
#[derive(Debug, Clone)]
pub(super) struct InputRequest {
    /// Counts the task's questions.
    pub(super) number: u64,
    key: String,
    pub(super) capability: ClientCapability,
    pub(super) params: Option<Value>,
}

impl Inputs {
    /// Opens a question, unless `max` are.
    pub(super) fn open(
        &mut self,
        question: &Question<'_>,
        max: usize,
    ) -> Option<(u64, oneshot::Receiver<Answer>)> {
        if self.open.len() >= max {
            return None;
        }
        let (answer, receiver) = oneshot::channel();
        self.asked += 1;
        let number = self.asked;
        let request = InputRequest {
            number,
            // The same key twice would mean one question (2026-07-28, task update requests).
            key: format!("{}-{number}", question.key),
            capability: question.capability,
            params: question.params.clone(),
        };
        self.open.insert(number, Open { request, answer });
        Some((number, receiver))
    }

    /// Hands an answer to whoever waits for it.
    pub(super) fn answer(&mut self, number: u64, answer: Answer) {
        if let Some(open) = self.open.remove(&number) {
            // The function may have stopped waiting this very moment.
            let _nobody_waits = open.answer.send(answer);
        }
    }

    /// Nobody waits for this answer any more.
    pub(super) fn withdraw(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Nobody will get an answer any more.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.open.contains_key(&number)
    }

    /// All that are open, in order.
    pub(super) fn requests(&self) -> impl Iterator<Item = &InputRequest> {
        self.open.values().map(|open| &open.request)
    }

    /// Those that are open by their keys, as `inputRequests` (2026-07-28).
    pub(super) fn to_value(&self) -> Value {
        let requests = self.requests();
        let named = requests.map(|request| (request.key.clone(), request.to_value()));
        Value::Object(named.collect())
    }

    /// Answers for open questions, by number. What else a client sends is left out.
    pub(super) fn matching(&self, mut answers: Map<String, Value>) -> Vec<(u64, Value)> {
        let requests = self.requests();
        let matching = requests.filter_map(|request| {
            let answer = answers.remove(&request.key)?;
            Some((request.number, answer))
        });
        matching.collect()
    }
}

impl InputRequest {
    fn to_value(&self) -> Value {
        let mut request = json!({ "method": self.capability.method().as_str() });
        if let Some(params) = &self.params {
            request["params"] = params.clone();
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(key: &str) -> Question<'_> {
        Question {
            key,
            capability: ClientCapability::Roots,
            params: None,
        }
    }

    #[test]
    fn a_key_is_never_used_twice_and_only_open_ones_are_answered() {
        let mut inputs = Inputs::default();
        let (first, mut waits) = inputs.open(&question("a"), 2).unwrap();
        let (second, _waits_too) = inputs.open(&question("a"), 2).unwrap();
        assert!(inputs.open(&question("b"), 2).is_none(), "one too many");
        assert_eq!(
            inputs.to_value(),
            json!({ "a-1": { "method": "roots/list" }, "a-2": { "method": "roots/list" } })
        );

        let sent = json!({ "a": 0, "a-1": 1, "a-3": 3 });
        let matching = inputs.matching(sent.as_object().unwrap().clone());
        assert_eq!(matching, [(first, json!(1))]);
        inputs.answer(first, Ok(json!(1)));
        assert_eq!(waits.try_recv().unwrap(), Ok(json!(1)));
        assert!(!inputs.has(first) && inputs.has(second));

        inputs.withdraw(second);
        let (third, _waits) = inputs.open(&question("a"), 2).unwrap();
        assert!(third > second);
    }
}
