//! Flags that say where settings come from, shared by every command that starts a server.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use crate::{
    config::{Config, ConfigError, LogFormat, Sources},
    units::{PublicUrl, socket_address},
};

/// File, environment and flags; the later wins.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// TOML file with settings
    #[arg(long, value_name = "FILE", env = "USHER_CONFIG")]
    config: Option<PathBuf>,
    /// Any setting, as session.idle_after=10min; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Address for clients
    #[arg(long, value_name = "ADDRESS", value_parser = socket_address)]
    pub(super) listen: Option<SocketAddr>,
    /// Address for probes and metrics
    #[arg(long, value_name = "ADDRESS", value_parser = socket_address)]
    admin_listen: Option<SocketAddr>,
    /// URL that clients use, as https://mcp.example.com or https://example.com/ai
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// What to log, as info or mcp_usher=debug
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Shape of log lines: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl Settings {
    /// Reads everything over `defaults`; `more` are settings of a command's own flags.
    pub(super) fn read(
        &self,
        defaults: Config,
        more: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        self.sources(more).read(defaults)
    }

    /// Whether anything but the environment says what they are.
    pub(super) fn are_given(&self) -> bool {
        self.config.is_some() || !self.set.is_empty() || self.public_url.is_some()
    }

    /// The same sources, for who wants to know more of them.
    pub(super) fn sources(&self, more: impl IntoIterator<Item = (String, String)>) -> Sources<'_> {
        let mut flags = self.set.clone();
        let mut add = |key: &str, value: Option<String>| {
            flags.extend(value.map(|value| (key.to_owned(), value)));
        };
        add(
            "server.listen",
            self.listen.map(|address| address.to_string()),
        );
        add(
            "server.admin_listen",
            self.admin_listen.map(|address| address.to_string()),
        );
        add(
            "server.public_url",
            self.public_url.as_ref().map(PublicUrl::to_string),
        );
        add("log.filter", self.log.clone());
        add(
            "log.format",
            self.log_format.as_ref().map(LogFormat::to_string),
        );
        flags.extend(more);
        Sources {
            file: self.config.as_deref(),
            environment: environment(),
            flags,
        }
    }
}

/// The environment, as far as it is text: somebody else's variable need not be, and what is not text
/// in one of ours is shown as it can be in the complaint about it.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let value = value.to_string_lossy().into_owned();
            Some((name.into_string().ok()?, value))
        })
        .collect()
}
