//! Our own private key, for issuers that take signed assertions instead of a secret (RFC 7523).
//!
//! What is sent can't be used again and is good for one issuer only, so nothing worth stealing leaves
//! this process. The key is read once, from a file that only its owner can read.

use std::{fmt, path::Path, sync::Arc};

use aws_lc_rs::{
    error::Unspecified,
    rand::{self, SystemRandom},
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaEncoding, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::json;

use super::Algorithm;
use crate::{
    secret::{Secret, SecretError},
    time::Timestamp,
};

/// How long an assertion is good for, in seconds: the way there, and clocks that differ a little.
const LIFETIME_SECONDS: u64 = 60;

/// A private key, and what it signs with. Never shown; cheap to clone.
#[derive(Clone)]
pub struct ClientKey {
    id: Option<String>,
    algorithm: Algorithm,
    pair: Arc<Pair>,
}

enum Pair {
    Rsa(RsaKeyPair),
    Curve(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a private key was not taken. Never holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum ClientKeyError {
    /// Its file could not be taken.
    #[error(transparent)]
    File(#[from] SecretError),
    /// Not PEM, or nothing that begins with `BEGIN PRIVATE KEY` or the like.
    #[error("the file holds no private key in PEM")]
    NotPem,
    /// Of a kind that signs nothing here, or a weak one.
    #[error("the key is neither RSA of 2,048 bits or more, nor P-256, P-384, P-521 or Ed25519")]
    Unfit,
    /// The algorithm wanted is not one of this key.
    #[error("the key can't sign with {0}")]
    OtherAlgorithm(Algorithm),
}

impl ClientKey {
    /// Reads a key from a PEM file (PKCS #8, SEC 1 or PKCS #1) that others can't read.
    ///
    /// `algorithm` is the key's usual one if it is not given: RS256, `EdDSA` or that of its curve.
    /// `id` is the `kid` that the issuer knows it by, where it holds several of ours.
    ///
    /// # Errors
    /// See [`ClientKeyError`].
    pub fn from_file(
        path: &Path,
        algorithm: Option<Algorithm>,
        id: Option<String>,
    ) -> Result<Self, ClientKeyError> {
        Self::from_pem(&Secret::from_file(path)?, algorithm, id)
    }

    /// The same, from the text of such a file.
    ///
    /// # Errors
    /// See [`ClientKeyError`].
    pub fn from_pem(
        pem: &Secret,
        algorithm: Option<Algorithm>,
        id: Option<String>,
    ) -> Result<Self, ClientKeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
            .map_err(|_not_pem| ClientKeyError::NotPem)?;
        let (pair, usual) = Pair::read(&der).ok_or(ClientKeyError::Unfit)?;
        let algorithm = algorithm.unwrap_or(usual);
        if !pair.signs_with(algorithm, usual) {
            return Err(ClientKeyError::OtherAlgorithm(algorithm));
        }
        Ok(Self {
            id,
            algorithm,
            pair: Arc::new(pair),
        })
    }

    /// Says that we are `client_id`, to `audience` and nobody else, once.
    ///
    /// The audience is the issuer's identifier and never an endpoint's URL: an endpoint is what the
    /// other side says it is, and one that names somebody else's would get an assertion for them.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<String, Unspecified> {
        let mut nonce = [0; 16];
        rand::fill(&mut nonce)?;
        let now = now.as_unix_seconds();
        let mut header = json!({ "alg": self.algorithm.as_str(), "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": audience, "jti": encoded(nonce),
            "iat": now, "exp": now + LIFETIME_SECONDS,
        });
        let message = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let signature = self.pair.sign(self.algorithm, message.as_bytes())?;
        Ok(format!("{message}.{}", encoded(signature)))
    }
}

impl Pair {
    /// The pair, and the algorithm that is usual for it.
    fn read(der: &PrivateKeyDer<'_>) -> Option<(Self, Algorithm)> {
        let bytes = der.secret_der();
        let rsa = match der {
            PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(bytes),
            _ => RsaKeyPair::from_pkcs8(bytes),
        };
        if let Ok(pair) = rsa {
            return Some((Self::Rsa(pair), Algorithm::Rs256));
        }
        // OpenSSL writes the private half only, so there may be no public one to compare it with.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes) {
            return Some((Self::Ed25519(pair), Algorithm::EdDsa));
        }
        let curves = [
            (
                &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                Algorithm::Es256,
            ),
            (
                &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                Algorithm::Es384,
            ),
            (
                &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
                Algorithm::Es512,
            ),
        ];
        curves.into_iter().find_map(|(curve, algorithm)| {
            let pair = EcdsaKeyPair::from_private_key_der(curve, bytes).ok()?;
            Some((Self::Curve(pair), algorithm))
        })
    }

    fn signs_with(&self, algorithm: Algorithm, usual: Algorithm) -> bool {
        match self {
            Self::Rsa(_) => rsa_encoding(algorithm).is_some(),
            Self::Curve(_) | Self::Ed25519(_) => algorithm == usual,
        }
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let encoding = rsa_encoding(algorithm).ok_or(Unspecified)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::Curve(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der},
        rsa::{self, KeySize},
        signature::KeyPair as _,
    };
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::*;
    use crate::auth::{
        IssuerConfig,
        jwt::{Jwt, Signature},
        key_set::KeySet,
    };

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn pem(kind: &str, der: &[u8]) -> Secret {
        let text = STANDARD.encode(der);
        Secret::new(format!(
            "-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n"
        ))
    }

    /// A P-256 key: as PKCS #8, as SEC 1, and its public half as a JWK.
    fn curve_key() -> (Secret, Secret, Value) {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(32);
        let jwk =
            json!({ "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y), "kid": "k1" });
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        (
            pem("PRIVATE KEY", pkcs8.as_ref()),
            pem("EC PRIVATE KEY", sec1.as_ref()),
            jwk,
        )
    }

    fn is_signed(assertion: &str, jwk: &Value) -> bool {
        let keys = KeySet::parse(&json!({ "keys": [jwk] })).unwrap();
        let rules = IssuerConfig::new("https://h".parse().unwrap());
        let jwt = Jwt::parse(assertion).unwrap();
        matches!(jwt.signature(&rules, &keys), Signature::Good(_))
    }

    fn part(assertion: &str, index: usize) -> Value {
        let part = assertion.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_says_who_we_are_to_one_issuer_for_a_minute_and_once() {
        let (pkcs8, sec1, jwk) = curve_key();
        let mut nonces = Vec::new();
        for pem in [pkcs8, sec1] {
            let key = ClientKey::from_pem(&pem, None, Some("k1".to_owned())).unwrap();
            let assertion = key.assertion("usher", "https://h/oidc", NOW).unwrap();

            assert!(is_signed(&assertion, &jwk));
            let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" });
            assert_eq!(part(&assertion, 0), header);
            let mut claims = part(&assertion, 1);
            nonces.push(claims["jti"].take());
            let now = NOW.as_unix_seconds();
            assert_eq!(
                claims,
                json!({
                    "iss": "usher", "sub": "usher", "aud": "https://h/oidc", "jti": null,
                    "iat": now, "exp": now + 60,
                })
            );
        }
        assert_ne!(nonces[0], nonces[1]);
        assert_eq!(nonces[0].as_str().unwrap().len(), 22, "128 bits");
    }

    #[test]
    fn an_rsa_key_signs_with_the_algorithm_that_was_asked_for() {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public = pair.public_key();
        let jwk = json!({
            "kty": "RSA",
            "n": encoded(public.modulus().big_endian_without_leading_zero()),
            "e": encoded(public.exponent().big_endian_without_leading_zero()),
        });
        // Behind 26 bytes of PKCS #8 begins the key in PKCS #1.
        let pkcs1 = pem("RSA PRIVATE KEY", &pkcs8.as_ref()[26..]);
        let pkcs8 = pem("PRIVATE KEY", pkcs8.as_ref());
        for (pem, wanted, used) in [
            (&pkcs8, None, "RS256"),
            (&pkcs1, None, "RS256"),
            (&pkcs8, Some(Algorithm::Ps384), "PS384"),
            (&pkcs8, Some(Algorithm::Rs512), "RS512"),
        ] {
            let key = ClientKey::from_pem(pem, wanted, None).unwrap();
            let assertion = key.assertion("usher", "https://h", NOW).unwrap();

            assert_eq!(part(&assertion, 0), json!({ "alg": used, "typ": "JWT" }));
            assert!(is_signed(&assertion, &jwk), "{used}");
        }
    }

    #[test]
    fn an_ed25519_key_is_taken_with_and_without_its_public_half() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = encoded(pair.public_key().as_ref());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        for der in [pair.to_pkcs8().unwrap(), pair.to_pkcs8v1().unwrap()] {
            let key = ClientKey::from_pem(&pem("PRIVATE KEY", der.as_ref()), None, None).unwrap();
            let assertion = key.assertion("usher", "https://h", NOW).unwrap();

            assert!(is_signed(&assertion, &jwk));
        }
    }

    #[test]
    fn what_is_no_key_or_can_not_sign_that_way_is_refused_in_words() {
        let (pkcs8, ..) = curve_key();
        let refusal = |pem: &Secret, algorithm| {
            let refused = ClientKey::from_pem(pem, algorithm, None).unwrap_err();
            refused.to_string()
        };

        assert!(refusal(&Secret::new("s3cret"), None).contains("no private key in PEM"));
        let garbage = pem("PRIVATE KEY", b"s3cret");
        assert!(refusal(&garbage, None).contains("neither RSA"));
        for algorithm in [Algorithm::Es384, Algorithm::Rs256, Algorithm::EdDsa] {
            let refused = refusal(&pkcs8, Some(algorithm));
            assert!(refused.contains("can't sign with"), "{refused}");
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let (pem, ..) = curve_key();
        let key = ClientKey::from_pem(&pem, None, None).unwrap();

        assert_eq!(
            format!("{key:?}"),
            "ClientKey { id: None, algorithm: Es256, .. }"
        );
    }
}
