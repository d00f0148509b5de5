//! The actor that has one issuer's unknown tokens verified, each once however many callers wait.
//!
//! The [`Desk`](super::desk::Desk) asks it with [`Examine`] after a look into the cache found nothing.
//! It lives on an arbiter of its own, where signature checks of 20 to 200 µs disturb no request, and
//! it alone writes verdicts. A *flight* is one examination under way with its waiters; it belongs to
//! the actor and not to the caller that began it, so a caller that leaves cancels nothing.
//!
//! Callers who wait are bounded by the permits that come with the messages, since actix bounds a
//! mailbox per clone of its address; flights by their own number, which a crowd with one token does
//! not use up. A panic ends the actor; the handle that notices builds a new one.

use std::{
    collections::{HashMap, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message,
    ResponseFuture, WrapFuture,
};
use futures_util::FutureExt;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Instant, timeout},
};
use tracing::{Span, error};

use super::{
    AuthError, BearerToken, Counters, CutOffs, Principal, Reason,
    cache::{Present, Remembered, Verdicts, Verified},
    digest::Digest,
    questions::{Asker, without_reserve},
    trusted_issuer::TrustedIssuer,
};
use crate::{telemetry::audit, time::Clock, units::HumanDuration};

/// Pause between two sweeps of what is remembered.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// A verdict, please. Answered when there is one, at the latest after [`Needs::verdict_within`].
#[derive(Debug, Message)]
#[rtype(result = "Result<Principal, AuthError>")]
pub(super) struct Examine {
    pub(super) digest: Digest,
    pub(super) token: BearerToken<'static>,
    /// Of the request it came with: the audit log names the one that began the examination.
    pub(super) span: Span,
    /// Given back when the caller has its answer.
    pub(super) place: Place,
}

/// A place in the waiting room; a stranger has one of the strangers' too.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) _of_strangers: Option<OwnedSemaphorePermit>,
    pub(super) _of_all: OwnedSemaphorePermit,
}

/// A flight has come to its end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Examined {
    digest: Digest,
    asker: Asker,
    span: Span,
    token: BearerToken<'static>,
    verdict: Result<Verified, AuthError>,
}

/// Everything the actor works with. Shared, so that a new actor can take the place of a dead one.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    pub(super) issuer: Arc<TrustedIssuer>,
    pub(super) verdicts: Arc<Verdicts>,
    pub(super) clock: Clock,
    pub(super) verdict_within: HumanDuration,
    /// Most flights at once.
    pub(super) tokens_max: usize,
    pub(super) counters: Arc<Counters>,
    pub(super) cut_offs: CutOffs,
}

/// The actor.
pub(super) struct Examiner {
    needs: Needs,
    flights: HashMap<Digest, Vec<Waiter>>,
}

struct Waiter {
    reply: oneshot::Sender<Result<Principal, AuthError>>,
    _place: Place,
}

impl Needs {
    /// Flights there may be before one more is turned away.
    fn places_for(&self, asker: Asker) -> usize {
        match asker {
            Asker::Known => self.tokens_max,
            Asker::Stranger => without_reserve(self.tokens_max),
        }
    }

    /// The present, as the cache wants it.
    pub(super) fn present(&self) -> Present {
        Present {
            wall: self.clock.now(),
            monotonic: Instant::now(),
            keys: self.issuer.keys().generation(),
            keys_fetched: self.issuer.keys().fetched(),
        }
    }
}

impl Examiner {
    pub(super) fn start_on(arbiter: &ArbiterHandle, needs: Needs) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, |_context| Self {
            needs,
            flights: HashMap::new(),
        })
    }

    fn take_off(
        &self,
        digest: Digest,
        token: BearerToken<'static>,
        asker: Asker,
        span: Span,
        examiner: Addr<Self>,
    ) {
        let Needs {
            issuer,
            verdict_within,
            ..
        } = self.needs.clone();
        let landed = move |token, verdict| Examined {
            digest,
            asker,
            span,
            token,
            verdict,
        };
        // Not `ctx.spawn`: a context polls all of its futures whenever one of them wakes.
        actix::spawn(async move {
            let examination = timeout(verdict_within.get(), issuer.examine(token.expose(), asker));
            let verdict = match AssertUnwindSafe(examination).catch_unwind().await {
                Ok(Ok(verdict)) => verdict,
                Ok(Err(_deadline)) => Err(AuthError::unavailable()),
                Err(_panic) => {
                    error!("a token's examination panicked");
                    Err(AuthError::unavailable())
                }
            };
            // If the actor has died meanwhile, so have its waiters.
            let _ = examiner.send(landed(token, verdict)).await;
        });
    }
}

