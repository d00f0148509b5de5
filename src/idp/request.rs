//! The authorization request, read and checked (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).
//!
//! In two steps, because the errors differ: until client and redirect URI are known to belong
//! together, only a page may answer; after that the client is told.

use std::sync::Arc;

use super::{
    clients::Client,
    error::{OAuthError, PageError},
    parameters::Parameters,
    pkce::Challenge,
    resource,
};
use crate::scope::Scopes;

/// Longest `state` and `nonce`, in bytes.
const ECHOED_BYTES_MAX: usize = 4_096;
/// Most scopes in one request.
const SCOPES_MAX: usize = 50;
/// Longest `login_hint` that is used, in characters.
const LOGIN_HINT_CHARACTERS_MAX: usize = 128;

/// Where the answer goes.
#[derive(Debug, Clone)]
pub(super) struct Return {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
}

/// A request that may be put before the user.
#[derive(Debug, Clone)]
pub(super) struct AuthorizationRequest {
    pub(super) client: Arc<Client>,
    pub(super) return_to: Return,
    pub(super) scopes: Scopes,
    /// As configured.
    pub(super) resources: Vec<String>,
    pub(super) challenge: Challenge,
    pub(super) nonce: Option<String>,
    pub(super) prompt: Prompt,
    /// Most seconds since the password was given.
    pub(super) max_age: Option<u64>,
    pub(super) login_hint: Option<String>,
}

/// What the client wants asked again, or not asked at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) none: bool,
    pub(super) login: bool,
    pub(super) consent: bool,
}

impl Return {
    /// Reads where to answer, for a client that is known.
    pub(super) fn read(parameters: &Parameters, client: &Client) -> Result<Self, PageError> {
        let named = parameters
            .one("redirect_uri")
            .map_err(|_twice| PageError::UnknownRedirectUri)?;
        let redirect_uri = match (named, client.redirect_uris.as_slice()) {
            (Some(uri), _) if client.may_redirect_to(uri) => uri.to_owned(),
            (None, [only]) => only.as_str().to_owned(),
            _ => return Err(PageError::UnknownRedirectUri),
        };
        let state = parameters
            .one("state")
            .ok()
            .flatten()
            .filter(|state| state.len() <= ECHOED_BYTES_MAX)
            .map(str::to_owned);
        Ok(Self {
            redirect_uri,
            state,
        })
    }
}

impl AuthorizationRequest {
    /// Reads and checks the rest.
    pub(super) fn read(
        parameters: &Parameters,
        client: Arc<Client>,
        return_to: Return,
        configured_resources: &[String],
    ) -> Result<Self, OAuthError> {
        check_form(parameters)?;
        let challenge = Challenge::read(
            parameters.one("code_challenge")?,
            parameters.one("code_challenge_method")?,
        )?;
        Ok(Self {
            scopes: scopes(parameters.one("scope")?, &client)?,
            resources: resource::resolve(parameters.all("resource"), configured_resources)?,
            challenge,
            nonce: echoed(parameters, "nonce")?,
            prompt: prompt(parameters.one("prompt")?)?,
            max_age: max_age(parameters.one("max_age")?)?,
            login_hint: parameters
                .one("login_hint")?
                .map(|hint| hint.chars().take(LOGIN_HINT_CHARACTERS_MAX).collect()),
            client,
            return_to,
        })
    }
}

/// The form of the request: code flow, answer in the query, parameters in the open.
fn check_form(parameters: &Parameters) -> Result<(), OAuthError> {
    echoed(parameters, "state")?;
    if parameters.one("request")?.is_some() {
        return Err(OAuthError::RequestNotSupported);
    }
    if parameters.one("request_uri")?.is_some() {
        return Err(OAuthError::RequestUriNotSupported);
    }
    if parameters.required("response_type", "response_type is missing")? != "code" {
        return Err(OAuthError::UnsupportedResponseType);
    }
    match parameters.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(OAuthError::InvalidRequest("use response_mode=query")),
    }
}

/// What is given back as it came.
fn echoed(parameters: &Parameters, name: &'static str) -> Result<Option<String>, OAuthError> {
    match parameters.one(name)? {
        Some(value) if value.len() > ECHOED_BYTES_MAX => {
            Err(OAuthError::InvalidRequest("state or nonce is too long"))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

/// The scopes asked for; `offline_access` only for a client that registered for refresh tokens.
fn scopes(text: Option<&str>, client: &Client) -> Result<Scopes, OAuthError> {
    let scopes: Scopes = text
        .unwrap_or_default()
        .parse()
        .map_err(|_malformed| OAuthError::InvalidScope("a scope is malformed"))?;
    if scopes.len() > SCOPES_MAX {
        return Err(OAuthError::InvalidScope("too many scopes"));
    }
    Ok(scopes
        .iter()
        .filter(|scope| client.refreshes || scope.as_str() != "offline_access")
        .cloned()
        .collect())
}

fn prompt(text: Option<&str>) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::default();
    for word in text.unwrap_or_default().split(' ') {
        match word {
            "none" => prompt.none = true,
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            // OpenID Connect Core lets other words be; so do we.
            _ => {}
        }
    }
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(OAuthError::InvalidRequest("prompt=none stands alone"));
    }
    Ok(prompt)
}

fn max_age(text: Option<&str>) -> Result<Option<u64>, OAuthError> {
    text.map(str::parse)
        .transpose()
        .map_err(|_not_a_number| OAuthError::InvalidRequest("max_age is a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_none_stands_alone() {
        assert!(prompt(Some("none login")).is_err());
        assert!(prompt(Some("none")).unwrap().none);
        assert_eq!(
            prompt(Some("login consent")).unwrap(),
            Prompt {
                none: false,
                login: true,
                consent: true
            }
        );
    }

    #[test]
    fn max_age_is_a_number_of_seconds() {
        assert_eq!(max_age(Some("0")), Ok(Some(0)));
        assert!(max_age(Some("-1")).is_err());
    }
}
