//! The `[issuer]` section, each of `[[issuers]]`, and `[cache]` and `[verifier]`: as an operator
//! writes them, before they are known to be whole.

use std::path::PathBuf;

use super::{Config, ConfigError, KEYS, Key, Problem};
use crate::{
    auth::{
        self, Algorithm, CacheConfig, ClaimsConfig, ClientAuthentication, ClientCredentials,
        ClientKey, ClientProof, CutOffConfig, IssuerConfig, KeysConfig, LimitsConfig, Verification,
    },
    metadata::{DiscoveryConfig, Issuer},
    secret::Secret,
    units::HumanDuration,
};

/// Most issuers: each has a thread of its own, and every caller is looked up at each of them.
pub const ISSUERS_MAX: usize = 16;

/// An authorization server, and how its tokens are verified. What each means stands at
/// [`auth::IssuerConfig`].
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
    /// The private key's file, in PEM.
    pub introspection_client_key_file: Option<PathBuf>,
    pub introspection_client_key_id: Option<String>,
    pub introspection_client_key_algorithm: Option<Algorithm>,
    pub introspection_without_audience: bool,
    pub opaque_tokens: bool,
    pub audiences: Vec<String>,
    pub algorithms: Vec<Algorithm>,
    pub token_types: Vec<String>,
    pub logout_clients: Vec<String>,
    pub leeway: HumanDuration,
    pub claims: ClaimsConfig,
    /// Client ids that are our own, with `*` and `!` as in rules.
    pub first_party_clients: Vec<String>,
    pub discovery: DiscoveryConfig,
    pub keys: KeysConfig,
}

/// What is remembered of all tokens and asked about them, and who is shut out. What each means stands
/// at [`auth::CacheConfig`], [`auth::LimitsConfig`] and [`auth::CutOffConfig`].
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "described at the room's own configuration")]
pub struct VerifierSection {
    pub cache: CacheConfig,
    pub limits: LimitsConfig,
    pub cut_offs: CutOffConfig,
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
            introspection_client_key_file: None,
            introspection_client_key_id: None,
            introspection_client_key_algorithm: None,
            introspection_without_audience: false,
            opaque_tokens: true,
            audiences: Vec::new(),
            algorithms: Algorithm::ALL.to_vec(),
            token_types: vec!["at+jwt".to_owned()],
            logout_clients: Vec::new(),
            leeway: HumanDuration::from_secs(60),
            claims: ClaimsConfig::default(),
            first_party_clients: Vec::new(),
            discovery: DiscoveryConfig::default(),
            keys: KeysConfig::default(),
        }
    }
}

impl Config {
    /// Whether an authorization server is named.
    #[must_use]
    pub fn has_issuer(&self) -> bool {
        self.issuer.url.is_some() || !self.issuers.is_empty()
    }

    /// Each issuer's settings with where they stand: `[issuer]` if it names one, then `[[issuers]]`.
    pub(super) fn issuer_sections(&self) -> impl Iterator<Item = (String, &IssuerSection)> {
        let first = self.issuer.url.is_some().then_some(&self.issuer);
        let first = first.map(|section| ("issuer".to_owned(), section));
        let others = self.issuers.iter().enumerate();
        let others = others.map(|(index, section)| (format!("issuers[{index}]"), section));
        first.into_iter().chain(others)
    }

    /// What `auth` is given, with secrets read.
    ///
    /// # Errors
    /// No issuer, two of one name, several that would be shown the same opaque token, credentials
    /// that are half there, or a secret file that can't be taken.
    pub fn to_auth(&self) -> Result<auth::Config, ConfigError> {
        let mut problems = Vec::new();
        let mut issuers: Vec<IssuerConfig> = Vec::new();
        let mut opaque: Option<String> = None;
        for (at, section) in self.issuer_sections() {
            let issuer = match section.to_auth(&at) {
                Ok(issuer) => issuer,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if issuers.iter().any(|other| other.issuer == issuer.issuer) {
                problems.push(problem(
                    &at,
                    "url",
                    "is there twice: an issuer has one set of rules",
                ));
            }
            if issuer.opaque_tokens && issuer.can_be_asked() {
                if let Some(first) = &opaque {
                    let text = format!(
                        "{first} takes opaque tokens too, and one that names no issuer would be \
                         shown to both: set opaque_tokens = false at all but one"
                    );
                    problems.push(problem(&at, "opaque_tokens", &text));
                }
                opaque.get_or_insert(at);
            }
            issuers.push(issuer);
        }
        if self.issuer_sections().count() > ISSUERS_MAX {
            let text = format!("are more than {ISSUERS_MAX}");
            problems.push(Problem {
                source: "issuers".to_owned(),
                text,
            });
        }
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        let mut issuers = issuers.into_iter();
        let first = issuers.next().ok_or_else(|| {
            let text = "is not set: name the authorization server, as https://acme.logto.app/oidc";
            ConfigError(vec![problem("issuer", "url", text)])
        })?;
        Ok(auth::Config {
            issuer: first,
            others: issuers.collect(),
            cache: self.verifier.cache.clone(),
            limits: self.verifier.limits.clone(),
            cut_offs: self.verifier.cut_offs.clone(),
        })
    }
}

impl IssuerSection {
    /// Each setting of it by its name alone, as it would be written.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, String)> {
        let draft = Config {
            issuer: self.clone(),
            ..Config::default()
        };
        let of_issuer = |key: &'static Key| Some((key, key.path.strip_prefix("issuer.")?));
        let rows = KEYS.iter().filter_map(of_issuer);
        rows.map(move |(key, name)| (name, key.get(&draft)))
    }

