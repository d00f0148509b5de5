//! `/oidc/consent`: does the user agree, and to what.

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};
use tracing::info;

use super::{
    answer::{self, Next},
    browser::SignedIn,
    error::{OAuthError, PageError},
    interaction::{self, SIGN_IN_PATH, Transaction},
    pages::{self, ConsentPage},
    parameters::Parameters,
    provider::Provider,
    redirect_uri,
    visit::Visit,
};
use crate::{
    scope::{Scope, Scopes},
    telemetry::audit,
};

pub(super) async fn get(provider: web::Data<Provider>, request: HttpRequest) -> HttpResponse {
    answer::went(show(&provider, &request))
}

pub(super) async fn post(
    provider: web::Data<Provider>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let form = Parameters::of_page(&request, body);
    answer::went(form.and_then(|form| decide(&provider, &request, &form)))
}

fn show(provider: &Provider, request: &HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Parameters::of_query(request);
    let state = &mut *provider.state();
    let visit = Visit::read(provider, state, request, &query)?;
    let transaction = visit.transaction(state)?;
    let Some(signed_in) = visit.browser.and_then(|browser| browser.signed_in) else {
        return Ok(back_to_sign_in(visit.id));
    };
    transaction.consent_shown_to = Some(signed_in.subject.clone());
    let request = &transaction.request;
    let body = pages::consent(&ConsentPage {
        transaction: visit.id,
        form_token: &transaction.form_token,
        agent: request.client.display_name(),
        publisher: request.client.publisher.as_deref(),
        destination: redirect_uri::destination(&request.return_to.redirect_uri),
        resources: &request.resources,
        scopes: &request.scopes,
        user: provider
            .user(&signed_in.subject)
            .ok_or(PageError::Internal)?,
    });
    let form_targets = request.client.form_targets(&request.return_to.redirect_uri);
    Ok(answer::page(StatusCode::OK, body, &form_targets))
}

fn decide(
    provider: &Provider,
    request: &HttpRequest,
    form: &Parameters,
) -> Result<HttpResponse, PageError> {
    let state = &mut *provider.state();
    let visit = Visit::read(provider, state, request, form)?;
    let transaction = visit.transaction_of(state, request, form)?;
    let Visit {
        now, id, browser, ..
    } = visit;
    // Somebody else may have signed in, in another tab, after this page was shown.
    let Some(signed_in) = browser
        .and_then(|browser| browser.signed_in)
        .filter(|signed_in| is_shown_to(&transaction, signed_in))
    else {
        return Ok(back_to_sign_in(id));
    };
    let asked = &transaction.request.scopes;
    let client_id = &transaction.request.client.id;
    let next = match form.one("decision") {
        Ok(Some("allow")) => {
            let granted = granted(asked, form);
            let key = interaction::consent_key(&transaction.request, &signed_in.subject);
            state.consents.remember(now, key, asked, &granted)?;
            info!(client.id = transaction.request.client.id, scopes = %granted, "consented");
            let scopes = granted.to_string();
            provider.audit(client_id, &signed_in.subject, |who| {
                audit::consented(who, &scopes);
            });
            interaction::grant(provider, state, now, id, &transaction, &signed_in, granted)?
        }
        Ok(Some("deny")) => {
            info!(client.id = transaction.request.client.id, "denied");
            provider.audit(client_id, &signed_in.subject, |who| {
                audit::consented(who, "");
            });
            interaction::refuse(
                provider,
                state,
                now,
                id,
                &transaction,
                &OAuthError::AccessDenied,
            )?
        }
        _ => return Err(PageError::Unreadable),
    };
    Ok(answer::go(next, None))
}

fn is_shown_to(transaction: &Transaction, signed_in: &SignedIn) -> bool {
    transaction.consent_shown_to.as_deref() == Some(signed_in.subject.as_str())
}

/// What was asked and stayed ticked; `openid` has no box, because without it there is no user.
fn granted(asked: &Scopes, form: &Parameters) -> Scopes {
    let ticked: Scopes = form
        .all("scope")
        .filter_map(|scope| scope.parse::<Scope>().ok())
        .collect();
    asked
        .iter()
        .filter(|&scope| scope.as_str() == "openid" || ticked.contains(scope))
        .cloned()
        .collect()
}

fn back_to_sign_in(id: &str) -> HttpResponse {
    answer::go(Next::Page(format!("{SIGN_IN_PATH}?transaction={id}")), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_granted_than_was_asked() {
        let asked = "openid profile email".parse().unwrap();
        let form = Parameters::parse(b"scope=profile&scope=admin");

        assert_eq!(granted(&asked, &form).to_string(), "openid profile");
    }

    #[test]
    fn openid_is_not_granted_to_who_did_not_ask() {
        let asked = "profile".parse().unwrap();

        assert!(granted(&asked, &Parameters::parse(b"scope=openid")).is_empty());
    }
}
