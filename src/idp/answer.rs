//! Answers: the one place that knows statuses, headers and forms of everything the provider says.
//!
//! Clients get JSON that is never kept and may be read by scripts of any origin, without cookies;
//! people get pages; the user's browser gets redirects.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use maud::Markup;
use serde::Serialize;
use serde_json::json;

use super::{
    error::{OAuthError, PageError},
    pages,
    registration::RETRY_AFTER_FULL,
};
use crate::page;

/// Where the browser goes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another page of ours.
    Page(String),
    /// Back to the client, with the answer.
    Client(String),
}

/// A JSON answer with status 200.
pub(super) fn json(body: &impl Serialize) -> HttpResponse {
    json_with(StatusCode::OK, body)
}

/// A JSON answer.
pub(super) fn json_with(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    to_scripts(status).json(body)
}

/// Published documents, which may be kept for a minute.
pub(super) fn document(media_type: &str, body: &impl Serialize) -> HttpResponse {
    to_scripts(StatusCode::OK)
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .content_type(media_type)
        .json(body)
}

/// Success without a body (RFC 7009 §2.2).
pub(super) fn empty() -> HttpResponse {
    to_scripts(StatusCode::OK).finish()
}

/// Leave for scripts of other origins to send what an endpoint takes.
pub(super) fn preflight(methods: &'static str) -> HttpResponse {
    to_scripts(StatusCode::NO_CONTENT)
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Accept, MCP-Protocol-Version",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "3600"))
        .finish()
}

/// The endpoint takes other methods.
pub(super) fn method_not_allowed(methods: &'static str) -> HttpResponse {
    to_scripts(StatusCode::METHOD_NOT_ALLOWED)
        .insert_header((header::ALLOW, methods))
        .json(json!({
            "error": "invalid_request",
            "error_description": "the endpoint takes other methods",
        }))
}

/// A refusal in OAuth's form (RFC 6749 §5.2).
pub(super) fn refusal(error: &OAuthError) -> HttpResponse {
    let mut answer = to_scripts(status(error));
    match error {
        OAuthError::InvalidClient => {
            // RFC 6749 §5.2: the scheme the client may have used.
            answer.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"usher-idp\""));
        }
        OAuthError::MissingToken => {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"usher-idp\""));
        }
        OAuthError::InvalidToken => {
            answer.insert_header((
                header::WWW_AUTHENTICATE,
                format!("Bearer realm=\"usher-idp\", error=\"invalid_token\", error_description=\"{error}\""),
            ));
        }
        OAuthError::TooManyRegistrations { retry_after } => {
            answer.insert_header((header::RETRY_AFTER, *retry_after));
        }
        OAuthError::TemporarilyUnavailable => {
            answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_FULL));
        }
        _ => {}
    }
    answer.json(json!({
        "error": error.code(),
        "error_description": error.to_string(),
    }))
}

const fn status(error: &OAuthError) -> StatusCode {
    match error {
        OAuthError::InvalidClient | OAuthError::InvalidToken | OAuthError::MissingToken => {
            StatusCode::UNAUTHORIZED
        }
        OAuthError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        OAuthError::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        OAuthError::TooManyRegistrations { .. } => StatusCode::TOO_MANY_REQUESTS,
        OAuthError::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        OAuthError::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A page. `form_targets` as in [`page::content_security_policy`].
pub(super) fn page(status: StatusCode, body: Markup, form_targets: &[String]) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    for header in page::HEADERS {
        answer.insert_header(header);
    }
    answer
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            page::content_security_policy(form_targets),
        ))
        .content_type("text/html; charset=utf-8")
        .body(body.into_string())
}

/// A refusal that a person reads.
pub(super) fn error_page(error: &PageError) -> HttpResponse {
    let status = match error {
        PageError::UnknownClient
        | PageError::ClientDocument(_)
        | PageError::UnknownRedirectUri
        | PageError::TransactionGone
        | PageError::Unreadable => StatusCode::BAD_REQUEST,
        PageError::ForeignForm => StatusCode::FORBIDDEN,
        PageError::NotFound => StatusCode::NOT_FOUND,
        PageError::TooManySignIns { .. } => StatusCode::TOO_MANY_REQUESTS,
        PageError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        PageError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut answer = page(status, pages::error(error), &[]);
    if let PageError::TooManySignIns { retry_after } = error {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, (*retry_after).into());
    }
    answer
}

/// Sends the browser on; `set_cookie` is a whole `Set-Cookie` value.
pub(super) fn go(next: Next, set_cookie: Option<String>) -> HttpResponse {
    let (Next::Page(location) | Next::Client(location)) = next;
    let mut answer = HttpResponse::SeeOther();
    for header in page::HEADERS {
        answer.insert_header(header);
    }
    if let Some(set_cookie) = set_cookie {
        answer.insert_header((header::SET_COOKIE, set_cookie));
    }
    answer.insert_header((header::LOCATION, location)).finish()
}

/// Leads to a page or to an error page.
pub(super) fn went(result: Result<HttpResponse, PageError>) -> HttpResponse {
    result.unwrap_or_else(|error| error_page(&error))
}

/// Leads to JSON or to a refusal.
pub(super) fn told(result: Result<HttpResponse, OAuthError>) -> HttpResponse {
    result.unwrap_or_else(|error| refusal(&error))
}

fn to_scripts(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "WWW-Authenticate, Retry-After",
        ));
    answer
}