impl Actor for Examiner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let issuer = Arc::clone(&self.needs.issuer);
        // In the context, so that metadata and keys are kept fresh exactly as long as somebody asks
        // for them, and once.
        ctx.spawn(
            async move { issuer.keep_fresh().await }
                .into_actor(self)
                .map(|(), _, _| ()),
        );
        ctx.run_interval(SWEEP_EVERY, |examiner, _| {
            let needs = &examiner.needs;
            let swept = needs.verdicts.sweep(needs.present(), &needs.cut_offs);
            needs.counters.count_swept(swept);
            needs.cut_offs.sweep();
        });
    }
}

impl Handler<Examine> for Examiner {
    type Result = ResponseFuture<Result<Principal, AuthError>>;

    fn handle(&mut self, examine: Examine, ctx: &mut Self::Context) -> Self::Result {
        let Examine {
            digest,
            token,
            span,
            place,
        } = examine;
        // A flight may have landed since the caller looked.
        let asker = match self.needs.verdicts.look_up(&digest, self.needs.present()) {
            Remembered::Verified(principal) => return Box::pin(async { Ok(principal) }),
            Remembered::Refused(reason) => return Box::pin(async move { Err(reason.into()) }),
            Remembered::Stale(_) => Asker::Known,
            Remembered::Nothing => Asker::Stranger,
        };
        let (reply, answer) = oneshot::channel();
        let waiter = Waiter {
            reply,
            _place: place,
        };
        let under_way = self.flights.len();
        match self.flights.entry(digest) {
            Entry::Occupied(mut flight) => flight.get_mut().push(waiter),
            Entry::Vacant(_) if under_way >= self.needs.places_for(asker) => {
                self.needs.counters.count_turned_away();
                return Box::pin(async { Err(AuthError::unavailable()) });
            }
            Entry::Vacant(flight) => {
                flight.insert(vec![waiter]);
                self.take_off(digest, token, asker, span, ctx.address());
            }
        }
        Box::pin(async { answer.await.unwrap_or(Err(AuthError::unavailable())) })
    }
}

impl Handler<Examined> for Examiner {
    type Result = ();

    fn handle(&mut self, examined: Examined, _ctx: &mut Self::Context) {
        let Examined {
            digest,
            asker,
            span,
            token,
            verdict,
        } = examined;
        let present = self.needs.present();
        let verdicts = &self.needs.verdicts;
        let verdict = match verdict {
            Ok(verified) => {
                let principal = verdicts.remember(digest, verified, &token, present);
                if asker == Asker::Stranger {
                    let verified_by = principal.verified_by().as_str();
                    span.in_scope(|| audit::sign_in_seen(principal.audited(), verified_by));
                }
                Ok(principal)
            }
            Err(AuthError::Refused(Reason::UnknownKey)) => {
                let look_again_at = self.needs.issuer.keys().next_look();
                verdicts.remember_unknown_key(digest, look_again_at, present);
                Err(Reason::UnknownKey.into())
            }
            Err(AuthError::Refused(reason)) => {
                verdicts.remember_refusal(digest, reason, present);
                Err(reason.into())
            }
            // Could not ask: never remembered.
            Err(error) => {
                verdicts.put_off(digest, present);
                Err(error)
            }
        };
        for waiter in self.flights.remove(&digest).unwrap_or_default() {
            // A caller that has left is not missed.
            let _ = waiter.reply.send(verdict.clone());
        }
    }
}

/// Ends the actor as a bug would.
#[cfg(test)]
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Crash;

#[cfg(test)]
impl Handler<Crash> for Examiner {
    type Result = ();

    fn handle(&mut self, _crash: Crash, _ctx: &mut Self::Context) {
        panic!("crash wanted by a test");
    }
}
