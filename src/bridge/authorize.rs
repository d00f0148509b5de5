//! `/authorize`: a client sends its user to sign in (RFC 6749 §4.1.1), and we send them on.
//!
//! In two steps, because the errors differ: until client and redirect URI are known to belong together
//! only a page may answer; after that the client is told.

use std::sync::Arc;

use actix_web::{Error, HttpRequest, HttpResponse, web};

use super::{
    Bridge, answer,
    error::{PageError, Refusal},
    transaction::{LASTS_SECONDS, Transaction, new_browser},
};
use crate::{
    metadata::AuthorizationServer,
    oauth::{parameters::Parameters, pkce::Challenge},
    registration::Client,
    scope::{Scope, Scopes},
};

/// Longest redirect URI and `state` together, in bytes: they travel in a cookie, of which browsers keep
/// 4 KiB.
const ECHOED_BYTES_MAX: usize = 2_300;
/// Most scopes in one request.
const SCOPES_MAX: usize = 50;
/// Longest `login_hint` that is passed on, in bytes.
const LOGIN_HINT_BYTES_MAX: usize = 256;

const OFFLINE_ACCESS: &str = "offline_access";

pub(super) async fn get(bridge: web::Data<Bridge>, request: HttpRequest) -> HttpResponse {
    let parameters = Parameters::parse(request.query_string().as_bytes());
    answer::went(&bridge.base, begin(&bridge, &request, &parameters).await)
}

pub(super) async fn post(
    bridge: web::Data<Bridge>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let Ok(body) = answer::whole(body) else {
        return answer::went(&bridge.base, Err(PageError::Unreadable));
    };
    answer::went(
        &bridge.base,
        begin(&bridge, &request, &Parameters::parse(&body)).await,
    )
}

/// What the client wants asked again, or not asked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Prompt {
    none: bool,
    login: bool,
    consent: bool,
}

async fn begin(
    bridge: &Bridge,
    request: &HttpRequest,
    parameters: &Parameters,
) -> Result<HttpResponse, PageError> {
    let client_id = parameters.one("client_id");
    let client_id = client_id.ok().flatten().ok_or(PageError::UnknownClient)?;
    let client = bridge.directory().find(client_id).await?;
    let client = client.filter(|client| !client.disabled);
    let client = client.ok_or(PageError::UnknownClient)?;
    let redirect_uri = redirect_uri(parameters, &client)?;
    let state = parameters.one("state").ok().flatten();
    match onward(bridge, request, parameters, &client, redirect_uri).await {
        Ok((location, cookie)) => Ok(answer::redirect(location, Some(cookie))),
        Err(refusal) => {
            let location = bridge.refused(redirect_uri, state, &refusal);
            Ok(answer::redirect(location, None))
        }
    }
}

/// One that is registered; none need be named where there is but one.
fn redirect_uri<'a>(parameters: &'a Parameters, client: &'a Client) -> Result<&'a str, PageError> {
    let named = parameters.one("redirect_uri");
    let named = named.map_err(|_twice| PageError::UnknownRedirectUri)?;
    match (named, client.details.redirect_uris.as_slice()) {
        (Some(uri), _) if client.may_redirect_to(uri) => Ok(uri),
        (None, [only]) => Ok(only.as_str()),
        _ => Err(PageError::UnknownRedirectUri),
    }
}

/// Where the browser goes to sign in, and its cookie.
async fn onward(
    bridge: &Bridge,
    request: &HttpRequest,
    parameters: &Parameters,
    client: &Arc<Client>,
    redirect_uri: &str,
) -> Result<(String, String), Refusal> {
    check_form(parameters)?;
    let state = parameters.one("state")?;
    if redirect_uri.len() + state.map_or(0, str::len) > ECHOED_BYTES_MAX {
        return Err(Refusal::InvalidRequest("state is too long"));
    }
    let challenge = parameters.one("code_challenge")?;
    Challenge::read(challenge, parameters.one("code_challenge_method")?)?;
    let named = bridge.resources.named(parameters.all("resource"));
    let resource = named.map_err(|_unknown| Refusal::InvalidTarget)?;
    let resource = resource.unwrap_or(bridge.resources.usual());
    let mut prompt = prompt(parameters.one("prompt")?)?;
    let scopes = scopes(parameters.one("scope")?, client, prompt.none)?;
    // Logto gives no refresh token where it did not ask the user.
    prompt.consent |= scopes.iter().any(|scope| scope.as_str() == OFFLINE_ACCESS);

    let now = bridge.clock.now();
    let before = bridge.cookie.read(request, &bridge.sealer, now);
    let browser = match before {
        Some(before) => before.browser,
        None => new_browser().map_err(|_none| Refusal::ServerError)?,
    };
    let transaction = Transaction {
        client_id: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        state: state.map(str::to_owned),
        code_challenge: challenge.unwrap_or_default().to_owned(),
        resource: resource.to_owned(),
        browser,
        ends: now.as_unix_seconds() + LASTS_SECONDS,
    };
    let sealed = transaction.seal(&bridge.sealer);
    let sealed = sealed.map_err(|_unsealed| Refusal::ServerError)?;
    let server = bridge.upstream.server().await;
    let server = server.ok_or(Refusal::Unavailable(None))?;
    let hint = parameters.one("login_hint")?;
    let hint = hint.filter(|hint| hint.len() <= LOGIN_HINT_BYTES_MAX);
    let location = location(
        bridge,
        &server,
        &transaction,
        &sealed,
        &scopes,
        prompt,
        hint,
    )?;
    Ok((location, bridge.cookie.set(&sealed)))
}

