//! Signature algorithms of access tokens, and which key each takes (RFC 7518 §3, RFC 8037 §3.1).
//!
//! Only asymmetric ones exist here: `none` and HMAC can't be named, so they can't be allowed by
//! mistake (RFC 8725 §3.1). Every verification goes to aws-lc directly, which has ES512 too; the JWT
//! crates lack it, and check less than [`jwt`](super::jwt) has to.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, RsaParameters};

/// An allowed signature algorithm, as `alg` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384: Logto's first choice.
    Es384,
    /// ECDSA over P-521 with SHA-512.
    Es512,
    /// Ed25519. Also read as `Ed25519`, its name since RFC 9864.
    EdDsa,
}

/// Why a text names no allowed algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no algorithm for access tokens; known are RS, PS and ES with 256, 384 or 512, and EdDSA"
)]
pub struct AlgorithmError(String);

/// What kind of key an algorithm needs, with what verifies it.
pub(super) enum Needs {
    /// An RSA key of 2,048 to 8,192 bits.
    Rsa(&'static RsaParameters),
    /// A point on this curve.
    Curve(&'static str, &'static EcdsaVerificationAlgorithm),
    /// An Ed25519 key.
    Ed25519,
}

impl Algorithm {
    /// All of them, the default allow-list.
    pub const ALL: &[Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// The name in a token's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn needs(self) -> Needs {
        match self {
            Self::Rs256 => Needs::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Needs::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Needs::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Needs::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Needs::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Needs::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Needs::Curve("P-256", &signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Needs::Curve("P-384", &signature::ECDSA_P384_SHA384_FIXED),
            Self::Es512 => Needs::Curve("P-521", &signature::ECDSA_P521_SHA512_FIXED),
            Self::EdDsa => Needs::Ed25519,
        }
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// To the character: `none` has been smuggled past checks as `nOnE`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "Ed25519" {
            return Ok(Self::EdDsa);
        }
        Self::ALL
            .iter()
            .find(|algorithm| algorithm.as_str() == text)
            .copied()
            .ok_or_else(|| AlgorithmError(text.chars().take(20).collect()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_read_as_it_is_written_and_in_no_other_way() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
        for text in ["none", "nOnE", "", "HS256", "es256", "ES256K", "RSA-OAEP"] {
            assert!(text.parse::<Algorithm>().is_err(), "{text} was taken");
        }
    }
}
