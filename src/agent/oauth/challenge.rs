//! Reads `WWW-Authenticate`: which token a server wants, and where to learn who issues it.
//!
//! `caller` asks on a 401 or 403. Several challenges in one or more headers, quoted strings with
//! commas and escapes, and token68 are understood (RFC 9110 §11.6.1); of all challenges, the first
//! whose scheme is `Bearer` counts (RFC 6750 §3, RFC 9728 §5.1). What can't be read is left out: a
//! broken header means "no hints", and the well-known paths remain.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use crate::scope::Scopes;

/// Longest header value that is read, in bytes.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// The parameters of a `Bearer` challenge that an agent acts on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BearerChallenge {
    /// Where the protected resource metadata is (RFC 9728 §5.1).
    pub(crate) resource_metadata: Option<String>,
    /// What the operation needs.
    pub(crate) scope: Option<Scopes>,
    /// As in `invalid_token`, `insufficient_scope`.
    pub(crate) error: Option<String>,
    /// A sentence for people.
    pub(crate) error_description: Option<String>,
}

impl BearerChallenge {
    /// The first `Bearer` challenge of an answer; empty where there is none.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .filter(|value| value.len() <= HEADER_BYTES_MAX)
            .flat_map(challenges)
            .find(|challenge| challenge.scheme.eq_ignore_ascii_case("Bearer"))
            .map(Self::from)
            .unwrap_or_default()
    }

    /// Whether the token is good and does not allow enough (RFC 6750 §3.1).
    pub(crate) fn wants_more_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }
}

impl From<Challenge<'_>> for BearerChallenge {
    fn from(challenge: Challenge<'_>) -> Self {
        let take = |name: &str| {
            challenge
                .parameters
                .iter()
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.clone())
        };
        Self {
            resource_metadata: take("resource_metadata"),
            scope: take("scope")
                .map(|text| Scopes::lenient(&text))
                .filter(|scopes| !scopes.is_empty()),
            error: take("error"),
            error_description: take("error_description"),
        }
    }
}

/// One challenge as written.
#[derive(Debug, PartialEq, Eq)]
struct Challenge<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

/// Every challenge of one header value, in order.
fn challenges(header: &str) -> Vec<Challenge<'_>> {
    let mut reader = Reader(header);
    let mut found: Vec<Challenge<'_>> = Vec::new();
    loop {
        reader.skip_separators();
        let Some(word) = reader.token() else {
            return found;
        };
        let parameter = reader.value();
        match (parameter, found.last_mut()) {
            (Some(value), Some(challenge)) => challenge.parameters.push((word, value)),
            // A parameter before any scheme belongs to nobody.
            (Some(_), None) => {}
            (None, _) => {
                found.push(Challenge {
                    scheme: word,
                    parameters: Vec::new(),
                });
                reader.skip_token68();
            }
        }
    }
}

/// The part of a header value that is still to be read.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    /// Empty list elements are allowed (RFC 9110 §5.6.1.2).
    fn skip_separators(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    fn token(&mut self) -> Option<&'a str> {
        let end = self.0.find(|c: char| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// `= value`, with the bad white space that recipients must take (RFC 9110 §11.2).
    fn value(&mut self) -> Option<String> {
        let after = self.0.trim_start_matches([' ', '\t']).strip_prefix('=')?;
        let after = after.trim_start_matches([' ', '\t']);
        if let Some(quoted) = after.strip_prefix('"') {
            let (value, rest) = unquote(quoted)?;
            self.0 = rest;
            return Some(value);
        }
        let end = after.find(|c: char| !is_token(c)).unwrap_or(after.len());
        let (value, rest) = after.split_at(end);
        self.0 = rest;
        Some(value.to_owned())
    }

    /// The one blob a scheme such as `Negotiate` may have instead of parameters.
    fn skip_token68(&mut self) {
        let blob = self.0.trim_start_matches(' ');
        if blob.len() == self.0.len() {
            return;
        }
        let end = blob
            .find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c)))
            .unwrap_or(blob.len());
        let after = blob[end..].trim_start_matches('=');
        let rest = after.trim_start_matches([' ', '\t']);
        if end > 0 && (rest.is_empty() || rest.starts_with(',')) {
            self.0 = rest;
        }
    }
}

/// A quoted string up to its closing quote, and what follows it; none if it never closes.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// tchar (RFC 9110 §5.6.2).
fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> BearerChallenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        BearerChallenge::from_headers(&headers)
    }

    #[test]
    fn a_full_challenge_is_read() {
        let challenge = read(&[
            r#"Bearer resource_metadata="https://a.example/.well-known/oauth-protected-resource/mcp", scope="mcp:tools profile", error="invalid_token""#,
        ]);

        assert_eq!(
            challenge.resource_metadata.as_deref(),
            Some("https://a.example/.well-known/oauth-protected-resource/mcp")
        );
        assert_eq!(challenge.scope.unwrap().to_string(), "mcp:tools profile");
        assert_eq!(challenge.error.as_deref(), Some("invalid_token"));
    }

    #[test]
    fn the_first_bearer_challenge_among_several_counts() {
        let challenge = read(&[
            r#"Basic realm="a, Bearer scope=\"x\"", Negotiate YWJj==, DPoP algs="ES256", bearer error = first,, Bearer error=second"#,
            "Bearer error=third",
        ]);

        assert_eq!(challenge.error.as_deref(), Some("first"));
        assert_eq!(challenge.scope, None);
    }

    #[test]
    fn a_challenge_in_a_second_header_is_found() {
        assert_eq!(
            read(&["Basic realm=x", "Bearer error=invalid_token"])
                .error
                .as_deref(),
            Some("invalid_token")
        );
    }

    #[test]
    fn escapes_in_a_quoted_string_are_taken_off() {
        let challenge = read(&[r#"Bearer error_description="say \"please\", \\ then""#]);

        assert_eq!(
            challenge.error_description.as_deref(),
            Some(r#"say "please", \ then"#)
        );
    }

    #[test]
    fn a_bare_or_broken_header_gives_no_hints() {
        for value in ["Bearer", "", ",,", "Bearer scope=\"open", "=x", "Basic a=b"] {
            assert_eq!(read(&[value]), BearerChallenge::default(), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_stumble(text in "[ -~]{0,200}") {
            read(&[&text]);
        }
    }
}