fn location(
    bridge: &Bridge,
    server: &AuthorizationServer,
    transaction: &Transaction,
    sealed: &str,
    scopes: &Scopes,
    prompt: Prompt,
    login_hint: Option<&str>,
) -> Result<String, Refusal> {
    let endpoint = server.authorization_endpoint();
    let endpoint = endpoint.ok_or(Refusal::Unavailable(None))?;
    let scopes = scopes.to_string();
    let prompt = prompt.to_string();
    let mut query = vec![
        ("response_type", "code"),
        ("client_id", transaction.client_id.as_str()),
        ("redirect_uri", bridge.callback.as_str()),
        ("scope", scopes.as_str()),
        ("resource", transaction.resource.as_str()),
        ("code_challenge", transaction.code_challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("state", sealed),
    ];
    if !prompt.is_empty() {
        query.push(("prompt", prompt.as_str()));
    }
    query.extend(login_hint.map(|hint| ("login_hint", hint)));
    Ok(answer::with_query(endpoint, &query))
}

impl Bridge {
    /// Where a client learns that it was refused (RFC 6749 §4.1.2.1, RFC 9207).
    pub(super) fn refused(
        &self,
        redirect_uri: &str,
        state: Option<&str>,
        refusal: &Refusal,
    ) -> String {
        let description = refusal.to_string();
        let mut query = vec![
            ("error", refusal.code()),
            ("error_description", description.as_str()),
        ];
        let state = state.filter(|state| state.len() <= ECHOED_BYTES_MAX);
        query.extend(state.map(|state| ("state", state)));
        query.push(("iss", &self.issuer));
        answer::with_query(redirect_uri, &query)
    }
}

/// The form of the request: code flow, answer in the query, parameters in the open.
fn check_form(parameters: &Parameters) -> Result<(), Refusal> {
    let in_the_open = |name| match parameters.one(name)? {
        None => Ok(()),
        Some(_) => Err(Refusal::InvalidRequest("send the parameters themselves")),
    };
    in_the_open("request")?;
    in_the_open("request_uri")?;
    if parameters.required("response_type", "response_type is missing")? != "code" {
        return Err(Refusal::UnsupportedResponseType);
    }
    match parameters.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(Refusal::InvalidRequest("use response_mode=query")),
    }
}

/// What to ask for: of what the client wants, that which it may have. Logto refuses a request for a
/// user's data that its client may not have, and gives no refresh token unless asked for one; clients
/// know neither.
fn scopes(text: Option<&str>, client: &Client, silent: bool) -> Result<Scopes, Refusal> {
    let malformed = |_| Refusal::InvalidScope("a scope is malformed");
    let wanted: Scopes = text.unwrap_or_default().parse().map_err(malformed)?;
    if wanted.len() > SCOPES_MAX {
        return Err(Refusal::InvalidScope("too many scopes"));
    }
    let refreshes = client.details.refreshes && !silent;
    let protocol = |scope: &Scope| matches!(scope.as_str(), "openid" | OFFLINE_ACCESS);
    let allowed = &client.details.scopes;
    let mut granted: Scopes = if wanted.is_empty() {
        allowed.clone()
    } else {
        let may = |scope: &&Scope| allowed.iter().any(|one| one == *scope) || protocol(scope);
        wanted.iter().filter(may).cloned().collect()
    };
    if granted.is_empty() && !wanted.is_empty() {
        return Err(Refusal::InvalidScope(
            "this client may have none of these scopes",
        ));
    }
    granted = granted
        .iter()
        .filter(|scope| !protocol(scope))
        .cloned()
        .collect();
    // Without it, providers leave out what makes a refresh token.
    let more = if refreshes {
        "openid offline_access"
    } else {
        "openid"
    };
    let more: Scopes = more.parse().unwrap_or_default();
    Ok(granted.iter().chain(more.iter()).cloned().collect())
}

fn prompt(text: Option<&str>) -> Result<Prompt, Refusal> {
    let has = |word: &str| text.is_some_and(|text| text.split(' ').any(|one| one == word));
    let prompt = Prompt {
        none: has("none"),
        login: has("login") || has("select_account"),
        consent: has("consent"),
    };
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(Refusal::InvalidRequest("prompt=none stands alone"));
    }
    Ok(prompt)
}

impl std::fmt::Display for Prompt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match (self.none, self.login, self.consent) {
            (true, ..) => "none",
            (_, true, true) => "login consent",
            (_, true, false) => "login",
            (_, false, true) => "consent",
            (_, false, false) => "",
        })
    }
}
