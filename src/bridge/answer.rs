//! Answers of the bridge: the one place that knows their statuses, headers and forms.
//!
//! Clients get JSON that is never kept, people get pages, the user's browser gets redirects.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Bytes,
};
use maud::{Markup, html};
use serde::Serialize;
use serde_json::json;
use url::form_urlencoded;

use super::error::{PageError, Refusal};
use crate::page;

/// When to come back where nobody said.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A JSON answer that nobody keeps.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .json(body)
}

/// Success without a body.
pub(super) fn empty(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// Leads to JSON or to a refusal.
pub(super) fn told(result: Result<HttpResponse, Refusal>) -> HttpResponse {
    result.unwrap_or_else(|refusal| refused(&refusal))
}

/// Leads to a redirect or to a page, whose assets are below the path `base`.
pub(super) fn went(base: &str, result: Result<HttpResponse, PageError>) -> HttpResponse {
    result.unwrap_or_else(|error| error_page(base, &error))
}

/// A refusal in OAuth's form (RFC 6749 §5.2, RFC 7591 §3.2.2).
fn refused(refusal: &Refusal) -> HttpResponse {
    let status = match refusal {
        Refusal::InvalidClient | Refusal::InvalidToken => StatusCode::UNAUTHORIZED,
        Refusal::Closed => StatusCode::FORBIDDEN,
        Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::TooManyRegistrations(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Unavailable(_) | Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut answer = json(
        status,
        &json!({ "error": refusal.code(), "error_description": refusal.to_string() }),
    );
    let headers = answer.headers_mut();
    let challenge = match refusal {
        Refusal::InvalidClient => Some("Basic realm=\"usher\""),
        Refusal::InvalidToken => Some("Bearer realm=\"usher\", error=\"invalid_token\""),
        _ => None,
    };
    if let Some(challenge) = challenge {
        headers.insert(
            header::WWW_AUTHENTICATE,
            header::HeaderValue::from_static(challenge),
        );
    }
    let retry_after = match refusal {
        Refusal::TooManyRegistrations(after) => Some(after.as_secs()),
        Refusal::Unavailable(after) => {
            Some(after.map_or(RETRY_AFTER_SECONDS, |after| after.as_secs().max(1)))
        }
        Refusal::Full => Some(3_600),
        _ => None,
    };
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

/// Sends the browser on; `set_cookie` is a whole `Set-Cookie` value.
pub(super) fn redirect(location: String, set_cookie: Option<String>) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    for header in page::HEADERS {
        answer.insert_header(header);
    }
    if let Some(set_cookie) = set_cookie {
        answer.insert_header((header::SET_COOKIE, set_cookie));
    }
    answer.insert_header((header::LOCATION, location)).finish()
}

/// A URI with these parameters added to those it has.
pub(super) fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let joint = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{joint}{}", query.finish())
}

fn error_page(base: &str, error: &PageError) -> HttpResponse {
    let (status, what, then) = match error {
        PageError::UnknownClient => (
            StatusCode::BAD_REQUEST,
            "This app is not registered here",
            "It may have been removed. Remove the server from the app and add it again: the app \
             then registers anew.",
        ),
        PageError::UnknownRedirectUri => (
            StatusCode::BAD_REQUEST,
            "This app did not register where it wants to send you",
            "To be safe, you are not sent there. Tell whoever makes the app.",
        ),
        PageError::TransactionGone => (
            StatusCode::BAD_REQUEST,
            "This sign-in has ended",
            "It was cancelled, took longer than ten minutes, or began in another browser. Go back \
             to your app and begin again.",
        ),
        PageError::OtherIssuer => (
            StatusCode::BAD_REQUEST,
            "This answer came from somebody else",
            "It is not from where you were sent to sign in. Go back to your app and begin again.",
        ),
        PageError::Unavailable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Signing in is not possible just now",
            "Try again in a minute.",
        ),
        PageError::Unreadable => (
            StatusCode::BAD_REQUEST,
            "This request can't be read",
            "Go back to your app and begin again.",
        ),
        PageError::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong here",
            "Try again; if it stays like this, tell whoever runs this server.",
        ),
    };
    let body = html! { h1 { (what) } p { (then) } };
    let mut answer = page(status, what, base, body);
    if let PageError::Unavailable(retry_after) = error {
        let seconds = retry_after.map_or(RETRY_AFTER_SECONDS, |after| after.as_secs().max(1));
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

fn page(status: StatusCode, title: &str, base: &str, body: Markup) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    for header in page::HEADERS {
        answer.insert_header(header);
    }
    answer
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            page::content_security_policy(&[]),
        ))
        .content_type("text/html; charset=utf-8")
        .body(page::frame_below(title, base, body).into_string())
}

/// The body, if it came whole and within the limit.
pub(super) fn whole(body: Result<Bytes, Error>) -> Result<Bytes, Refusal> {
    body.map_err(|error| match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::InvalidRequest("the body could not be read"),
    })
}

/// The media type without its parameters, in lower case; empty if there is none.
pub(super) fn media_type(request: &HttpRequest) -> String {
    let value = request.headers().get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The bearer token of a request; of two nobody knows which is meant.
pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;

    use super::*;

    #[test]
    fn below_a_prefix_a_page_finds_its_stylesheet_there() {
        for (base, link) in [
            ("", "\"/assets/usher.css\""),
            ("/ai", "\"/ai/assets/usher.css\""),
        ] {
            let page = went(base, Err(PageError::Unreadable));

            let Ok(body) = page.into_body().try_into_bytes() else {
                panic!("no body")
            };
            assert!(String::from_utf8_lossy(&body).contains(link), "{body:?}");
        }
    }
}
