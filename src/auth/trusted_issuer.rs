//! One authorization server we trust, with its rules: turns a token into an identity, or says why not.
//!
//! Chooses the method by the kind of token and the configuration, and bounds what is asked at once.
//! Called by the [`Examiner`](super::examiner::Examiner) once per unknown token, never on a hit. Holds
//! no verdict. With several issuers, one of these each, which share nothing but the HTTP client.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{info, warn};

use super::{
    AuthError, Counters, IssuerConfig, Method, Reason, Verification,
    cache::{Validity, Verified},
    claims::{self, Claims, Lifetime},
    config::LimitsConfig,
    counters::Outcome,
    introspection,
    jwt::{self, Signature, Unverified},
    keys::Keys,
    upstream::Trouble,
    userinfo,
};
use crate::{
    fetch::Fetcher,
    metadata::{AuthorizationServer, Discovery},
    time::Clock,
};

/// An authorization server and everything known about it.
#[derive(Debug)]
pub(super) struct TrustedIssuer {
    config: IssuerConfig,
    discovery: Discovery,
    keys: Keys,
    fetcher: Fetcher,
    clock: Clock,
    counters: Arc<Counters>,
    questions: Semaphore,
    /// Whether the last question had no answer, so that an outage is logged once.
    is_silent: AtomicBool,
}

impl TrustedIssuer {
    pub(super) fn new(
        config: IssuerConfig,
        limits: &LimitsConfig,
        fetcher: Fetcher,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Self {
        let discovery = Discovery::new(
            config.issuer.clone(),
            config.discovery.clone(),
            fetcher.clone(),
        );
        let keys = Keys::new(
            discovery.clone(),
            fetcher.clone(),
            config.keys.clone(),
            Arc::clone(&counters),
        );
        Self {
            config,
            discovery,
            keys,
            fetcher,
            clock,
            counters,
            questions: Semaphore::new(limits.upstream_max.max(1)),
            is_silent: AtomicBool::new(false),
        }
    }

    pub(super) fn config(&self) -> &IssuerConfig {
        &self.config
    }

    /// Whether this is its name, to the character.
    pub(super) fn is(&self, name: &str) -> bool {
        self.config.issuer.as_str() == name
    }

    pub(super) fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether JWTs are verified by the key set here.
    pub(super) fn needs_keys(&self) -> bool {
        matches!(
            self.config.verification,
            Verification::Auto | Verification::Jwt
        )
    }

    /// Keeps metadata and keys fresh; never ends.
    pub(super) async fn keep_fresh(&self) {
        if self.needs_keys() {
            tokio::join!(self.discovery.keep_fresh(), self.keys.keep_fresh());
        } else {
            self.discovery.keep_fresh().await;
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// [`AuthError::Refused`] for a definite no, [`AuthError::Unavailable`] where nobody could be
    /// asked.
    pub(super) async fn examine(&self, token: &str) -> Result<Verified, AuthError> {
        let method = self.method_for(token)?;
        let examined = match method {
            Method::Jwt => self.by_keys(token).await,
            Method::Introspection => self.by_introspection(token).await,
            Method::Userinfo => self.by_userinfo(token).await,
        };
        let outcome = match &examined {
            Ok(_) => Outcome::Verified,
            Err(AuthError::Unavailable { .. }) => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        };
        self.counters.count_verdict(method, outcome);
        examined
    }

    fn method_for(&self, token: &str) -> Result<Method, Reason> {
        match self.config.verification {
            Verification::Userinfo => Ok(Method::Userinfo),
            Verification::Introspection => Ok(Method::Introspection),
            Verification::Auto | Verification::Jwt if jwt::is_jwt(token) => Ok(Method::Jwt),
            Verification::Auto if self.config.client.is_some() => Ok(Method::Introspection),
            Verification::Auto | Verification::Jwt => Err(Reason::Opaque),
        }
    }

    async fn by_keys(&self, token: &str) -> Result<Verified, AuthError> {
        let token = Unverified::check(token, &self.config, self.clock.now())?;
        let mut edition = self.keys.current().await?;
        let mut signature = token.signature(&edition.keys);
        if signature == Signature::UnknownKey {
            edition = self.keys.refreshed().await?;
            signature = token.signature(&edition.keys);
        }
        match signature {
            Signature::Good => Ok(Verified {
                identity: token.into_identity(),
                validity: Validity::Keys(edition.generation),
            }),
            Signature::Bad(reason) => Err(reason.into()),
            Signature::UnknownKey => Err(Reason::UnknownKey.into()),
        }
    }

    async fn by_introspection(&self, token: &str) -> Result<Verified, AuthError> {
        let server = self.discovered().await?;
        let (Some(endpoint), Some(client)) = (server.introspection_endpoint(), &self.config.client)
        else {
            return Err(self.silent("no introspection endpoint, or no client to ask it as"));
        };
        let _question = self.question().await?;
        let answer = introspection::ask(&self.fetcher, endpoint, client, token).await;
        let claims = self.heard(answer)?;
        let issuer = self.config.issuer.as_str();
        if claims.get("iss").is_some_and(|found| found != issuer) {
            return Err(Reason::WrongIssuer.into());
        }
        let lifetime = Lifetime::check(&claims, &self.config, self.clock.now())?;
        let mut identity = claims::identity(claims, &self.config, Method::Introspection)?;
        identity.expires_at = lifetime.expires_at;
        Ok(Verified {
            identity,
            validity: Validity::Answer {
                unverified_expiry: None,
            },
        })
    }

    async fn by_userinfo(&self, token: &str) -> Result<Verified, AuthError> {
        let server = self.discovered().await?;
        let Some(endpoint) = server.userinfo_endpoint() else {
            return Err(self.silent("no userinfo endpoint"));
        };
        let _question = self.question().await?;
        let answer = userinfo::ask(&self.fetcher, endpoint, token).await;
        let claims = self.heard(answer)?;
        Ok(Verified {
            identity: claims::identity(claims, &self.config, Method::Userinfo)?,
            validity: Validity::Answer {
                unverified_expiry: jwt::unverified_expiry(token),
            },
        })
    }

    async fn discovered(&self) -> Result<Arc<AuthorizationServer>, AuthError> {
        let server = self.discovery.settled().await;
        server.ok_or(AuthError::unavailable())
    }

    /// Waits for a turn to ask. The examiner sets the deadline.
    async fn question(&self) -> Result<SemaphorePermit<'_>, AuthError> {
        let turn = self.questions.acquire().await;
        turn.map_err(|_closed| AuthError::unavailable())
    }

    /// Keeps a verdict apart from silence, and logs where silence begins and ends.
    fn heard(&self, answer: Result<Claims, Trouble>) -> Result<Claims, AuthError> {
        if let Err(Trouble::NoAnswer { why, retry_after }) = answer {
            self.silent(&why);
            return Err(AuthError::unavailable_for(retry_after));
        }
        if self.is_silent.swap(false, Ordering::Relaxed) {
            info!(issuer = %self.config.issuer, "authorization server answers again");
        }
        answer.map_err(|trouble| match trouble {
            Trouble::No(reason) => reason.into(),
            Trouble::NoAnswer { .. } => AuthError::unavailable(),
        })
    }

    fn silent(&self, why: &str) -> AuthError {
        if !self.is_silent.swap(true, Ordering::Relaxed) {
            warn!(issuer = %self.config.issuer, error = why, "could not ask the authorization server about a token");
        }
        AuthError::unavailable()
    }
}
