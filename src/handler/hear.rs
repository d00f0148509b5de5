//! What a session's client tells a delegate: that it is ready, and that its folders have changed.
//!
//! The session calls this for each such notification; our own tools have no use for them.

use super::{Conversation, Handler};
use crate::{auth::Principal, protocol::Method};

impl Handler {
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
        let heard = self.guarded(label, version, delegate.hear(session, principal, method));
        tokio::select! {
            // How it ended has been counted, and a notification is not answered.
            _counted = heard => {}
            () = over.cancelled() => {}
        }
    }
}
