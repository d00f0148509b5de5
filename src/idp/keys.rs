//! The signing key: made at start, kept in memory, gone at the end.
//!
//! ES384, as Logto signs. Whoever restarts the provider gets a new key and, since all else is gone
//! too, new sign-ins.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair},
};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use serde::Serialize;

use super::{IdpError, error::OAuthError};

/// The `alg` of everything signed here.
pub(super) const ALGORITHM: Algorithm = Algorithm::ES384;
/// [`ALGORITHM`] as metadata writes it.
pub(super) const ALGORITHM_NAME: &str = "ES384";

/// What kind of JWT is signed: its `typ`, so that one can't be taken for the other.
#[derive(Debug, Clone, Copy)]
pub(super) enum TokenType {
    /// `at+jwt` (RFC 9068 §2.1).
    AccessToken,
    /// `JWT` (OpenID Connect Core §2).
    IdToken,
}

/// A private key with its public half as a key set.
pub(super) struct SigningKey {
    key: EncodingKey,
    id: String,
    public: JwkSet,
}

impl SigningKey {
    /// Makes a fresh key. Its id is its thumbprint (RFC 7638).
    pub(super) fn generate() -> Result<Self, IdpError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_unspecified| IdpError::Key)?;
        let key = EncodingKey::from_ec_der(document.as_ref());
        let (id, public) = public_half(&key).map_err(|_cause| IdpError::Key)?;
        Ok(Self { key, id, public })
    }

    /// What `/oidc/jwks` shows: no private member.
    pub(super) const fn public(&self) -> &JwkSet {
        &self.public
    }

    /// Signs claims as a compact JWT.
    pub(super) fn sign(
        &self,
        token_type: TokenType,
        claims: &impl Serialize,
    ) -> Result<String, OAuthError> {
        let mut header = Header::new(ALGORITHM);
        header.kid = Some(self.id.clone());
        header.typ = Some(match token_type {
            TokenType::AccessToken => "at+jwt".to_owned(),
            TokenType::IdToken => "JWT".to_owned(),
        });
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_cause| OAuthError::ServerError)
    }
}

fn public_half(key: &EncodingKey) -> Result<(String, JwkSet), jsonwebtoken::errors::Error> {
    let mut jwk = Jwk::from_encoding_key(key, ALGORITHM)?;
    let id = jwk.thumbprint(ThumbprintHash::SHA256)?;
    jwk.common.key_id = Some(id.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok((id, JwkSet { keys: vec![jwk] }))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C31
    #[test]
    fn two_starts_have_two_keys_and_show_no_private_member() {
        let (one, other) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );

        assert_ne!(one.id, other.id);
        let shown = serde_json::to_value(one.public()).unwrap();
        assert!(shown["keys"][0].get("d").is_none(), "{shown}");
        assert_eq!(shown["keys"][0]["alg"], "ES384");
        assert_eq!(shown["keys"][0]["use"], "sig");
    }
}
