//! How others speak to a session: its address, and the bound that its address does not keep.
//!
//! An actix mailbox is bounded per clone of its `Addr`, which is no bound where each request holds a
//! clone. So the places in a session's queue are counted here, once for all clones.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use actix::{
    Addr, ArbiterHandle, Context, MailboxError,
    dev::channel::{AddressReceiver, channel},
};

use super::{
    Config, Farewell, SessionError, SessionId, Verdict,
    abroad::Abroad,
    actor::Session,
    messages::{Announce, Close, Deliver, DeliverBatch, Drain, OpenStream, Probe, Resume, Suspend},
    phase::Phase,
    streams::Streams,
    summary::{SessionFilter, SessionSummary, seconds},
    vital::Vital,
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    auth::{Owner, Principal},
    handler::{Change, Conversation, Handler, SessionStream},
    outlet::{CloseReason, EventId, Frames, Outlet},
    protocol::{Batch, ClientMessage, ProtocolVersion},
    telemetry::Transport,
    time::Timestamp,
};

/// A live session, as tables and requests hold it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionRef {
    id: SessionId,
    owner: Owner,
    /// Who opened it; whoever uses it is the same caller, with this or a later token.
    opener: Principal,
    opened_at: Timestamp,
    transport: Transport,
    config: Config,
    address: Addr<Session>,
    pub(super) vital: Arc<Vital>,
    pub(super) abroad: Arc<Abroad>,
    pub(super) over: CancellationToken,
}

/// What a session is opened with.
#[derive(Debug)]
pub struct Opening {
    /// Its name.
    pub id: SessionId,
    /// Who opens it, and so owns it.
    pub principal: Principal,
    /// HTTP+SSE brings its stream along; Streamable HTTP has none yet.
    pub stream: Option<Outlet>,
    /// When.
    pub opened_at: Timestamp,
    /// What is done when it is over.
    pub farewell: Farewell,
    /// Since which change of hands it is here: 1 for one that begins here. Above, it comes from another
    /// node, and is built again before it is used.
    pub epoch: u64,
}

/// How long a session may take to take a message in. Its handlers only sort and spawn, so this is
/// far more than it ever needs.
const ASK_DEADLINE: Duration = Duration::from_secs(5);

/// A session that is not running yet: it can be entered into tables before it can end.
pub struct Prepared {
    session: Session,
    mailbox: AddressReceiver<Session>,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Prepared")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl Prepared {
    /// Runs the session's actor on an arbiter. On one that is gone, the session ends at once.
    pub fn run(self, arbiter: &ArbiterHandle) {
        let Self { session, mailbox } = self;
        arbiter.spawn_fn(move || {
            Context::with_receiver(mailbox).run(session);
        });
    }
}

impl SessionRef {
    /// Makes a session and its address.
    #[must_use]
    pub fn prepare(config: Config, handler: Handler, opening: Opening) -> (Self, Prepared) {
        let Opening {
            id,
            principal,
            stream,
            opened_at,
            farewell,
            epoch,
        } = opening;
        let ends_with_stream = stream.is_some();
        let vital = Arc::new(Vital::new(principal.clone(), ends_with_stream));
        let transport = Transport::of_stream(ends_with_stream);
        let over = CancellationToken::new();
        let stream = SessionStream::new(stream);
        let conversation = Conversation::new(stream.downgrade(), over.clone());
        let session = Session {
            id,
            config,
            handler,
            vital: Arc::clone(&vital),
            farewell,
            ends_with_stream,
            stream,
            conversation,
            heeded: None,
            phase: Phase::Opened,
            streams: Streams::since(epoch),
            calls: HashMap::new(),
            draining: false,
            probes: 0,
            _over: over.clone().drop_guard(),
        };
        let (sender, mailbox) = channel(config.mailbox_max);
        let address = Addr::new(sender);
        let reference = Self {
            id,
            owner: principal.owner(),
            opener: principal,
            opened_at,
            transport,
            config,
            address,
            vital,
            abroad: Arc::new(Abroad::new(epoch, epoch > 1)),
            over,
        };
        (reference, Prepared { session, mailbox })
    }

    /// The session's name.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// To whom it belongs.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Who was heard in it last: its owner, with the last token that was shown.
    #[must_use]
    pub fn caller(&self) -> Principal {
        self.vital.caller()
    }

    /// Who was heard last was verified again.
    pub fn renew(&self, caller: &Principal) {
        self.vital.renew(caller);
    }

    /// Whether a stream is open in it, or a call runs.
    #[must_use]
    pub fn keeps_something_open(&self) -> bool {
        self.vital.keeps_something_open()
    }

