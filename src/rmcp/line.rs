//! A handler's line to one client: a `Peer`, and rmcp's small loop behind it.
//!
//! A `Peer` comes only from a running service. This one serves nothing but what the handler itself
//! sends; requests are answered by the handler directly. A line costs a task and some 24 KB, so those
//! of a session are used again, call after call: see [`Lines`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::rmcp::{
    Peer, RoleServer, ServerHandler,
    model::{
        ClientJsonRpcMessage, ClientNotification, InitializeRequestParams, InitializedNotification,
        JsonRpcMessage,
    },
    service::{NotificationContext, RunningService, serve_directly_with_ct},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    desk::{Desk, Seat},
    link::Link,
};
use crate::{
    auth::Principal,
    handler::{CallContext, ToolError, WeakConversation},
};

/// See the file's head. Dropping it closes its `Peer`.
pub(super) struct Line {
    service: RunningService<RoleServer, Ears>,
    desk: Arc<Desk>,
    inbox: mpsc::Sender<ClientJsonRpcMessage>,
}

/// A line that is in use: given back to its session when dropped, or closed where it has none.
pub(super) struct Held {
    line: Arc<Line>,
    idle: Option<Arc<Lines>>,
}

/// The lines of one session that no call needs. A `Peer` that a handler has kept works as long as its
/// line is here or in use.
#[derive(Default)]
pub(super) struct Lines(Mutex<Vec<Arc<Line>>>);

/// Lines of a session that stay open while no call needs them.
pub(super) const IDLE_MAX: usize = 4;

impl Line {
    /// A line to a client, until `over` is cancelled; in a session, for what belongs to no call too.
    pub(super) fn open(
        client: InitializeRequestParams,
        session: Option<WeakConversation>,
        over: CancellationToken,
    ) -> Self {
        let desk = Desk::new(session);
        let (link, inbox) = Link::new(Arc::clone(&desk));
        Self {
            service: serve_directly_with_ct(Ears, link, Some(client), over),
            desk,
            inbox,
        }
    }

    pub(super) fn peer(&self) -> &Peer<RoleServer> {
        self.service.peer()
    }

    /// Until the seat is dropped, what the handler sends is the call's.
    pub(super) fn seat(&self, call: CallContext) -> (Seat, oneshot::Receiver<ToolError>) {
        self.desk.seat(call)
    }

    /// The surroundings of a notification from `principal`; none where the line is closed.
    pub(super) async fn notification(
        &self,
        principal: Principal,
    ) -> Option<NotificationContext<RoleServer>> {
        let (made, context) = oneshot::channel();
        let mut told = InitializedNotification::default();
        told.extensions.insert(principal);
        told.extensions
            .insert(Made(Arc::new(Mutex::new(Some(made)))));
        let told = JsonRpcMessage::notification(ClientNotification::from(told));
        self.inbox.send(told).await.ok()?;
        context.await.ok()
    }
}

impl Lines {
    /// An idle line, or a new one.
    pub(super) fn take(self: Arc<Self>, open: impl FnOnce() -> Line) -> Held {
        let mut idle = self.lock();
        // One whose loop has ended is of no use.
        idle.retain(|line| !line.peer().is_transport_closed());
        let line = idle.pop();
        drop(idle);
        Held {
            line: line.unwrap_or_else(|| Arc::new(open())),
            idle: Some(self),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// A line for one request alone.
    pub(super) fn alone(line: Line) -> Self {
        Self {
            line: Arc::new(line),
            idle: None,
        }
    }
}

impl std::ops::Deref for Held {
    type Target = Line;

    fn deref(&self) -> &Line {
        &self.line
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lines) = &self.idle {
            let mut idle = lines.lock();
            if idle.len() < IDLE_MAX {
                idle.push(Arc::clone(&self.line));
            }
        }
    }
}

/// rmcp makes a notification's surroundings only in its loop. They are caught here, for the handler to
/// be told under our own deadline.
struct Ears;

#[derive(Clone)]
struct Made(Arc<Mutex<Option<oneshot::Sender<NotificationContext<RoleServer>>>>>);

impl ServerHandler for Ears {
    async fn on_initialized(&self, mut context: NotificationContext<RoleServer>) {
        let made = context.extensions.remove::<Made>();
        let made =
            made.and_then(|Made(made)| made.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(made) = made {
            // The session may have ended this very moment.
            let _over = made.send(context);
        }
    }
}
