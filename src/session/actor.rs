//! The session actor: one client's conversation, from `initialize` to its end.
//!
//! It holds the principal's outlet where its transport has one, the phase, and the calls in flight.
//! The router starts it and finds it again; `transport` delivers to it through a
//! [`SessionRef`](super::SessionRef). It decides nothing by itself: [`Phase`] says what may come
//! when, [`Vital`] when its time is over. Whatever ends it, its [`Farewell`] is said exactly once.

use std::{collections::HashMap, fmt, sync::Arc};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler as Handles, WrapFuture,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use super::{
    Config, SessionError, SessionId,
    call::{RunningCall, answer_on, cancelled_id, run_call},
    farewell::Farewell,
    messages::{Announce, Close, Deliver, Drain, Probe, Suspend},
    phase::{Admitted, Phase},
    streams::Streams,
    vital::Vital,
};
use crate::{
    auth::Principal,
    handler::{CallContext, Change, Client, Conversation, Handler, Introduction, SessionStream},
    outlet::{CloseReason, Frame, Outlet},
    policy::Standing,
    protocol::{
        ClientMessage, InitializeParams, Method, Notification, ProtocolVersion, Raw, Request,
        RequestId, RpcError, codes, encode_error, encode_request, encode_result, read_params,
    },
    telemetry::{audit, spans},
};

// === State ===

/// See the file's head.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) config: Config,
    pub(super) handler: Handler,
    pub(super) vital: Arc<Vital>,
    pub(super) farewell: Farewell,
    /// HTTP+SSE ends with its stream; a Streamable HTTP session outlives its own.
    pub(super) ends_with_stream: bool,
    pub(super) stream: SessionStream,
    pub(super) conversation: Conversation,
    /// By whom the client was heard last, and how that caller stands to the rules.
    pub(super) heeded: Option<(Principal, Standing)>,
    pub(super) phase: Phase,
    pub(super) streams: Streams,
    pub(super) calls: HashMap<RequestId, RunningCall>,
    pub(super) draining: bool,
    pub(super) probes: i64,
    /// Tells those who wait for the end. The last field: it is dropped after the farewell was said.
    pub(super) _over: DropGuard,
}

// === Lifecycle ===

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.watch_stream(context);
        tracing::debug!(session.id = %self.id.short(), "session opened");
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        let reason = self.farewell.reason();
        for (id, call) in self.calls.drain() {
            call.end(&id, reason);
        }
        self.close_streams(reason);
        drop(self.stream.take());
        tracing::debug!(session.id = %self.id.short(), reason = reason.label(), "session closed");
    }
}

// === Handlers ===

impl Handles<Deliver> for Session {
    type Result = Result<(), SessionError>;

    fn handle(&mut self, deliver: Deliver, context: &mut Self::Context) -> Self::Result {
        // What already waits in the mailbox is still handled after the end.
        if !context.state().alive() {
            return Err(SessionError::Over);
        }
        let _within = deliver.span.entered();
        self.heed(&deliver.principal);
        match deliver.message {
            ClientMessage::Request(request) => {
                let outlet = deliver.outlet.or_else(|| self.stream.get());
                // A session whose own stream is gone has nowhere to answer to.
                let outlet = outlet.ok_or(SessionError::Over)?;
                self.take_request(request, deliver.principal, outlet, context)
            }
            ClientMessage::Notification(notification) => {
                self.take_notification(&notification, deliver.principal, context);
                Ok(())
            }
            ClientMessage::Response(response) => {
                let questions = self.conversation.questions();
                questions.answer(&response.id, response.outcome);
                Ok(())
            }
        }
    }
}

impl Handles<Announce> for Session {
    type Result = ();

    fn handle(&mut self, Announce(change): Announce, _: &mut Self::Context) {
        if self.phase.is_running() {
            self.conversation.tell(&change);
        }
    }
}

impl Handles<Probe> for Session {
    type Result = ();

