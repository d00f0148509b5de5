//! `/oidc/sign-in`: who is there.

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};
use tracing::{info, warn};

use super::{
    answer,
    browser::{self, SignedIn},
    error::PageError,
    interaction::{self, Transaction},
    pages::{self, SignInPage},
    parameters::Parameters,
    provider::{Provider, State},
    visit::Visit,
};
use crate::{telemetry::audit, time::Timestamp};

pub(super) async fn get(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    answer::went(show(&provider, &request))
}

pub(super) async fn post(
    provider: web::Data<Provider>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let form = Parameters::of_page(&request, body);
    answer::went(form.and_then(|form| sign_in(&provider, &request, &form)))
}

fn show(provider: &Provider, request: &HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Parameters::of_query(request);
    let state = &mut *provider.state();
    let visit = Visit::read(provider, state, request, &query)?;
    let transaction = visit.transaction(state)?;
    let username = transaction.request.login_hint.clone().unwrap_or_default();
    Ok(page(
        provider,
        StatusCode::OK,
        visit.id,
        transaction,
        &username,
        false,
    ))
}

fn sign_in(
    provider: &Provider,
    request: &HttpRequest,
    form: &Parameters,
) -> Result<HttpResponse, PageError> {
    let state = &mut *provider.state();
    let visit = Visit::read(provider, state, request, form)?;
    let mut transaction = visit.transaction_of(state, request, form)?;
    let Visit {
        now, id, cookie, ..
    } = visit;
    let (Ok(username), Ok(password)) = (form.one("username"), form.one("password")) else {
        return Err(PageError::Unreadable);
    };
    let username = username.unwrap_or_default();
    let checked = check(provider, state, now, username, password.unwrap_or_default())?;
    let client_id = &transaction.request.client.id;
    let subject = checked.as_ref().map_or(username, |user| &user.subject);
    provider.audit(client_id, subject, |who| {
        audit::signed_in(who, checked.is_some());
    });
    let Some(signed_in) = checked else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(page(provider, status, id, &transaction, username, true));
    };
    let (browser, cookie) = state.browsers.sign_in(now, cookie, signed_in)?;
    interaction::find(state, now, id, Some(browser.id))?.signed_in_here = true;
    transaction.signed_in_here = true;
    let signed_in = browser.signed_in.as_ref();
    let next = interaction::advance(provider, state, now, id, &transaction, signed_in)?;
    let set_cookie = browser::set_cookie(&provider.cookie_name, &cookie);
    Ok(answer::go(next, Some(set_cookie)))
}

/// Checks name and password. A locked account is a wrong password to whoever tries.
fn check(
    provider: &Provider,
    state: &mut State,
    now: Timestamp,
    username: &str,
    password: &str,
) -> Result<Option<SignedIn>, PageError> {
    if let Some(retry_after) = state.lockout.closed_for(now) {
        return Err(PageError::TooManySignIns { retry_after });
    }
    let (user, right) = provider.check_password(username.trim(), password);
    let subject = user.map(|user| user.subject.as_str());
    match subject {
        Some(subject) if right && !state.lockout.is_locked(now, subject) => {
            state.lockout.succeeded(subject);
            info!("signed in");
            Ok(Some(SignedIn {
                subject: subject.to_owned(),
                at: now,
            }))
        }
        _ => {
            state.lockout.failed(now, subject);
            warn!(user.known = subject.is_some(), "refused a sign-in");
            Ok(None)
        }
    }
}

fn page(
    provider: &Provider,
    status: StatusCode,
    id: &str,
    transaction: &Transaction,
    username: &str,
    failed: bool,
) -> HttpResponse {
    let request = &transaction.request;
    let hint = provider.config.users.first();
    let body = pages::sign_in(&SignInPage {
        transaction: id,
        form_token: &transaction.form_token,
        agent: request.client.display_name(),
        publisher: request.client.publisher.as_deref(),
        official: request.client.official,
        username,
        failed,
        hint: hint
            .filter(|_| provider.config.demo_hint)
            .map(|user| (user.username.as_str(), user.password.expose())),
    });
    // The answer to this form may already be the redirect to the client.
    let form_targets = request.client.form_targets(&request.return_to.redirect_uri);
    answer::page(status, body, &form_targets)
}
