//! The one key of a cluster: what nodes say to each other, and leave in the store, is sealed with it.
//!
//! AES-256-GCM. Each process seals under a key of its own, derived from the shared one and its random
//! name, and counts its nonces, so that none is ever used twice however long the shared key lives. What
//! is sealed for one purpose, or about one thing, opens for no other. Whoever can write to the store can
//! so neither forge a caller nor point a node at an address; it can take things away.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Prk, Salt},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::secret::Secret;

/// Fewest bytes of the shared key.
pub(super) const KEY_BYTES_MIN: usize = 32;
/// Fewest different bytes of it: what one types to fill a field has fewer.
const DIFFERENT_BYTES_MIN: usize = 8;
/// The first byte of everything sealed.
const VERSION: u8 = 1;
const NAME_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + NAME_BYTES + 8;

/// For what something is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A request for another node.
    Request = 1,
    /// What is known of a session.
    Record = 2,
    /// What a node says of itself.
    Node = 3,
    /// A word to all.
    Word = 4,
    /// An order that is kept.
    Order = 5,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Guessable.
    #[error(
        "the cluster's key has at least {KEY_BYTES_MIN} random bytes, as `openssl rand -hex 32` makes them"
    )]
    Guessable,
    /// The system has no randomness, or refused the key.
    #[error("no key could be made")]
    NoKey,
}

/// Why something does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OpenError {
    /// Of a version that is not known here.
    #[error("sealed by another version")]
    Version,
    /// Not sealed with this key, or for this.
    #[error("not sealed here")]
    NotOurs,
}

/// What was opened, and what can be said of its seal.
pub(super) struct Opened {
    pub(super) content: Vec<u8>,
    /// By whom.
    pub(super) process: [u8; NAME_BYTES],
    /// Its how manieth.
    pub(super) number: u64,
}

/// Seals under this process's own key, opens what any node has sealed. See the file's head.
pub(super) struct Sealer {
    name: [u8; NAME_BYTES],
    own: LessSafeKey,
    last: AtomicU64,
    /// The shared key, and the one before it.
    roots: Vec<Prk>,
}

impl Sealer {
    /// Seals with `key`; `previous` still opens.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub(super) fn new(key: &Secret, previous: Option<&Secret>) -> Result<Self, KeyError> {
        let mut name = [0; NAME_BYTES];
        rand::fill(&mut name).map_err(|_unspecified| KeyError::NoKey)?;
        let keys = [Some(key), previous].into_iter().flatten();
        let roots: Vec<_> = keys.map(root).collect::<Result<_, _>>()?;
        let own = roots.first().and_then(|root| derived(root, &name));
        Ok(Self {
            name,
            own: own.ok_or(KeyError::NoKey)?,
            last: AtomicU64::new(0),
            roots,
        })
    }

    /// The random name of this process.
    pub(super) fn name(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.name)
    }

    /// Whether that is this process.
    pub(super) fn is(&self, process: &[u8; NAME_BYTES]) -> bool {
        self.name == *process
    }

    /// Seals `content`, about `subject`. Empty only where the cipher refuses, which nothing opens.
    pub(super) fn seal(&self, purpose: Purpose, subject: &str, content: &[u8]) -> Vec<u8> {
        let number = self.last.fetch_add(1, Relaxed);
        let mut head = [0; HEAD_BYTES];
        head[0] = VERSION;
        head[1..=NAME_BYTES].copy_from_slice(&self.name);
        head[1 + NAME_BYTES..].copy_from_slice(&number.to_be_bytes());
        let mut body = Vec::with_capacity(content.len() + AES_256_GCM.tag_len());
        body.extend_from_slice(content);
        let about = about(purpose, subject, &head);
        let sealed = self
            .own
            .seal_in_place_append_tag(nonce(number), Aad::from(about), &mut body);
        if sealed.is_err() {
            return Vec::new();
        }
        [&head[..], &body].concat()
    }

    /// What any node has sealed for this, about this.
    pub(super) fn open(
        &self,
        purpose: Purpose,
        subject: &str,
        sealed: &[u8],
    ) -> Result<Opened, OpenError> {
        let (head, body) = sealed
            .split_at_checked(HEAD_BYTES)
            .ok_or(OpenError::NotOurs)?;
        if head[0] != VERSION {
            return Err(OpenError::Version);
        }
        let (mut process, mut number) = ([0; NAME_BYTES], [0; 8]);
        process.copy_from_slice(&head[1..=NAME_BYTES]);
        number.copy_from_slice(&head[1 + NAME_BYTES..]);
        let number = u64::from_be_bytes(number);
        let opened = self.roots.iter().find_map(|root| {
            let key = derived(root, &process)?;
            let mut body = body.to_vec();
            let about = about(purpose, subject, head);
            let opened = key.open_in_place(nonce(number), Aad::from(about), &mut body);
            let length = opened.ok()?.len();
            body.truncate(length);
            Some(body)
        });
        Ok(Opened {
            content: opened.ok_or(OpenError::NotOurs)?,
            process,
            number,
        })
    }
}

