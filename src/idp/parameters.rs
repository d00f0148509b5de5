//! Where parameters and bodies come from in a request, and what is said of those that can't be read.

use actix_web::{
    Error, HttpRequest,
    http::{StatusCode, header},
    web::Bytes,
};

use super::error::{OAuthError, PageError};
pub(super) use crate::oauth::parameters::Parameters;
use crate::oauth::{parameters::ParameterError, pkce::ChallengeError};

/// Largest body that is read, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

impl Parameters {
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
}

impl From<ParameterError> for OAuthError {
    fn from(error: ParameterError) -> Self {
        Self::InvalidRequest(error.text())
    }
}

impl From<ChallengeError> for OAuthError {
    fn from(error: ChallengeError) -> Self {
        Self::InvalidRequest(error.text())
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
