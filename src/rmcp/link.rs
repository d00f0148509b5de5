//! The transport behind a handler's `Peer`: its notifications and questions go to whom the
//! [`Desk`](super::desk::Desk) names, the client's answers and notifications come back, and nothing
//! else passes.

use std::{collections::HashMap, convert::Infallible, future::ready, sync::Arc};

use ::rmcp::{
    ErrorData, RoleServer,
    model::{
        ClientJsonRpcMessage, ClientResult, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
        ServerNotification, ServerRequest,
    },
    transport::Transport,
};
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::desk::{Asker, Desk};
use crate::handler::ToolError;

/// Messages that may wait for a handler on one line.
const WAITING_MAX: usize = 16;

/// One line's way to its client, as rmcp's service loop drives it.
pub(super) struct Link {
    desk: Arc<Desk>,
    /// Open questions by rmcp's number, so that a handler can take one back.
    open: HashMap<RequestId, CancellationToken>,
    inbox: mpsc::Sender<ClientJsonRpcMessage>,
    received: mpsc::Receiver<ClientJsonRpcMessage>,
}

impl Link {
    /// A link, and the way in for what the client says to its handler.
    pub(super) fn new(desk: Arc<Desk>) -> (Self, mpsc::Sender<ClientJsonRpcMessage>) {
        let (inbox, received) = mpsc::channel(WAITING_MAX);
        let link = Self {
            desk,
            open: HashMap::new(),
            inbox: inbox.clone(),
            received,
        };
        (link, inbox)
    }

    fn put(&mut self, id: RequestId, question: ServerRequest) -> BoxFuture<'static, ()> {
        let taken_back = CancellationToken::new();
        // What was answered is forgotten with the next question; few are ever open.
        self.open.retain(|_, open| !open.is_cancelled());
        self.open.insert(id.clone(), taken_back.clone());
        let (desk, inbox) = (Arc::clone(&self.desk), self.inbox.clone());
        let asker = desk.asker();
        Box::pin(async move {
            let answer = ask(&desk, asker, &question, &taken_back).await;
            taken_back.cancel();
            let message = match answer {
                Some(Ok(answer)) => JsonRpcMessage::response(answer, id),
                // What a handler makes of it is its own affair.
                Some(Err(why)) => {
                    JsonRpcMessage::error(ErrorData::internal_error(why, None), Some(id))
                }
                None => return,
            };
            // The line may have been closed this very moment.
            let _closed = inbox.send(message).await;
        })
    }
}

impl Transport<RoleServer> for Link {
    type Error = Infallible;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        let sent: BoxFuture<'static, ()> = match message {
            JsonRpcMessage::Notification(told) => {
                match told.notification {
                    ServerNotification::CancelledNotification(cancelled) => {
                        let id = cancelled.params.request_id;
                        if let Some(open) = id.and_then(|id| self.open.remove(&id)) {
                            open.cancel();
                        }
                    }
                    other => {
                        if let Some((method, params)) = parts(&other) {
                            self.desk.tell(&method, params.unwrap_or_default());
                        }
                    }
                }
                Box::pin(ready(()))
            }
            JsonRpcMessage::Request(question) => self.put(question.id, question.request),
            // Nothing is ever asked of this service, so it answers nothing.
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => Box::pin(ready(())),
        };
        async {
            sent.await;
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.received.recv().await
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Puts a question; nothing comes back where the call ends instead, to be run again with the answer
/// (2026-07-28).
async fn ask(
    desk: &Desk,
    by: Asker,
    question: &ServerRequest,
    taken_back: &CancellationToken,
) -> Option<Result<ClientResult, String>> {
    let Some((method, params)) = parts(question) else {
        return Some(Err("the question has no JSON form".to_owned()));
    };
    let asked = match &by {
        Asker::Call {
            call, number, over, ..
        } => {
            let key = format!("question-{number}");
            let until = either(over, taken_back);
            call.relay_question(&key, &method, params, until).await
        }
        Asker::Session(session) => {
            let until = either(session.over(), taken_back);
            session.relay_question(&method, params, until).await
        }
        Asker::Nobody => Err(ToolError::failed("the call is over")),
    };
    match (asked.and_then(|answer| read(question, answer)), by) {
        (Ok(answer), _) => Some(Ok(answer)),
        (Err(ToolError::Failed(why)), _) => Some(Err(why)),
        (Err(end), Asker::Call { seat, .. }) => {
            desk.end(seat, end);
            None
        }
        (Err(error), _) => Some(Err(error.to_string())),
    }
}

async fn either(one: &CancellationToken, other: &CancellationToken) {
    tokio::select! {
        () = one.cancelled() => {}
        () = other.cancelled() => {}
    }
}

/// A message's method and params. A handler's progress token is of its own `Peer` and means nothing
/// to the client.
fn parts(message: &impl Serialize) -> Option<(String, Option<Value>)> {
    let Ok(Value::Object(mut members)) = serde_json::to_value(message) else {
        return None;
    };
    let Some(Value::String(method)) = members.remove("method") else {
        return None;
    };
    let mut params = members.remove("params");
    if let Some(Value::Object(params)) = &mut params
        && let Some(Value::Object(meta)) = params.get_mut("_meta")
    {
        meta.remove("progressToken");
        if meta.is_empty() {
            params.remove("_meta");
        }
    }
    Some((method, params))
}

/// The client's answer as the type that the question asks for.
fn read(question: &ServerRequest, answer: Value) -> Result<ClientResult, ToolError> {
    match question {
        ServerRequest::CreateMessageRequest(_) => {
            typed(answer).map(|sampled| ClientResult::CreateMessageResult(Box::new(sampled)))
        }
        ServerRequest::ListRootsRequest(_) => typed(answer).map(ClientResult::ListRootsResult),
        ServerRequest::ElicitRequest(_) => typed(answer).map(ClientResult::ElicitResult),
        _ => Err(ToolError::failed("no client serves this method")),
    }
}

fn typed<T: DeserializeOwned>(answer: Value) -> Result<T, ToolError> {
    serde_json::from_value(answer)
        .map_err(|error| ToolError::failed(format!("the client's answer can't be read: {error}")))
}
