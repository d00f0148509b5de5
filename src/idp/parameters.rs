//! Parameters of a request, from a query or a form body.
//!
//! A parameter without a value counts as omitted, and one that comes twice spoils the request
//! (RFC 6749 §3.1); `resource` and a form's `scope` may come many times (RFC 8707 §2).

use actix_web::{
    Error, HttpRequest,
    http::{StatusCode, header},
    web::Bytes,
};
use url::form_urlencoded;

use super::error::{OAuthError, PageError};

/// Largest body that is read, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Names and values, decoded, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The query of a request.
    pub(super) fn of_query(request: &HttpRequest) -> Self {
        Self::parse(request.query_string().as_bytes())
    }

    /// The form in a body.
    pub(super) fn of_form(
        request: &HttpRequest,
        body: Result<Bytes, Error>,
    ) -> Result<Self, OAuthError> {
        let body = whole(body)?;
        if media_type(request) != "application/x-www-form-urlencoded" {
            return Err(OAuthError::InvalidRequest(
                "send application/x-www-form-urlencoded",
            ));
        }
        Ok(Self::parse(&body))
    }

    /// The form that a page of ours was sent back with.
    pub(super) fn of_page(
        request: &HttpRequest,
        body: Result<Bytes, Error>,
    ) -> Result<Self, PageError> {
        Self::of_form(request, body).map_err(|_malformed| PageError::Unreadable)
    }

    /// A parameter that may come once.
    pub(super) fn one(&self, name: &'static str) -> Result<Option<&str>, OAuthError> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(OAuthError::InvalidRequest("a parameter came twice"));
        }
        Ok(first)
    }

    /// A parameter that has to come once.
    pub(super) fn required(
        &self,
        name: &'static str,
        missing: &'static str,
    ) -> Result<&str, OAuthError> {
        self.one(name)?.ok_or(OAuthError::InvalidRequest(missing))
    }

    /// A parameter that may come many times.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// The body, if it came whole and within the limit.
pub(super) fn whole(body: Result<Bytes, Error>) -> Result<Bytes, OAuthError> {
    body.map_err(|error| match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => OAuthError::TooLarge,
        _ => OAuthError::InvalidRequest("the body could not be read"),
    })
}

/// The media type without its parameters, in lower case; empty if there is none.
pub(super) fn media_type(request: &HttpRequest) -> String {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_without_a_value_is_omitted() {
        let parameters = Parameters::parse(b"state=&scope=a");

        assert_eq!(parameters.one("state"), Ok(None));
        assert_eq!(parameters.one("scope"), Ok(Some("a")));
    }

    #[test]
    fn a_repeated_parameter_spoils_the_request() {
        let parameters = Parameters::parse(b"client_id=a&client_id=b");

        assert!(parameters.one("client_id").is_err());
    }
}
