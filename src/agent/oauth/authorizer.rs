//! Holds the agent's token, and gets it a new one when the server wants one.
//!
//! `caller` asks here on a 401 or 403 and takes the bearer token for every request. One [`Authorizer`]
//! per connection. Client and tokens belong to the issuer they came from: a server that names another
//! one starts from nothing. The user is asked at most once per refusal, and [`STEP_UPS_MAX`] times
//! per connection for more scopes.

use super::{
    authorization::Authorization,
    callback::Callback,
    challenge::BearerChallenge,
    discovery::{Discovered, discover},
    registration::{self, Client},
    safe_url,
    token::{self, SignedIn, Tokens},
};
use crate::{
    agent::{
        config::Config,
        error::AgentError,
        event::{Event, Events},
    },
    fetch::Fetcher,
    scope::Scopes,
    secret::Secret,
};

/// How often a connection may ask the user for more scopes.
const STEP_UPS_MAX: usize = 3;

/// The agent's standing with one server.
#[derive(Debug)]
pub(in crate::agent) struct Authorizer {
    config: Config,
    fetcher: Fetcher,
    events: Events,
    standing: Option<Standing>,
    /// Everything asked for so far: a step-up must not lose what was granted.
    asked: Scopes,
    /// The callback's port; the registered redirect URI holds it.
    port: u16,
    step_ups: usize,
    /// How many tokens there have been.
    issued: u64,
}

/// A token to send, and which one of this connection's it is.
#[derive(Debug, Clone)]
pub(in crate::agent) struct Bearer {
    token: Secret,
    number: u64,
}

impl Bearer {
    /// The token, for the one place that sends it.
    pub(in crate::agent) fn expose(&self) -> &str {
        self.token.expose()
    }
}

/// What there is after a first sign-in.
#[derive(Debug)]
struct Standing {
    discovered: Discovered,
    client: Client,
    tokens: Tokens,
}

impl Authorizer {
    pub(in crate::agent) fn new(config: Config, fetcher: Fetcher, events: Events) -> Self {
        Self {
            port: config.callback_port,
            config,
            fetcher,
            events,
            standing: None,
            asked: Scopes::none(),
            step_ups: 0,
            issued: 0,
        }
    }

    /// The token to send, if there is one.
    pub(in crate::agent) fn bearer(&self) -> Option<Bearer> {
        self.standing.as_ref().map(|standing| Bearer {
            token: standing.tokens.access.clone(),
            number: self.issued,
        })
    }

    /// Whether a request that went out with `sent` had the newest token, and so was judged by it.
    pub(in crate::agent) fn is_current(&self, sent: Option<&Bearer>) -> bool {
        sent.map(|bearer| bearer.number) == self.standing.as_ref().map(|_| self.issued)
    }

    /// Replaces a token that is at its end, where that goes without the user. If it fails, the server
    /// will say 401 and [`Authorizer::unauthorized`] sees to it.
    pub(in crate::agent) async fn keep_fresh(&mut self) {
        if self
            .standing
            .as_ref()
            .is_some_and(|standing| standing.tokens.is_stale())
        {
            self.refresh().await;
        }
    }

    /// The server answered 401: gets a token that it has not seen yet.
    pub(in crate::agent) async fn unauthorized(
        &mut self,
        challenge: &BearerChallenge,
    ) -> Result<(), AgentError> {
        safe_url::check_server(&self.config.url)?;
        if self.standing.is_none() {
            self.events.report(Event::Unauthorized);
        }
        // Asked anew each time: the server may have moved to another authorization server.
        let discovered = discover(&self.fetcher, &self.config.url, challenge).await?;
        self.events.report(Event::Discovered {
            issuer: discovered.server.issuer.clone(),
        });
        if self.belongs_to(&discovered) {
            if self.refresh().await {
                return Ok(());
            }
        } else {
            self.standing = None;
        }
        let wanted = [
            &self.config.scope,
            &challenge.scope,
            &discovered.resource_scopes,
        ]
        .into_iter()
        .flatten()
        .next()
        .cloned()
        .unwrap_or_default();
        self.sign_in(discovered, &wanted).await
    }

