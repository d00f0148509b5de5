//! Whom a handler's messages are for right now: the call that its line serves, or between calls the
//! session that the line belongs to.
//!
//! [`Line`](super::line::Line) seats calls; [`Link`](super::link::Link) asks for each message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::handler::{CallContext, Conversation, ToolError, WeakConversation};

/// One line's state.
pub(super) struct Desk {
    session: Option<WeakConversation>,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    /// How many calls have been seated.
    count: u64,
    taken: Option<Seated>,
}

struct Seated {
    call: CallContext,
    over: CancellationToken,
    ended: Option<oneshot::Sender<ToolError>>,
    asked: u32,
}

/// A call's place at a desk: given up when dropped, and its open questions with it.
pub(super) struct Seat {
    desk: Arc<Desk>,
    over: CancellationToken,
}

/// Who puts a question.
pub(super) enum Asker {
    /// A call, as its so-manieth question: one that is run again asks in the same order.
    Call {
        call: CallContext,
        seat: u64,
        number: u32,
        over: CancellationToken,
    },
    /// A handler between calls.
    Session(Conversation),
    /// A handler whose call is over, and who has no session.
    Nobody,
}

impl Desk {
    /// A desk in a session, or without one.
    pub(super) fn new(session: Option<WeakConversation>) -> Arc<Self> {
        Arc::new(Self {
            session,
            seats: Mutex::default(),
        })
    }

    /// Seats a call until the seat is dropped. What comes back ends the call with an error of ours,
    /// whatever its handler does.
    pub(super) fn seat(
        self: &Arc<Self>,
        call: CallContext,
    ) -> (Seat, oneshot::Receiver<ToolError>) {
        let (ended, end) = oneshot::channel();
        let over = call.cancellation().child_token();
        let mut seats = self.lock();
        seats.count += 1;
        seats.taken = Some(Seated {
            call,
            over: over.clone(),
            ended: Some(ended),
            asked: 0,
        });
        let desk = Arc::clone(self);
        (Seat { desk, over }, end)
    }

    /// Hands a notification on.
    pub(super) fn tell(&self, method: &str, params: Value) {
        let call = self.lock().taken.as_ref().map(|seated| seated.call.clone());
        if let Some(call) = call {
            call.relay(method, params);
        } else if let Some(session) = self.session() {
            session.relay(method, &params);
        }
    }

    /// Who puts the next question.
    pub(super) fn asker(&self) -> Asker {
        let mut seats = self.lock();
        let seat = seats.count;
        if let Some(seated) = &mut seats.taken {
            seated.asked += 1;
            return Asker::Call {
                call: seated.call.clone(),
                seat,
                number: seated.asked,
                over: seated.over.clone(),
            };
        }
        self.session().map_or(Asker::Nobody, Asker::Session)
    }

    /// Ends the call on this seat, if it still sits there.
    pub(super) fn end(&self, seat: u64, why: ToolError) {
        let mut seats = self.lock();
        let is_there = seats.count == seat;
        let seated = seats.taken.as_mut().filter(|_| is_there);
        if let Some(ended) = seated.and_then(|seated| seated.ended.take()) {
            // The call may have ended this very moment.
            let _over = ended.send(why);
        }
    }

    fn session(&self) -> Option<Conversation> {
        self.session.as_ref().and_then(WeakConversation::upgrade)
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Cancelled with the call, and when it is over however it ends.
    pub(super) fn over(&self) -> CancellationToken {
        self.over.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.over.cancel();
        self.desk.lock().taken = None;
    }
}
