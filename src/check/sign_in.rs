//! The way to the sign-in page, as far as it goes without a user: does the provider know the client, its
//! redirect URI, the resource and the scopes, and does it insist on PKCE?
//!
//! An authorization server answers a wrong request at once, and a right one with its sign-in page; so
//! the answer tells which it was, and nothing has happened. A bridge answers a right one with a request
//! of its own to the server behind it, which is followed once.

use std::collections::HashMap;

use reqwest::{StatusCode, header::LOCATION};
use serde::Deserialize;
use url::Url;

use super::{
    Client,
    finding::Findings,
    probe::{Answer, Probe},
    resource::ProtectedResource,
};
use crate::metadata::AuthorizationServer;

/// The example of RFC 7636 appendix B: never used to redeem anything.
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const STATE: &str = "usher-check";

/// Tries the authorization endpoint, with and without PKCE.
pub(super) async fn walk(
    probe: &Probe,
    client: &Client,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
    findings: &mut Findings<'_>,
) {
    let Some(endpoint) = server.authorization_endpoint() else {
        let mend = "have the provider publish its authorization_endpoint";
        findings.problem("sign-in", "users can't sign in anywhere", mend);
        return;
    };
    let Ok(endpoint) = Url::parse(endpoint) else {
        return;
    };
    match asked(probe, &request(&endpoint, client, resource, true), client).await {
        Outcome::SignIn => {
            findings.right(
                "sign-in",
                "the provider shows its sign-in page for this request",
            );
        }
        Outcome::Refused(error) => {
            let mend = error.mend(client, resource);
            findings.problem("sign-in", format!("the provider refuses: {error}"), mend);
            return;
        }
        Outcome::Unclear(why) => {
            let mend = "open the link in a browser, and see the provider's log";
            findings.problem("sign-in", format!("no sign-in page, but {why}"), mend);
            return;
        }
    }
    match asked(probe, &request(&endpoint, client, resource, false), client).await {
        Outcome::Refused(_) => findings.right("pkce forced", "a request without PKCE is refused"),
        _ => findings.warn(
            "pkce forced",
            "the provider lets this client sign in without PKCE",
            "clients of MCP use it anyway; Logto forces it for Native and single-page applications only",
        ),
    }
}

fn request(endpoint: &Url, client: &Client, resource: &ProtectedResource, pkce: bool) -> Url {
    let mut url = endpoint.clone();
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", &client.redirect_uri)
            .append_pair("resource", &resource.resource)
            .append_pair("state", STATE);
        let scope = resource.scope();
        if !scope.is_empty() {
            query.append_pair("scope", &scope);
        }
        if pkce {
            query
                .append_pair("code_challenge", CODE_CHALLENGE)
                .append_pair("code_challenge_method", "S256");
        }
    }
    url
}

enum Outcome {
    SignIn,
    Refused(Refusal),
    Unclear(String),
}

/// RFC 6749 §4.1.2.1, in a redirect's query or, before the client is known, in the body.
#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
    /// The redirect URI of the bridge, if it was who stands behind it that refused.
    #[serde(skip)]
    callback: Option<String>,
}

/// Where a request led.
enum Led {
    /// To an answer.
    To(Outcome),
    /// To another authorization server, which is to answer to this redirect URI.
    On { url: Url, callback: String },
}

async fn asked(probe: &Probe, url: &Url, client: &Client) -> Outcome {
    let (url, callback) = match led(probe, url, &client.redirect_uri).await {
        Led::To(outcome) => return outcome,
        Led::On { url, callback } => (url, callback),
    };
    match led(probe, &url, &callback).await {
        Led::To(Outcome::Refused(refusal)) => Outcome::Refused(Refusal {
            callback: Some(callback),
            ..refusal
        }),
        Led::To(outcome) => outcome,
        Led::On { .. } => Outcome::SignIn,
    }
}

async fn led(probe: &Probe, url: &Url, redirect_uri: &str) -> Led {
    let answer = match probe.send(probe.get(url.as_str())).await {
        Ok(answer) => answer,
        Err(why) => return Led::To(Outcome::Unclear(why)),
    };
    if answer.status.is_redirection() {
        return redirected(&answer, url, redirect_uri);
    }
    if answer.status == StatusCode::OK {
        return Led::To(Outcome::SignIn);
    }
    Led::To(serde_json::from_slice(&answer.body).map_or_else(
        |_no_json| Outcome::Unclear(format!("status {}", answer.status)),
        Outcome::Refused,
    ))
}

fn redirected(answer: &Answer, asked: &Url, redirect_uri: &str) -> Led {
    let location = answer.header(LOCATION.as_str()).unwrap_or_default();
    let Ok(to) = asked.join(location) else {
        return Led::To(Outcome::Unclear("a redirect to nowhere".to_owned()));
    };
    let mut query: HashMap<_, _> = to.query_pairs().into_owned().collect();
    if let Some(error) = query.get("error") {
        return Led::To(Outcome::Refused(Refusal {
            error: error.clone(),
            error_description: query.get("error_description").cloned(),
            callback: None,
        }));
    }
    if location.starts_with(redirect_uri) {
        return Led::To(Outcome::Unclear("a code, with nobody signed in".to_owned()));
    }
    match query.remove("redirect_uri") {
        Some(callback) if query.contains_key("client_id") => Led::On { url: to, callback },
        _ => Led::To(Outcome::SignIn),
    }
}

impl Refusal {
    fn mend(&self, client: &Client, resource: &ProtectedResource) -> String {
        if let Some(callback) = &self.callback
            && self.error.starts_with("invalid_re")
        {
            return format!(
                "register {callback}, the bridge's, as the redirect URI of this application at the \
                 provider; in Logto the application was made for another server.public_url"
            );
        }
        match self.error.as_str() {
            "invalid_target" => format!(
                "register {} at the provider, to the character and with its slashes; in Logto as an \
                 API resource with that indicator",
                resource.resource
            ),
            "invalid_scope" => format!(
                "allow this client {}; in Logto grant them to the third-party application under \
                 Permissions",
                resource.scope()
            ),
            "invalid_client" | "unauthorized_client" => {
                format!("is {} the id of a client of this very provider?", client.id)
            }
            "invalid_redirect_uri" | "invalid_request" => format!(
                "register {} as a redirect URI of the client, to the character",
                client.redirect_uri
            ),
            _ => "see the provider's log".to_owned(),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.error)?;
        match &self.error_description {
            Some(description) => write!(formatter, ", {description}"),
            None => Ok(()),
        }
    }
}
