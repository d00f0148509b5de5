//! What a delegate hears of its clients beside requests: that a session is ready, that a client's
//! folders have changed, and that one listens to changes.
//!
//! Sessions and streams call this; our own tools have no use for it.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::{CallContext, Changes, Conversation, Handler, ToolError, clock::CallClock};
use crate::{
    auth::Principal,
    protocol::{Method, Raw, codes},
};

impl Handler {
    /// Whether there is a delegate to hear of anything.
    #[must_use]
    pub fn has_delegate(&self) -> bool {
        self.now().delegate().is_some()
    }

    /// Tells the delegate, if there is one, under a call's deadline. One that is at too many
    /// notifications of this session's already is not told.
    pub async fn hear(self, session: Conversation, principal: Principal, method: Method) {
        let now = self.now();
        let Some(delegate) = now.delegate() else {
            return;
        };
        let Some(_place) = session.place_to_hear() else {
            tracing::debug!(method = method.as_str(), "too many notifications at once");
            return;
        };
        let version = session.introduction().version;
        let over = session.over().clone();
        let label = method.label();
        let heard = delegate.hear(session, principal, method);
        let clock = CallClock::default();
        let heard = self.guarded(&clock, label, version, heard);
        tokio::select! {
            // How it ended has been counted, and a notification is not answered.
            _counted = heard => {}
            () = over.cancelled() => {}
        }
    }

    /// Lets the delegate, if there is one, say on `changes` what has changed, for one stream of
    /// `subscriptions/listen` (2026-07-28). As long as the context is not cancelled, and the delegate
    /// goes on.
    pub async fn listen(self, context: CallContext, params: Option<Raw>, changes: Changes) {
        let now = self.now();
        let (Some(delegate), Some(params)) = (now.delegate(), params) else {
            return;
        };
        let Ok(params) = params.read() else { return };
        let context = context.with(None, Some(changes), |_| ());
        let listened = delegate.answer(context, Method::SubscriptionsListen, params);
        match AssertUnwindSafe(listened).catch_unwind().await {
            Ok(Err(ToolError::Rpc(error))) if error.code != codes::METHOD_NOT_FOUND => {
                tracing::debug!(error.code, "a handler does not listen");
            }
            Ok(_over) => {}
            Err(_panic) => {
                tracing::error!("a handler panicked while it listened");
                self.0.metrics.panicked();
            }
        }
    }
}
