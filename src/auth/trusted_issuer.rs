//! One authorization server we trust, with its rules: turns a token into an identity, or says why not.
//!
//! Chooses the method by the kind of token and the configuration, and bounds what is asked at once.
//! Called by the [`Examiner`](super::examiner::Examiner) once per unknown token, never on a hit. Holds
//! no verdict. With several issuers, one of these each, which share nothing but the HTTP client.

use std::sync::Arc;

use tracing::warn;

use super::{
    AuthError, Counters, IssuerConfig, Method, Reason, Verification,
    cache::{Validity, Verified},
    claims::{self, Claims},
    config::LimitsConfig,
    counters::Outcome,
    introspection,
    jwt::{self, Jwt, Signature},
    keys::Keys,
    questions::{Asker, Questions},
    userinfo,
};
use crate::{
    fetch::Fetcher,
    metadata::{AuthorizationServer, Discovery},
    time::{Clock, Timestamp},
};

/// An authorization server and everything known about it.
#[derive(Debug)]
pub(super) struct TrustedIssuer {
    config: IssuerConfig,
    discovery: Discovery,
    keys: Keys,
    questions: Questions,
    fetcher: Fetcher,
    clock: Clock,
    counters: Arc<Counters>,
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
        let questions = Questions::new(config.issuer.clone(), limits, Arc::clone(&counters));
        Self {
            config,
            discovery,
            keys,
            questions,
            fetcher,
            clock,
            counters,
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

    pub(super) fn questions(&self) -> &Questions {
        &self.questions
    }

    /// Whether access tokens or logout tokens are verified by the key set here.
    pub(super) fn needs_keys(&self) -> bool {
        let of_access_tokens = matches!(
            self.config.verification,
            Verification::Auto | Verification::Jwt
        );
        of_access_tokens || !self.config.logout_clients.is_empty()
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
    pub(super) async fn examine(&self, token: &str, asker: Asker) -> Result<Verified, AuthError> {
        let method = self.method_for(token)?;
        let examined = match method {
            Method::Jwt => self.by_keys(token).await,
            Method::Introspection => self.by_introspection(token, asker).await,
            Method::Userinfo => self.by_userinfo(token, asker).await,
        };
        let outcome = match &examined {
            Ok(_) => Outcome::Verified,
            Err(AuthError::Unavailable { .. }) => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        };
        self.counters.count_verdict(method, outcome);
        examined
    }

    /// How a token is verified here, by its kind and our settings.
    pub(super) fn method_for(&self, token: &str) -> Result<Method, Reason> {
        match self.config.verification {
            Verification::Userinfo => Ok(Method::Userinfo),
            Verification::Introspection => Ok(Method::Introspection),
            Verification::Auto | Verification::Jwt if jwt::is_jwt(token) => Ok(Method::Jwt),
            Verification::Auto if self.config.client.is_some() => Ok(Method::Introspection),
            Verification::Auto | Verification::Jwt => Err(Reason::Opaque),
        }
    }

    async fn by_keys(&self, token: &str) -> Result<Verified, AuthError> {
        let jwt = Jwt::parse(token)?;
        jwt.check(&self.config, self.clock.now())
            .inspect_err(|reason| self.suspect_clocks(*reason, &jwt))?;
        let (signature, generation) = self.signature(&jwt).await?;
        match signature {
            Signature::Good(key) => Ok(Verified {
                identity: jwt.into_identity(&self.config)?,
                validity: Validity::Key { key, generation },
            }),
            Signature::Bad(reason) => Err(reason.into()),
            Signature::UnknownKey => Err(Reason::UnknownKey.into()),
        }
    }

    /// Whether a key of the issuer signed it, and the generation of keys that says so.
    pub(super) async fn signature(&self, jwt: &Jwt<'_>) -> Result<(Signature, u64), AuthError> {
        let mut edition = self.keys.current().await?;
        let mut signature = jwt.signature(&self.config, &edition.keys);
        if signature == Signature::UnknownKey {
            edition = self.keys.refreshed().await?;
            signature = jwt.signature(&self.config, &edition.keys);
        }
        Ok((signature, edition.generation))
    }

    /// Counts a token of the future, if its issuer signed it: anybody could make one up (F10).
    fn suspect_clocks(&self, reason: Reason, jwt: &Jwt<'_>) {
        if !matches!(reason, Reason::NotYetValid | Reason::IssuedInFuture) {
            return;
        }
        let keys = self.keys.at_hand();
        let signed = keys.map(|edition| jwt.signature(&self.config, &edition.keys));
        if matches!(signed, Some(Signature::Good(_))) {
            warn!(issuer = %self.config.issuer, %reason, "clocks differ by more than the leeway");
            self.counters.count_clock_skew();
        }
    }

    async fn by_introspection(&self, token: &str, asker: Asker) -> Result<Verified, AuthError> {
        let claims = self.ask_introspection(token, asker).await?;
        self.is_named_in(&claims)?;
        claims::check(&claims, &self.config, self.clock.now())?;
        Ok(Verified {
            identity: claims::identity(claims, &self.config, Method::Introspection)?,
            validity: Validity::Answer {
                unverified_expiry: None,
            },
        })
    }

    /// What the introspection endpoint says of an active token.
    pub(super) async fn ask_introspection(
        &self,
        token: &str,
        asker: Asker,
    ) -> Result<Claims, AuthError> {
        let server = self.discovered().await?;
        let (Some(endpoint), Some(client)) = (server.introspection_endpoint(), &self.config.client)
        else {
            return Err(self.silent("no introspection endpoint, or no client to ask it as"));
        };
        let place = (&self.config.issuer, endpoint);
        let question = introspection::ask(&self.fetcher, place, client, token, self.now());
        self.questions.ask(asker, question).await
    }

    /// Whether an answer about a token is about one of ours; it need not say (RFC 7662 §2.2).
    pub(super) fn is_named_in(&self, claims: &Claims) -> Result<(), Reason> {
        let issuer = self.config.issuer.as_str();
        if claims.get("iss").is_some_and(|found| found != issuer) {
            return Err(Reason::WrongIssuer);
        }
        Ok(())
    }

    async fn by_userinfo(&self, token: &str, asker: Asker) -> Result<Verified, AuthError> {
        let claims = self.ask_userinfo(token, asker).await?;
        Ok(Verified {
            identity: claims::identity(claims, &self.config, Method::Userinfo)?,
            validity: Validity::Answer {
                unverified_expiry: jwt::unverified_expiry(token),
            },
        })
    }

    /// What the userinfo endpoint says of the user.
    pub(super) async fn ask_userinfo(
        &self,
        token: &str,
        asker: Asker,
    ) -> Result<Claims, AuthError> {
        let server = self.discovered().await?;
        let Some(endpoint) = server.userinfo_endpoint() else {
            return Err(self.silent("no userinfo endpoint"));
        };
        let question = userinfo::ask(&self.fetcher, endpoint, token);
        self.questions.ask(asker, question).await
    }

    /// What last went wrong with its metadata or keys and has not gone right since, for operators.
    pub(super) fn trouble(&self) -> Option<String> {
        let of_keys = || {
            let trouble = self.keys.failure()?;
            Some(format!("could not fetch the issuer's keys: {trouble}"))
        };
        self.discovery.failure().or_else(of_keys)
    }

    /// The present, as its tokens are held against it.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn discovered(&self) -> Result<Arc<AuthorizationServer>, AuthError> {
        let server = self.discovery.settled().await;
        server.ok_or(AuthError::unavailable())
    }

    fn silent(&self, why: &str) -> AuthError {
        self.questions.silent(why);
        AuthError::unavailable()
    }
}
