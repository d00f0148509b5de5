//! Sends requests to the MCP server, with the token it wants.
//!
//! The three transports send everything through [`Caller::send`]: it adds the bearer token, and turns a
//! 401 or a 403 `insufficient_scope` into a sign-in and one more try. What comes back is any other
//! answer, its body still unread. Redirects are not followed: the token would go along. Several
//! requests may be under way at once; the user is asked for one of them, and the others take the token
//! that comes of it. Nothing here has a deadline of its own but [`Patience`], which whoever waits keeps.

use bytes::{Bytes, BytesMut};
use reqwest::{
    Method, Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
};
use tokio::sync::Mutex;
use url::Url;

use super::patience::Patience;
use crate::{
    agent::{
        config::{Config, MESSAGE_MAX},
        error::AgentError,
        event::Events,
        oauth::{Authorizer, Bearer, BearerChallenge},
        said::Said,
    },
    fetch::{self, Fetcher},
};

/// How often one request is sent again because another one brought a new token meanwhile.
const OVERTAKEN_MAX: usize = 4;

/// One HTTP request, which may have to be sent again with another token.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The agent's side of the HTTP connection.
#[derive(Debug)]
pub(in crate::agent) struct Caller {
    client: reqwest::Client,
    authorizer: Mutex<Authorizer>,
    patience: Patience,
}

impl Caller {
    pub(in crate::agent) fn new(config: &Config, events: Events) -> Result<Self, AgentError> {
        let fetcher = Fetcher::new(fetch::Config {
            deadline: config.request_deadline,
            ..fetch::Config::default()
        })
        .map_err(|error| AgentError::Setup(error.into()))?;
        // No total deadline here: a stream lives as long as its session.
        let client = fetch::client_builder()
            .build()
            .map_err(|error| AgentError::Setup(error.into()))?;
        Ok(Self {
            client,
            authorizer: Mutex::new(Authorizer::new(config.clone(), fetcher, events)),
            patience: Patience::new(config.call_deadline),
        })
    }

    /// How long the server may be silent.
    pub(in crate::agent) const fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Sends `call` until it is neither 401 nor 403 for lack of scope.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, AgentError> {
        let mut renewed = false;
        let mut overtaken = 0;
        loop {
            let bearer = self.fresh_bearer().await;
            let response = self.once(call, bearer.as_ref()).await?;
            let status = response.status();
            let challenge = BearerChallenge::from_headers(response.headers());
            let wants_more = status == StatusCode::FORBIDDEN && challenge.wants_more_scope();
            if status == StatusCode::UNAUTHORIZED || wants_more {
                // The user's time, not the server's.
                let _hold = self.patience.hold();
                let mut authorizer = self.authorizer.lock().await;
                if overtaken < OVERTAKEN_MAX && !authorizer.is_current(bearer.as_ref()) {
                    overtaken += 1;
                } else if wants_more {
                    // Boxed: the sign-in is by far the largest part of this future, and rare.
                    Box::pin(authorizer.step_up(&challenge)).await?;
                } else if renewed {
                    let why = challenge.error_description.or(challenge.error);
                    return Err(AgentError::TokenNotAccepted(why.as_deref().map(Said::new)));
                } else {
                    renewed = true;
                    Box::pin(authorizer.unauthorized(&challenge)).await?;
                }
            } else if status.is_redirection() {
                let to = response.headers().get(LOCATION);
                let to = to.and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
                return Err(AgentError::Redirected { to: Said::new(to) });
            } else {
                return Ok(response);
            }
        }
    }

    /// Sends `call` once, with the token there is: for what is not worth asking the user.
    pub(super) async fn send_once(&self, call: &Call) -> Result<Response, AgentError> {
        let bearer = self.fresh_bearer().await;
        self.once(call, bearer.as_ref()).await
    }

    async fn fresh_bearer(&self) -> Option<Bearer> {
        let mut authorizer = self.authorizer.lock().await;
        authorizer.keep_fresh().await;
        authorizer.bearer()
    }

    async fn once(&self, call: &Call, bearer: Option<&Bearer>) -> Result<Response, AgentError> {
        let mut request = self
            .client
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone())
            .body(call.body.clone());
        if let Some(bearer) = bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {}", bearer.expose()))
                .map_err(|_invalid| AgentError::TokenUnusable("it does not fit a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request
            .send()
            .await
            .map_err(|error| unreachable(&call.url, error))
    }
}

/// The whole body, at most [`MESSAGE_MAX`].
pub(super) async fn body(mut response: Response) -> Result<Bytes, AgentError> {
    let url = response.url().clone();
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable(&url, error))?
    {
        if body.len() + chunk.len() > MESSAGE_MAX.bytes() {
            return Err(AgentError::TooLarge(MESSAGE_MAX));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unreachable(url: &Url, error: reqwest::Error) -> AgentError {
    let host = url.host_str().unwrap_or_default();
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    AgentError::Unreachable {
        host,
        error: error.without_url(),
    }
}
