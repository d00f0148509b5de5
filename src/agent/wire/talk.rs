//! One request and all that happens until its answer is there.
//!
//! Every transport has a [`Talk`]. It hands it a *leg*, the future that brings messages for this
//! request, and beside it a [`Standing`] stream where the transport has one; both put what they hear
//! into one bounded inbox. The talk serves it in order: our answer ends the wait, the server's
//! requests go to the [`Desk`] and their answers back, notifications are reported. It also keeps the
//! time, and notices when the user has had enough.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt, pending},
    stream::FuturesUnordered,
};
use serde_json::Value;
use tokio::{select, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    caller::Caller,
    desk::Desk,
    message::{self, Incoming, RpcError},
    reply::Refusal,
};
use crate::{
    agent::{config::Config, document::Document, error::AgentError, event::Events},
    units::HumanDuration,
};

/// Messages heard and not yet served; whoever brings more waits.
const INBOX_MAX: usize = 8;

/// How long answers of ours may still travel once the server has answered us.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Most pages that a call may need to be visited first.
const PAGES_MAX: usize = 8;

/// Where a leg puts what it hears.
pub(super) type Inbox = mpsc::Sender<Incoming>;

/// A message of ours on its way.
pub(super) type Sending = BoxFuture<'static, Result<(), AgentError>>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A status that is no success.
    Refused(Refusal),
    /// The server may still be at it, and has to be told: the user or the clock ended the wait.
    GivenUp(AgentError),
    /// Anything else.
    Failed(AgentError),
}

impl From<AgentError> for Stopped {
    fn from(error: AgentError) -> Self {
        Self::Failed(error)
    }
}

impl Stopped {
    /// As the error of `method`.
    pub(super) fn of(self, method: &str) -> AgentError {
        match self {
            Self::Refused(refusal) => refusal.of(method),
            Self::GivenUp(error) | Self::Failed(error) => error,
        }
    }
}

/// A stream that outlives requests: the GET of a session, or that of HTTP+SSE.
pub(super) struct Standing {
    reader: Option<BoxFuture<'static, ()>>,
}

impl Standing {
    /// No stream.
    pub(super) const fn none() -> Self {
        Self { reader: None }
    }

    /// A stream that is read by `reader`, which ends with it.
    pub(super) fn new(reader: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            reader: Some(reader.boxed()),
        }
    }

    /// Whether there is one, as far as is known.
    pub(super) const fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// Reads, and comes back once when the stream has ended.
    pub(super) async fn ended(&mut self) {
        match &mut self.reader {
            Some(reader) => {
                reader.await;
                self.reader = None;
            }
            None => pending().await,
        }
    }
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Standing({})", self.is_open())
    }
}

/// What a wait is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until<'a> {
    /// The answer to this request of ours, within the time the server has.
    Answered(u64),
    /// The user has seen enough, however long the server is silent; or the answer to this request.
    Stopped(&'a CancellationToken, Option<u64>),
}

/// What every transport has at hand while it waits.
#[derive(Debug)]
pub(in crate::agent) struct Talk {
    pub(super) caller: Arc<Caller>,
    pub(super) desk: Desk,
    pub(super) cancel: CancellationToken,
    heard: mpsc::Receiver<Incoming>,
    inbox: Inbox,
    call_max: HumanDuration,
    last_id: u64,
}

impl Talk {
    pub(in crate::agent) fn new(
        caller: Arc<Caller>,
        config: &Config,
        events: Events,
        cancel: CancellationToken,
    ) -> Self {
        let (inbox, heard) = mpsc::channel(INBOX_MAX);
        Self {
            caller,
            desk: Desk::new(config, events),
            cancel,
            heard,
            inbox,
            call_max: config.call_max,
            last_id: 0,
        }
    }