    /// How its messages travel.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The version that `initialize` was answered with, once it was.
    #[must_use]
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.vital.version()
    }

    /// What an operator may know of it.
    #[must_use]
    pub fn summary(&self) -> SessionSummary {
        SessionSummary {
            id: self.id.short(),
            issuer: self.opener.issuer().to_owned(),
            subject: self.opener.subject().to_owned(),
            client_id: self.opener.client_id().map(str::to_owned),
            transport: self.transport.label().to_owned(),
            protocol_version: self.vital.version().map(|version| version.to_string()),
            opened_at: self.opened_at.as_unix_seconds(),
            silent_for: self.vital.silence().as_secs(),
            calls: self.vital.calls(),
            token_ends_at: seconds(self.vital.token_ends()),
        }
    }

    /// Whether it is meant by `filter`.
    #[must_use]
    pub fn matches(&self, filter: &SessionFilter) -> bool {
        let owner = &self.opener;
        filter.matches(
            &self.id.to_string(),
            owner.issuer(),
            owner.subject(),
            owner.client_id(),
        )
    }

    /// Whether its actor lives.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.address.connected()
    }

    /// Hands a message over. The answer to a request follows on `outlet`, or on the session's own
    /// stream without one.
    ///
    /// # Errors
    /// See [`SessionError`]; the message has not run.
    pub async fn deliver(
        &self,
        principal: Principal,
        message: ClientMessage,
        outlet: Option<Outlet>,
    ) -> Result<(), SessionError> {
        let _seat = self
            .vital
            .seat(self.config.mailbox_max)
            .ok_or(SessionError::Busy)?;
        taken_in(self.address.send(Deliver {
            principal,
            message,
            outlet,
            span: Span::current(),
        }))
        .await
    }

    /// Hands several messages over, as one and in their order. Each answer follows by itself: on
    /// `outlet`, which ends with the last, or in HTTP+SSE without one on the session's own stream.
    /// Returns how many of its calls were refused, and answered so, since too many run.
    ///
    /// # Errors
    /// See [`SessionError`]; nothing of the batch has run.
    pub async fn deliver_batch(
        &self,
        principal: Principal,
        batch: Batch,
        outlet: Option<Outlet>,
    ) -> Result<usize, SessionError> {
        let _seat = self
            .vital
            .seat(self.config.mailbox_max)
            .ok_or(SessionError::Busy)?;
        taken_in(self.address.send(DeliverBatch {
            principal,
            batch,
            outlet,
            span: Span::current(),
        }))
        .await
    }

    /// Opens the stream for what the server says unasked.
    ///
    /// # Errors
    /// [`SessionError::StreamTaken`] while another one is open.
    pub async fn open_stream(
        &self,
        principal: &Principal,
        outlet: Outlet,
    ) -> Result<(), SessionError> {
        let _seat = self
            .vital
            .seat(self.config.mailbox_max)
            .ok_or(SessionError::Busy)?;
        self.vital.touch(principal);
        taken_in(self.address.send(OpenStream(outlet))).await
    }

    /// A new reader of a stream that broke, after the last event its client saw.
    ///
    /// # Errors
    /// [`SessionError::NotKept`] where there is nothing to go on from.
    pub async fn resume(
        &self,
        principal: &Principal,
        after: EventId,
    ) -> Result<Frames, SessionError> {
        let _seat = self
            .vital
            .seat(self.config.mailbox_max)
            .ok_or(SessionError::Busy)?;
        self.vital.touch(principal);
        taken_in(self.address.send(Resume(after))).await
    }

    /// Ends the session and waits until it is over and in no table any more.
    ///
    /// # Errors
    /// [`SessionError::Over`] where something else had ended it before.
    pub async fn close(&self, reason: CloseReason) -> Result<(), SessionError> {
        let ended = async {
            let by_us = matches!(self.address.send(Close(reason)).await, Ok(true));
            self.over.cancelled().await;
            by_us
        };
        match tokio::time::timeout(ASK_DEADLINE, ended).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(SessionError::Over),
            Err(_elapsed) => Err(SessionError::Busy),
        }
    }

    /// What is to be done with the session now.
    #[must_use]
    pub fn judge(&self, now: Timestamp) -> Verdict {
        self.vital.judge(&self.config, now)
    }

    /// How long nothing at all has been going on; `None` while a call runs or a stream is open.
    #[must_use]
    pub fn quiet(&self) -> Option<Duration> {
        self.vital.quiet()
    }

    /// Ends it for a newer one of its owner's; whether it was told.
    #[must_use]
    pub fn give_way(&self) -> bool {
        self.address.try_send(Close(CloseReason::Replaced)).is_ok()
    }

    /// Whether it only waits for its owner's next token.
    #[must_use]
    pub fn is_suspended(&self, now: Timestamp) -> bool {
        self.vital.is_token_over(now)
    }

    /// The caller's token was refused, for this reason: the session is judged as if it had expired.
    /// Without effect where another was shown since.
    pub fn lose_token(&self, caller: &Principal, reason: CloseReason, now: Timestamp) {
        self.vital.lose_token(caller, now);
        let over = self.vital.judge_token(&self.config, now, reason);
        self.carry_out(over.unwrap_or(Verdict::Live));
    }

    /// Does what [`SessionRef::judge`] said, without waiting; a full mailbox is tried again by the
    /// next sweep.
    pub fn carry_out(&self, verdict: Verdict) {
        let _next_sweep = match verdict {
            Verdict::Live => return,
            Verdict::Probe => self.address.try_send(Probe).is_ok(),
            Verdict::Suspend(reason, at) => self.address.try_send(Suspend(reason, at)).is_ok(),
            Verdict::End(reason) => self.address.try_send(Close(reason)).is_ok(),
        };
    }

    /// Tells the client of a change if it wants to know. A session too busy to listen is left out: its
    /// client is in the middle of asking anyway.
    pub fn announce(&self, change: Change) {
        if self.address.try_send(Announce(change)).is_err() {
            tracing::debug!(session.id = %self.id.short(), "session too busy to be told of a change");
        }
    }

    /// Ends the session as soon as no call is in flight, without waiting for it. From now on it takes no
    /// further request.
    pub fn drain(&self) {
        self.abroad.goes();
        if self.address.try_send(Drain).is_err() {
            tracing::debug!(session.id = %self.id.short(), "session too busy to be drained yet");
        }
    }
}

async fn taken_in<T, F>(asked: F) -> Result<T, SessionError>
where
    F: Future<Output = Result<Result<T, SessionError>, MailboxError>>,
{
    match tokio::time::timeout(ASK_DEADLINE, asked).await {
        Ok(Ok(result)) => result,
        Ok(Err(MailboxError::Closed)) => Err(SessionError::Over),
        Ok(Err(MailboxError::Timeout)) | Err(_) => Err(SessionError::Busy),
    }
}
