//! Who is signed in, as the browser carries it: sealed, bounded in life, and kept nowhere here.
//!
//! All that is remembered is who has signed out, until that session would have ended by itself; a copy
//! of its cookie is worth nothing from then on, on this node.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{
    seal::{NotSealed, random_text},
    time::Timestamp,
};

/// How long a developer may take to sign in.
pub(super) const SIGN_IN_SECONDS: u64 = 600;
/// How long a note waits for the page that shows it.
pub(super) const NOTE_SECONDS: u64 = 60;

/// A developer who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// Random.
    #[serde(rename = "i")]
    id: String,
    /// Who vouches.
    #[serde(rename = "o")]
    pub(super) issuer: String,
    #[serde(rename = "s")]
    pub(super) subject: String,
    /// For people.
    #[serde(rename = "n")]
    pub(super) name: String,
    /// What every form of this session brings along: random, and known to its pages alone.
    #[serde(rename = "f")]
    pub(super) form_token: String,
    /// When the sign-in was.
    #[serde(rename = "b")]
    pub(super) began: u64,
    #[serde(rename = "e")]
    pub(super) ends: u64,
}

/// A sign-in under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SignIn {
    #[serde(rename = "s")]
    pub(super) state: String,
    #[serde(rename = "n")]
    pub(super) nonce: String,
    #[serde(rename = "v")]
    pub(super) code_verifier: String,
    /// Which page it leads to.
    #[serde(rename = "t")]
    pub(super) to: String,
    #[serde(rename = "e")]
    pub(super) ends: u64,
}

/// What the next page says, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// In whose session.
    #[serde(rename = "i")]
    session: String,
    #[serde(rename = "w")]
    pub(super) what: What,
    #[serde(rename = "e")]
    ends: u64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    Registered,
    Changed,
    SecretEnded,
    Deleted,
    /// This agent has this new secret, which is told now and never again.
    Secret {
        agent: String,
        secret: String,
    },
}

impl Session {
    pub(super) fn begin(
        issuer: &str,
        subject: String,
        name: String,
        now: Timestamp,
        lasts: u64,
    ) -> Result<Self, NotSealed> {
        Ok(Self {
            id: random_text()?,
            issuer: issuer.to_owned(),
            subject,
            name,
            form_token: random_text()?,
            began: now.as_unix_seconds(),
            ends: now.as_unix_seconds() + lasts,
        })
    }

    /// Whether a form is this session's own.
    pub(super) fn has_form_token(&self, shown: &str) -> bool {
        bool::from(self.form_token.as_bytes().ct_eq(shown.as_bytes()))
    }

    /// A note for its next page.
    pub(super) fn note(&self, what: What, now: Timestamp) -> Note {
        Note {
            session: self.id.clone(),
            what,
            ends: now.as_unix_seconds() + NOTE_SECONDS,
        }
    }

    /// What a note says, if it is for this session and this moment.
    pub(super) fn read(&self, note: Note, now: Timestamp) -> Option<What> {
        (note.session == self.id && now.as_unix_seconds() < note.ends).then_some(note.what)
    }
}

/// Sessions that were ended before their time.
#[derive(Debug)]
pub(super) struct SignOuts {
    max: usize,
    ends_by_id: Mutex<HashMap<String, u64>>,
}

/// There is no room to remember one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

impl SignOuts {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            ends_by_id: Mutex::default(),
        }
    }

    /// Remembers that this session has ended.
    pub(super) fn add(&self, session: &Session, now: Timestamp) -> Result<(), NoRoom> {
        let ends_by_id = self.ends_by_id.lock();
        let mut ends_by_id = ends_by_id.unwrap_or_else(PoisonError::into_inner);
        if ends_by_id.len() >= self.max {
            ends_by_id.retain(|_, ends| now.as_unix_seconds() < *ends);
        }
        if ends_by_id.len() >= self.max {
            return Err(NoRoom);
        }
        ends_by_id.insert(session.id.clone(), session.ends);
        Ok(())
    }

    /// Whether this session has ended.
    pub(super) fn hold(&self, session: &Session) -> bool {
        let ends_by_id = self.ends_by_id.lock();
        let ends_by_id = ends_by_id.unwrap_or_else(PoisonError::into_inner);
        ends_by_id.contains_key(&session.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(now: u64) -> Session {
        let now = Timestamp::from_unix_seconds(now);
        Session::begin("https://i", "alice".to_owned(), "Alice".to_owned(), now, 60).unwrap()
    }

    #[test]
    fn a_note_is_for_one_session_and_a_minute() {
        let (mine, other) = (session(0), session(0));
        let at = Timestamp::from_unix_seconds;
        let note = mine.note(What::Deleted, at(0));

        assert_eq!(mine.read(note.clone(), at(59)), Some(What::Deleted));
        assert_eq!(mine.read(note.clone(), at(60)), None);
        assert_eq!(other.read(note, at(0)), None);
    }

    #[test]
    fn a_form_token_is_one_sessions() {
        let (mine, other) = (session(0), session(0));

        assert!(mine.has_form_token(&mine.form_token));
        assert!(!mine.has_form_token(&other.form_token));
        assert!(!mine.has_form_token(""));
    }

    #[test]
    fn sign_outs_make_room_when_their_sessions_have_ended_and_not_before() {
        let sign_outs = SignOuts::new(1);
        let at = Timestamp::from_unix_seconds;
        let (first, second) = (session(0), session(0));
        sign_outs.add(&first, at(1)).unwrap();

        assert_eq!(sign_outs.add(&second, at(59)), Err(NoRoom));
        assert!(sign_outs.hold(&first) && !sign_outs.hold(&second));
        assert_eq!(sign_outs.add(&second, at(60)), Ok(()));
    }
}
