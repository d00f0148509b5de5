//! `/oidc/token`: a code or a refresh token for tokens (RFC 6749 §4.1.3 and §6, RFC 8707 §2.2).

use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::{
    answer,
    client_authentication::{Credentials, answer_form},
    error::OAuthError,
    grants::{Grant, GrantId},
    parameters::Parameters,
    provider::{Provider, State},
    resource,
    tokens::{issue_access_token, issue_id_token},
};
use crate::{scope::Scopes, time::Timestamp};

/// RFC 6749 §5.1, with `id_token` of OpenID Connect Core §3.1.3.3.
#[derive(Debug, Serialize)]
struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// What was granted, which may be less than was asked.
    scope: Scopes,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

pub(super) async fn post(
    provider: web::Data<Provider>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    answer_form(&provider, &request, body, exchange).await
}

fn exchange(
    provider: &Provider,
    credentials: &Credentials,
    parameters: &Parameters,
) -> Result<HttpResponse, OAuthError> {
    let now = provider.clock.now();
    let state = &mut *provider.state();
    let client = credentials.authenticate(&mut state.clients, now)?;
    let granted = match parameters.required("grant_type", "grant_type is missing")? {
        "authorization_code" => by_code(state, now, &client.id, parameters)?,
        "refresh_token" => by_refresh_token(state, now, &client.id, parameters)?,
        _ => return Err(OAuthError::UnsupportedGrantType),
    };
    let answer = issue(provider, state, now, granted)?;
    Ok(answer::json(&answer))
}

/// What a token request gets.
struct Granted {
    id: GrantId,
    grant: Grant,
    scopes: Scopes,
    resource: Option<String>,
}

fn by_code(
    state: &mut State,
    now: Timestamp,
    client_id: &str,
    parameters: &Parameters,
) -> Result<Granted, OAuthError> {
    let (id, grant) = state.grants.redeem_code(
        now,
        parameters.required("code", "code is missing")?,
        client_id,
        parameters.one("redirect_uri")?,
        parameters.required("code_verifier", "code_verifier is missing")?,
    )?;
    Granted::read(id, grant, parameters)
}

/// The request is checked before the token is used up, so that a mistake costs no sign-in.
fn by_refresh_token(
    state: &mut State,
    now: Timestamp,
    client_id: &str,
    parameters: &Parameters,
) -> Result<Granted, OAuthError> {
    let token = parameters.required("refresh_token", "refresh_token is missing")?;
    let (id, grant) = state.grants.behind_refresh_token(now, token, client_id)?;
    let granted = Granted::read(id, grant, parameters)?;
    state.grants.use_refresh_token(now, token)?;
    Ok(granted)
}

impl Granted {
    fn read(id: GrantId, grant: Grant, parameters: &Parameters) -> Result<Self, OAuthError> {
        let scopes = narrowed(&grant.scopes, parameters.one("scope")?)?;
        let resource = resource::choose(parameters.one("resource")?, &grant.resources)?;
        Ok(Self {
            id,
            scopes,
            resource: resource.map(str::to_owned),
            grant,
        })
    }
}

fn issue(
    provider: &Provider,
    state: &mut State,
    now: Timestamp,
    granted: Granted,
) -> Result<TokenAnswer, OAuthError> {
    let Granted {
        id,
        grant,
        scopes,
        resource,
    } = granted;
    let access_token = issue_access_token(
        provider,
        state,
        now,
        (id, &grant),
        &scopes,
        resource.as_deref(),
    )?;
    // The right to refresh is the grant's: asking for fewer scopes once does not give it up.
    let refresh_token = has(&grant.scopes, "offline_access")
        .then(|| state.grants.issue_refresh_token(now, id))
        .transpose()?;
    let id_token = has(&scopes, "openid")
        .then(|| issue_id_token(provider, now, &grant, &scopes))
        .transpose()?;
    Ok(TokenAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: provider.config.lifetimes.access_token.get().as_secs(),
        scope: scopes,
        refresh_token,
        id_token,
    })
}

/// The scopes of this token: those of the grant, or fewer if fewer are asked (RFC 6749 §6).
fn narrowed(granted: &Scopes, asked: Option<&str>) -> Result<Scopes, OAuthError> {
    let Some(asked) = asked else {
        return Ok(granted.clone());
    };
    let asked: Scopes = asked
        .parse()
        .map_err(|_malformed| OAuthError::InvalidScope("a scope is malformed"))?;
    if granted.covers(&asked) {
        Ok(asked)
    } else {
        Err(OAuthError::InvalidScope("the user did not agree to this"))
    }
}

fn has(scopes: &Scopes, name: &str) -> bool {
    scopes.iter().any(|scope| scope.as_str() == name)
}
