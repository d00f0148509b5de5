//! One authorization server as it is trusted: where it is, and the rules for its tokens.
//!
//! Each issuer has rules of its own, and no rule is shared: what one may sign, name or answer says
//! nothing about another.

use std::{fmt, str::FromStr};

use super::{Algorithm, ClaimPath, ClientCredentials};
use crate::{
    metadata::{DiscoveryConfig, Issuer},
    units::HumanDuration,
};

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
    /// Whether tokens that name no issuer are asked about here, where [`IssuerConfig::can_be_asked`].
    /// Such a token is shown to one issuer only: the first that takes them. Default `true`.
    pub opaque_tokens: bool,
    /// Audiences of its tokens to accept beside those this server publishes, each to the character.
    /// Default none.
    pub audiences: Vec<String>,
    /// Algorithms a JWT may be signed with. Default [`Algorithm::ALL`].
    pub algorithms: Vec<Algorithm>,
    /// What a JWT's `typ` may be, in any case, with or without `application/`; the empty text allows
    /// a JWT without one. Default `at+jwt` (RFC 9068 §2.1). With `JWT` or nothing allowed, only the
    /// audience keeps ID tokens out.
    pub token_types: Vec<String>,
    /// Clients whose logout tokens are taken (OpenID Connect Back-Channel Logout 1.0): their `aud`; `*`
    /// for every client of the issuer. Default none: no logout token is taken.
    pub logout_clients: Vec<String>,
    /// By how much clocks may differ: `exp` is that much later, `nbf` and `iat` that much earlier.
    /// Default 60 s.
    pub leeway: HumanDuration,
    /// Where its tokens say who calls and what for.
    pub claims: ClaimsConfig,
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
            opaque_tokens: true,
            audiences: Vec::new(),
            algorithms: Algorithm::ALL.to_vec(),
            token_types: vec!["at+jwt".to_owned()],
            logout_clients: Vec::new(),
            leeway: HumanDuration::from_secs(60),
            claims: ClaimsConfig::default(),
            discovery: DiscoveryConfig::default(),
            keys: KeysConfig::default(),
        }
    }

    /// Whether there is somebody to ask about a token that can't be read: an introspection endpoint
    /// and who we are there, or the userinfo endpoint where that was chosen.
    #[must_use]
    pub fn can_be_asked(&self) -> bool {
        match self.verification {
            Verification::Userinfo => true,
            Verification::Auto | Verification::Introspection => self.client.is_some(),
            Verification::Jwt => false,
        }
    }
}

/// Where an issuer's tokens, and its answers about them, say who calls and what for.
#[derive(Debug, Clone)]
pub struct ClaimsConfig {
    /// Whom the issuer vouches for. It has to name one person for good: sessions belong to it, and one
    /// that can pass to somebody else, as an e-mail address can, passes them on. Default `sub`.
    pub subject: ClaimPath,
    /// The agent acting: the first of these that is there. Default `client_id` (RFC 9068 §2.2), `azp`.
    pub client_id: Vec<ClaimPath>,
    /// What was agreed to: the first of these that is there, a text of scopes separated by spaces or a
    /// list of them. Default `scope` (RFC 9068 §2.2.3), `scp`.
    pub scopes: Vec<ClaimPath>,
}

impl Default for ClaimsConfig {
    fn default() -> Self {
        let named = |name: &str| ClaimPath::named(name);
        Self {
            subject: named("sub"),
            client_id: ["client_id", "azp"].map(named).to_vec(),
            scopes: ["scope", "scp"].map(named).to_vec(),
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

/// What is no [`Verification`] or [`ClientAuthentication`](super::ClientAuthentication).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of {known}")]
pub struct ChoiceError {
    pub(super) found: String,
    pub(super) known: &'static str,
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

/// When an issuer's keys are fetched.
#[derive(Debug, Clone)]
pub struct KeysConfig {
    /// How long a key set is used before it is fetched again, and so how long a withdrawn key may
    /// still be taken. Above zero; default 5 min.
    pub refresh_every: HumanDuration,
    /// Least time between two fetches that unknown key ids make us do. A set that was replaced and is
    /// served again, as by a replica that is behind, is not believed for twice as long. Default 30 s.
    pub unknown_key_pause: HumanDuration,
    /// How long keys are used when no new ones can be had: meanwhile one of them may have been
    /// withdrawn. Default 24 h.
    pub stale_max: HumanDuration,
    /// Pause after a fetch that failed. Above zero; default 1 s.
    pub retry_every: HumanDuration,
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self {
            refresh_every: HumanDuration::from_secs(300),
            unknown_key_pause: HumanDuration::from_secs(30),
            stale_max: HumanDuration::from_secs(24 * 60 * 60),
            retry_every: HumanDuration::from_secs(1),
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
