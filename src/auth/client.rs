//! Who we are at an authorization server that we ask about tokens.

use std::{fmt, str::FromStr};

use super::{ChoiceError, ClientKey};
use crate::secret::Secret;

/// Our registration as a client there.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// Our `client_id`.
    pub id: String,
    /// What shows that it is ours.
    pub proof: ClientProof,
}

/// How a client shows who it is, with what it takes (OpenID Connect Core §9).
#[derive(Debug, Clone)]
pub enum ClientProof {
    /// `client_secret_basic`: the secret in the `Authorization` header (RFC 6749 §2.3.1).
    Basic(Secret),
    /// `client_secret_post`: the secret in the body, for providers that insist on it.
    Post(Secret),
    /// `private_key_jwt`: a short-lived assertion, signed with our key (RFC 7523 §2.2).
    PrivateKey(ClientKey),
}

/// A way for a client to show who it is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientAuthentication {
    /// [`ClientProof::Basic`].
    #[default]
    Basic,
    /// [`ClientProof::Post`].
    Post,
    /// [`ClientProof::PrivateKey`].
    PrivateKey,
}

impl ClientAuthentication {
    /// The word used in settings: its registered name (OpenID Connect Core §9).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKey => "private_key_jwt",
        }
    }
}

impl FromStr for ClientAuthentication {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Basic, Self::Post, Self::PrivateKey]
            .into_iter()
            .find(|choice| choice.as_str() == text)
            .ok_or_else(|| ChoiceError {
                found: text.to_owned(),
                known: "client_secret_basic, client_secret_post, private_key_jwt",
            })
    }
}

impl fmt::Display for ClientAuthentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_authenticate_is_written_as_it_is_read() {
        for text in [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ] {
            assert_eq!(
                text.parse::<ClientAuthentication>().unwrap().to_string(),
                text
            );
        }
    }
}