    /// `at` is where it stands, for what is wrong with it.
    fn to_auth(&self, at: &str) -> Result<IssuerConfig, Problem> {
        let issuer = self.url.clone();
        let issuer = issuer.ok_or_else(|| problem(at, "url", "is not set"))?;
        if self.algorithms.is_empty() {
            let text = "is empty: every JWT would be refused";
            return Err(problem(at, "algorithms", text));
        }
        Ok(IssuerConfig {
            issuer,
            verification: self.verification,
            client: self.client(at)?,
            introspection_without_audience: self.introspection_without_audience,
            opaque_tokens: self.opaque_tokens,
            audiences: self.audiences.clone(),
            algorithms: self.algorithms.clone(),
            token_types: self.token_types.clone(),
            logout_clients: self.logout_clients.clone(),
            leeway: self.leeway,
            claims: self.claims.clone(),
            discovery: self.discovery.clone(),
            keys: self.keys.clone(),
        })
    }

    fn client(&self, at: &str) -> Result<Option<ClientCredentials>, Problem> {
        let proof = self.proof(at)?;
        match (self.introspection_client_id.clone(), proof) {
            (Some(id), Some(proof)) => Ok(Some(ClientCredentials { id, proof })),
            (None, None) if self.verification == Verification::Introspection => Err(problem(
                at,
                "introspection_client_id",
                "is needed for introspection, and its secret or key",
            )),
            (None, None) => Ok(None),
            (Some(_), None) => {
                let needed = match self.introspection_client_authentication {
                    ClientAuthentication::PrivateKey => "introspection_client_key_file",
                    ClientAuthentication::Basic | ClientAuthentication::Post => {
                        "introspection_client_secret_file"
                    }
                };
                Err(problem(
                    at,
                    needed,
                    "is needed beside introspection_client_id",
                ))
            }
            (None, Some(_)) => {
                let text = "is needed beside its secret or key";
                Err(problem(at, "introspection_client_id", text))
            }
        }
    }

    /// What shows who we are, by the way that was chosen; what belongs to another way is a mistake.
    fn proof(&self, at: &str) -> Result<Option<ClientProof>, Problem> {
        let secret = self.secret(at)?;
        let key = self.key(at)?;
        let way = self.introspection_client_authentication;
        let idle = match way {
            ClientAuthentication::PrivateKey => {
                secret.as_ref().map(|_| "introspection_client_secret")
            }
            ClientAuthentication::Basic | ClientAuthentication::Post => {
                key.as_ref().map(|_| "introspection_client_key_file")
            }
        };
        if let Some(idle) = idle {
            let text = format!("is not used with introspection_client_authentication = {way}");
            return Err(problem(at, idle, &text));
        }
        Ok(match way {
            ClientAuthentication::Basic => secret.map(ClientProof::Basic),
            ClientAuthentication::Post => secret.map(ClientProof::Post),
            ClientAuthentication::PrivateKey => key.map(ClientProof::PrivateKey),
        })
    }

    fn secret(&self, at: &str) -> Result<Option<Secret>, Problem> {
        match (
            &self.introspection_client_secret_file,
            &self.introspection_client_secret,
        ) {
            (Some(_), Some(_)) => {
                let text = "is set beside introspection_client_secret_file: keep one of them";
                Err(problem(at, "introspection_client_secret", text))
            }
            (Some(file), None) => Secret::from_file(file).map(Some).map_err(|error| {
                problem(at, "introspection_client_secret_file", &error.to_string())
            }),
            (None, secret) => Ok(secret.clone()),
        }
    }

    fn key(&self, at: &str) -> Result<Option<ClientKey>, Problem> {
        let Some(file) = &self.introspection_client_key_file else {
            return Ok(None);
        };
        let algorithm = self.introspection_client_key_algorithm;
        let id = self.introspection_client_key_id.clone();
        let key = ClientKey::from_file(file, algorithm, id);
        key.map(Some)
            .map_err(|error| problem(at, "introspection_client_key_file", &error.to_string()))
    }
}

fn problem(at: &str, name: &str, text: &str) -> Problem {
    Problem {
        source: format!("{at}.{name}"),
        text: text.to_owned(),
    }
}
