//! `/token`: a code or a refresh token for tokens (RFC 6749 §4.1.3 and §6, RFC 8707 §2.2).
//!
//! The code that clients hold is the authorization server's, sealed with what it was given for: client,
//! redirect URI, challenge and resource are judged here, and the challenge there once more. The answer
//! is made anew of its known members: an `id_token` is left out, since it names an issuer and an
//! audience that the client knows nothing of.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    Bridge, answer,
    error::Refusal,
    transaction::Transaction,
    upstream::{self, Credentials},
};
use crate::{
    oauth::{basic, parameters::Parameters, pkce::Challenge},
    seal::Purpose,
    secret::Secret,
    time::Timestamp,
};

/// How long a client may take to come with its code; the authorization server may be stricter.
const CODE_LASTS_SECONDS: u64 = 60;

/// What a code was given for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Code {
    #[serde(rename = "u")]
    upstream: String,
    #[serde(rename = "c")]
    client_id: String,
    #[serde(rename = "d")]
    redirect_uri: String,
    #[serde(rename = "h")]
    challenge: String,
    #[serde(rename = "o")]
    resource: String,
    #[serde(rename = "e")]
    ends: u64,
}

/// RFC 6749 §5.1.
#[derive(Debug, Serialize, Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// What was granted, which may be less than was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl Code {
    pub(super) fn new(transaction: &Transaction, upstream: &str, now: Timestamp) -> Self {
        Self {
            upstream: upstream.to_owned(),
            client_id: transaction.client_id.clone(),
            redirect_uri: digest_of(&transaction.redirect_uri),
            challenge: transaction.code_challenge.clone(),
            resource: transaction.resource.clone(),
            ends: now.as_unix_seconds() + CODE_LASTS_SECONDS,
        }
    }
}

/// Short: a code travels in a URL.
fn digest_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

pub(super) async fn post(
    bridge: web::Data<Bridge>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let answered = async {
        let form = form(&request, body)?;
        let credentials = credentials(&bridge, &request, &form).await?;
        match form.required("grant_type", "grant_type is missing")? {
            "authorization_code" => by_code(&bridge, &credentials, &form).await,
            "refresh_token" => by_refresh_token(&bridge, &credentials, &form).await,
            _ => Err(Refusal::UnsupportedGrantType),
        }
    };
    answer::told(answered.await)
}

/// The form in a body.
pub(super) fn form(
    request: &HttpRequest,
    body: Result<web::Bytes, Error>,
) -> Result<Parameters, Refusal> {
    let body = answer::whole(body)?;
    if answer::media_type(request) != "application/x-www-form-urlencoded" {
        return Err(Refusal::InvalidRequest(
            "send application/x-www-form-urlencoded",
        ));
    }
    Ok(Parameters::parse(&body))
}

/// Who asks, by header or in the form, not both (RFC 6749 §2.3); one that is there and not shut out.
/// Whether its secret is right is for the authorization server to say.
pub(super) async fn credentials(
    bridge: &Bridge,
    request: &HttpRequest,
    form: &Parameters,
) -> Result<Credentials, Refusal> {
    let in_form = form.one("client_id")?;
    let secret_in_form = form.one("client_secret")?;
    let credentials = match request.headers().get(header::AUTHORIZATION) {
        None => Credentials {
            client_id: in_form.ok_or(Refusal::InvalidClient)?.to_owned(),
            secret: secret_in_form.map(Secret::new),
        },
        Some(value) => {
            let shown = value.to_str().ok().and_then(basic::read);
            let (client_id, secret) = shown.ok_or(Refusal::InvalidClient)?;
            if secret_in_form.is_some() || in_form.is_some_and(|id| id != client_id) {
                return Err(Refusal::InvalidRequest(
                    "authenticate by header or in the form, not both",
                ));
            }
            Credentials { client_id, secret }
        }
    };
    let client = bridge.directory().find(&credentials.client_id).await?;
    let client = client.ok_or(Refusal::InvalidClient)?;
    let shows_enough = client.details.is_confidential() == credentials.secret.is_some();
    if client.disabled || !shows_enough {
        return Err(Refusal::InvalidClient);
    }
    Ok(credentials)
}