    fn handle(&mut self, _: Probe, _: &mut Self::Context) {
        let Some(stream) = self.stream.get() else {
            return;
        };
        self.probes += 1;
        // A text, so that it is never taken for the id of a question.
        let id = RequestId::String(format!("ping-{}", self.probes).into());
        if let Ok(ping) = encode_request(&id, &Method::Ping, None) {
            // A stream that has ended is noticed by its watcher.
            let _ended = stream.send(Frame::Message(ping));
        }
    }
}

impl Handles<Close> for Session {
    type Result = bool;

    fn handle(&mut self, Close(reason): Close, context: &mut Self::Context) -> bool {
        let lives = context.state().alive();
        if lives {
            self.end(reason, context);
        }
        lives
    }
}

impl Handles<Suspend> for Session {
    type Result = ();

    fn handle(&mut self, Suspend(reason, at): Suspend, _: &mut Self::Context) {
        // A fresh token may have come while this waited.
        if !self.vital.is_token_over(at) {
            return;
        }
        // What they leave behind is put away as each call is seen to end.
        for (id, call) in &self.calls {
            call.end_with_token(id, reason);
        }
        self.close_streams(reason);
        let caller = self.vital.caller().pseudonym();
        audit::session_suspended(caller, &self.id.short(), reason.label());
        tracing::debug!(session.id = %self.id.short(), reason = reason.label(), "session suspended");
    }
}

impl Handles<Drain> for Session {
    type Result = ();

    fn handle(&mut self, _: Drain, context: &mut Self::Context) {
        self.draining = true;
        self.end_if_drained(context);
    }
}

// === Plain functions ===

impl Session {
    /// The client was heard. What it may use may have changed with its token: then it is told as of
    /// any other change, and of what it may not see any more it is told no more.
    pub(super) fn heed(&mut self, principal: &Principal) {
        self.vital.touch(principal);
        let before = self.heeded.as_ref();
        if before.is_some_and(|(before, _)| before.is(principal)) {
            return;
        }
        let standing = self.handler.standing(principal);
        let changed = before.is_some_and(|(_, before)| *before != standing);
        self.heeded = Some((principal.clone(), standing));
        if changed && self.phase.is_running() {
            let handler = &self.handler;
            self.conversation
                .watch_only(|uri| handler.may_watch(principal, uri));
            for change in [Change::Tools, Change::Prompts, Change::Resources] {
                self.conversation.tell(&change);
            }
        }
    }

    pub(super) fn take_request(
        &mut self,
        request: Request,
        principal: Principal,
        outlet: Outlet,
        context: &mut Context<Self>,
    ) -> Result<(), SessionError> {
        if self.draining {
            return Err(SessionError::Stopping);
        }
        let answer = match self.phase.admit(&request.method) {
            Ok(Admitted::Call(version)) => {
                return self.start_call(request, principal, version, outlet, context);
            }
            Ok(Admitted::Ping) => encode_result(&request.id, serde_json::json!({})),
            Ok(Admitted::Initialize) => match self.negotiate(request.params.as_ref()) {
                Ok(version) => {
                    return self.start_call(request, principal, version, outlet, context);
                }
                Err(error) => encode_error(Some(&request.id), &error),
            },
            Err(refusal) => encode_error(Some(&request.id), &refusal),
        };
        answer_on(&outlet, answer);
        Ok(())
    }

    fn negotiate(&mut self, params: Option<&Raw>) -> Result<ProtocolVersion, RpcError> {
        let params: InitializeParams = read_params(params)?;
        let version = ProtocolVersion::negotiate(&params.protocol_version);
        self.phase = Phase::negotiating(version);
        self.vital.set_version(version);
        self.conversation.introduce(Introduction {
            version,
            info: params.client_info,
            capabilities: params.capabilities,
        });
        Ok(version)
    }

