//! By what name logs call somebody: a keyed hash, so that lines about one person can be told from
//! lines about another, and nobody who reads them can find out who it is by trying (X03).
//!
//! `auth` makes one for each caller, `idp` for each of its users. The key is the process's, as its log
//! is: a random one, or that of `log.pseudonym_key_file`, by which one caller has the same name after a
//! restart and on every node.

use std::{fmt, sync::OnceLock};

use aws_lc_rs::{
    hmac::{self, HMAC_SHA256, Key},
    rand::SystemRandom,
};

use crate::secret::Secret;

/// Shortest key that is taken, in bytes: as long as what it makes (RFC 2104 §3).
pub const PSEUDONYM_KEY_BYTES_MIN: usize = 32;

/// None where there was no randomness for one: then everybody has the same name, and nobody is given
/// away.
static KEY: OnceLock<Option<Key>> = OnceLock::new();

/// Somebody's name in logs: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 8]);

/// The key is shorter than [`PSEUDONYM_KEY_BYTES_MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key is shorter than {PSEUDONYM_KEY_BYTES_MIN} bytes; make one by: openssl rand -hex 32"
)]
pub struct ShortKey;

/// Names everybody by this key from now on. Only before the first name is made: of two keys nobody
/// could tell which made a name. A later one is ignored, and logged.
///
/// # Errors
/// [`ShortKey`].
pub fn use_pseudonym_key(key: &Secret) -> Result<(), ShortKey> {
    let bytes = key.expose().as_bytes();
    if bytes.len() < PSEUDONYM_KEY_BYTES_MIN {
        return Err(ShortKey);
    }
    if KEY.set(Some(Key::new(HMAC_SHA256, bytes))).is_err() {
        tracing::warn!("log.pseudonym_key_file came too late: callers have names already");
    }
    Ok(())
}

impl Pseudonym {
    /// The name of whoever these bytes mean, and nobody else.
    #[must_use]
    pub fn of(identity: &[u8]) -> Self {
        let mut name = [0; 8];
        if let Some(key) = KEY.get_or_init(random_key) {
            name.copy_from_slice(&hmac::sign(key, identity).as_ref()[..8]);
        }
        Self(name)
    }
}

fn random_key() -> Option<Key> {
    let key = Key::generate(HMAC_SHA256, &SystemRandom::new());
    key.inspect_err(|_unspecified| {
        tracing::error!("no random key: callers can't be told apart in the log");
    })
    .ok()
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pseudonym({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_only_and_can_not_be_guessed_without_the_key() {
        let alice = Pseudonym::of(b"alice");
        assert_eq!(alice, Pseudonym::of(b"alice"));
        assert_ne!(alice, Pseudonym::of(b"bob"));
        assert_eq!(alice.to_string().len(), 16);

        let bare = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"alice");
        assert_ne!(alice.0, bare.as_ref()[..8]);
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(
            use_pseudonym_key(&Secret::new("x".repeat(31))),
            Err(ShortKey)
        );
    }
}
