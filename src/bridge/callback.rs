//! `/callback`: the user comes back, and is sent on to the client (RFC 6749 §4.1.2, RFC 9207).
//!
//! Only in the browser that the sign-in began in. A Logto whose user cancels sends them back without
//! `state`, `error` or `iss`; then the cookie says whose sign-in it was, and the client hears
//! `access_denied`. That way leads to no code, ever.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    Bridge, answer,
    error::{PageError, Refusal},
    token::Code,
    transaction::Transaction,
};
use crate::{oauth::parameters::Parameters, seal::Purpose};

/// What an authorization server may say that clients know (RFC 6749 §4.1.2.1, OpenID Connect Core
/// §3.1.2.6, RFC 8707 §2).
const KNOWN_ERRORS: [&str; 10] = [
    "access_denied",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "login_required",
    "consent_required",
    "interaction_required",
    "account_selection_required",
    "temporarily_unavailable",
    "server_error",
];

/// Longest code of the authorization server's, in bytes.
const CODE_BYTES_MAX: usize = 2_048;

pub(super) async fn get(bridge: web::Data<Bridge>, request: HttpRequest) -> HttpResponse {
    let parameters = Parameters::parse(request.query_string().as_bytes());
    answer::went(
        &bridge.base,
        come_back(&bridge, &request, &parameters).await,
    )
}

async fn come_back(
    bridge: &Bridge,
    request: &HttpRequest,
    parameters: &Parameters,
) -> Result<HttpResponse, PageError> {
    let one = |name| {
        let value = parameters.one(name);
        value.map_err(|_twice| PageError::Unreadable)
    };
    let (code, error, state, iss) = (one("code")?, one("error")?, one("state")?, one("iss")?);
    let now = bridge.clock.now();
    let of_browser = bridge.cookie.read(request, &bridge.sealer, now);
    let of_browser = of_browser.ok_or(PageError::TransactionGone)?;
    let transaction = match state {
        Some(state) => Transaction::open(&bridge.sealer, state, now)
            .filter(|transaction| transaction.browser == of_browser.browser)
            .ok_or(PageError::TransactionGone)?,
        None => of_browser.clone(),
    };
    check_issuer(bridge, iss, code.is_some()).await?;
    let location = match (code, error) {
        (Some(code), None) if state.is_some() && code.len() <= CODE_BYTES_MAX => {
            with_code(bridge, &transaction, code)?
        }
        (None, Some(error)) => {
            let known = KNOWN_ERRORS.into_iter().find(|known| *known == error);
            let refusal = match known.unwrap_or("server_error") {
                "access_denied" => Refusal::AccessDenied,
                known => Refusal::Upstream(known),
            };
            back(bridge, &transaction, &refusal)
        }
        (None, None) => back(bridge, &transaction, &Refusal::AccessDenied),
        _ => return Err(PageError::Unreadable),
    };
    // Another tab may have begun another one since, which goes on.
    let ended = transaction == of_browser;
    Ok(answer::redirect(
        location,
        ended.then(|| bridge.cookie.set("")),
    ))
}

/// RFC 9207 §2.4: the answer is from whom the user was sent to.
async fn check_issuer(
    bridge: &Bridge,
    iss: Option<&str>,
    is_success: bool,
) -> Result<(), PageError> {
    match iss {
        Some(iss) if iss == bridge.upstream.issuer() => Ok(()),
        Some(_) => Err(PageError::OtherIssuer),
        None if !is_success => Ok(()),
        None => {
            let server = bridge.upstream.server().await;
            let server = server.ok_or(PageError::Unavailable(None))?;
            let member = "authorization_response_iss_parameter_supported";
            match server.member(member).and_then(serde_json::Value::as_bool) {
                Some(true) => Err(PageError::OtherIssuer),
                _ => Ok(()),
            }
        }
    }
}

fn with_code(bridge: &Bridge, transaction: &Transaction, code: &str) -> Result<String, PageError> {
    let code = Code::new(transaction, code, bridge.clock.now());
    let code = bridge.sealer.seal(Purpose::Code, &code);
    let code = code.map_err(|_unsealed| PageError::Internal)?;
    let mut query = vec![("code", code.as_str())];
    query.extend(transaction.state.as_deref().map(|state| ("state", state)));
    query.push(("iss", &bridge.issuer));
    Ok(answer::with_query(&transaction.redirect_uri, &query))
}

fn back(bridge: &Bridge, transaction: &Transaction, refusal: &Refusal) -> String {
    let state = transaction.state.as_deref();
    bridge.refused(&transaction.redirect_uri, state, refusal)
}
