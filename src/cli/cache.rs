//! `usher cache`: what a running server remembers of its callers.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;

use super::{
    office::{Office, Reach},
    output,
};

/// Flags of `usher cache`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher cache purge                               everybody is verified anew, with keys fetched now\n  \
    usher cache purge --admin http://10.0.0.7:9090 --admin-token-file token --json\n\n\
    For the day a signing key was stolen or a provider was mended. Sessions stay open; usher sessions\n\
    end --all ends them.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    office: Reach,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forget every verdict on a token, and fetch every issuer's keys again
    Purge,
}

#[derive(Debug, Deserialize)]
struct Purged {
    callers: usize,
    refusals: usize,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Command::Purge = arguments.command;
    let office = Office::new(&arguments.office)?;
    let body = office.ask(Method::POST, "cache/purge", &(), &[]).await?;
    if arguments.office.json {
        output::line(&body.to_string());
    } else {
        let Purged { callers, refusals } = serde_json::from_value(body)?;
        output::line(&format!(
            "{callers} callers and {refusals} refusals forgotten"
        ));
    }
    Ok(())
}
