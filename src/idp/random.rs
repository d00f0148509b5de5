//! Random texts, and the digests under which they are kept.
//!
//! Codes, tokens, cookies and secrets are 256 random bits. Tables hold their SHA-256 only, so that
//! looking one up tells nothing by its timing and a dump of memory holds no live token.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes to be had")]
pub struct NoRandomness(());

/// 256 random bits, 43 characters of base64url.
pub(super) fn token() -> Result<String, NoRandomness> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_unspecified| NoRandomness(()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// 126 random bits, 21 characters: for identifiers that are no secrets, such as `client_id`.
pub(super) fn identifier() -> Result<String, NoRandomness> {
    let mut text = token()?;
    text.truncate(21);
    Ok(text)
}

/// The first 12 characters of base64url, for a subject made from a digest.
pub(super) fn shortened(bytes: &[u8]) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(bytes);
    text.truncate(12);
    text
}

/// SHA-256 of a secret text: how tables know it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }

    /// The bytes, for a comparison in constant time.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_256_bits_of_base64url() {
        let text = token().unwrap();

        assert_eq!(URL_SAFE_NO_PAD.decode(&text).unwrap().len(), 32);
        assert_ne!(text, token().unwrap());
    }
}
