//! A client's request on its way to the node that has its session: sealed for that node, good once and
//! for seconds, with the caller instead of the token.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Inner,
    seal::{OpenError, Purpose},
};
use crate::auth::{Carried, Principal};

/// How far the time in a request may lie ahead: all nodes go by one clock, and read it at most so wrong.
const AHEAD_MAX_MILLISECONDS: u64 = 1_000;

/// A request for another node.
#[derive(Debug)]
pub struct Parcel<'a> {
    /// Path and query, as clients write them: they begin with what the client asked.
    pub target: &'a str,
    /// The method.
    pub method: &'a str,
    /// The headers that it takes to answer.
    pub headers: Vec<(&'a str, &'a str)>,
    /// Which session it is about.
    pub session: &'a str,
    /// In which epoch its holder was found.
    pub epoch: u64,
    /// Who calls.
    pub caller: &'a Principal,
    /// The body.
    pub body: &'a [u8],
}

/// A request from another node.
#[derive(Debug)]
pub struct Received {
    /// As [`Parcel::target`].
    pub target: String,
    /// As [`Parcel::method`].
    pub method: String,
    /// As [`Parcel::headers`].
    pub headers: Vec<(String, String)>,
    /// As [`Parcel::session`].
    pub session: String,
    /// As [`Parcel::epoch`].
    pub epoch: u64,
    /// As [`Parcel::caller`]: the other node vouches for it.
    pub caller: Principal,
    /// As [`Parcel::body`].
    pub body: Bytes,
}

/// Why a request from another node is not taken. It has not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// No node has sealed it for this.
    #[error("not from a node of this cluster")]
    Forged,
    /// A node of another version has.
    #[error("from a node of another version")]
    Version,
    /// It is too old, or came before.
    #[error("too late, or twice")]
    Stale,
    /// It is for another process at this address.
    #[error("for another node")]
    WrongNode,
    /// This node may have lost the session, and does not know yet.
    #[error("this node has not been in touch for too long")]
    Suspect,
}

impl NotTaken {
    /// A word from a fixed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Version => "version",
            Self::Stale => "stale",
            Self::WrongNode => "wrong-node",
            Self::Suspect => "suspect",
        }
    }
}

/// What is sealed before the body. Further members may come; those not known are ignored.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    to: String,
    /// In the time that nodes share.
    at: u64,
    method: String,
    headers: Vec<(String, String)>,
    session: String,
    epoch: u64,
    caller: Carried<'a>,
}

const LENGTH_BYTES: usize = 4;

impl Inner {
    /// Seals a request for the node `to`; nothing where the time is not known yet.
    pub(super) fn wrap(&self, to: &str, parcel: &Parcel<'_>) -> Option<Vec<u8>> {
        let headers = parcel.headers.iter();
        let envelope = Envelope {
            to: to.to_owned(),
            at: self.contact.now()?,
            method: parcel.method.to_owned(),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            session: parcel.session.to_owned(),
            epoch: parcel.epoch,
            caller: Carried::of(parcel.caller),
        };
        let mut content = vec![0; LENGTH_BYTES];
        serde_json::to_writer(&mut content, &envelope).ok()?;
        let length = u32::try_from(content.len() - LENGTH_BYTES).ok()?;
        content[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        content.extend_from_slice(parcel.body);
        Some(self.sealer.seal(Purpose::Request, parcel.target, &content))
    }

    /// Opens a request that came for `target`.
    pub(super) fn unwrap(&self, target: &str, sealed: &[u8]) -> Result<Received, NotTaken> {
        let opened = self.sealer.open(Purpose::Request, target, sealed);
        let opened = opened.map_err(|error| match error {
            OpenError::Version => NotTaken::Version,
            OpenError::NotOurs => NotTaken::Forged,
        })?;
        let content = Bytes::from(opened.content);
        let (length, rest) = content
            .split_first_chunk::<LENGTH_BYTES>()
            .ok_or(NotTaken::Version)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let envelope = rest.get(..length).ok_or(NotTaken::Version)?;
        // Sealed by one of us, and not readable: it is another version's.
        let envelope: Envelope<'static> =
            serde_json::from_slice(envelope).map_err(|_unread| NotTaken::Version)?;
        if envelope.to != self.node.name {
            return Err(NotTaken::WrongNode);
        }
        let now = self.contact.now().ok_or(NotTaken::Suspect)?;
        let age = now.saturating_sub(envelope.at);
        let is_late = u128::from(age) > self.config.forward_within.get().as_millis();
        let is_early = envelope.at > now.saturating_add(AHEAD_MAX_MILLISECONDS);
        if is_late || is_early || !self.replayed.admit(opened.process, opened.number) {
            return Err(NotTaken::Stale);
        }
        if self.contact.is_suspect() {
            return Err(NotTaken::Suspect);
        }
        let caller = envelope.caller.into_principal();
        Ok(Received {
            target: target.to_owned(),
            method: envelope.method,
            headers: envelope.headers,
            session: envelope.session,
            epoch: envelope.epoch,
            caller: caller.map_err(|_no_caller| NotTaken::Version)?,
            body: content.slice(LENGTH_BYTES + length..),
        })
    }
}

/// A random name.
pub(super) fn random_name() -> Option<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
