//! The `WWW-Authenticate` value of a 401, 403 or 400 (RFC 6750 §3, RFC 9728 §5.1).
//!
//! `Bearer` comes first and alone: the TypeScript client reads only a header whose first scheme it
//! is. The transport sends what [`Challenge`] writes, which holds nothing that came with the request.

use std::fmt;

use super::AuthError;
use crate::scope::Scopes;

/// What a refused client is told, ready to be written with `to_string`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    error: Option<(&'static str, String)>,
    scope: Scopes,
    resource_metadata: String,
}

impl Challenge {
    /// The challenge for `error`, or none where signing in would not help ([`AuthError::Unavailable`]).
    ///
    /// `resource_metadata` is the URL of the document for the endpoint that was called.
    /// `advertised` are the scopes to sign in with; a missing scope names those it needs instead.
    #[must_use]
    pub fn new(error: &AuthError, resource_metadata: &str, advertised: &Scopes) -> Option<Self> {
        let (error, scope) = match error {
            // RFC 6750 §3.1: a client that sent no token has made no error.
            AuthError::Missing => (None, advertised),
            AuthError::Malformed(why) => {
                let description = format!("the Authorization header is malformed: {why}");
                (Some(("invalid_request", description)), advertised)
            }
            AuthError::Refused(reason) => {
                let description = reason.sentence().to_owned();
                (Some(("invalid_token", description)), advertised)
            }
            AuthError::InsufficientScope { needed } => {
                let description = format!("this needs the scopes {needed}");
                (Some(("insufficient_scope", description)), needed)
            }
            AuthError::Unavailable { .. } => return None,
        };
        Some(Self {
            error,
            scope: scope
                .iter()
                // Asking for a refresh token is the client's affair, not the resource's.
                .filter(|scope| scope.as_str() != "offline_access")
                .cloned()
                .collect(),
            resource_metadata: resource_metadata.to_owned(),
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Bearer ")?;
        if let Some((code, description)) = &self.error {
            write!(formatter, "error=\"{code}\", ")?;
            write!(formatter, "error_description=\"{}\", ", Plain(description))?;
        }
        let metadata = Plain(&self.resource_metadata);
        write!(formatter, "resource_metadata=\"{metadata}\"")?;
        if !self.scope.is_empty() {
            // A scope can't hold a quote or a backslash.
            write!(formatter, ", scope=\"{}\"", self.scope)?;
        }
        Ok(())
    }
}

/// Text that needs no quoting: what RFC 6750 §3 does not allow becomes an apostrophe. Clients differ
/// in how they undo backslashes, so none is ever written.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| {
            let allowed = matches!(character, ' ' | '!' | '#'..='[' | ']'..='~');
            fmt::Write::write_char(formatter, if allowed { character } else { '\'' })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::Reason;

    const METADATA: &str = "https://h/.well-known/oauth-protected-resource/mcp";

    fn challenge(error: &AuthError, advertised: &str) -> Option<String> {
        Challenge::new(error, METADATA, &advertised.parse().unwrap())
            .map(|challenge| challenge.to_string())
    }

    // K01
    #[test]
    fn without_credentials_the_challenge_names_no_error() {
        assert_eq!(
            challenge(&AuthError::Missing, "mcp:tools offline_access").unwrap(),
            format!("Bearer resource_metadata=\"{METADATA}\", scope=\"mcp:tools\"")
        );
        assert_eq!(
            challenge(&AuthError::Missing, "").unwrap(),
            format!("Bearer resource_metadata=\"{METADATA}\"")
        );
    }

    // K03
    #[test]
    fn a_refused_token_is_an_invalid_token_with_its_reason() {
        assert_eq!(
            challenge(&Reason::Expired.into(), "").unwrap(),
            format!(
                "Bearer error=\"invalid_token\", error_description=\"the access token has expired\", \
                 resource_metadata=\"{METADATA}\""
            )
        );
    }

    // K22
    #[test]
    fn a_missing_scope_names_all_that_are_needed() {
        let needed = "notes:read notes:write".parse().unwrap();
        let written = challenge(&AuthError::InsufficientScope { needed }, "mcp:tools").unwrap();

        assert!(written.starts_with("Bearer error=\"insufficient_scope\""));
        assert!(written.contains("scope=\"notes:read notes:write\""));
        assert!(written.contains(METADATA));
    }

    // T19
    #[test]
    fn a_malformed_header_is_an_invalid_request() {
        let written = challenge(&AuthError::Malformed("it was sent more than once"), "").unwrap();

        assert!(written.starts_with("Bearer error=\"invalid_request\""));
    }

    // K30
    #[test]
    fn an_outage_challenges_nobody() {
        let retry_after = Duration::from_secs(2);

        assert_eq!(
            challenge(&AuthError::Unavailable { retry_after }, "mcp:tools"),
            None
        );
    }

    #[test]
    fn a_value_can_neither_end_its_quotes_nor_the_header() {
        let odd = "https://h/\"x\\\r\nSet-Cookie: a";
        let written = Challenge::new(&AuthError::Missing, odd, &Scopes::none())
            .unwrap()
            .to_string();

        assert_eq!(
            written,
            "Bearer resource_metadata=\"https://h/'x'''Set-Cookie: a\""
        );
    }
}
