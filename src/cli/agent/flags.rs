//! Flags that every command of `usher agent` knows.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{
    Args, ValueHint,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde_json::{Map, Value};
use url::Url;

use super::values::{self, Given};
use crate::{
    agent::{Config, Host, ProtocolChoice},
    protocol::{LogLevel, ProtocolVersion},
    scope::Scopes,
    secret::Secret,
    units::HumanDuration,
};

/// How to go in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct ConnectionFlags {
    /// Client registered by hand; without it the agent registers itself
    #[arg(long, value_name = "ID", global = true)]
    client_id: Option<String>,
    /// File with that client's secret, where it has one
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    client_secret_file: Option<PathBuf>,
    /// Scopes to ask for, as "openid profile"; else what the server asks for
    #[arg(long, value_name = "SCOPES", global = true)]
    scope: Option<Scopes>,
    /// What the consent page calls this agent
    #[arg(
        id = "client_name",
        long = "name",
        value_name = "NAME",
        default_value = "Usher agent",
        global = true
    )]
    client_name: String,
    /// Protocol version to speak; auto is the newest both know
    #[arg(long, value_name = "VERSION", default_value = "auto", global = true, value_parser = protocol())]
    protocol: ProtocolChoice,
    /// Port of the callback on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, global = true)]
    callback_port: u16,
    /// Show links only, do not open a browser
    #[arg(long, global = true)]
    pub(super) no_browser: bool,
    /// How long to wait for the user to sign in
    #[arg(long, value_name = "DURATION", default_value = "5min", global = true)]
    sign_in_deadline: HumanDuration,
    /// How long the server may be silent while it is waited for; its progress starts this anew
    #[arg(long, value_name = "DURATION", default_value = "60s", global = true)]
    timeout: HumanDuration,
    /// How long a call may take in all
    #[arg(long, value_name = "DURATION", default_value = "1h", global = true)]
    max_time: HumanDuration,
    /// Show the server's log messages from this severity on: debug, info, notice, warning, error …
    #[arg(long, value_name = "LEVEL", global = true, visible_alias = "log-level", value_parser = log_level())]
    server_log: Option<LogLevel>,
}

impl ConnectionFlags {
    pub(super) fn config(&self, url: &Url, host: Host) -> anyhow::Result<Config> {
        ensure!(
            self.client_secret_file.is_none() || self.client_id.is_some(),
            "--client-secret-file needs the --client-id whose secret it is"
        );
        let secret = self.client_secret_file.as_deref().map(Secret::from_file);
        Ok(Config {
            client_id: self.client_id.clone(),
            client_secret: secret.transpose()?,
            scope: self.scope.clone(),
            client_name: self.client_name.clone(),
            protocol: self.protocol,
            callback_port: self.callback_port,
            sign_in_deadline: self.sign_in_deadline,
            call_deadline: self.timeout,
            call_max: self.max_time,
            log_level: self.server_log,
            host,
            ..Config::new(url.clone())
        })
    }
}

/// What to say when the server asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "When the server asks")]
pub(super) struct AnswerFlags {
    /// Answer to a form: a field and its value; := gives JSON. Fields left out take their defaults
    #[arg(id = "answer", long, value_name = "KEY=VALUE", global = true, value_parser = Given::parse)]
    pub(super) given: Vec<Given>,
    /// Answers to forms as a JSON object; @FILE reads it from a file, - from standard input
    #[arg(long, value_name = "JSON", global = true, value_parser = values::json_source)]
    pub(super) answers: Option<Map<String, Value>>,
    /// Decline every question
    #[arg(long, global = true)]
    pub(super) decline: bool,
    /// Agree to visit pages of this host
    #[arg(long = "accept-url", value_name = "HOST", global = true, value_hint = ValueHint::Hostname)]
    pub(super) accept_urls: Vec<String>,
    /// Let the server ask a model, and be the model: you are asked here
    #[arg(long, global = true)]
    pub(super) sampling: bool,
    /// Let the server ask a model: this program gets the request as JSON, and prints the reply
    #[arg(long, value_name = "PROGRAM", global = true, conflicts_with = "sampling", value_hint = ValueHint::CommandName)]
    pub(super) sampling_command: Option<PathBuf>,
    /// Tell the server that this folder is worked in
    #[arg(long = "root", value_name = "FOLDER", global = true, value_hint = ValueHint::DirPath)]
    pub(super) roots: Vec<PathBuf>,
}

/// What to print.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputFlags {
    /// The result as one JSON document on standard output, all else as JSON lines on standard error
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// What to log of the agent itself, as mcp_usher=debug
    #[arg(long, value_name = "FILTER", default_value = "warn", global = true)]
    pub(super) log: String,
}

fn protocol() -> impl TypedValueParser<Value = ProtocolChoice> {
    let known = ProtocolVersion::ALL.map(ProtocolVersion::as_str);
    let words = ["auto"].into_iter().chain(known);
    PossibleValuesParser::new(words).map(|word| {
        // Every word but `auto` is a version.
        word.parse()
            .map_or(ProtocolChoice::Auto, ProtocolChoice::Version)
    })
}

fn log_level() -> impl TypedValueParser<Value = LogLevel> {
    let words = LogLevel::ALL.map(LogLevel::as_str);
    PossibleValuesParser::new(words).try_map(|word| word.parse::<LogLevel>())
}
