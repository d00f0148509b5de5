//! Streamable HTTP with `initialize` and a session (2025-03-26 to 2025-11-25).
//!
//! `negotiation` opens one; `connection` sends its requests through it. The session id the server
//! gives goes with every later request, and so does the version from 2025-06-18 on. A session that is
//! gone (404) is opened anew and the request sent once more, as the specification demands. A stream
//! that ends before the answer is resumed by `Last-Event-ID`, after the `retry` the server asked for.
//! Before a call, and while changes are watched, the session's own stream (GET) is open as well: many
//! servers ask the user there.

use std::{sync::Arc, time::Duration};

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Map, Value};
use tokio::{
    select,
    sync::{Notify, oneshot},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    endpoint::{Endpoint, Leg, listen},
    handshake::{Initialized, initialize_params, read_initialized},
    headers, message,
    reply::Refusal,
    talk::{Standing, Stopped, Talk, Until},
};
use crate::{
    agent::{document::Document, error::AgentError, said::Said},
    protocol::ProtocolVersion,
};

/// How long a call waits for the session's own stream to open. Some servers send its head with its
/// first event only.
const LISTENING_WITHIN: Duration = Duration::from_secs(1);

/// A conversation over Streamable HTTP.
#[derive(Debug)]
pub(super) struct Streamable {
    talk: Talk,
    wanted: ProtocolVersion,
    endpoint: Endpoint,
    standing: Standing,
}

/// What became of `initialize`.
#[derive(Debug)]
pub(super) enum Opening {
    Open(Box<Streamable>, Initialized),
    /// The server does not take it here; perhaps it speaks HTTP+SSE.
    Refused(Refusal, Box<Talk>),
}

impl Streamable {
    /// Opens a session that speaks `wanted`, or, unless `exactly`, an older one the server prefers.
    pub(super) async fn open(
        talk: Talk,
        url: &Url,
        wanted: ProtocolVersion,
        exactly: bool,
    ) -> Result<Opening, AgentError> {
        let mut streamable = Self {
            talk,
            wanted,
            endpoint: Endpoint::new(url),
            standing: Standing::none(),
        };
        let initialized = match streamable.initialize().await {
            Ok(initialized) => initialized,
            Err(Stopped::Refused(refusal)) => {
                return Ok(Opening::Refused(refusal, Box::new(streamable.talk)));
            }
            Err(stopped) => return Err(stopped.of("initialize")),
        };
        if exactly && initialized.version != wanted {
            streamable.close().await;
            return Err(AgentError::Version {
                wanted,
                offered: Said::new(initialized.version.as_str()),
            });
        }
        Ok(Opening::Open(Box::new(streamable), initialized))
    }

    async fn initialize(&mut self) -> Result<Initialized, Stopped> {
        const METHOD: &str = "initialize";
        self.endpoint.forget();
        let params = initialize_params(self.wanted, self.talk.desk.asked.host());
        let (head, heads) = oneshot::channel();
        let outcome = self.exchange(METHOD, &params, Some(head)).await?;
        let result = outcome.map_err(|error| error.of(METHOD))?;
        let initialized = read_initialized(result, self.wanted)?;
        self.endpoint
            .enter(initialized.version, heads.await.ok().as_ref());
        let told = message::notification("notifications/initialized");
        let sent = self
            .endpoint
            .tell(&self.talk.caller, "notifications/initialized", told);
        self.talk.caller.patience().wait(sent).await?;
        Ok(initialized)
    }

    pub(super) const fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn request(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Document, AgentError> {
        let mut reopened = false;
        loop {
            match self.exchange(method, params, None).await {
                Ok(outcome) => return outcome.map_err(|error| error.of(method)),
                Err(Stopped::Refused(refusal))
                    if refusal.status == StatusCode::NOT_FOUND
                        && self.endpoint.has_session()
                        && !reopened =>
                {
                    reopened = true;
                    let listened = self.standing.is_open();
                    self.standing = Standing::none();
                    let opened = self.initialize().await;
                    opened.map_err(|stopped| stopped.of("initialize"))?;
                    if listened {
                        self.listen().await;
                    }
                }
                Err(stopped) => return Err(stopped.of(method)),
            }
        }
    }

    async fn exchange(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
        head: Option<oneshot::Sender<HeaderMap>>,
    ) -> Result<Result<Document, message::RpcError>, Stopped> {
        let id = self.talk.next_id();
        let mut headers = self.endpoint.headers();
        headers.extend(headers::standard(method, params)?);
        let leg = Leg {
            caller: Arc::clone(&self.talk.caller),
            endpoint: self.endpoint.clone(),
            inbox: self.talk.inbox(),
            id,
            method: method.to_owned(),
        };
        let body = message::request(id, method, &message::with_token(method, params, id));
        let endpoint = self.endpoint.clone();
        let caller = Arc::clone(&self.talk.caller);
        let reply = move |body| endpoint.reply(&caller, body);
        let until = Until::Answered(id);
        let outcome = self
            .talk
            .wait(
                until,
                leg.run(headers, body, head),
                &mut self.standing,
                reply,
            )
            .await;
        if let Err(Stopped::GivenUp(why)) = &outcome
            && method != "initialize"
        {
            self.endpoint.withdraw(&self.talk.caller, id, why).await;
        }
        outcome
    }

    /// Opens the session's own stream, unless it is open or the server has none.
    pub(super) async fn listen(&mut self) {
        if self.standing.is_open() {
            return;
        }
        let opened = Arc::new(Notify::new());
        self.standing = Standing::new(listen(
            Arc::clone(&self.talk.caller),
            self.endpoint.clone(),
            self.talk.inbox(),
            Arc::clone(&opened),
        ));
        select! {
            () = self.standing.ended() => {}
            () = opened.notified() => {}
            () = sleep(LISTENING_WITHIN) => {}
        }
    }

    /// Serves the session's stream until `stop`.
    pub(super) async fn watch(&mut self, stop: &CancellationToken) -> Result<(), AgentError> {
        self.listen().await;
        if !self.standing.is_open() {
            return Err(AgentError::NoStream);
        }
        let (endpoint, caller) = (self.endpoint.clone(), Arc::clone(&self.talk.caller));
        let reply = move |body| endpoint.reply(&caller, body);
        self.talk.watch(stop, &mut self.standing, reply).await
    }

    /// Ends the session, if there is one.
    pub(super) async fn close(self) {
        self.endpoint.leave(&self.talk.caller).await;
    }
}
