//! Session ids: 128 random bits, and nothing that can be guessed from one another.
//!
//! An id finds a session and never authenticates (2025-11-25, security best practices): the router
//! compares its owner with the caller on every request.

use std::{fmt, str::FromStr};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Names one session. Written as 22 characters of base64url, all visible ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

/// Why a text is no session id. It says nothing more, since a stranger reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct SessionIdError(());

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no randomness to be had")]
pub struct NoRandomness(());

impl SessionId {
    /// A fresh id from the system's secure random source.
    ///
    /// # Errors
    /// [`NoRandomness`] where there is none: no id is better than a poor one.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_unspecified| NoRandomness(()))?;
        Ok(Self(bytes))
    }

    /// The first characters, for logs: enough to follow a session, too few to name it.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(6);
        text
    }

    /// A number that spreads sessions evenly.
    #[must_use]
    pub fn spread(&self) -> usize {
        usize::from(self.0[0]) << 8 | usize::from(self.0[1])
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(Self(bytes)),
            _ => Err(SessionIdError(())),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SessionId({}…)", self.short())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    // S01
    #[test]
    fn ids_are_unique_visible_ascii_and_come_back_from_their_text() {
        let ids: HashSet<String> = (0..100_000)
            .map(|_| SessionId::random().unwrap().to_string())
            .collect();

        assert_eq!(ids.len(), 100_000);
        for id in &ids {
            assert!(
                id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_graphic()),
                "{id}"
            );
            assert_eq!(&id.parse::<SessionId>().unwrap().to_string(), id);
        }
    }

    #[test]
    fn what_is_no_id_is_refused_without_a_panic() {
        let long = "A".repeat(65_536);
        for text in [
            "",
            "__proto__",
            "A",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "../../etc",
            "ä",
            &long,
        ] {
            assert!(text.parse::<SessionId>().is_err(), "{text:?}");
        }
    }
}
