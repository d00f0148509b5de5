//! The `usher` command line: flags in, exit code out. Nothing here that a library user would need.

#![expect(
    clippy::doc_markdown,
    reason = "clap shows doc comments as they are, backticks too"
)]

mod advice;
mod agent;
mod audit_log;
mod browser;
mod cache;
mod check;
mod clients;
mod completions;
mod config;
#[cfg(feature = "dev-idp")]
mod dev;
mod logs;
mod logto;
mod office;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "no_otlp.rs"]
mod otlp;
mod output;
mod policy;
mod prune;
mod serve;
mod sessions;
mod settings;
mod tenant;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Lets third-party AI agents into your MCP server.
#[derive(Debug, Parser)]
#[command(
    name = "usher",
    version,
    about = "Lets third-party AI agents into your MCP server",
    long_about = "Lets third-party AI agents into your MCP server: checks who is there with OpenID \
                  Connect, keeps each client's session, and hands every call to the right place.",
    after_help = "Examples:\n  \
        usher dev                                   a server to try, with its own sign-in\n  \
        usher serve --issuer https://acme.logto.app/oidc\n  \
        usher agent http://127.0.0.1:3001/mcp       sign in and call whoami\n  \
        usher check https://mcp.example.com/mcp     what is wrong with a deployment\n  \
        usher token inspect < token                 why a token is refused\n  \
        usher config --keys                         every setting, its unit and default",
    max_term_width = 100,
    propagate_version = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server to try, with an OpenID provider of its own (this machine only)
    #[cfg(feature = "dev-idp")]
    Dev(dev::Arguments),
    /// Start a server behind an authorization server of your choice
    Serve(serve::Arguments),
    /// Be a third-party agent: sign in at a server, and use what it offers
    Agent(Box<agent::Arguments>),
    /// Walk a deployment as a client would, and say what to mend
    Check(check::Arguments),
    /// Show who is in, end their sessions or cut them off, on a running server
    Sessions(sessions::Arguments),
    /// Say why a token is taken, or refused
    Token(token::Arguments),
    /// Look after the agents that are registered in Logto
    Clients(Box<clients::Arguments>),
    /// Set a Logto tenant up
    Logto(logto::Arguments),
    /// Have a running server forget what it knows of tokens
    Cache(cache::Arguments),
    /// Show the settings in force, or all there are
    Config(config::Arguments),
    /// Answer what a caller may use under the rules of a configuration
    Policy(policy::Arguments),
    /// Write a completion script for a shell
    Completions(completions::Arguments),
}

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// All is well: exit code 0.
    Well,
    /// The work is done, and its result is that something is not as it should be: exit code 1.
    NotAsItShould,
    /// It has said itself what became of it, by this exit code.
    Code(u8),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    let system = actix_web::rt::System::new();
    let done = system.block_on(async {
        match command {
            #[cfg(feature = "dev-idp")]
            Command::Dev(arguments) => dev::run(arguments).await.map(well),
            Command::Serve(arguments) => serve::run(arguments).await.map(well),
            // Boxed: it holds every flag, and a conversation.
            Command::Agent(arguments) => Box::pin(agent::run(*arguments)).await,
            Command::Check(arguments) => check::run(arguments).await,
            Command::Sessions(arguments) => sessions::run(arguments).await.map(well),
            Command::Token(arguments) => token::run(arguments).await,
            Command::Clients(arguments) => Box::pin(clients::run(*arguments)).await.map(well),
            Command::Logto(arguments) => Box::pin(logto::run(arguments)).await.map(well),
            Command::Cache(arguments) => cache::run(arguments).await.map(well),
            Command::Config(arguments) => config::run(&arguments).map(well),
            Command::Policy(arguments) => policy::run(&arguments),
            Command::Completions(arguments) => {
                completions::run(&arguments);
                Ok(Done::Well)
            }
        }
    });
    match done {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::NotAsItShould) => ExitCode::FAILURE,
        Ok(Done::Code(code)) => code.into(),
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

const fn well(_done: ()) -> Done {
    Done::Well
}
