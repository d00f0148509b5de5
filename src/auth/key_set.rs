//! A key set: what an issuer publishes at `jwks_uri` (RFC 7517 §5), read into keys that verify.
//!
//! Plain data. [`Keys`](super::keys::Keys) fetches it and replaces it whole; [`jwt`](super::jwt) asks
//! it for the keys that may have signed a token. Keys for encryption, of unknown kinds, too weak or
//! malformed are left out, as §5 wants, but their ids are remembered: a token that names one is
//! refused without asking the issuer again.

use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::{Algorithm, Needs};

/// Most keys that are read of one set. Providers publish two or three.
const KEYS_MAX: usize = 64;

/// An issuer's usable keys.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    unfit_ids: Vec<String>,
}

/// One public key for signatures.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm it may be used with, where the issuer says so. Logto's RSA key does not.
    algorithm: Option<Algorithm>,
    material: Material,
    published: PublishedKey,
}

/// A key as published, to see whether it is the same one in the next set. Clones share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublishedKey(Arc<Value>);

#[derive(Debug)]
enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    Curve(&'static str, ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

/// Which keys may have signed a token.
#[derive(Debug)]
pub(super) enum Candidates<'k> {
    /// These, at least one.
    Keys(Vec<&'k Key>),
    /// The key of that id is there and can't have: another kind, another algorithm, another use.
    Unfit,
    /// None is known.
    Unknown,
}

/// The members of a JWK that matter (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// How many keys of a published set can verify a token of ours; for `usher check`.
#[cfg(feature = "cli")]
pub(crate) fn usable_keys(document: &Value) -> usize {
    KeySet::parse(document).map_or(0, |set| set.len())
}

impl KeySet {
    /// Reads `{"keys": […]}`. `None` if it is anything else, or has no usable key: no issuer means
    /// to publish nothing, and taking that for an answer would turn every caller away.
    pub(super) fn parse(document: &Value) -> Option<Self> {
        let mut set = Self::default();
        for published in document.get("keys")?.as_array()?.iter().take(KEYS_MAX) {
            match Key::parse(published) {
                Some(key) => set.keys.push(key),
                None => set.unfit_ids.extend(
                    published
                        .get("kid")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                ),
            }
        }
        (!set.keys.is_empty()).then_some(set)
    }

    /// How many keys are usable.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The ids of the usable ones.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id.as_deref())
    }

    /// Whether every key of `older` is still published, unchanged.
    pub(super) fn keeps_all_of(&self, older: &Self) -> bool {
        older.keys.iter().all(|old| self.has(&old.published))
    }

    /// Whether this very key is among the usable ones.
    pub(super) fn has(&self, published: &PublishedKey) -> bool {
        self.keys.iter().any(|key| key.published == *published)
    }

    /// Whether it is the same set, in whatever order.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.len() == other.len() && self.keeps_all_of(other) && other.keeps_all_of(self)
    }

    /// The keys that may have signed a token with this `kid` and `alg`.
    pub(super) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Candidates<'_> {
        let mut id_is_known = false;
        let keys: Vec<_> = self
            .keys
            .iter()
            .filter(|key| id.is_none() || key.id.as_deref() == id)
            .inspect(|_| id_is_known = id.is_some())
            .filter(|key| key.fits(algorithm))
            .collect();
        if !keys.is_empty() {
            return Candidates::Keys(keys);
        }
        let id_is_unfit = id.is_some_and(|id| self.unfit_ids.iter().any(|unfit| unfit == id));
        if id_is_known || id_is_unfit {
            Candidates::Unfit
        } else {
            Candidates::Unknown
        }
    }
}

impl Key {
    fn parse(published: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(published).ok()?;
        let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk
                .key_ops
                .as_ref()
                .is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        if !signs {
            return None;
        }
        let algorithm = match &jwk.alg {
            Some(name) => Some(name.parse().ok()?),
            None => None,
        };
        let material = Material::parse(&jwk)?;
        Some(Self {
            id: jwk.kid,
            algorithm,
            material,
            published: PublishedKey(Arc::new(published.clone())),
        })
    }

    /// What names it beyond its set.
    pub(super) fn published(&self) -> &PublishedKey {
        &self.published
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        if self.algorithm.is_some_and(|only| only != algorithm) {
            return false;
        }
        match (algorithm.needs(), &self.material) {
            (Needs::Rsa(_), Material::Rsa(_)) | (Needs::Ed25519, Material::Ed25519(_)) => true,
            (Needs::Curve(needed, _), Material::Curve(curve, _)) => needed == *curve,
            _ => false,
        }
    }

    /// Whether this key signed `message`; never for an algorithm it does not fit.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (algorithm.needs(), &self.material) {
            _ if !self.fits(algorithm) => return false,
            (Needs::Rsa(parameters), Material::Rsa(key)) => {
                key.verify(parameters, message, signature)
            }
            (_, Material::Curve(_, key) | Material::Ed25519(key)) => {
                key.verify_sig(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

impl Material {
    fn parse(jwk: &Jwk) -> Option<Self> {
        match jwk.kty.as_str() {
            "RSA" => {
                let modulus = number(jwk.n.as_deref()?)?;
                let exponent = number(jwk.e.as_deref()?)?;
                let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                (2048..=8192).contains(&bits).then_some(Self::Rsa(key))
            }
            "EC" => {
                let (curve, verification) = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512]
                    .into_iter()
                    .find_map(|algorithm| match algorithm.needs() {
                        Needs::Curve(curve, verification) if jwk.crv.as_deref() == Some(curve) => {
                            Some((curve, verification))
                        }
                        _ => None,
                    })?;
                // An uncompressed point (SEC 1 §2.3.3); aws-lc refuses one that is not on the curve.
                let mut point = vec![4];
                point.extend(bytes(jwk.x.as_deref()?)?);
                point.extend(bytes(jwk.y.as_deref()?)?);
                let key = ParsedPublicKey::new(verification, point).ok()?;
                Some(Self::Curve(curve, key))
            }
            "OKP" if jwk.crv.as_deref() == Some("Ed25519") => {
                let point = bytes(jwk.x.as_deref()?)?;
                let key = ParsedPublicKey::new(&signature::ED25519, point).ok()?;
                Some(Self::Ed25519(key))
            }
            _ => None,
        }
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A `Base64urlUInt` (RFC 7518 §2) without the leading zeros that some providers write and aws-lc
/// does not take.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = bytes(text)?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    bytes.get(start..).map(<[u8]>::to_vec)
}
