//! The server that the official MCP conformance suite is run against: every feature of the library,
//! with the names and texts that the suite asks for, and a few more for real clients. One file per
//! feature.
//!
//! `cargo run --example conformance` starts it with a provider of its own, both on free ports, and
//! prints one line of JSON: where it is, and who can sign in. `tests/conformance/run` and
//! `tests/outside/run` do that.

mod arguments;
mod changes;
mod content;
mod elicitation;
mod prompts;
mod resources;
mod rounds;
mod sampling;
mod schemas;
mod tasks;
mod telling;
mod waiting;

use std::{
    error::Error,
    io::{Write, stdout},
    net::{Ipv4Addr, SocketAddr},
};

use mcp_usher::{Server, server::DevServer, shutdown::Signals};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A folder of skills beside this file.
const SKILLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/conformance/skills");

/// The suite leaves its sessions and tasks behind, and all of them are one caller's.
const LEFT_BY_SUITE: usize = 10_000;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config = DevServer::settings();
    config.server.listen = ANY_PORT;
    config.server.admin_listen = ANY_PORT;
    config.router.per_principal_max = LEFT_BY_SUITE;
    config.handler.tasks.per_principal_max = LEFT_BY_SUITE;
    config.handler.tasks.max = LEFT_BY_SUITE;
    config.skills.directory = Some(SKILLS.into());

    let mut server = Server::new(config).resource_template(resources::template()?);
    let tools = [
        content::tools(),
        arguments::tools(),
        telling::tools(),
        elicitation::tools(),
        sampling::tools(),
        rounds::tools(),
        waiting::tools(),
        tasks::tools(),
        changes::tools(&server.changes()),
    ];
    server = tools.into_iter().flatten().fold(server, Server::tool);
    server = resources::all().into_iter().fold(server, Server::resource);
    server = prompts::all().into_iter().fold(server, Server::prompt);

    let signals = Signals::listen()?;
    let running = server.with_provider(ANY_PORT).start()?;
    writeln!(stdout(), "{}", running.ready())?;
    running.until_signalled(signals).await;
    Ok(())
}
