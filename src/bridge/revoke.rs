//! `/revoke`: a client gives a token back (RFC 7009).

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};

use super::{
    Bridge, answer,
    error::Refusal,
    token::{credentials, form, split_refresh_token},
    upstream,
};

pub(super) async fn post(
    bridge: web::Data<Bridge>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    answer::told(revoke(&bridge, &request, body).await)
}

async fn revoke(
    bridge: &Bridge,
    request: &HttpRequest,
    body: Result<web::Bytes, Error>,
) -> Result<HttpResponse, Refusal> {
    let form = form(request, body)?;
    let credentials = credentials(bridge, request, &form).await?;
    let (token, _) = split_refresh_token(form.required("token", "token is missing")?);
    let server = bridge.upstream.server().await;
    let server = server.ok_or(Refusal::Unavailable(None))?;
    let endpoint = server.member("revocation_endpoint");
    let endpoint = endpoint.and_then(serde_json::Value::as_str);
    let endpoint = endpoint.ok_or(Refusal::UnsupportedTokenType)?;
    let mut form_on = vec![("token", token)];
    form_on.extend(
        form.one("token_type_hint")?
            .map(|hint| ("token_type_hint", hint)),
    );
    let answer = bridge
        .upstream
        .ask(endpoint, &credentials, &form_on)
        .await?;
    if answer.is_success() {
        return Ok(answer::empty(StatusCode::OK));
    }
    match upstream::read(&answer) {
        // RFC 7009 §2.2: of another client's token, nothing is to be learnt (C29).
        Ok(_) | Err(Refusal::InvalidRequest(_)) => Ok(answer::empty(StatusCode::OK)),
        Err(refusal) => Err(refusal),
    }
}
