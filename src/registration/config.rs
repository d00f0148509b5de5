//! Who may register, and how often.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::{scope::Scopes, secret::Secret};

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
    /// Nobody by this way; clients are made by an operator, and use the bridge all the same.
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
            address_header: None,
            dry_run: false,
            key_file: None,
            previous_key_file: None,
            key: None,
        }
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
            "nobody" => Ok(Self::Nobody),
            _ => Err("who may register is open, token or nobody"),
        }
    }
}
