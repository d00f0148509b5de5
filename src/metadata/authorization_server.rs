//! The authorization server's metadata, theirs not ours (RFC 8414 §2, OpenID Connect Discovery §3).
//!
//! Made by [`Discovery`](super::Discovery) from what the issuer answered, only if it passes every
//! check here; read by `auth` for endpoints and served as a mirror by the transport. A document with
//! one bad URL is refused whole, so that nothing of it is ever republished.

use bytes::Bytes;
use serde_json::{Map, Value};
use url::Url;

use super::Issuer;
use crate::units::is_loopback;

/// An authorization server's checked metadata.
#[derive(Debug, Clone)]
pub struct AuthorizationServer {
    issuer: Issuer,
    members: Map<String, Value>,
    raw: Bytes,
}

/// Why metadata was refused.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Not a JSON object.
    #[error("the metadata is not a JSON object")]
    NotAnObject(#[source] serde_json::Error),
    /// Another issuer, or none: the mix-up of RFC 8414 §3.3 and §6.2.
    #[error(
        "the metadata is of issuer {found:?}, not of {expected:?}; they must be equal to the character"
    )]
    OtherIssuer {
        /// What is configured.
        expected: String,
        /// What the document says, shortened.
        found: String,
    },
    /// An endpoint that is not https, nor on this machine together with its issuer.
    #[error("the metadata's {member} is no https URL")]
    BadEndpoint {
        /// Which member.
        member: String,
    },
}

impl AuthorizationServer {
    /// Takes a document the issuer published, after checking it.
    ///
    /// # Errors
    /// See [`MetadataError`].
    pub fn parse(issuer: &Issuer, raw: Bytes) -> Result<Self, MetadataError> {
        let members: Map<String, Value> =
            serde_json::from_slice(&raw).map_err(MetadataError::NotAnObject)?;
        let found = members.get("issuer").and_then(Value::as_str);
        if found != Some(issuer.as_str()) {
            return Err(MetadataError::OtherIssuer {
                expected: issuer.as_str().to_owned(),
                found: found.unwrap_or_default().chars().take(200).collect(),
            });
        }
        for (member, value) in &members {
            if names_a_url(member) && !is_usable_url(issuer, value) {
                return Err(MetadataError::BadEndpoint {
                    member: member.chars().take(100).collect(),
                });
            }
        }
        Ok(Self {
            issuer: issuer.clone(),
            members,
            raw,
        })
    }

    /// Whose metadata it is.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Where its keys are (`jwks_uri`).
    #[must_use]
    pub fn jwks_uri(&self) -> Option<&str> {
        self.text("jwks_uri")
    }

    /// Where an opaque token is asked about (RFC 7662).
    #[must_use]
    pub fn introspection_endpoint(&self) -> Option<&str> {
        self.text("introspection_endpoint")
    }

    /// Where claims about the user are had for an access token (OpenID Connect Core §5.3).
    #[must_use]
    pub fn userinfo_endpoint(&self) -> Option<&str> {
        self.text("userinfo_endpoint")
    }

    /// Where the user signs in.
    #[must_use]
    pub fn authorization_endpoint(&self) -> Option<&str> {
        self.text("authorization_endpoint")
    }

    /// Where tokens are had.
    #[must_use]
    pub fn token_endpoint(&self) -> Option<&str> {
        self.text("token_endpoint")
    }

    /// Where clients register themselves (RFC 7591). Logto has none.
    #[must_use]
    pub fn registration_endpoint(&self) -> Option<&str> {
        self.text("registration_endpoint")
    }

    /// Any member of the document.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// The document byte for byte, for the mirror at `/.well-known/oauth-authorization-server`.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }
}

/// Members that clients follow: all endpoints, and `*_uri` such as `jwks_uri` and `op_tos_uri`.
fn names_a_url(member: &str) -> bool {
    member.ends_with("_endpoint") || member.ends_with("_uri")
}

fn is_usable_url(issuer: &Issuer, value: &Value) -> bool {
    // `null` says the same as leaving the member out.
    let Some(text) = value.as_str() else {
        return value.is_null();
    };
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    match url.scheme() {
        "https" => url.host().is_some(),
        // A public issuer has no business sending us, or our clients, to our own machine in clear.
        "http" => is_loopback(&url) && issuer.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(issuer: &str, document: &Value) -> Result<AuthorizationServer, MetadataError> {
        AuthorizationServer::parse(&issuer.parse().unwrap(), document.to_string().into())
    }

    #[test]
    fn endpoints_are_read_and_the_document_is_kept_to_the_byte() {
        let text = r#"{ "issuer":"https://h/oidc",  "jwks_uri":"https://h/oidc/jwks", "x":1 }"#;
        let server = AuthorizationServer::parse(&"https://h/oidc".parse().unwrap(), text.into());

        let server = server.unwrap();
        assert_eq!(server.jwks_uri(), Some("https://h/oidc/jwks"));
        assert_eq!(server.introspection_endpoint(), None);
        assert_eq!(server.raw(), text);
    }

    // M07
    #[test]
    fn metadata_of_another_issuer_is_refused() {
        for found in ["https://h/oidc/", "https://H/oidc", "https://evil", ""] {
            let refusal = parse("https://h/oidc", &json!({ "issuer": found })).unwrap_err();

            assert!(
                matches!(refusal, MetadataError::OtherIssuer { .. }),
                "{found}"
            );
        }
        assert!(parse("https://h/oidc", &json!({})).is_err());
    }

    // M07
    #[test]
    fn an_endpoint_in_clear_or_of_an_odd_scheme_is_refused() {
        for url in [
            "http://h/token",
            "http://127.0.0.1/token",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "/token",
            "",
        ] {
            for member in ["token_endpoint", "jwks_uri", "invented_endpoint"] {
                let document = json!({ "issuer": "https://h", member: url });

                let refusal = parse("https://h", &document).unwrap_err();
                assert!(
                    matches!(refusal, MetadataError::BadEndpoint { .. }),
                    "{member} {url}"
                );
            }
        }
        let number = json!({ "issuer": "https://h", "token_endpoint": 1 });
        assert!(parse("https://h", &number).is_err());
    }

    #[test]
    fn an_issuer_on_this_machine_may_use_plain_http_on_this_machine() {
        let issuer = "http://127.0.0.1:3301/oidc";
        let near =
            json!({ "issuer": issuer, "token_endpoint": "http://127.0.0.1:3301/oidc/token" });
        let far = json!({ "issuer": issuer, "token_endpoint": "http://h/oidc/token" });

        assert!(parse(issuer, &near).is_ok());
        assert!(parse(issuer, &far).is_err());
    }
}
