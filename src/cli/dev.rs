//! `usher dev`: a server to try, with an OpenID provider of its own.

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;

use super::{logs, output, settings::Settings};
use crate::{
    config::Config,
    server::{DevServer, Server},
    setups::setups,
    shutdown::Signals,
};

/// Flags of `usher dev`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher dev                                 on http://127.0.0.1:3001\n  \
    usher dev --listen 127.0.0.1:4000 --provider-listen 127.0.0.1:4001\n  \
    usher dev --set session.idle_after=10s    any setting of usher serve")]
pub(super) struct Arguments {
    /// Address of the embedded provider; only this machine's own
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3002")]
    provider_listen: SocketAddr,
    #[command(flatten)]
    settings: Settings,
    /// One JSON line on standard output when ready
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = arguments.settings.read(DevServer::settings(), [])?;
    logs::start(&config.log)?;
    let signals = Signals::listen()?;
    let dev = Server::new(config).dev(arguments.provider_listen).start().await?;
    announce(&dev, arguments.json);
    dev.until_signalled(signals).await?;
    Ok(())
}

fn announce(dev: &crate::server::RunningDev, as_json: bool) {
    let url = dev.running().url();
    let admin = dev.running().admin();
    let demo = dev.demo_user();
    if as_json {
        let ready = json!({
            "event": "ready", "url": url, "mcp": url.join("/mcp"), "sse": url.join("/sse"),
            "admin": format!("http://{admin}"), "issuer": dev.running().issuer(),
            "demo": { "username": demo.username, "password": demo.password },
            "official_client_id": dev.official_client_id(),
        });
        return output::line(&ready.to_string());
    }
    output::line("Usher is open, on this machine only.\n");
    output::line(&format!("  Open this     {url}/"));
    output::line(&format!("  MCP endpoint  {}", url.join("/mcp")));
    output::line(&format!("  HTTP+SSE      {}", url.join("/sse")));
    output::line(&format!("  Sign in as    {} / {}", demo.username, demo.password));
    output::line(&format!("  Official app  --client-id {} (first party: no consent page)", dev.official_client_id()));
    output::line(&format!("  Health        http://{admin}/readyz\n"));
    output::line("Connect a client:");
    for setup in setups(url) {
        output::line(&format!("\n  {} ({})\n    {}", setup.client, setup.place, setup.snippet));
    }
    output::line("\nStop with Ctrl-C.");
}
