//! A token's name in memory: HMAC-SHA-256 under a key of this process, never the token itself.
//!
//! So no table is keyed by a secret, and nobody outside can aim at a slot of the cache. A JWT is not kept
//! at all; a token that its issuer has to be asked about is, in a
//! [`Principal`](super::Principal), since it will be asked about again.

use aws_lc_rs::{hmac, rand};

use super::BearerToken;

/// A token's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 32]);

/// Gives tokens their names; the same name for the same token, for as long as it lives.
#[derive(Debug)]
pub(super) struct Digester(hmac::Key);

impl Digester {
    /// One with a key that nobody knows.
    pub(super) fn new() -> Self {
        let mut secret = [0; 32];
        // aws-lc ends the process where it has no randomness; it does not return an error.
        let _ = rand::fill(&mut secret);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    pub(super) fn digest(&self, token: &BearerToken<'_>) -> Digest {
        let tag = hmac::sign(&self.0, token.expose().as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        Digest(digest)
    }
}
