//! The `[issuer]` section: as an operator writes it, before it is known to be whole.

use std::path::PathBuf;

use super::Problem;
use crate::{
    auth::{
        self, Algorithm, CacheConfig, ClientAuthentication, ClientCredentials, IssuerConfig,
        KeysConfig, LimitsConfig, Verification,
    },
    metadata::{DiscoveryConfig, Issuer},
    secret::Secret,
    units::HumanDuration,
};

/// The authorization server, and how its tokens are verified. What each means stands at
/// [`auth::IssuerConfig`], [`auth::CacheConfig`] and [`auth::LimitsConfig`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "described at the room's own configuration")]
pub struct IssuerSection {
    /// Its issuer identifier. No default: the one setting that has to be made.
    pub url: Option<Issuer>,
    pub verification: Verification,
    pub introspection_client_id: Option<String>,
    /// The secret's file; or else the secret itself, for the environment.
    pub introspection_client_secret_file: Option<PathBuf>,
    pub introspection_client_secret: Option<Secret>,
    pub introspection_client_authentication: ClientAuthentication,
    pub introspection_without_audience: bool,
    pub algorithms: Vec<Algorithm>,
    pub token_types: Vec<String>,
    pub leeway: HumanDuration,
    pub discovery: DiscoveryConfig,
    pub keys: KeysConfig,
    pub cache: CacheConfig,
    pub limits: LimitsConfig,
}

impl Default for IssuerSection {
    fn default() -> Self {
        Self {
            url: None,
            verification: Verification::default(),
            introspection_client_id: None,
            introspection_client_secret_file: None,
            introspection_client_secret: None,
            introspection_client_authentication: ClientAuthentication::default(),
            introspection_without_audience: false,
            algorithms: Algorithm::ALL.to_vec(),
            token_types: vec!["at+jwt".to_owned()],
            leeway: HumanDuration::from_secs(60),
            discovery: DiscoveryConfig::default(),
            keys: KeysConfig::default(),
            cache: CacheConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl IssuerSection {
    /// What `auth` is given, with the secret read.
    ///
    /// # Errors
    /// No issuer, credentials that are half there, or a secret file that can't be taken.
    pub fn to_auth(&self) -> Result<auth::Config, Problem> {
        let issuer = self.url.clone().ok_or_else(|| {
            problem(
                "issuer.url",
                "is not set: name the authorization server, as https://acme.logto.app/oidc",
            )
        })?;
        let mut config = auth::Config::new(issuer.clone());
        config.issuer = IssuerConfig {
            issuer,
            verification: self.verification,
            client: self.client()?,
            introspection_without_audience: self.introspection_without_audience,
            algorithms: self.algorithms.clone(),
            token_types: self.token_types.clone(),
            leeway: self.leeway,
            discovery: self.discovery.clone(),
            keys: self.keys.clone(),
        };
        config.cache = self.cache.clone();
        config.limits = self.limits.clone();
        Ok(config)
    }

    fn client(&self) -> Result<Option<ClientCredentials>, Problem> {
        let secret = match (
            &self.introspection_client_secret_file,
            &self.introspection_client_secret,
        ) {
            (Some(_), Some(_)) => {
                let text = "is set beside introspection_client_secret_file: keep one of them";
                return Err(problem("issuer.introspection_client_secret", text));
            }
            (Some(file), None) => Some(Secret::from_file(file).map_err(|error| {
                problem(
                    "issuer.introspection_client_secret_file",
                    &error.to_string(),
                )
            })?),
            (None, secret) => secret.clone(),
        };
        let authentication = self.introspection_client_authentication;
        match (self.introspection_client_id.clone(), secret) {
            (Some(id), Some(secret)) => Ok(Some(ClientCredentials {
                id,
                secret,
                authentication,
            })),
            (None, None) if self.verification == Verification::Introspection => Err(problem(
                "issuer.introspection_client_id",
                "is needed for introspection, and its secret",
            )),
            (None, None) => Ok(None),
            (Some(_), None) => Err(problem(
                "issuer.introspection_client_secret_file",
                "is needed beside introspection_client_id",
            )),
            (None, Some(_)) => Err(problem(
                "issuer.introspection_client_id",
                "is needed beside its secret",
            )),
        }
    }
}

fn problem(key: &str, text: &str) -> Problem {
    Problem {
        source: key.to_owned(),
        text: text.to_owned(),
    }
}