fn root(key: &Secret) -> Result<Prk, KeyError> {
    let key = key.expose().trim().as_bytes();
    let mut different = key.to_vec();
    different.sort_unstable();
    different.dedup();
    if key.len() < KEY_BYTES_MIN || different.len() < DIFFERENT_BYTES_MIN {
        return Err(KeyError::Guessable);
    }
    Ok(Salt::new(HKDF_SHA256, b"usher cluster").extract(key))
}

fn derived(root: &Prk, name: &[u8; NAME_BYTES]) -> Option<LessSafeKey> {
    let info = [&b"seal"[..], name];
    let key = root.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn about(purpose: Purpose, subject: &str, head: &[u8]) -> Vec<u8> {
    [&[purpose as u8], head, subject.as_bytes()].concat()
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Secret {
        Secret::new(format!("{text}-0123456789-0123456789-0123456789"))
    }

    fn opened(by: &Sealer, subject: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let opened = by.open(Purpose::Record, subject, sealed);
        opened.map(|opened| opened.content)
    }

    // L03
    #[test]
    fn what_one_node_seals_another_opens_for_the_same_and_nothing_else() {
        let (one, other) = (
            Sealer::new(&key("a"), None).unwrap(),
            Sealer::new(&key("a"), None).unwrap(),
        );
        let sealed = one.seal(Purpose::Record, "x", b"hello");

        assert_eq!(opened(&other, "x", &sealed), Ok(b"hello".to_vec()));
        assert_eq!(opened(&other, "y", &sealed), Err(OpenError::NotOurs));
        assert!(other.open(Purpose::Word, "x", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(opened(&other, "x", &changed).is_err(), "{place}");
            assert!(opened(&other, "x", &sealed[..place]).is_err(), "{place}");
        }
        let stranger = Sealer::new(&key("b"), None).unwrap();
        assert_eq!(opened(&stranger, "x", &sealed), Err(OpenError::NotOurs));
    }

    #[test]
    fn the_key_before_still_opens_and_seals_no_more() {
        let before = Sealer::new(&key("a"), None).unwrap();
        let now = Sealer::new(&key("b"), Some(&key("a"))).unwrap();

        let sealed = before.seal(Purpose::Record, "x", b"old");
        assert_eq!(opened(&now, "x", &sealed), Ok(b"old".to_vec()));
        let sealed = now.seal(Purpose::Record, "x", b"new");
        assert!(opened(&before, "x", &sealed).is_err());
    }

    // L20
    #[test]
    fn another_version_is_told_from_a_forgery() {
        let node = Sealer::new(&key("a"), None).unwrap();
        let mut sealed = node.seal(Purpose::Record, "x", b"hello");
        sealed[0] = 2;

        assert_eq!(opened(&node, "x", &sealed), Err(OpenError::Version));
    }

    // L03
    #[test]
    fn a_key_that_can_be_guessed_is_refused() {
        for guessable in ["", "changeme", &"a".repeat(64), &"ab".repeat(32)] {
            let refused = Sealer::new(&Secret::new(guessable), None);
            assert_eq!(refused.unwrap_err(), KeyError::Guessable, "{guessable}");
        }
    }
}
