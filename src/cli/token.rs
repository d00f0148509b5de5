//! `usher token`: why a token is taken, or refused.

use std::io::{self, IsTerminal, Read};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Done, logs, output, settings::Settings};
use crate::{
    auth::{AuthError, Finding, Inspected, Inspection, Method, bearer},
    config::Config,
    server,
    time::Clock,
};

/// Bytes read of standard input; the longest token that Usher itself takes has 8 KiB.
const TOKEN_MAX: u64 = 64 * 1024;

/// Flags of `usher token`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a token through every check that a server with these settings makes
    Inspect(Box<Inspect>),
}

/// Flags of `usher token inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher token inspect --config /etc/usher/usher.toml < token\n  \
    pbpaste | usher token inspect --issuer https://acme.logto.app/oidc \\\n                              \
    --public-url https://mcp.example.com\n  \
    usher token inspect --config usher.toml --json < token | jq .verdict\n\n\
    The token is read from standard input, with or without \"Bearer \" before it: arguments are for\n\
    everybody on the machine to see. Neither it nor its signature is ever shown; claims are.\n\
    An opaque token is shown to the authorization server, as a server would.\n\n\
    Exit codes: 0 the token is taken, 1 it is refused or could not be checked, 2 wrong usage.")]
struct Inspect {
    /// Issuer of the authorization server, as https://acme.logto.app/oidc
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// How access tokens are verified: auto, jwt, introspection or userinfo
    #[arg(long, value_name = "METHOD")]
    verification: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let Command::Inspect(arguments) = arguments.command;
    let issuer = arguments
        .issuer
        .map(|issuer| ("issuer.url".to_owned(), issuer));
    let verification = arguments
        .verification
        .map(|method| ("issuer.verification".to_owned(), method));
    // What the server's log would say stands between the findings: only trouble is worth that.
    let mut defaults = Config::default();
    "error".clone_into(&mut defaults.log.filter);
    let config = arguments
        .settings
        .read(defaults, issuer.into_iter().chain(verification))?;
    anyhow::ensure!(
        config.has_issuer(),
        "no authorization server: name it by --issuer, USHER_ISSUER_URL or issuer.url in the file"
    );
    logs::start(&config.log)?;
    let header = header().context("the token could not be read from standard input")?;
    let inspection = match bearer([header.as_bytes()]) {
        Ok(token) => server::inspect(&config, &token, &Clock::system()).await?,
        Err(error) => Inspection::of_none(error),
    };
    if arguments.json {
        output::line(&report(&inspection).to_string());
    } else {
        show(&inspection);
    }
    Ok(match inspection.verdict() {
        Ok(()) => Done::Well,
        Err(_) => Done::NotAsItShould,
    })
}

/// The token as a client would send it.
fn header() -> io::Result<String> {
    if io::stdin().is_terminal() {
        output::progress("Paste the token, then press Enter and Ctrl-D:");
    }
    let mut text = String::new();
    io::stdin().take(TOKEN_MAX).read_to_string(&mut text)?;
    let text = text.trim();
    let has_scheme = text
        .split_once(' ')
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Ok(if has_scheme {
        text.to_owned()
    } else {
        format!("Bearer {text}")
    })
}

// === For people ===

fn show(inspection: &Inspection) {
    let colours = io::stdout().is_terminal();
    let issuer = inspection.issuer.as_deref().unwrap_or("nobody we trust");
    let method = inspection.method.map_or("not verified", Method::as_str);
    output::line(&format!("Issuer  {issuer}\nMethod  {method}\n"));
    for finding in &inspection.findings {
        show_finding(finding, colours);
    }
    output::line(&match inspection.verdict() {
        Ok(()) => "\nThe token is taken.".to_owned(),
        Err(AuthError::Unavailable { .. }) => {
            "\nThe token could not be checked: clients are told to come back (503).".to_owned()
        }
        Err(error) => format!("\nThe token is refused: {}.", sentence(error)),
    });
}

fn show_finding(finding: &Finding, colours: bool) {
    let (mark, colour) = match &finding.outcome {
        Inspected::Passed => ("ok", "32"),
        Inspected::Skipped => ("--", "2"),
        Inspected::Failed(_) => ("FAIL", "31"),
    };
    let padded = format!("{mark:<4}");
    let mark = if colours {
        format!("\x1b[{colour}m{padded}\x1b[0m")
    } else {
        padded
    };
    let (check, seen) = (finding.check.as_str(), &finding.seen);
    output::line(&format!("{mark}  {check:<10}  {seen}"));
    if let Inspected::Failed(error) = &finding.outcome {
        output::line(&format!("{:18}{}", "", sentence(error)));
    }
}

fn sentence(error: &AuthError) -> String {
    match error {
        AuthError::Refused(reason) => format!("{} ({})", reason.sentence(), reason.code()),
        other => other.to_string(),
    }
}

// === For programs ===

fn report(inspection: &Inspection) -> Value {
    let findings: Vec<_> = inspection.findings.iter().map(described).collect();
    let verdict = match inspection.verdict() {
        Ok(()) => "verified",
        Err(AuthError::Unavailable { .. }) => "unavailable",
        Err(_) => "refused",
    };
    json!({
        "verdict": verdict,
        "reason": inspection.verdict().err().map(AuthError::code),
        "issuer": inspection.issuer,
        "method": inspection.method.map(Method::as_str),
        "findings": findings,
    })
}

fn described(finding: &Finding) -> Value {
    let (outcome, reason) = match &finding.outcome {
        Inspected::Passed => ("passed", None),
        Inspected::Skipped => ("skipped", None),
        Inspected::Failed(error) => ("failed", Some(error.code())),
    };
    json!({
        "check": finding.check.as_str(), "outcome": outcome, "reason": reason, "seen": finding.seen,
    })
}
