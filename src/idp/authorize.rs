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
    let parameters = Parameters::of_query(&request);
    answer::went(authorize(&provider, &request, &parameters).await)
}

/// OpenID Connect Core §3.1.2.1 wants POST as well.
pub(super) async fn post(
    provider: web::Data<Provider>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    answer::went(match Parameters::of_page(&request, body) {
        Ok(parameters) => authorize(&provider, &request, &parameters).await,
        Err(unreadable) => Err(unreadable),
    })
}

async fn authorize(
    provider: &Provider,
    request: &HttpRequest,
    parameters: &Parameters,
) -> Result<HttpResponse, PageError> {
    let client_id = parameters.one("client_id").ok().flatten();
    let client_id = client_id.ok_or(PageError::UnknownClient)?;
    provider.look_up(client_id).await?;
    let now = provider.clock.now();
    let state = &mut *provider.state();
    let client = state.clients.find(now, client_id);
    let client = client.ok_or(PageError::UnknownClient)?;
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
