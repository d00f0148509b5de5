//! What nodes share, as the one trait behind which it is kept: who has which session, who is there,
//! what was ordered, and a channel to all.
//!
//! [`Memory`](super::Memory) keeps it for several nodes of one process, [`RedisStore`](super::RedisStore)
//! for all others; one test holds both to what is said here. A store only sees sealed bytes. Everything
//! that changes a session names its holder and epoch, and changes nothing where another has it.

use std::{fmt, pin::Pin, time::Duration};

use futures_util::{Stream, future::BoxFuture};

/// What a store answers, sooner or later. Who asks sets the deadline.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What is said on the channel, from the moment on that it was opened, until the store is lost.
pub type Heard = Pin<Box<dyn Stream<Item = Vec<u8>> + Send>>;

/// The store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached, or says nothing.
    #[error("the store can't be reached: {0}")]
    Away(String),
    /// It answers, and refuses: it is loading, full, or read only.
    #[error("the store refuses: {0}")]
    Refused(String),
}

/// Who has a session, and since which change of hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The node; empty for a session that was let go, and waits for whoever is asked for it.
    pub node: String,
    /// Rises with each change of hands, so that nobody acts for a session that it has lost.
    pub epoch: u64,
}

/// A session as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who has it.
    pub holder: Holder,
    /// What is known of it, sealed.
    pub data: Vec<u8>,
}

/// What one look-up tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The session.
    pub entry: Option<Entry>,
    /// Its holder's own record, sealed, while its lease lasts, and for how long that still is.
    pub lease: Option<(Vec<u8>, Duration)>,
    /// Which memory this is; another one, and what was in the last is lost. None where it is empty.
    pub era: Option<String>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The session is the claimant's, in this epoch.
    Won(u64),
    /// Somebody else was faster.
    Lost(Holder),
    /// Its holder's lease lasts longer than the claimant said.
    Alive,
    /// There is no such session any more.
    Gone,
}

/// How the store stands to a session that a node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is known as this node's, for as long again.
    Yes,
    /// It is somebody else's.
    Moved,
    /// It is not known.
    Unknown,
}

/// What a node learns by its beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Which memory this is.
    pub era: String,
    /// The store's clock, in milliseconds since the epoch: the one time that all nodes share.
    pub now: u64,
    /// Whether the lease had run out, so that others may have taken sessions.
    pub lapsed: bool,
}

/// See the file's head.
pub trait Store: fmt::Debug + Send + Sync {
    /// Enters a session for `holder`, unless it is entered for another; whether it is this holder's now.
    fn enter<'a>(
        &'a self,
        id: &'a str,
        holder: &'a Holder,
        data: &'a [u8],
        ttl: Duration,
    ) -> Answer<'a, bool>;

    /// Who has a session, and whether that node is there.
    fn look_up<'a>(&'a self, id: &'a str) -> Answer<'a, Sight>;

    /// Takes a session over from `from`, unless that node's lease lasts longer than `left_max`.
    fn claim<'a>(
        &'a self,
        id: &'a str,
        from: &'a Holder,
        me: &'a str,
        left_max: Duration,
        ttl: Duration,
    ) -> Answer<'a, Claimed>;

    /// Lets a session go, so that anybody may claim it; whether it was the holder's.
    fn release<'a>(&'a self, id: &'a str, holder: &'a Holder) -> Answer<'a, bool>;

    /// Forgets a session; whether it was the holder's.
    fn forget<'a>(&'a self, id: &'a str, holder: &'a Holder) -> Answer<'a, bool>;

    /// Replaces what is known of a session; whether it is the holder's.
    fn rewrite<'a>(
        &'a self,
        id: &'a str,
        holder: &'a Holder,
        data: &'a [u8],
        ttl: Duration,
    ) -> Answer<'a, bool>;

    /// Lets these sessions of `me`, each with its epoch, be known for `ttl` from now on.
    fn keep<'a>(
        &'a self,
        sessions: &'a [(String, u64)],
        me: &'a str,
        ttl: Duration,
    ) -> Answer<'a, Vec<Kept>>;

    /// Renews a node's lease for `life`. An empty memory becomes that of `era`.
    fn beat<'a>(
        &'a self,
        me: &'a str,
        data: &'a [u8],
        life: Duration,
        era: &'a str,
    ) -> Answer<'a, Beat>;

    /// Ends a node's lease.
    fn leave<'a>(&'a self, me: &'a str) -> Answer<'a, ()>;

    /// The nodes whose leases last, and their records.
    fn nodes(&self) -> Answer<'_, Vec<(String, Vec<u8>)>>;

    /// Keeps an order under its name, in the place of one of the same name.
    fn order<'a>(&'a self, name: &'a str, data: &'a [u8]) -> Answer<'a, ()>;

    /// All orders that are kept.
    fn orders(&self) -> Answer<'_, Vec<(String, Vec<u8>)>>;

    /// Keeps these orders no longer.
    fn withdraw<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()>;

    /// Says something to all who listen now, the speaker included.
    fn say<'a>(&'a self, word: &'a [u8]) -> Answer<'a, ()>;

    /// Listens from now on. Ends when the store is lost.
    fn listen(&self) -> Answer<'_, Heard>;
}
