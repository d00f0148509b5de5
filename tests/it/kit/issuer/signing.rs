//! Keys of the fake issuer: one of each kind, made at run time, that sign whatever they are given.

use std::sync::OnceLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A private key, its id and the algorithm it signs with.
#[derive(Debug)]
pub struct SigningKey {
    id: String,
    algorithm: String,
    secret: Secret,
}

#[derive(Debug)]
enum Secret {
    Rsa(&'static KeyPair, &'static dyn RsaEncoding),
    Curve(&'static str, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A key for `algorithm` as a JWT header names it. RSA keys share their primes: making them is
    /// slow.
    ///
    /// # Panics
    /// For an algorithm that is none.
    #[must_use]
    pub fn new(algorithm: &str, id: &str) -> Self {
        let curve = |name, signing| {
            Secret::Curve(name, EcdsaKeyPair::generate(signing).expect("a curve key"))
        };
        let rsa = |encoding| Secret::Rsa(rsa_key(), encoding);
        let secret = match algorithm {
            "RS256" => rsa(&signature::RSA_PKCS1_SHA256 as &dyn RsaEncoding),
            "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
            "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
            "PS256" => rsa(&signature::RSA_PSS_SHA256),
            "PS384" => rsa(&signature::RSA_PSS_SHA384),
            "PS512" => rsa(&signature::RSA_PSS_SHA512),
            "ES256" => curve("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => curve("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => curve("P-521", &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            "EdDSA" => Secret::Ed25519(Ed25519KeyPair::generate().expect("an Ed25519 key")),
            other => panic!("no such algorithm: {other}"),
        };
        Self {
            id: id.to_owned(),
            algorithm: algorithm.to_owned(),
            secret,
        }
    }

    /// The public key as it is published, with `alg` and `use`.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.secret {
            Secret::Rsa(key, _) => json!({
                "kty": "RSA",
                "n": encoded(key.public_key().modulus().big_endian_without_leading_zero()),
                "e": encoded(key.public_key().exponent().big_endian_without_leading_zero()),
            }),
            Secret::Curve(curve, key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) })
            }
            Secret::Ed25519(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!(self.id);
        jwk["alg"] = json!(self.algorithm);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The header that Logto writes: `alg`, `typ` and `kid`.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "typ": "at+jwt", "kid": self.id })
    }

    /// A JWT of these claims with the usual header.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), &claims.to_string())
    }

    /// A JWT of this header and this payload, whatever they are, with a good signature.
    #[must_use]
    pub fn token_with(&self, header: &Value, payload: &str) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(payload));
        let signature = self.sign(message.as_bytes());
        format!("{message}.{}", encoded(signature))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, message, &mut signature)
                    .expect("an RSA signature");
                signature
            }
            Secret::Curve(_, key) => key
                .sign(&random, message)
                .expect("an ECDSA signature")
                .as_ref()
                .to_vec(),
            Secret::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

/// Base64url without padding.
#[must_use]
pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).expect("an RSA key"))
}
