//! Who may keep something open: looked at once a second, for sessions and for what has none.
//!
//! What a caller has open that was cut off, or whose token would be refused now, ends; a session over
//! Streamable HTTP outlives its token for a while, but no cut-off. One whose issuer has to be
//! asked is asked about at the cache's pace: once for each token, so many at once and no more, and a
//! round only begins when the last has ended. A session that keeps nothing open is left alone, since
//! its next request will be judged anyway.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{StreamExt, stream};

use crate::{
    auth::{AuthError, CutOffs, Principal, Reason, Standing, Verifier},
    outlet::CloseReason,
    session::{LeaseRef, SessionRef, Verdict},
    time::Timestamp,
};

/// See the file's head.
pub(super) struct Watch {
    pub(super) cut_offs: CutOffs,
    /// Nobody is asked without one.
    pub(super) verifier: Option<Verifier>,
    /// Whether a round of questions is under way.
    pub(super) is_asking: Arc<AtomicBool>,
}

/// What a caller keeps open.
#[derive(Debug)]
pub(super) enum Open {
    Session(SessionRef),
    Lease(LeaseRef),
}

impl Open {
    fn caller(&self) -> Principal {
        match self {
            Self::Session(session) => session.caller(),
            Self::Lease(lease) => lease.caller(),
        }
    }

    fn renew(&self, caller: &Principal) {
        match self {
            Self::Session(session) => session.renew(caller),
            Self::Lease(lease) => lease.renew(caller),
        }
    }

    fn end(&self, reason: CloseReason) {
        match self {
            Self::Session(session) => session.carry_out(Verdict::End(reason)),
            Self::Lease(lease) => lease.end(reason),
        }
    }

    /// The caller would be refused now.
    fn refuse(&self, caller: &Principal, reason: Reason, now: Timestamp) {
        match reason {
            Reason::CutOff => self.end(CloseReason::CutOff),
            Reason::Expired => self.lose_token(caller, CloseReason::TokenExpired, now),
            _ => self.lose_token(caller, CloseReason::TokenRevoked, now),
        }
    }

    /// The caller's token is good no more; the caller itself may come back with another.
    fn lose_token(&self, caller: &Principal, reason: CloseReason, now: Timestamp) {
        match self {
            Self::Session(session) => session.lose_token(caller, reason, now),
            Self::Lease(lease) => lease.end(reason),
        }
    }

    /// What would have to be done with it whoever holds it; a session is judged by its own signs.
    fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::Session(_) => false,
            Self::Lease(lease) => lease.caller().ends_at().is_some_and(|ends| now >= ends),
        }
    }

    /// Whether more than a table knows of it.
    fn is_in_use(&self) -> bool {
        match self {
            Self::Session(session) => session.keeps_something_open(),
            Self::Lease(_) => true,
        }
    }
}

impl Watch {
    /// Ends what has to end, and asks about what has to be asked about.
    pub(super) fn look_at(&self, all: impl Iterator<Item = Open>, now: Timestamp) {
        let mut due = Vec::new();
        for open in all {
            if open.is_over(now) {
                open.end(CloseReason::TokenExpired);
                continue;
            }
            let caller = open.caller();
            match self.standing(&caller) {
                Standing::Refused(reason) => open.refuse(&caller, reason, now),
                Standing::Unknown => {
                    open.lose_token(&caller, CloseReason::TokenUnverified, now);
                }
                Standing::Due if open.is_in_use() => due.push(open),
                Standing::Good | Standing::Due => {}
            }
        }
        if let (Some(verifier), false) = (&self.verifier, due.is_empty())
            && !self.is_asking.swap(true, Ordering::AcqRel)
        {
            let round = ask_about(
                verifier.clone(),
                due,
                now,
                Asking(Arc::clone(&self.is_asking)),
            );
            actix::spawn(round);
        }
    }

    fn standing(&self, caller: &Principal) -> Standing {
        match &self.verifier {
            Some(verifier) => verifier.standing(caller),
            None if self.cut_offs.concern(caller) => Standing::Refused(Reason::CutOff),
            None => Standing::Good,
        }
    }
}

/// A round that is under way, until it is dropped.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn ask_about(verifier: Verifier, due: Vec<Open>, now: Timestamp, _round: Asking) {
    let at_once = verifier.rechecks_max();
    stream::iter(due)
        .for_each_concurrent(at_once, async |open| {
            let caller = open.caller();
            let answer = verifier.ask_again(&caller).await;
            // It may have shown another token meanwhile, which the answer is not about.
            if !open.caller().has_token_of(&caller) {
                return;
            }
            match answer {
                Ok(Some(renewed)) => open.renew(&renewed),
                Ok(None) => {}
                Err(AuthError::Refused(reason)) => open.refuse(&caller, reason, now),
                Err(_silence) => open.lose_token(&caller, CloseReason::TokenUnverified, now),
            }
        })
        .await;
}
