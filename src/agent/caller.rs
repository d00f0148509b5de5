//! Sends requests to the MCP server, with the token it wants.
//!
//! The three transports send everything through [`Caller::send`]: it adds the bearer token, and turns a
//! 401 or a 403 `insufficient_scope` into a sign-in and one more try. What comes back is any other
//! answer, its body still unread. Redirects are not followed: the token would go along.

use bytes::{Bytes, BytesMut};
use reqwest::{
    Method, Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
};
use tokio::time::timeout;
use url::Url;

use super::{
    authorizer::Authorizer,
    challenge::BearerChallenge,
    config::{Config, MESSAGE_MAX},
    error::{AgentError, Said},
    event::Events,
};
use crate::{
    fetch::{self, Fetcher},
    units::HumanDuration,
};

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
pub(super) struct Caller {
    client: reqwest::Client,
    authorizer: Authorizer,
    deadline: HumanDuration,
}

impl Caller {
    pub(super) fn new(config: &Config, events: Events) -> Result<Self, AgentError> {
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
            authorizer: Authorizer::new(config.clone(), fetcher, events),
            deadline: config.call_deadline,
        })
    }

    /// How long the server may take for an answer.
    pub(super) const fn deadline(&self) -> HumanDuration {
        self.deadline
    }

    /// Sends `call` until it is neither 401 nor 403 for lack of scope.
    pub(super) async fn send(&mut self, call: &Call) -> Result<Response, AgentError> {
        let mut renewed = false;
        loop {
            self.authorizer.keep_fresh().await;
            let response = self.once(call).await?;
            let status = response.status();
            let challenge = BearerChallenge::from_headers(response.headers());
            if status == StatusCode::UNAUTHORIZED {
                if renewed {
                    let why = challenge.error_description.or(challenge.error);
                    return Err(AgentError::TokenNotAccepted(why.as_deref().map(Said::new)));
                }
                renewed = true;
                // Boxed: the sign-in is by far the largest part of this future, and rare.
                Box::pin(self.authorizer.unauthorized(&challenge)).await?;
            } else if status == StatusCode::FORBIDDEN && challenge.wants_more_scope() {
                Box::pin(self.authorizer.step_up(&challenge)).await?;
            } else if status.is_redirection() {
                let to = response.headers().get(LOCATION);
                let to = to.and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
                return Err(AgentError::Redirected { to: Said::new(to) });
            } else {
                return Ok(response);
            }
        }
    }

    async fn once(&self, call: &Call) -> Result<Response, AgentError> {
        let mut request = self
            .client
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone())
            .body(call.body.clone());
        if let Some(token) = self.authorizer.bearer() {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_invalid| AgentError::TokenUnusable("it does not fit a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        timeout(self.deadline.get(), request.send())
            .await
            .map_err(|_elapsed| self.late())?
            .map_err(|error| unreachable(&call.url, error))
    }

    /// The whole body, at most [`MESSAGE_MAX`].
    pub(super) async fn body(&self, mut response: Response) -> Result<Bytes, AgentError> {
        let url = response.url().clone();
        let read = async {
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
        };
        timeout(self.deadline.get(), read)
            .await
            .map_err(|_elapsed| self.late())?
    }

    fn late(&self) -> AgentError {
        AgentError::Deadline {
            what: "the server's answer",
            after: self.deadline,
        }
    }
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