    /// `initialize` was answered: a session that was refused is none.
    fn negotiated(&mut self, agreed: bool, opener: Principal, context: &mut Context<Self>) {
        if agreed {
            self.enter(self.phase.negotiated(), opener, context);
        } else {
            self.end(CloseReason::Refused, context);
        }
    }

    fn enter(&mut self, phase: Phase, principal: Principal, context: &mut Context<Self>) {
        let begins = phase.is_running() && !self.phase.is_running();
        self.phase = phase;
        if begins {
            tracing::debug!(session.id = %self.id.short(), "session initialized");
            self.vital.set_running();
            self.hear(Method::Initialized, principal, context);
        }
    }

    fn hear(&self, told: Method, principal: Principal, context: &mut Context<Self>) {
        let session = self.conversation.clone();
        let heard = self.handler.clone().hear(session, principal, told);
        context.spawn(heard.into_actor(self));
    }

    fn start_call(
        &mut self,
        request: Request,
        principal: Principal,
        version: ProtocolVersion,
        outlet: Outlet,
        context: &mut Context<Self>,
    ) -> Result<(), SessionError> {
        if self.calls.contains_key(&request.id) {
            let error = RpcError::new(codes::INVALID_REQUEST, "a request with this id is running");
            answer_on(&outlet, encode_error(Some(&request.id), &error));
            return Ok(());
        }
        if self.calls.len() >= self.config.calls_max {
            return Err(SessionError::TooManyCalls);
        }
        let cancelled = CancellationToken::new();
        let running = RunningCall::new(cancelled.clone(), outlet.clone());
        self.calls.insert(request.id.clone(), running);
        self.vital.set_calls(self.calls.len());

        // Over HTTP+SSE there is one stream for all, and the session ends with it.
        let resumable = version >= ProtocolVersion::V2025_11_25 && !self.ends_with_stream;
        if resumable {
            self.streams.keep(&outlet);
        }
        let client = Client::in_session(self.conversation.clone(), outlet.clone());
        let id = request.id.clone();
        let opener = (request.method == Method::Initialize).then(|| principal.clone());
        let call_context = CallContext::new(principal, id, cancelled.clone(), client)
            .traced(request.trace.clone());
        let span = spans::call(&request, version, || Some(self.id.short()));
        let call = run_call(
            self.handler.clone(),
            call_context,
            request,
            cancelled,
            outlet,
        );
        let ended = call.instrument(span).into_actor(self);
        let ended = ended.map(|(id, succeeded), session, context| {
            if let Some(opener) = opener {
                session.negotiated(succeeded, opener, context);
            }
            session.call_ended(&id, context);
        });
        context.spawn(ended);
        Ok(())
    }

    fn call_ended(&mut self, id: &RequestId, context: &mut Context<Self>) {
        self.calls.remove(id);
        self.vital.set_calls(self.calls.len());
        self.end_if_drained(context);
    }

    pub(super) fn take_notification(
        &mut self,
        notification: &Notification,
        principal: Principal,
        context: &mut Context<Self>,
    ) {
        match notification.method {
            Method::Initialized => self.enter(self.phase.initialized(), principal, context),
            Method::RootsListChanged if self.phase.is_running() => {
                self.hear(Method::RootsListChanged, principal, context);
            }
            Method::Cancelled => self.cancel(notification.params.as_ref()),
            // Notifications that mean nothing to us are allowed and cost nothing.
            _ => {}
        }
    }

    /// An id that is not running, or no id at all, changes nothing: the call may just have ended.
    fn cancel(&mut self, params: Option<&Raw>) {
        if let Some(call) = cancelled_id(params).and_then(|id| self.calls.get(&id)) {
            call.cancel();
        }
    }

    fn end_if_drained(&mut self, context: &mut Context<Self>) {
        if self.draining && self.calls.is_empty() {
            self.end(CloseReason::ServerStopping, context);
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason, context: &mut Context<Self>) {
        self.farewell.because(reason);
        context.stop();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
