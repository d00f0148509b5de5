//! The room's settings: whom we trust, how its tokens are verified, and how much of everything.

use std::{fmt, str::FromStr};

use super::Algorithm;
use crate::{
    metadata::{DiscoveryConfig, Issuer},
    secret::Secret,
    units::{ByteSize, HumanDuration},
};

/// Settings of the whole room.
#[derive(Debug, Clone)]
pub struct Config {
    /// The authorization server whose tokens are taken.
    pub issuer: IssuerConfig,
    /// What is remembered, and for how long.
    pub cache: CacheConfig,
    /// How much is asked at once.
    pub limits: LimitsConfig,
}

impl Config {
    /// The defaults for one issuer.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer: IssuerConfig::new(issuer),
            cache: CacheConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

/// One authorization server and the rules for its tokens.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// Its issuer identifier: `iss` of its tokens, and where its metadata is.
    pub issuer: Issuer,
    /// How tokens are verified. Default [`Verification::Auto`].
    pub verification: Verification,
    /// Who we are at the introspection endpoint. Default nobody: opaque tokens are refused.
    pub client: Option<ClientCredentials>,
    /// Whether an opaque token passes though its introspection names no audience, as Logto's never
    /// does. Whoever is handed such a token, meant for whatever service, can use it here.
    /// Default `false`.
    pub introspection_without_audience: bool,
    /// Algorithms a JWT may be signed with. Default [`Algorithm::ALL`].
    pub algorithms: Vec<Algorithm>,
    /// What a JWT's `typ` may be, in any case, with or without `application/`; the empty text allows
    /// a JWT without one. Default `at+jwt` (RFC 9068 §2.1). With `JWT` or nothing allowed, only the
    /// audience keeps ID tokens out.
    pub token_types: Vec<String>,
    /// By how much clocks may differ: `exp` is that much later, `nbf` and `iat` that much earlier.
    /// Default 60 s.
    pub leeway: HumanDuration,
    /// When its metadata is fetched.
    pub discovery: DiscoveryConfig,
    /// When its keys are fetched.
    pub keys: KeysConfig,
}

impl IssuerConfig {
    /// The defaults for an issuer.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            verification: Verification::default(),
            client: None,
            introspection_without_audience: false,
            algorithms: Algorithm::ALL.to_vec(),
            token_types: vec!["at+jwt".to_owned()],
            leeway: HumanDuration::from_secs(60),
            discovery: DiscoveryConfig::default(),
            keys: KeysConfig::default(),
        }
    }
}

/// How access tokens are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Verification {
    /// By the kind of token: a JWT by the issuer's key set; anything else by introspection where
    /// [`IssuerConfig::client`] is set, and refused with a reason where not.
    #[default]
    Auto,
    /// JWTs by the issuer's key set; anything else is refused.
    Jwt,
    /// Every token by introspection, JWTs too (RFC 7662). Needs [`IssuerConfig::client`].
    Introspection,
    /// Every token by the userinfo endpoint, as Logto's first tutorial did.
    ///
    /// **Userinfo proves no audience.** It says whose token this is, not for whom it was issued: any
    /// service that holds a user's token for something else can come here with it. So this is never
    /// chosen by itself; the audience is then not checked, nor is any scope or client id known.
    Userinfo,
}

/// What is no [`Verification`] or [`ClientAuthentication`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of {known}")]
pub struct ChoiceError {
    found: String,
    known: &'static str,
}

impl Verification {
    /// The word used in settings and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jwt => "jwt",
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
        }
    }
}

impl FromStr for Verification {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Auto, Self::Jwt, Self::Introspection, Self::Userinfo]
            .into_iter()
            .find(|choice| choice.as_str() == text)
            .ok_or_else(|| ChoiceError {
                found: text.to_owned(),
                known: "auto, jwt, introspection, userinfo",
            })
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Who we are at the authorization server.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// Our `client_id`.
    pub id: String,
    /// Our `client_secret`.
    pub secret: Secret,
    /// How they are sent. Default [`ClientAuthentication::Basic`].
    pub authentication: ClientAuthentication,
}

/// How a client shows who it is (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: in the `Authorization` header.
    #[default]
    Basic,
    /// `client_secret_post`: in the body, for providers that insist on it.
    Post,
}

impl ClientAuthentication {
    /// The word used in settings: its registered name (OpenID Connect Core §9).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

impl FromStr for ClientAuthentication {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Basic, Self::Post]
            .into_iter()
            .find(|choice| choice.as_str() == text)
            .ok_or_else(|| ChoiceError {
                found: text.to_owned(),
                known: "client_secret_basic, client_secret_post",
            })
    }
}

impl fmt::Display for ClientAuthentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// When an issuer's keys are fetched.
#[derive(Debug, Clone)]
pub struct KeysConfig {
    /// How long a key set is used before it is fetched again, and so how long a withdrawn key may
    /// still be taken. Above zero; default 10 min.
    pub refresh_every: HumanDuration,
    /// Least time between two fetches that unknown key ids make us do. Default 30 s.
    pub unknown_key_pause: HumanDuration,
    /// Pause after a fetch that failed. Above zero; default 1 s.
    pub retry_every: HumanDuration,
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self {
            refresh_every: HumanDuration::from_secs(600),
            unknown_key_pause: HumanDuration::from_secs(30),
            retry_every: HumanDuration::from_secs(1),
        }
    }
}

/// What is remembered of verified and refused tokens, and for how long.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// Memory for verified callers. The least recently used go first. Default 48 MiB, some 20,000
    /// callers.
    pub bytes_max: ByteSize,
    /// How long an answer of the introspection or userinfo endpoint counts, and so how long a revoked
    /// opaque token may still be taken. A JWT counts until its `exp`, or until its key is withdrawn.
    /// Default 60 s.
    pub answer_ttl: HumanDuration,
    /// How long a refusal is remembered. Short, since a replica of the issuer may just be behind.
    /// Default 10 s.
    pub refusal_ttl: HumanDuration,
    /// Most refusals remembered, some 100 bytes each; never at the cost of verified callers.
    /// Default 16,384.
    pub refusals_max: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            bytes_max: ByteSize::from_mib(48),
            answer_ttl: HumanDuration::from_secs(60),
            refusal_ttl: HumanDuration::from_secs(10),
            refusals_max: 16_384,
        }
    }
}

/// How much may be asked at once. Beyond, a caller gets a 503 with `Retry-After`.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// Callers waiting for a verdict. At least one; default 2,048.
    pub waiters_max: usize,
    /// Questions to the authorization server under way. At least one; default 64.
    pub upstream_max: usize,
    /// How long a caller waits for a verdict, queueing and asking. Above zero; default 3 s.
    pub verdict_within: HumanDuration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            waiters_max: 2_048,
            upstream_max: 64,
            verdict_within: HumanDuration::from_secs(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_written_as_it_is_read() {
        for text in ["auto", "jwt", "introspection", "userinfo"] {
            assert_eq!(text.parse::<Verification>().unwrap().to_string(), text);
        }
        for text in ["client_secret_basic", "client_secret_post"] {
            assert_eq!(
                text.parse::<ClientAuthentication>().unwrap().to_string(),
                text
            );
        }
    }

    #[test]
    fn a_choice_that_is_none_is_answered_with_those_there_are() {
        let refusal = "UserInfo".parse::<Verification>().unwrap_err();

        assert_eq!(
            refusal.to_string(),
            "\"UserInfo\" is none of auto, jwt, introspection, userinfo"
        );
    }
}
