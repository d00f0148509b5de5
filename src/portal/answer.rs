//! Answers of the portal: the one place that knows their statuses and headers.

use std::time::Duration;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use maud::Markup;

use super::{Portal, error::Halt, pages};
use crate::page;

/// When to come back where nobody said.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A page. Each `cookie` is a whole `Set-Cookie` value.
pub(super) fn page(
    status: StatusCode,
    body: Markup,
    cookies: impl IntoIterator<Item = String>,
) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    with_headers(&mut answer, cookies);
    answer
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            page::content_security_policy(&[]),
        ))
        .content_type("text/html; charset=utf-8")
        .body(body.into_string())
}

/// Sends the browser on.
pub(super) fn redirect(
    location: String,
    cookies: impl IntoIterator<Item = String>,
) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    with_headers(&mut answer, cookies);
    answer.insert_header((header::LOCATION, location)).finish()
}

fn with_headers(answer: &mut HttpResponseBuilder, cookies: impl IntoIterator<Item = String>) {
    for header in page::HEADERS {
        answer.insert_header(header);
    }
    // With `no-referrer` browsers would send `Origin: null` with our own forms (Fetch, "append a
    // request Origin header").
    answer.insert_header((header::REFERRER_POLICY, "same-origin"));
    for cookie in cookies {
        answer.append_header((header::SET_COOKIE, cookie));
    }
}

/// Says when to come back.
pub(super) fn retry_after(answer: &mut HttpResponse, after: Option<Duration>) {
    let seconds = after.map_or(RETRY_AFTER_SECONDS, |after| after.as_secs().max(1));
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, seconds.into());
}

/// Leads to a page, or says what stands in the way.
pub(super) fn went(portal: &Portal, result: Result<HttpResponse, Halt>) -> HttpResponse {
    result.unwrap_or_else(|halt| halted(portal, &halt))
}

fn halted(portal: &Portal, halt: &Halt) -> HttpResponse {
    let status = match halt {
        Halt::SignedOut(to) => return redirect(portal.sign_in_url(to), []),
        Halt::NotFound => StatusCode::NOT_FOUND,
        Halt::ForeignForm | Halt::StaleForm => StatusCode::FORBIDDEN,
        Halt::Unreadable | Halt::SignInGone | Halt::SignInRefused => StatusCode::BAD_REQUEST,
        Halt::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Halt::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut answer = page(status, pages::halted(portal.base(), halt), []);
    if let Halt::Unavailable(after) = halt {
        retry_after(&mut answer, *after);
    }
    answer
}
