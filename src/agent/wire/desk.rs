//! What the server sends unasked, while a request waits: its own requests and its notifications.
//!
//! `talk` hands both here. A request is answered at once (`ping`), by the [`Host`] in its own time, or
//! with an error; several may be open, and the server may withdraw one. Notifications become events.
//!
//! [`Host`]: crate::agent::host::Host

use std::{error::Error, sync::Arc};

use futures_util::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable, BoxFuture, pending, ready},
    stream::FuturesUnordered,
};
use serde_json::{Value, json};

use super::{caller::Caller, message::RpcError};
use crate::{
    agent::{
        config::Config,
        document::Document,
        error::AgentError,
        event::{Change, Event, Events},
        host::Asked,
        said::Said,
    },
    protocol::codes,
};

/// Most questions of a server that are open at once.
const OPEN_MAX: usize = 8;

/// An answer, and the id of the request it belongs to.
type Answered = (Value, Result<Value, RpcError>);

/// Serves what a server sends unasked.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) asked: Asked,
    events: Events,
    answering: FuturesUnordered<BoxFuture<'static, Option<Answered>>>,
    /// Ids of open questions, to be withdrawn by.
    open: Vec<(Value, AbortHandle)>,
}

impl Desk {
    pub(super) fn new(config: &Config, events: Events) -> Self {
        let host = config.host.clone();
        Self {
            asked: Asked::new(host, config.url.clone(), config.answer_deadline),
            events,
            answering: FuturesUnordered::new(),
            open: Vec::new(),
        }
    }

    pub(super) const fn events(&self) -> &Events {
        &self.events
    }

    /// Takes a request of the server; its answer comes from [`Desk::answered`].
    pub(super) fn take(&mut self, caller: &Arc<Caller>, id: Value, method: &str, params: Document) {
        let outcome = if method == "ping" {
            Ok(json!({}))
        } else if self.open.len() >= OPEN_MAX {
            let text = "too many questions at once";
            Err(RpcError::ours(codes::INTERNAL_ERROR, text))
        } else {
            match self.asked.answer(method, params) {
                Ok(answer) => {
                    let caller = Arc::clone(caller);
                    let (abort, registration) = AbortHandle::new_pair();
                    self.open.push((id.clone(), abort));
                    let answer = async move {
                        let _hold = caller.patience().hold();
                        (id, answer.await)
                    };
                    let answer = Abortable::new(answer, registration);
                    self.answering.push(answer.map(Result::ok).boxed());
                    return;
                }
                Err(error) => Err(error),
            }
        };
        self.answering.push(ready(Some((id, outcome))).boxed());
    }

    /// The next answer to be sent; waits where there is none.
    pub(super) async fn answered(&mut self) -> Answered {
        loop {
            match self.answering.next().await {
                Some(Some((id, outcome))) => {
                    self.open.retain(|(open, _)| *open != id);
                    return (id, outcome);
                }
                // Withdrawn.
                Some(None) => {}
                None => pending().await,
            }
        }
    }

    /// Takes note of a notification. Whether it shows that the server is at work on request `wanted`.
    pub(super) fn note(&mut self, wanted: Option<u64>, method: &str, params: &Document) -> bool {
        let value = params.value();
        let change = match method {
            "notifications/progress" => return self.progress(wanted, value),
            "notifications/message" => {
                let text = |key: &str| value.get(key).and_then(Value::as_str);
                self.events.report(Event::Log {
                    level: Said::new(text("level").unwrap_or("info")),
                    logger: text("logger").map(Said::new),
                    data: value.get("data").cloned().unwrap_or_default(),
                });
                return true;
            }
            "notifications/cancelled" => {
                let id = value.get("requestId");
                if let Some((_, open)) = self.open.iter().find(|(open, _)| Some(open) == id) {
                    open.abort();
                }
                self.open.retain(|(open, _)| Some(open) != id);
                return false;
            }
            "notifications/tools/list_changed" => Change::Tools,
            "notifications/prompts/list_changed" => Change::Prompts,
            "notifications/resources/list_changed" => Change::Resources,
            "notifications/resources/updated" => match value.get("uri").and_then(Value::as_str) {
                Some(uri) => Change::Resource(uri.to_owned()),
                None => return false,
            },
            "notifications/subscriptions/acknowledged" => {
                let honoured = value.get("notifications").cloned().unwrap_or_default();
                self.events.report(Event::Watching { honoured });
                return false;
            }
            _ => return false,
        };
        self.events.report(Event::Changed {
            change,
            notification: params.clone(),
        });
        false
    }

    /// Our token is the request's id; another's progress is none of ours.
    fn progress(&self, wanted: Option<u64>, params: &Value) -> bool {
        let token = params.get("progressToken").and_then(Value::as_u64);
        let Some(progress) = params.get("progress").and_then(Value::as_f64) else {
            return false;
        };
        if wanted.is_none() || token != wanted {
            return false;
        }
        self.events.report(Event::Progress {
            progress,
            total: params.get("total").and_then(Value::as_f64),
            message: params.get("message").and_then(Value::as_str).map(Said::new),
        });
        true
    }

    /// An answer has left, or could not.
    pub(super) fn sent(&self, sent: Result<(), AgentError>) {
        if let Err(error) = sent {
            tracing::debug!(
                error = &error as &dyn Error,
                "the server did not take an answer"
            );
            self.events.report(Event::Notice {
                text: format!("An answer did not reach the server: {error}."),
            });
        }
    }
}
