//! `/register`: an agent introduces itself (RFC 7591), and becomes a client of its own at the registrar.
//!
//! In this order: who may, what is said, how often, how many. So whoever sends nonsense costs the
//! registrar nothing, and nothing that is sent is ever fetched or passed on as it is (R08).

use std::net::IpAddr;

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Serialize;
use serde_json::Value;

use super::{Bridge, answer, error::Refusal};
use crate::{
    oauth::{
        client_information::{ClientInformation, RESPONSE_TYPES, grant_types},
        redirect_uri::RedirectUri,
    },
    registration::{Client, NewClient, Origin, Registered},
    secret::Secret,
    telemetry::audit,
};

pub(super) async fn post(
    bridge: web::Data<Bridge>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let address = bridge.address(&request);
    let registered = register(&bridge, &request, address, body).await;
    if let Err(refusal) = &registered {
        audit::registration_refused(refusal.code(), address);
    }
    answer::told(registered)
}

async fn register(
    bridge: &Bridge,
    request: &HttpRequest,
    address: Option<IpAddr>,
    body: Result<web::Bytes, Error>,
) -> Result<HttpResponse, Refusal> {
    bridge.registry.admission().admit(answer::bearer(request))?;
    let metadata = json_object(request, body)?;
    let new = bridge.client_described_by(&metadata)?;
    let registered = bridge.registry.register(&new, address).await?;
    let Registered { client, secret } = &registered;
    Ok(answer::json(
        StatusCode::CREATED,
        &bridge.described(client, secret.as_ref()),
    ))
}

/// A registration's body, as JSON.
pub(super) fn json_object(
    request: &HttpRequest,
    body: Result<web::Bytes, Error>,
) -> Result<Value, Refusal> {
    let body = answer::whole(body)?;
    if answer::media_type(request) != "application/json" {
        return Err(Refusal::NotJson);
    }
    serde_json::from_slice(&body)
        .map_err(|_malformed| Refusal::InvalidRequest("the body is not JSON"))
}

impl Bridge {
    /// The client that describes itself like this.
    pub(super) fn client_described_by(&self, metadata: &Value) -> Result<NewClient, Refusal> {
        let (scopes, now) = (self.registry.scopes().clone(), self.clock.now());
        let described = NewClient::described_by(metadata, scopes, Origin::Registration, now);
        Ok(described?)
    }

    /// What a client is told of itself.
    pub(super) fn described(&self, client: &Client, secret: Option<&Secret>) -> impl Serialize {
        let details = &client.details;
        // What is shared is nobody's to change.
        let own = details.origin != Origin::Shared;
        let answer = ClientInformation {
            client_id: &client.id,
            client_id_issued_at: details.registered_at,
            client_secret: secret.map(Secret::expose),
            client_secret_expires_at: secret.map(|_| 0),
            registration_client_uri: own.then(|| format!("{}/register/{}", self.issuer, client.id)),
            registration_access_token: own
                .then(|| self.sealer.registration_access_token(&client.id)),
            client_name: details.name.as_deref(),
            redirect_uris: details
                .redirect_uris
                .iter()
                .map(RedirectUri::as_str)
                .collect(),
            application_type: details.application_type.as_str(),
            grant_types: grant_types(details.refreshes),
            response_types: RESPONSE_TYPES,
            token_endpoint_auth_method: details.authentication.as_str(),
            scope: Some(&details.scopes),
            software_id: details.software_id.as_deref(),
        };
        serde_json::to_value(answer).unwrap_or_default()
    }

    /// Whose request this is.
    fn address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let header = |name: &str| {
            let last = request.headers().get_all(name).last();
            last.and_then(|value| value.to_str().ok())
        };
        self.registry.address(peer, header)
    }
}
