//! `usher check`: walks a deployment as a client would, and says what to mend.

use std::{
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use url::Url;

use super::{Done, output, settings::Settings};
use crate::{
    check::{self, Client, Config, Finding, Verdict},
    config,
    secret::Secret,
    units::HumanDuration,
};

/// Bytes read of standard input; the longest token that Usher itself takes has 8 KiB.
const TOKEN_MAX: u64 = 64 * 1024;

/// Flags of `usher check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher check https://mcp.example.com/mcp                what a client meets, step by step\n  \
    usher check http://127.0.0.1:3001/sse --json           the same for programs\n  \
    usher check https://mcp.example.com/mcp --client-id abc --redirect-uri https://app.example/cb\n  \
    usher check https://mcp.example.com/mcp --token-file - < token\n  \
    usher check --config /etc/usher/usher.toml             with the settings of the server, as its operator\n\n\
    With --config or --set, what the settings name is tried too: credentials for introspection, the\n\
    server's clock, the Logto tenant with its resources, scopes and agents, who stands behind the bridge.\n\n\
    Nothing is registered, nobody is signed in, nothing is changed.\n\
    Exit codes: 0 no problem, 1 a problem (with --strict a warning too), 2 wrong usage.")]
pub(super) struct Arguments {
    /// The MCP endpoint, as clients are given it; by default /mcp of the settings' public URL
    #[arg(required_unless_present_any = ["config", "set", "public_url"])]
    url: Option<Url>,
    /// A registered client, to try the way to the sign-in page with
    #[arg(long, value_name = "ID", requires = "redirect_uri")]
    client_id: Option<String>,
    /// One of that client's redirect URIs, as registered
    #[arg(long, value_name = "URI", requires = "client_id")]
    redirect_uri: Option<String>,
    /// File with an access token to look at and to try; - reads standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Longest wait for one answer
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    deadline: HumanDuration,
    /// Warnings end in exit code 1 too
    #[arg(long)]
    strict: bool,
    /// One JSON object on standard output, once all is walked
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let token = arguments.token_file.as_deref().map(read_token);
    let client = arguments.client_id.zip(arguments.redirect_uri);
    let settings = arguments.settings.are_given();
    let settings = settings.then(|| arguments.settings.read(config::Config::default(), []));
    let settings = settings.transpose()?;
    let url = match (arguments.url, &settings) {
        (Some(url), _) => url,
        (None, Some(settings)) => settings.public_url().join("/mcp").parse()?,
        (None, None) => bail!("nothing to walk: give the URL of an endpoint, or --config"),
    };
    let config = Config {
        client: client.map(|(id, redirect_uri)| Client { id, redirect_uri }),
        token: token.transpose().context("the token could not be read")?,
        deadline: arguments.deadline,
        settings: settings.filter(config::Config::has_issuer).map(Box::new),
        ..Config::new(url.clone())
    };
    let colours = io::stdout().is_terminal();
    let walk = check::check(config, |finding| {
        if !arguments.json {
            show(finding, colours);
        }
    });
    let findings = Box::pin(walk).await?;
    let count = |verdict| findings.iter().filter(|one| one.verdict == verdict).count();
    let (problems, warnings) = (count(Verdict::Problem), count(Verdict::Warning));
    if arguments.json {
        let report = json!({
            "url": url, "problems": problems, "warnings": warnings, "findings": findings,
        });
        output::line(&report.to_string());
    } else {
        output::line(&format!(
            "\n{}, {}.",
            numbered(problems, "problem"),
            numbered(warnings, "warning")
        ));
    }
    let failed = problems > 0 || (arguments.strict && warnings > 0);
    Ok(if failed {
        Done::NotAsItShould
    } else {
        Done::Well
    })
}

/// A token is never an argument: those are for everybody on the machine to see.
fn read_token(path: &Path) -> anyhow::Result<Secret> {
    if path.as_os_str() != "-" {
        return Ok(Secret::from_file(path)?);
    }
    let mut text = String::new();
    io::stdin().take(TOKEN_MAX).read_to_string(&mut text)?;
    Ok(Secret::new(text.trim()))
}

fn numbered(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    }
}

fn show(finding: &Finding, colours: bool) {
    let (mark, colour) = match finding.verdict {
        Verdict::Right => ("ok", "32"),
        Verdict::Skipped => ("--", "2"),
        Verdict::Warning => ("warn", "33"),
        Verdict::Problem => ("FAIL", "31"),
    };
    let padded = format!("{mark:<4}");
    let mark = if colours {
        format!("\x1b[{colour}m{padded}\x1b[0m")
    } else {
        padded
    };
    output::line(&format!("{mark}  {:<20}  {}", finding.check, finding.found));
    if let Some(mend) = &finding.mend {
        output::line(&format!("{:28}mend: {mend}", ""));
    }
}
