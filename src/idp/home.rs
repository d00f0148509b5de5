//! `/` and `/oidc/`: for people who come here by themselves; and signing out.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::{
    answer::{self, Next},
    browser,
    error::PageError,
    pages::{self, HomePage},
    provider::Provider,
};

pub(super) async fn get(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    let cookie = browser::cookie(&request, &provider.cookie_name);
    let subject = provider
        .state()
        .browsers
        .find(provider.clock.now(), cookie)
        .and_then(|browser| Some(browser.signed_in.as_ref()?.subject.clone()));
    let body = pages::home(&HomePage {
        issuer: &provider.issuer,
        user: subject.and_then(|subject| provider.user(&subject)),
    });
    answer::page(StatusCode::OK, body, &[])
}

/// Ends the browser's sign-in; tokens that agents hold are not touched.
pub(super) async fn sign_out(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    if !browser::is_own_form(&request) {
        return answer::error_page(&PageError::ForeignForm);
    }
    if let Some(cookie) = browser::cookie(&request, &provider.cookie_name) {
        provider
            .state()
            .browsers
            .forget(provider.clock.now(), cookie);
    }
    answer::go(Next::Page("/oidc/".to_owned()), None)
}

pub(super) async fn not_found() -> HttpResponse {
    answer::error_page(&PageError::NotFound)
}
