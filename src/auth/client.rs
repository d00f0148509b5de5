//! Who we are at an authorization server that we ask about tokens.

use std::{fmt, str::FromStr};

use super::ChoiceError;
use crate::secret::Secret;

/// Our registration as a client there.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// Our `client_id`.
    pub id: String,
    /// Our `client_secret`.
    pub secret: Secret,
    /// How they are sent. Default [`ClientAuthentication::Basic`].
    pub authentication: ClientAuthentication,
}

/// How a client shows who it is (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: in the `Authorization` header.
    #[default]
    Basic,
    /// `client_secret_post`: in the body, for providers that insist on it.
    Post,
}

impl ClientAuthentication {
    /// The word used in settings: its registered name (OpenID Connect Core §9).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

impl FromStr for ClientAuthentication {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Basic, Self::Post]
            .into_iter()
            .find(|choice| choice.as_str() == text)
            .ok_or_else(|| ChoiceError {
                found: text.to_owned(),
                known: "client_secret_basic, client_secret_post",
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
        for text in ["client_secret_basic", "client_secret_post"] {
            assert_eq!(
                text.parse::<ClientAuthentication>().unwrap().to_string(),
                text
            );
        }
    }
}
