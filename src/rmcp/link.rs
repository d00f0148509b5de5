//! The transport behind a handler's `Peer`, for one call: its notifications leave on the call's
//! stream, its questions go to the client, and nothing else passes.

use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
};

use ::rmcp::{
    ErrorData, RoleServer,
    model::{
        ClientJsonRpcMessage, ClientResult, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
        ServerRequest,
    },
    transport::Transport,
};
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::handler::{CallContext, ToolError};

/// Questions that a call may have open at once; one more waits.
const OPEN_MAX: usize = 16;

/// One call's way to its client, as rmcp's service loop drives it.
pub(super) struct Link {
    call: CallContext,
    asked: u32,
    ended: Arc<Mutex<Option<oneshot::Sender<ToolError>>>>,
    answers: mpsc::Sender<ClientJsonRpcMessage>,
    answered: mpsc::Receiver<ClientJsonRpcMessage>,
}

impl Link {
    /// A link for one call, and where it is said that the call ends here to be run again with the
    /// client's answer (2026-07-28).
    pub(super) fn new(call: CallContext) -> (Self, oneshot::Receiver<ToolError>) {
        let (answers, answered) = mpsc::channel(OPEN_MAX);
        let (ended, wants_input) = oneshot::channel();
        let link = Self {
            call,
            asked: 0,
            ended: Arc::new(Mutex::new(Some(ended))),
            answers,
            answered,
        };
        (link, wants_input)
    }
}

impl Transport<RoleServer> for Link {
    type Error = Infallible;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        let sent: BoxFuture<'static, _> = match message {
            JsonRpcMessage::Notification(told) => {
                if let Some((method, params)) = parts(&told.notification) {
                    self.call.relay(&method, params.unwrap_or_default());
                }
                Box::pin(ready(Ok(())))
            }
            JsonRpcMessage::Request(question) => {
                self.asked += 1;
                Box::pin(self.ask(self.asked, question.id, question.request))
            }
            // Nothing is ever asked of this service, so it answers nothing.
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => Box::pin(ready(Ok(()))),
        };
        sent
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.answered.recv().await
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Link {
    /// Asks under the question's number: a call that is run again asks in the same order.
    fn ask(
        &self,
        number: u32,
        id: RequestId,
        question: ServerRequest,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        let call = self.call.clone();
        let answers = self.answers.clone();
        let ended = Arc::clone(&self.ended);
        async move {
            let answer = match parts(&question) {
                Some((method, params)) => {
                    let key = format!("question-{number}");
                    let asked = call.relay_question(&key, &method, params).await;
                    asked.and_then(|answer| read(&question, answer))
                }
                None => Err(ToolError::failed("the question has no JSON form")),
            };
            let message = match answer {
                Ok(answer) => JsonRpcMessage::response(answer, id),
                // What a handler makes of it is its own affair.
                Err(ToolError::Failed(why)) => {
                    JsonRpcMessage::error(ErrorData::internal_error(why, None), Some(id))
                }
                Err(end) => {
                    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(ended) = ended {
                        // The call may have ended this very moment.
                        let _over = ended.send(end);
                    }
                    return Ok(());
                }
            };
            // The same.
            let _over = answers.send(message).await;
            Ok(())
        }
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
