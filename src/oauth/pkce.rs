//! Proof key for code exchange, S256 only (RFC 7636, OAuth 2.1 §4.1).
//!
//! `plain` is not taken: whoever sees the authorization request would hold the verifier.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

/// SHA-256 of the verifier, from `code_challenge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge([u8; 32]);

/// Why a challenge is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChallengeError {
    Missing,
    NotS256,
    Malformed,
}

impl ChallengeError {
    /// What to tell the client.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Missing => "code_challenge is missing",
            Self::NotS256 => "use code_challenge_method=S256",
            Self::Malformed => "code_challenge is not base64url of a SHA-256",
        }
    }
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`.
    pub(crate) fn read(
        challenge: Option<&str>,
        method: Option<&str>,
    ) -> Result<Self, ChallengeError> {
        let Some(challenge) = challenge else {
            return Err(ChallengeError::Missing);
        };
        // Without a method it would be `plain` (RFC 7636 §4.3).
        if method != Some("S256") {
            return Err(ChallengeError::NotS256);
        }
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(challenge, &mut bytes) {
            Ok(32) if challenge.len() == 43 => Ok(Self(bytes)),
            _ => Err(ChallengeError::Malformed),
        }
    }

    /// Whether `verifier` has the form it must have (RFC 7636 §4.1) and is the right one.
    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        let unreserved =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let well_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
        let hash = digest(&SHA256, verifier.as_bytes());
        well_formed && bool::from(hash.as_ref().ct_eq(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_is_met() {
        let challenge = Challenge::read(Some(CHALLENGE), Some("S256")).unwrap();

        assert!(challenge.is_met_by(VERIFIER));
        assert!(!challenge.is_met_by(&VERIFIER.replace('d', "e")));
    }

    #[test]
    fn plain_absent_and_malformed_challenges_are_refused() {
        assert!(Challenge::read(None, Some("S256")).is_err());
        assert!(Challenge::read(Some(CHALLENGE), Some("plain")).is_err());
        assert!(Challenge::read(Some(CHALLENGE), None).is_err());
        assert!(Challenge::read(Some("abc"), Some("S256")).is_err());
        assert!(Challenge::read(Some(&format!("{CHALLENGE}=")), Some("S256")).is_err());
    }

    /// C06
    #[test]
    fn a_verifier_has_43_to_128_characters() {
        for length in [42, 129] {
            let verifier = "a".repeat(length);
            let mut hash = [0; 32];
            hash.copy_from_slice(digest(&SHA256, verifier.as_bytes()).as_ref());

            assert!(!Challenge(hash).is_met_by(&verifier), "{length} was taken");
        }
    }
}