    /// The server answered 403 `insufficient_scope`: asks the user for what was granted and what is
    /// missing (RFC 6750 §3.1; MCP authorization, step-up).
    pub(in crate::agent) async fn step_up(
        &mut self,
        challenge: &BearerChallenge,
    ) -> Result<(), AgentError> {
        let missing = challenge.scope.clone().unwrap_or_default();
        let Some(standing) = &self.standing else {
            return Err(AgentError::InsufficientScope(missing));
        };
        // What was asked for once, the user or the authorization server has judged.
        if self.asked.covers(&missing) || self.step_ups == STEP_UPS_MAX {
            return Err(AgentError::InsufficientScope(missing));
        }
        self.step_ups += 1;
        let scopes = standing.tokens.scopes.union(&missing);
        self.events.report(Event::StepUp {
            scopes: self.asked.union(&scopes),
        });
        self.sign_in(standing.discovered.clone(), &scopes).await
    }

    fn belongs_to(&self, discovered: &Discovered) -> bool {
        self.standing
            .as_ref()
            .is_some_and(|standing| standing.client.issuer == discovered.server.issuer)
    }

    /// Whether there is a new token now.
    async fn refresh(&mut self) -> bool {
        let Some(standing) = &mut self.standing else {
            return false;
        };
        if standing.tokens.refresh.is_none() {
            return false;
        }
        let Standing {
            discovered,
            client,
            tokens,
        } = standing;
        match token::refresh(&self.fetcher, discovered, client, tokens).await {
            Ok(renewed) => {
                standing.tokens = renewed;
                self.issued += 1;
                self.events.report(Event::Refreshed);
                true
            }
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "no refreshed token"
                );
                // Refused once, it stays refused; a broken connection says nothing about it.
                if matches!(error, AgentError::TokenRefused(_)) {
                    standing.tokens.refresh = None;
                }
                false
            }
        }
    }

    async fn sign_in(&mut self, discovered: Discovered, wanted: &Scopes) -> Result<(), AgentError> {
        let callback = Callback::bind(self.port).await?;
        self.port = callback.port();
        let client = self.client(&discovered, &callback.redirect_uri()).await?;
        let asked = self.asked.union(wanted).union(&self.offline(&discovered));
        let authorization = Authorization::new(
            &discovered,
            &client,
            &callback.redirect_uri(),
            &asked,
            self.config.offline_access,
        )?;
        let redirect_uri = callback.redirect_uri();
        self.events.report(Event::SignIn {
            url: authorization.url.clone(),
        });
        let code = callback
            .wait(&authorization, self.config.sign_in_deadline)
            .await?;
        let signed_in = SignedIn {
            code,
            verifier: authorization.verifier,
            redirect_uri,
            asked: asked.clone(),
        };
        let tokens = token::exchange(&self.fetcher, &discovered, &client, &signed_in).await?;
        self.asked = asked;
        self.issued += 1;
        self.events.report(Event::SignedIn {
            scopes: tokens.scopes.clone(),
        });
        self.standing = Some(Standing {
            discovered,
            client,
            tokens,
        });
        Ok(())
    }

    /// The client of this issuer: the one we are, the one that was given, or a new one.
    async fn client(
        &self,
        discovered: &Discovered,
        redirect_uri: &str,
    ) -> Result<Client, AgentError> {
        let server = &discovered.server;
        if let Some(standing) = self
            .standing
            .as_ref()
            .filter(|_| self.belongs_to(discovered))
        {
            return Ok(standing.client.clone());
        }
        if let Some(given) = registration::given(&self.config, server)? {
            return Ok(given);
        }
        let name = &self.config.client_name;
        let client = registration::register(&self.fetcher, server, name, redirect_uri).await?;
        self.events.report(Event::Registered {
            client_id: client.id.clone(),
        });
        Ok(client)
    }

    /// `offline_access`, if it is wanted and the server does not leave it out of what it knows.
    fn offline(&self, discovered: &Discovered) -> Scopes {
        let scope: Scopes = Scopes::lenient("offline_access");
        let known = discovered.server.scopes_supported.as_ref();
        if self.config.offline_access && known.is_none_or(|known| known.covers(&scope)) {
            scope
        } else {
            Scopes::none()
        }
    }
}
