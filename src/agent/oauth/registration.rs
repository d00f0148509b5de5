//! How the agent becomes known to an authorization server.
//!
//! A client id that was given wins; else the agent registers itself (RFC 7591), as a native
//! application with a loopback redirect URI (RFC 8252 §7.3) and, where the server allows, without a
//! secret. `authorizer` keeps the result for as long as the issuer stays the same: a client id means
//! nothing elsewhere.

use serde::Deserialize;
use serde_json::json;

use super::discovery::AuthorizationServer;
use crate::{
    agent::{
        config::Config,
        error::{AgentError, OAuthRefusal},
        said::Said,
    },
    fetch::Fetcher,
    secret::Secret,
};

/// The agent as one authorization server knows it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Whose client it is.
    pub(super) issuer: String,
    pub(super) id: String,
    pub(super) authentication: ClientAuthentication,
}

/// How the agent proves at the token endpoint that it is this client (RFC 7591 §2).
#[derive(Debug, Clone)]
pub(super) enum ClientAuthentication {
    /// `none`: a public client.
    Public,
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    Basic(Secret),
    /// `client_secret_post`.
    Post(Secret),
}

/// RFC 7591 §3.2.1.
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<String>,
    token_endpoint_auth_method: Option<String>,
}

/// RFC 7591 §3.2.2.
#[derive(Deserialize)]
struct Refused {
    error: String,
    error_description: Option<String>,
}

/// The client that was given by hand; none if the agent has to register.
pub(super) fn given(
    config: &Config,
    server: &AuthorizationServer,
) -> Result<Option<Client>, AgentError> {
    let Some(id) = &config.client_id else {
        return Ok(None);
    };
    let authentication = match &config.client_secret {
        None => ClientAuthentication::Public,
        Some(secret) => {
            let method = method_with_secret(server)?;
            authentication(method, Some(secret.clone()))?
        }
    };
    Ok(Some(Client {
        issuer: server.issuer.clone(),
        id: id.clone(),
        authentication,
    }))
}

/// Registers the agent, for a sign-in that comes back to `redirect_uri`.
pub(super) async fn register(
    fetcher: &Fetcher,
    server: &AuthorizationServer,
    client_name: &str,
    redirect_uri: &str,
) -> Result<Client, AgentError> {
    let Some(endpoint) = &server.registration_endpoint else {
        return Err(AgentError::NoRegistration {
            issuer: Said::new(&server.issuer),
        });
    };
    let method = method_to_register(server)?;
    let request = fetcher.post(endpoint.as_str()).json(&json!({
        "client_name": client_name,
        "redirect_uris": [redirect_uri],
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    }));
    let failed = |error| AgentError::Fetch {
        what: "a registration",
        url: Said::new(endpoint.as_str()),
        error,
    };
    let answer = fetcher.send(request).await.map_err(failed)?;
    if answer.is_success() {
        let registered: Registered = answer.json().map_err(failed)?;
        let method = registered.token_endpoint_auth_method.as_deref();
        let secret = registered.client_secret.map(Secret::new);
        return Ok(Client {
            issuer: server.issuer.clone(),
            id: registered.client_id,
            authentication: authentication(method.unwrap_or(method_to_register(server)?), secret)?,
        });
    }
    if server.guessed && answer.status.is_client_error() {
        // Nothing at the paths of 2025-03-26 either: the real fault is the missing metadata.
        return Err(AgentError::NoMetadata {
            server: server.issuer.clone(),
        });
    }
    Err(AgentError::RegistrationRefused(
        serde_json::from_slice(&answer.body).map_or_else(
            |_not_json| OAuthRefusal {
                error: Said::new(&format!("status {}", answer.status)),
                description: None,
            },
            |refused: Refused| OAuthRefusal {
                error: Said::new(&refused.error),
                description: refused.error_description.as_deref().map(Said::new),
            },
        ),
    ))
}

/// `none` where that is allowed or nothing is said, else a method with a secret.
fn method_to_register(server: &AuthorizationServer) -> Result<&'static str, AgentError> {
    match &server.token_endpoint_auth_methods {
        None => Ok("none"),
        Some(methods) if methods.iter().any(|method| method == "none") => Ok("none"),
        Some(_) => method_with_secret(server),
    }
}

fn method_with_secret(server: &AuthorizationServer) -> Result<&'static str, AgentError> {
    // RFC 8414 §2: where nothing is said, it is client_secret_basic.
    let Some(methods) = &server.token_endpoint_auth_methods else {
        return Ok("client_secret_basic");
    };
    ["client_secret_basic", "client_secret_post"]
        .into_iter()
        .find(|known| methods.iter().any(|method| method == known))
        .ok_or_else(|| AgentError::NoClientAuthentication(Said::new(&methods.join(" "))))
}

fn authentication(
    method: &str,
    secret: Option<Secret>,
) -> Result<ClientAuthentication, AgentError> {
    match (method, secret) {
        ("client_secret_basic", Some(secret)) => Ok(ClientAuthentication::Basic(secret)),
        ("client_secret_post", Some(secret)) => Ok(ClientAuthentication::Post(secret)),
        ("none", _) => Ok(ClientAuthentication::Public),
        (other, _) => Err(AgentError::NoClientAuthentication(Said::new(other))),
    }
}
