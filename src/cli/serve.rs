//! `usher serve`: a server behind an authorization server of the operator's choice.

use clap::Args;
use serde_json::json;

use super::{logs, output, settings::Settings};
use crate::{
    config::{Config, Overruled},
    server::{Running, Server},
    shutdown::Signals,
};

/// Flags of `usher serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher serve --issuer https://acme.logto.app/oidc --public-url https://mcp.example.com \\\n              \
    --listen 0.0.0.0:3001\n  \
    usher serve --config /etc/usher/usher.toml\n  \
    USHER_ISSUER_URL=https://acme.logto.app/oidc usher serve\n\n\
    Every setting: usher config --keys")]
pub(super) struct Arguments {
    /// Issuer of the authorization server, as https://acme.logto.app/oidc
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// How access tokens are verified: auto, jwt, introspection or userinfo
    #[arg(long, value_name = "METHOD")]
    verification: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// One JSON line on standard output when ready
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let issuer = arguments
        .issuer
        .map(|issuer| ("issuer.url".to_owned(), issuer));
    let verification = arguments
        .verification
        .map(|method| ("issuer.verification".to_owned(), method));
    let own = issuer.into_iter().chain(verification);
    let sources = arguments.settings.sources(own);
    let config = sources.read(Config::default())?;
    anyhow::ensure!(
        config.has_issuer(),
        "no authorization server: name it by --issuer, USHER_ISSUER_URL or issuer.url in the file \
         (to try without one: usher dev)"
    );
    let logs = logs::start_for_server(&config)?;
    for Overruled { key, by, of } in sources.overruled() {
        tracing::info!(
            setting = key,
            by,
            of,
            "one source of settings overrules another"
        );
    }
    let signals = Signals::listen()?;
    let running = Server::new(config).start()?;
    logs.count_in(&running);
    announce(&running, arguments.json);
    running.until_signalled(signals).await;
    Ok(())
}

fn announce(running: &Running, as_json: bool) {
    let url = running.url();
    let admin = running.admin();
    if as_json {
        let ready = json!({
            "event": "ready", "url": url, "mcp": url.join("/mcp"), "sse": url.join("/sse"),
            "admin": format!("http://{admin}"), "issuer": running.issuer(),
        });
        return output::line(&ready.to_string());
    }
    output::line("Usher is open.\n");
    output::line(&format!("  MCP endpoint  {}", url.join("/mcp")));
    output::line(&format!("  HTTP+SSE      {}", url.join("/sse")));
    output::line(&format!("  Issuer        {}", running.issuer()));
    output::line(&format!("  Health        http://{admin}/readyz\n"));
}