async fn by_code(
    bridge: &Bridge,
    credentials: &Credentials,
    form: &Parameters,
) -> Result<HttpResponse, Refusal> {
    let code = form.required("code", "code is missing")?;
    let verifier = form.required("code_verifier", "code_verifier is missing")?;
    let redirect_uri = form.required("redirect_uri", "redirect_uri is missing")?;
    let code: Code = bridge
        .sealer
        .open(Purpose::Code, code)
        .ok_or(Refusal::InvalidGrant)?;
    let challenge = Challenge::read(Some(&code.challenge), Some("S256"))?;
    let is_right = code.client_id == credentials.client_id
        && bridge.clock.now().as_unix_seconds() < code.ends
        && code.redirect_uri == digest_of(redirect_uri)
        && challenge.is_met_by(verifier);
    if !is_right {
        return Err(Refusal::InvalidGrant);
    }
    let named = bridge.resources.named(form.all("resource"));
    if named
        .map_err(|_unknown| Refusal::InvalidTarget)?
        .is_some_and(|named| named != code.resource)
    {
        return Err(Refusal::InvalidTarget);
    }
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code.upstream),
        ("redirect_uri", &bridge.callback),
        ("code_verifier", verifier),
        ("resource", &code.resource),
    ];
    issue(bridge, credentials, &form, &code.resource).await
}

async fn by_refresh_token(
    bridge: &Bridge,
    credentials: &Credentials,
    form: &Parameters,
) -> Result<HttpResponse, Refusal> {
    let token = form.required("refresh_token", "refresh_token is missing")?;
    let (token, of) = split_refresh_token(token);
    let granted = match &of {
        Some(of) => bridge.resources.named([of.as_str()].into_iter()),
        None => Ok(None),
    };
    let granted = granted.map_err(|_unknown| Refusal::InvalidGrant)?;
    let named = bridge.resources.named(form.all("resource"));
    let named = named.map_err(|_unknown| Refusal::InvalidTarget)?;
    let resource = named.or(granted).unwrap_or(bridge.resources.usual());
    let mut form_on = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("resource", resource),
    ];
    form_on.extend(form.one("scope")?.map(|scope| ("scope", scope)));
    issue(bridge, credentials, &form_on, granted.unwrap_or(resource)).await
}

async fn issue(
    bridge: &Bridge,
    credentials: &Credentials,
    form: &[(&str, &str)],
    resource: &str,
) -> Result<HttpResponse, Refusal> {
    let server = bridge.upstream.server().await;
    let server = server.ok_or(Refusal::Unavailable(None))?;
    let endpoint = server.token_endpoint().ok_or(Refusal::Unavailable(None))?;
    let answer = bridge.upstream.ask(endpoint, credentials, form).await?;
    let body = upstream::read(&answer)?;
    let mut tokens: TokenAnswer =
        serde_json::from_value(body).map_err(|_no_tokens| Refusal::ServerError)?;
    let refresh_token = tokens.refresh_token.take();
    tokens.refresh_token = refresh_token.map(|token| join_refresh_token(bridge, token, resource));
    Ok(answer::json(StatusCode::OK, &tokens))
}

/// A refresh token with its resource written behind it, where it is not the usual one: clients need not
/// name it again, and there would be no token for this server without. It is no secret and no permission;
/// what was granted, the authorization server knows.
fn join_refresh_token(bridge: &Bridge, token: String, resource: &str) -> String {
    if resource == bridge.resources.usual() {
        return token;
    }
    format!("{token}~{}", URL_SAFE_NO_PAD.encode(resource))
}

/// The authorization server's refresh token, and what was written behind it.
pub(super) fn split_refresh_token(token: &str) -> (&str, Option<String>) {
    let of = |encoded: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok();
    match token.rsplit_once('~') {
        Some((token, encoded)) => match of(encoded) {
            Some(resource) => (token, Some(resource)),
            None => (token, None),
        },
        None => (token, None),
    }
}
