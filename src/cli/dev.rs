//! `usher dev`: a server to try, with an OpenID provider of its own.

use std::net::SocketAddr;

use clap::Args;

use super::{logs, output, settings::Settings};
use crate::{
    idp::User,
    server::{DevServer, Server, ServerError},
    setups::setups,
    shutdown::Signals,
    units::{HumanDuration, socket_address},
};

/// Flags of `usher dev`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher dev                                 on 127.0.0.1: clients 3001, provider 3002, probes 3003\n  \
    usher dev --user alice:secret --token-lifetime 5min\n  \
    usher dev --bridge                        agents register with Usher itself\n  \
    usher dev --portal                        developers make agents at /developers\n  \
    usher dev --listen 127.0.0.1:4000 --provider-listen 127.0.0.1:4001\n  \
    usher dev --set session.idle_after=10s    any setting of usher serve")]
pub(super) struct Arguments {
    /// Address of the embedded provider; only this machine's own
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3002", value_parser = socket_address)]
    provider_listen: SocketAddr,
    /// Somebody more who can sign in, beside demo; may be repeated
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = name_password)]
    user: Vec<(String, String)>,
    /// How long access tokens live; default 1h
    #[arg(long, value_name = "DURATION")]
    token_lifetime: Option<HumanDuration>,
    /// Agents register here, as with a Logto behind: this server is the authorization server they see
    #[arg(long)]
    bridge: bool,
    /// Developers sign in at /developers and make agents; with --bridge or without
    #[arg(long)]
    portal: bool,
    #[command(flatten)]
    settings: Settings,
    /// One JSON line on standard output when ready
    #[arg(long)]
    json: bool,
}

fn name_password(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, password)) if !name.is_empty() && !password.is_empty() => {
            Ok((name.to_owned(), password.to_owned()))
        }
        _ => Err("write NAME:PASSWORD".to_owned()),
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // Before the settings are judged as a whole: they would ask for a public URL.
    if let Some(listen) = arguments
        .settings
        .listen
        .filter(|to| !to.ip().is_loopback())
    {
        return Err(ServerError::DevNotLoopback(listen.to_string()).into());
    }
    let flags = [
        (arguments.bridge, "registration.mode", "bridge"),
        (arguments.portal, "portal.enabled", "true"),
    ];
    let given = flags.into_iter().filter(|(given, ..)| *given);
    let flags = given.map(|(_, key, value)| (key.to_owned(), value.to_owned()));
    let config = arguments.settings.read(DevServer::settings(), flags)?;
    let logs = logs::start_for_server(&config)?;
    let signals = Signals::listen()?;
    let mut dev = Server::new(config).with_provider(arguments.provider_listen);
    for (username, password) in arguments.user {
        let email = format!("{username}@example.com");
        dev = dev.user(User::new(&username, &password, &username, &email));
    }
    if let Some(lifetime) = arguments.token_lifetime {
        dev = dev.token_lifetime(lifetime);
    }
    let dev = dev.start()?;
    logs.count_in(dev.running());
    announce(&dev, arguments.json);
    dev.until_signalled(signals).await;
    Ok(())
}

fn announce(dev: &crate::server::RunningDev, as_json: bool) {
    let url = dev.running().url();
    let admin = dev.running().admin();
    let (name, password) = dev
        .demo_user()
        .map_or(("", ""), |user| (&user.username, user.password.expose()));
    if as_json {
        return output::line(&dev.ready().to_string());
    }
    output::line("Usher is open, on this machine only.\n");
    output::line(&format!("  Open this     {url}/"));
    output::line(&format!("  MCP endpoint  {}", url.join("/mcp")));
    output::line(&format!("  HTTP+SSE      {}", url.join("/sse")));
    output::line(&format!("  Sign in as    {name} / {password}"));
    output::line(&format!(
        "  Provider      {} (who is signed in, and sign out)",
        dev.running().issuer()
    ));
    output::line(&format!(
        "  Official app  --client-id {} (first party: no consent page)",
        dev.official_client_id()
    ));
    if let Some(developers) = dev.developers() {
        output::line(&format!("  Developers    {developers} (make an agent)"));
    }
    output::line(&format!("  Health        http://{admin}/readyz\n"));
    output::line("Connect a client:");
    for setup in setups(url) {
        // As this very program was called: it need not be on the user's path.
        let snippet = match setup.snippet.strip_prefix("usher ") {
            Some(rest) => format!("{} {rest}", called_as()),
            None => setup.snippet,
        };
        output::line(&format!(
            "\n  {} ({})\n    {snippet}",
            setup.client, setup.place
        ));
    }
    output::line("\nStop with Ctrl-C.");
}

fn called_as() -> String {
    std::env::args()
        .next()
        .unwrap_or_else(|| "usher".to_owned())
}
