//! What the server has asked a client and not been answered yet (up to 2025-11-25).
//!
//! A session owns one [`Questions`]; its calls ask through it, and the session hands every response of
//! the client's to it. From 2026-07-28 on a server asks nothing: see [`replay`](super::replay).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::protocol::{Raw, RequestId};

/// What a client answered: a result, or an error.
pub(super) type Outcome = Result<Raw, Raw>;

/// Questions of one session. Clones share them.
#[derive(Clone, Default)]
pub struct Questions(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    last: i64,
    waiting: HashMap<i64, oneshot::Sender<Outcome>>,
}

/// Questions that one session may have open; one more fails.
const OPEN_MAX: usize = 64;

/// A question with its place to wait. Given up when dropped.
pub(super) struct Asked {
    id: i64,
    answer: oneshot::Receiver<Outcome>,
    questions: Questions,
}

impl Questions {
    /// Opens a question, unless too many are.
    pub(super) fn open(&self) -> Option<Asked> {
        let (sender, answer) = oneshot::channel();
        let mut open = self.lock();
        if open.waiting.len() >= OPEN_MAX {
            return None;
        }
        open.last += 1;
        let id = open.last;
        open.waiting.insert(id, sender);
        Some(Asked {
            id,
            answer,
            questions: self.clone(),
        })
    }

    /// Hands an answer to whoever waits for it. One that nobody waits for changes nothing: the call
    /// that asked may be over.
    pub fn answer(&self, id: &RequestId, outcome: Result<Raw, Raw>) {
        let RequestId::Integer(id) = id else { return };
        if let Some(waiting) = self.lock().waiting.remove(id) {
            // The call may have ended this very moment.
            let _nobody_waits = waiting.send(outcome);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    pub(super) fn id(&self) -> RequestId {
        RequestId::Integer(self.id)
    }

    /// Waits for the answer; `None` if the session ended before.
    pub(super) async fn answered(mut self) -> Option<Outcome> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.questions.lock().waiting.remove(&self.id);
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Questions")
            .field("open", &self.lock().waiting.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::ClientMessage;

    fn response(id: &RequestId) -> (RequestId, Outcome) {
        let id = serde_json::to_string(id).unwrap();
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        match ClientMessage::parse(&Bytes::from(body)).unwrap() {
            ClientMessage::Response(response) => (response.id, response.outcome),
            other => panic!("no response: {other:?}"),
        }
    }

    #[tokio::test]
    async fn an_answer_reaches_the_question_it_belongs_to() {
        let questions = Questions::default();
        let first = questions.open().unwrap();
        let second = questions.open().unwrap();
        assert_ne!(first.id(), second.id());

        let (id, outcome) = response(&second.id());
        questions.answer(&id, outcome);

        assert!(second.answered().await.unwrap().is_ok());
        assert!(format!("{questions:?}").contains("open: 1"));
        drop(first);
        assert!(format!("{questions:?}").contains("open: 0"));
    }

    #[test]
    fn open_questions_are_bounded() {
        let questions = Questions::default();
        let open: Vec<_> = (0..OPEN_MAX).map(|_| questions.open().unwrap()).collect();

        assert!(questions.open().is_none());
        drop(open);
        assert!(questions.open().is_some());
    }
}