    /// An id that no request has had.
    pub(super) const fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Serves what `leg` and `standing` bring until the answer is there. `reply` sends our answers.
    ///
    /// A leg that ends well has left the answer in the inbox, or leaves it to the standing stream.
    pub(super) async fn wait(
        &mut self,
        until: Until<'_>,
        leg: impl Future<Output = Result<(), Stopped>> + Send,
        standing: &mut Standing,
        reply: impl Fn(Bytes) -> Sending + Send,
    ) -> Result<Result<Document, RpcError>, Stopped> {
        let caller = Arc::clone(&self.caller);
        let cancel = self.cancel.clone();
        let (wanted, stop, timed) = match until {
            Until::Answered(id) => (Some(id), &cancel, true),
            Until::Stopped(stop, wanted) => (wanted, stop, false),
        };
        let call_max = self.call_max.get();
        let too_long = tokio::time::sleep(call_max);
        tokio::pin!(leg, too_long);
        let mut leg_ended = false;
        let mut sending = FuturesUnordered::new();
        caller.patience().restart();
        loop {
            let nothing_comes = leg_ended && !standing.is_open();
            if nothing_comes && self.heard.is_empty() {
                return Err(Stopped::Failed(AgentError::StreamEnded));
            }
            select! {
                biased;
                () = stop.cancelled() => {
                    return Err(Stopped::GivenUp(AgentError::Interrupted));
                }
                late = caller.patience().run_out(), if timed => {
                    return Err(Stopped::GivenUp(late));
                }
                () = &mut too_long, if timed => {
                    return Err(Stopped::GivenUp(AgentError::TooLong(self.call_max)));
                }
                Some(message) = self.heard.recv() => match message {
                    Incoming::Answer { id, outcome } if id == wanted && id.is_some() => {
                        while let Some((id, outcome)) = self.desk.answered().now_or_never() {
                            sending.push(reply(message::answer(&id, &outcome)));
                        }
                        flush(sending).await;
                        return Ok(outcome);
                    }
                    Incoming::Answer { .. } => {}
                    Incoming::Request { id, method, params } => {
                        self.desk.take(&caller, id, &method, params);
                    }
                    Incoming::Notification { method, params } => {
                        if self.desk.note(wanted, &method, &params) {
                            caller.patience().restart();
                        }
                    }
                },
                ended = &mut leg, if !leg_ended => {
                    ended?;
                    leg_ended = true;
                }
                () = standing.ended() => {}
                (id, outcome) = self.desk.answered() => {
                    sending.push(reply(message::answer(&id, &outcome)));
                }
                Some(sent) = sending.next() => self.desk.sent(sent),
            }
        }
    }

    /// Serves a standing stream until `stop`.
    pub(super) async fn watch(
        &mut self,
        stop: &CancellationToken,
        standing: &mut Standing,
        reply: impl Fn(Bytes) -> Sending + Send,
    ) -> Result<(), AgentError> {
        // Everything is left to the stream.
        let leg = async { Ok(()) };
        let until = Until::Stopped(stop, None);
        match self.wait(until, leg, standing, reply).await {
            Err(Stopped::GivenUp(_)) | Ok(_) => Ok(()),
            Err(stopped) => Err(stopped.of("the stream of changes")),
        }
    }

    /// Has the user visit the pages that a call needs first (2025-11-25, URL mode, -32042). Whether
    /// they all were.
    ///
    /// Each is asked about twice: whether to open it, and whether it is done.
    pub(super) async fn visit(&mut self, data: &Value) -> Result<bool, AgentError> {
        let pages = data.get("elicitations").and_then(Value::as_array);
        let pages = pages.map_or(&[][..], Vec::as_slice);
        if pages.is_empty() || pages.len() > PAGES_MAX {
            return Ok(false);
        }
        let cancel = self.cancel.clone();
        for page in pages.iter().flat_map(|page| [page, page]) {
            let asked = Document::from(page.clone());
            let Ok(answering) = self.desk.asked.answer("elicitation/create", asked) else {
                return Ok(false);
            };
            let answer = select! {
                biased;
                () = cancel.cancelled() => return Err(AgentError::Interrupted),
                answer = answering => answer,
            };
            if !answer.is_ok_and(|answer| answer["action"] == "accept") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Lets answers arrive: a `ping` that came with the answer wants its own all the same.
async fn flush(mut sending: FuturesUnordered<Sending>) {
    let sent = timeout(FLUSH_WITHIN, async {
        while sending.next().await.is_some() {}
    });
    if sent.await.is_err() {
        tracing::debug!("the server did not take an answer in time");
    }
}
