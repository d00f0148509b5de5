//! `/oidc/auth`: an authorization request comes in (RFC 6749 §4.1.1).

use std::sync::Arc;

use actix_web::{Error, HttpRequest, HttpResponse, web};

use super::{
    answer, browser,
    error::PageError,
    interaction::{self, answer_error},
    parameters::Parameters,
    provider::Provider,
    request::{AuthorizationRequest, Return},
};

pub(super) async fn get(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    answer::went(authorize(
        &provider,
        &request,
        &Parameters::of_query(&request),
    ))
}

/// OpenID Connect Core §3.1.2.1 wants POST as well.
pub(super) async fn post(
    provider: web::Data<Provider>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    answer::went(
        Parameters::of_form(&request, body)
            .map_err(|_malformed| PageError::Unreadable)
            .and_then(|parameters| authorize(&provider, &request, &parameters)),
    )
}

fn authorize(
    provider: &Provider,
    request: &HttpRequest,
    parameters: &Parameters,
) -> Result<HttpResponse, PageError> {
    let now = provider.clock.now();
    let state = &mut *provider.state();
    let client = parameters
        .one("client_id")
        .ok()
        .flatten()
        .and_then(|id| state.clients.find(now, id))
        .ok_or(PageError::UnknownClient)?;
    let return_to = Return::read(parameters, &client)?;
    let asked = AuthorizationRequest::read(
        parameters,
        Arc::clone(&client),
        return_to.clone(),
        &provider.config.resources,
    );
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => {
            return Ok(answer::go(
                answer_error(&provider.issuer, &return_to, &error)?,
                None,
            ));
        }
    };
    let cookie = browser::cookie(request, &provider.cookie_name);
    let (browser, new_cookie) = state.browsers.meet(now, cookie)?;
    let set_cookie = new_cookie.map(|cookie| browser::set_cookie(&provider.cookie_name, &cookie));
    let next = interaction::begin(provider, state, now, &browser, asked)?;
    Ok(answer::go(next, set_cookie))
}
