//! Issuer identifiers: the name of an authorization server, which is also where its metadata is.
//!
//! Compared character for character everywhere (RFC 8414 §3.3, RFC 9207 §2.4), so it is kept as the
//! text the operator wrote. Used by [`Discovery`](super::Discovery) and by `auth`.

use std::{fmt, str::FromStr};

use url::Url;

use crate::units::is_loopback;

/// An issuer identifier: an https URL without query and fragment (RFC 8414 §2); plain http only on
/// this machine. A slash at the end belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    text: String,
    url: Url,
}

/// Why a text is no issuer identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Not a URL in full.
    #[error("{0:?} is no issuer; write its URL in full, as in \"https://tenant.logto.app/oidc\"")]
    NotAUrl(String),
    /// Tokens would be decided on by whoever sits on the wire.
    #[error("the issuer {0:?} must be https; plain http is for this machine only")]
    Insecure(String),
    /// RFC 8414 §2 allows neither; a user name would end up in logs.
    #[error("the issuer {0:?} must have no query, fragment or user name")]
    TooMuch(String),
}

impl Issuer {
    /// The issuer as configured, the form in which it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it lives on this machine, where plain http is allowed.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// Where its metadata may be, the most specific form first.
    ///
    /// For an issuer with a path, RFC 8414 §3.1 inserts the well-known part before the path and
    /// OpenID Connect Discovery §4.1 appends it; providers have done all four. Without a path the
    /// two places are one.
    #[must_use]
    pub fn well_known_urls(&self) -> Vec<String> {
        const OAUTH: &str = "/.well-known/oauth-authorization-server";
        const OPENID: &str = "/.well-known/openid-configuration";

        let origin = self.url.origin().ascii_serialization();
        let path = self.url.path().trim_end_matches('/');
        if path.is_empty() {
            return vec![format!("{origin}{OAUTH}"), format!("{origin}{OPENID}")];
        }
        vec![
            format!("{origin}{OAUTH}{path}"),
            format!("{origin}{OPENID}{path}"),
            format!("{origin}{path}{OPENID}"),
            format!("{origin}{path}{OAUTH}"),
        ]
    }
}

impl FromStr for Issuer {
    type Err = IssuerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_unparsable| IssuerError::NotAUrl(text.to_owned()))?;
        if url.host().is_none() {
            return Err(IssuerError::NotAUrl(text.to_owned()));
        }
        if url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(IssuerError::TooMuch(text.to_owned()));
        }
        let secure = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&url),
            _ => false,
        };
        if !secure {
            return Err(IssuerError::Insecure(text.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_with_a_path_may_publish_in_four_places() {
        let issuer: Issuer = "https://h/t".parse().unwrap();

        assert_eq!(
            issuer.well_known_urls(),
            [
                "https://h/.well-known/oauth-authorization-server/t",
                "https://h/.well-known/openid-configuration/t",
                "https://h/t/.well-known/openid-configuration",
                "https://h/t/.well-known/oauth-authorization-server",
            ]
        );
    }

    #[test]
    fn a_slash_at_the_end_is_kept_but_not_doubled() {
        let issuer: Issuer = "https://tenant.example/".parse().unwrap();

        assert_eq!(issuer.as_str(), "https://tenant.example/");
        assert_eq!(
            issuer.well_known_urls(),
            [
                "https://tenant.example/.well-known/oauth-authorization-server",
                "https://tenant.example/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        assert!("http://127.0.0.1:3301/oidc".parse::<Issuer>().is_ok());
        assert!(matches!(
            "http://logto.example/oidc".parse::<Issuer>(),
            Err(IssuerError::Insecure(_))
        ));
        assert!("javascript:alert(1)".parse::<Issuer>().is_err());
        assert!("https://h/t?tenant=1".parse::<Issuer>().is_err());
    }
}
