//! What was carried out already, for as long as it could be said again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};

use super::answer::Refusal;
use crate::time::Timestamp;

/// Bounded; a full one takes no further message rather than forget one.
#[derive(Debug)]
pub(super) struct Seen {
    max: usize,
    /// When each may be forgotten.
    until: Mutex<HashMap<Name, Timestamp>>,
}

/// A message's name.
pub(super) type Name = [u8; 32];

/// The name of a message that consists of, or is named by, these bytes.
pub(super) fn name(bytes: &[u8]) -> Name {
    let mut name = [0; 32];
    name.copy_from_slice(digest(&SHA256, bytes).as_ref());
    name
}

/// From when on a message that was made then is too old, and need not be remembered.
pub(super) fn too_old_at(made: Timestamp, window: Duration) -> Timestamp {
    made.plus(window + Duration::from_secs(1))
}

impl Seen {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            until: Mutex::default(),
        }
    }

    /// Remembers a message, and says whether it is new.
    pub(super) fn is_new(
        &self,
        name: Name,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        let mut seen = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(&name).is_some_and(|until| now < *until) {
            return Ok(false);
        }
        if seen.len() >= self.max {
            seen.retain(|_, until| now < *until);
        }
        if seen.len() >= self.max {
            return Err(Refusal::SeenFull);
        }
        seen.insert(name, until);
        Ok(true)
    }

    /// It could not be carried out, and may come again.
    pub(super) fn forget(&self, name: &Name) {
        let mut seen = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(name);
    }
}
