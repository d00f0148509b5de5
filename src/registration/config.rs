//! Who may register, and how often.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::{
    scope::Scopes,
    seal::{SealError, Sealer},
    secret::{Secret, SecretError},
    units::HumanDuration,
};

/// Settings of registration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether agents register here at all. Default off.
    pub mode: Mode,
    /// Who may register. Default open.
    pub who: Who,
    /// The initial access token's file (RFC 7591 §3), for [`Who::Token`].
    pub initial_access_token_file: Option<PathBuf>,
    /// Most that an agent may ever be granted. Default none: what clients are told to ask for.
    pub scopes: Scopes,
    /// Registrations a minute from one address. Above zero; default 10.
    pub per_address_per_minute: u32,
    /// Registrations an hour in all. Above zero; default 100.
    pub per_hour: u32,
    /// Third-party clients there may be in all. Above zero; default 1,000.
    pub clients_max: usize,
    /// Agents that one developer may have by the portal. Above zero; default 20.
    pub per_developer_max: usize,
    /// Deletes agents that registered themselves so long ago and for which no user has a grant that
    /// lives. Above zero; default none: they stay.
    pub prune_after: Option<HumanDuration>,
    /// Gives programs that say the same of themselves one client, where it has no secret and its users are
    /// sent to a host by https. Nobody but an operator may change such a client. Default false.
    pub deduplicate: bool,
    /// The header in which a balancer in front of us names its client. Default none.
    pub address_header: Option<String>,
    /// Checks and writes down registrations, and makes no client. Default false.
    pub dry_run: bool,
    /// File with the key that seals what travels with browsers and clients; the same on every node.
    pub key_file: Option<PathBuf>,
    /// The key before it, which still opens.
    pub previous_key_file: Option<PathBuf>,
    /// The key itself, for a server that makes up its own. Never from a file or the environment.
    pub key: Option<Secret>,
}

/// Whether agents register here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// No: clients are sent to the authorization server itself.
    #[default]
    Off,
    /// Yes: to clients, this server is the authorization server.
    Bridge,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Who {
    /// Everybody.
    #[default]
    Open,
    /// Who has the initial access token.
    Token,
    /// Developers, by the portal, and no program by itself.
    Portal,
    /// Nobody by any of these ways; clients are made by an operator, and use the bridge all the same.
    Nobody,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            who: Who::Open,
            initial_access_token_file: None,
            scopes: Scopes::none(),
            per_address_per_minute: 10,
            per_hour: 100,
            clients_max: 1_000,
            per_developer_max: 20,
            prune_after: None,
            deduplicate: false,
            address_header: None,
            dry_run: false,
            key_file: None,
            previous_key_file: None,
            key: None,
        }
    }
}

/// Why nothing can be sealed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key's file could not be read.
    #[error("could not read a key of [registration]")]
    Secret(#[from] SecretError),
    /// A key can't be used.
    #[error("registration.key_file can't be used")]
    Seal(#[from] SealError),
    /// Without a key, no two nodes would understand each other, nor this one itself after a restart.
    #[error(
        "registration.key_file is needed: the same file on every node, from `openssl rand -hex 32`"
    )]
    None,
}

impl Config {
    /// What seals with the key, and opens with the one before it too.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub(crate) fn sealer(&self) -> Result<Sealer, KeyError> {
        let file = |path: &PathBuf| Secret::from_file(path);
        let key = match (&self.key_file, &self.key) {
            (Some(path), _) => file(path)?,
            (None, Some(key)) => key.clone(),
            (None, None) => return Err(KeyError::None),
        };
        let previous = self.previous_key_file.as_ref().map(file).transpose()?;
        Ok(Sealer::new(&key, previous.as_ref())?)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Off => "off",
            Self::Bridge => "bridge",
        })
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "bridge" => Ok(Self::Bridge),
            _ => Err("a mode of registration is off or bridge"),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Open => "open",
            Self::Token => "token",
            Self::Portal => "portal",
            Self::Nobody => "nobody",
        })
    }
}

impl FromStr for Who {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "token" => Ok(Self::Token),
            "portal" => Ok(Self::Portal),
            "nobody" => Ok(Self::Nobody),
            _ => Err("who may register is open, token, portal or nobody"),
        }
    }
}
