//! What travels with browsers and clients, sealed: nothing is kept here, so any node takes any step.
//!
//! AES-256-GCM under a key derived from the operator's; a second key still opens, so that one can take
//! the other's place. What is sealed for one purpose opens for no other. Also the token by which a
//! client manages its own registration: derived from its id, so that it need not be kept either. `bridge`
//! and `portal` seal with it.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
    hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::secret::Secret;

/// Fewest bytes of an operator's key.
const KEY_BYTES_MIN: usize = 32;
/// Longest sealed text that is opened, in bytes.
const SEALED_BYTES_MAX: usize = 8_192;

/// For what something is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A sign-in under way.
    Transaction,
    /// A code for the client.
    Code,
    /// A developer's sign-in under way.
    PortalSignIn,
    /// A developer who is signed in.
    PortalSession,
    /// A secret on its way to the page that shows it, and whatever else that page says.
    PortalSecret,
}

/// Why there are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Guessable.
    #[error(
        "a sealing key has at least {KEY_BYTES_MIN} bytes, as `openssl rand -hex 32` makes them"
    )]
    TooShort,
    /// The system has no randomness, or refused the key.
    #[error("no sealing key could be made")]
    NoKey,
}

/// Could not be sealed: the system has no randomness.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotSealed;

/// Seals with the first key, opens with each.
pub(crate) struct Sealer(Vec<Keys>);

struct Keys {
    seal: RandomizedNonceKey,
    derive: hmac::Key,
}

/// A length that HKDF is told.
struct Length(usize);

impl aws_lc_rs::hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Keys {
    fn new(secret: &Secret) -> Result<Self, SealError> {
        let secret = secret.expose().trim().as_bytes();
        if secret.len() < KEY_BYTES_MIN {
            return Err(SealError::TooShort);
        }
        let root = Salt::new(HKDF_SHA256, b"usher bridge").extract(secret);
        let derived = |label: &[u8]| -> Result<[u8; 32], SealError> {
            let mut bytes = [0; 32];
            let label = [label];
            let expanded = root.expand(&label, Length(32));
            let expanded = expanded.map_err(|_unspecified| SealError::NoKey)?;
            expanded
                .fill(&mut bytes)
                .map_err(|_unspecified| SealError::NoKey)?;
            Ok(bytes)
        };
        let seal = RandomizedNonceKey::new(&AES_256_GCM, &derived(b"seal")?)
            .map_err(|_unspecified| SealError::NoKey)?;
        let derive = hmac::Key::new(hmac::HMAC_SHA256, &derived(b"registration access token")?);
        Ok(Self { seal, derive })
    }
}

impl Sealer {
    /// Seals with `key`; `previous` still opens.
    ///
    /// # Errors
    /// See [`SealError`].
    pub(crate) fn new(key: &Secret, previous: Option<&Secret>) -> Result<Self, SealError> {
        let keys = [Some(key), previous];
        keys.into_iter()
            .flatten()
            .map(Keys::new)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        content: &impl Serialize,
    ) -> Result<String, NotSealed> {
        let keys = self.0.first().ok_or(NotSealed)?;
        let mut body = serde_json::to_vec(content).map_err(|_no_json| NotSealed)?;
        let nonce = keys
            .seal
            .seal_in_place_append_tag(Aad::from([purpose as u8]), &mut body)
            .map_err(|_unspecified| NotSealed)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&body);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What was sealed here for this purpose; `None` for everything else, and nobody learns why.
    pub(crate) fn open<T: DeserializeOwned>(&self, purpose: Purpose, sealed: &str) -> Option<T> {
        if sealed.len() > SEALED_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN)?;
        let opened = self.0.iter().find_map(|keys| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut body = body.to_vec();
            let aad = Aad::from([purpose as u8]);
            let opened = keys.seal.open_in_place(nonce, aad, &mut body).ok()?.len();
            body.truncate(opened);
            Some(body)
        })?;
        serde_json::from_slice(&opened).ok()
    }

    /// The token by which this client manages its registration (RFC 7592 §3).
    pub(crate) fn registration_access_token(&self, client_id: &str) -> String {
        let tag = self
            .0
            .first()
            .map(|keys| hmac::sign(&keys.derive, client_id.as_bytes()));
        tag.map(|tag| URL_SAFE_NO_PAD.encode(tag.as_ref()))
            .unwrap_or_default()
    }

    /// Whether this is that token. Compared in constant time, and nobody is asked about the client.
    pub(crate) fn is_registration_access_token(&self, client_id: &str, token: &str) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(token) else {
            return false;
        };
        let mut keys = self.0.iter();
        keys.any(|keys| hmac::verify(&keys.derive, client_id.as_bytes(), &tag).is_ok())
    }
}

/// A random text of 128 bits.
pub(crate) fn random_text() -> Result<String, NotSealed> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_unspecified| NotSealed)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: &str) -> Secret {
        Secret::new(letter.repeat(64))
    }

    #[test]
    fn what_was_sealed_opens_here_and_for_the_same_purpose_only() {
        let sealer = Sealer::new(&key("a"), None).unwrap();
        let text = sealer.seal(Purpose::Code, &"hello").unwrap();

        assert_eq!(
            sealer.open::<String>(Purpose::Code, &text).unwrap(),
            "hello"
        );
        assert_eq!(sealer.open::<String>(Purpose::Transaction, &text), None);
        let other = Sealer::new(&key("b"), None).unwrap();
        assert_eq!(other.open::<String>(Purpose::Code, &text), None);
        let mut changed = text.clone().into_bytes();
        changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(sealer.open::<String>(Purpose::Code, &changed), None);
        assert_eq!(sealer.open::<String>(Purpose::Code, ""), None);
    }

    #[test]
    fn the_key_before_still_opens_and_seals_no_more() {
        let before = Sealer::new(&key("a"), None).unwrap();
        let sealed = before.seal(Purpose::Code, &1).unwrap();
        let token = before.registration_access_token("client");

        let now = Sealer::new(&key("b"), Some(&key("a"))).unwrap();

        assert_eq!(now.open::<u8>(Purpose::Code, &sealed), Some(1));
        assert!(now.is_registration_access_token("client", &token));
        let sealed = now.seal(Purpose::Code, &2).unwrap();
        assert_eq!(before.open::<u8>(Purpose::Code, &sealed), None);
    }

    // R21
    #[test]
    fn a_registration_access_token_is_one_clients() {
        let sealer = Sealer::new(&key("a"), None).unwrap();
        let token = sealer.registration_access_token("one");

        assert!(sealer.is_registration_access_token("one", &token));
        assert!(!sealer.is_registration_access_token("two", &token));
        assert!(!sealer.is_registration_access_token("one", ""));
    }

    #[test]
    fn a_short_key_is_refused() {
        let refused = Sealer::new(&Secret::new("hunter2"), None);

        assert_eq!(refused.unwrap_err(), SealError::TooShort);
    }
}
