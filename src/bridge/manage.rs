//! `/register/{client_id}`: a client reads, replaces or deletes its registration (RFC 7592).
//!
//! The token is judged before anybody is asked whether there is such a client, so that a wrong one tells
//! nothing (R21).

use std::sync::Arc;

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};

use super::{Bridge, answer, error::Refusal, register::json_object};
use crate::{
    registration::{Client, NewClient, Origin},
    telemetry::audit,
};

pub(super) async fn get(bridge: web::Data<Bridge>, request: HttpRequest) -> HttpResponse {
    let read = async {
        let client = client(&bridge, &request).await?;
        Ok(answer::json(
            StatusCode::OK,
            &bridge.described(&client, None),
        ))
    };
    answer::told(read.await)
}

pub(super) async fn put(
    bridge: web::Data<Bridge>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    answer::told(replace(&bridge, &request, body).await)
}

pub(super) async fn delete(bridge: web::Data<Bridge>, request: HttpRequest) -> HttpResponse {
    let deleted = async {
        let client = client(&bridge, &request).await?;
        bridge.directory().delete(&client.id).await?;
        audit::registration_changed("unregistered", &client.id);
        bridge.cut_off(&client.id);
        Ok(answer::empty(StatusCode::NO_CONTENT))
    };
    answer::told(deleted.await)
}

/// The whole registration anew (RFC 7592 §2.2). How it proves itself, what kind it is and what it may be
/// granted stay as they are: an authorization server does not change the kind of a client.
async fn replace(
    bridge: &Bridge,
    request: &HttpRequest,
    body: Result<web::Bytes, Error>,
) -> Result<HttpResponse, Refusal> {
    let client = client(bridge, request).await?;
    let metadata = json_object(request, body)?;
    if metadata
        .get("client_id")
        .and_then(serde_json::Value::as_str)
        != Some(&client.id)
    {
        return Err(Refusal::OtherClient);
    }
    let said = bridge.client_described_by(&metadata)?;
    if said.is_confidential() != client.details.is_confidential() {
        return Err(Refusal::InvalidRequest(
            "a client can't become public or confidential; register another",
        ));
    }
    let details = NewClient {
        authentication: client.details.authentication,
        scopes: client.details.scopes.clone(),
        origin: client.details.origin,
        registered_at: client.details.registered_at,
        ..said
    };
    let replaced = Client {
        details,
        ..Client::clone(&client)
    };
    let answer = answer::json(StatusCode::OK, &bridge.described(&replaced, None));
    if !bridge.directory().update(replaced).await? {
        return Err(Refusal::InvalidToken);
    }
    audit::registration_changed("reregistered", &client.id);
    Ok(answer)
}

/// Whose registration this is. The same refusal for a wrong token and for a client that is gone.
async fn client(bridge: &Bridge, request: &HttpRequest) -> Result<Arc<Client>, Refusal> {
    let id = request.match_info().query("client_id");
    let token = answer::bearer(request).unwrap_or_default();
    if !bridge.sealer.is_registration_access_token(id, token) {
        return Err(Refusal::InvalidToken);
    }
    let client = bridge.directory().find(id).await?;
    // A shared client is nobody's to change, though nobody was told its token either.
    let client = client.filter(|client| client.details.origin != Origin::Shared);
    client.ok_or(Refusal::InvalidToken)
}
