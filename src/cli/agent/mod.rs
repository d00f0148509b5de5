//! `usher agent`: what curl is to HTTP, for MCP. Signs in at a server and uses what it offers.
//!
//! Standard output has the result and nothing else. How it is going, what the server logs and what it
//! asks is on standard error: for people as sentences and a progress bar, with `--json` as JSON lines.
//! Nothing a server says reaches a terminal with its control characters.

mod act;
mod command;
mod dialogue;
mod flags;
mod host;
mod sampling;
mod screen;
mod show;
mod values;

use std::{pin::pin, sync::Arc};

use clap::{Args, ValueHint};
use serde_json::{Map, Value};
use url::Url;

use self::{
    act::{Done, act},
    command::{CallArguments, Command},
    flags::{AnswerFlags, ConnectionFlags, OutputFlags},
    screen::Screen,
};
use super::{logs, output};
use crate::{
    agent::{self, AgentError, Canceller, Document},
    cli,
    config::LogConfig,
    shutdown::Signals,
};

/// The tool ran and failed.
const TOOL_FAILED: u8 = 3;

/// The server, or the user in the browser, took too long.
const TOO_LATE: u8 = 4;

/// Interrupted, as shells count it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Flags of `usher agent`.
#[derive(Debug, Args)]
#[command(
    subcommand_help_heading = "Commands",
    subcommand_value_name = "COMMAND",
    after_help = "Examples:\n  \
        usher agent http://127.0.0.1:3001/mcp                     register, sign in, call whoami\n  \
        usher agent URL tools                                     what can be called\n  \
        usher agent URL call add --arg a=1 --arg b=2\n  \
        usher agent URL call search --args @query.json --json | jq .structuredContent\n  \
        usher agent URL read file:///notes/today.md\n  \
        usher agent URL watch file:///notes/today.md              changes until Ctrl-C\n  \
        usher agent URL call book --answer seats=2 --answer class=first\n  \
        usher agent http://127.0.0.1:3001/sse info --no-browser   over HTTP+SSE; shows the link\n\n\
        Exit codes:\n  \
        0  done\n  \
        1  could not get in, or the server answered with an error\n  \
        2  the command line is wrong\n  \
        3  the tool ran and failed (isError)\n  \
        4  the server, or the sign-in, took too long\n  \
        130  interrupted; the server was told"
)]
pub(super) struct Arguments {
    /// The server's MCP endpoint; a path ending in /sse means HTTP+SSE
    #[arg(value_parser = endpoint, value_hint = ValueHint::Url)]
    url: Url,
    #[command(subcommand)]
    command: Option<Command>,
    /// Before there were commands: call this tool
    #[arg(long, value_name = "TOOL", hide = true)]
    call: Option<String>,
    /// Before there were commands: with these arguments
    #[arg(id = "arguments", long, value_name = "JSON", hide = true, requires = "call", value_parser = values::json_object)]
    with: Option<Map<String, Value>>,
    /// Before there were commands: list the tools
    #[arg(long, hide = true, conflicts_with = "call")]
    list: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
    #[command(flatten)]
    answers: AnswerFlags,
    #[command(flatten)]
    output: OutputFlags,
}

fn endpoint(text: &str) -> Result<Url, String> {
    // `localhost:3001/mcp` is a URL too, of the scheme `localhost`.
    let url = text.parse().ok().filter(Url::has_host);
    url.ok_or_else(|| "write it in full, as http://127.0.0.1:3001/mcp".to_owned())
}

impl Arguments {
    fn command(&self) -> Command {
        if self.list {
            return Command::Tools { name: None };
        }
        match (&self.command, &self.call) {
            (Some(command), _) => command.clone(),
            (None, Some(tool)) => {
                let given = self.with.clone().unwrap_or_default();
                Command::Call(CallArguments::new(tool, given))
            }
            (None, None) => Command::Look,
        }
    }
}

/// Runs, says what went wrong, and gives the exit code.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<cli::Done> {
    logs::start(&LogConfig {
        filter: arguments.output.log.clone(),
        ..LogConfig::default()
    })?;
    let command = arguments.command();
    let stop = Canceller::new();
    let screen = Arc::new(Screen::new(&arguments, &command, stop.clone()));
    let done = Box::pin(converse(&arguments, command, &screen, &stop)).await;
    screen.clear();
    Ok(match done {
        Ok(Done::Well) => cli::Done::Well,
        Ok(Done::ToolFailed(tool)) => {
            screen.fail(&anyhow::anyhow!("the tool {tool} failed"));
            cli::Done::Code(TOOL_FAILED)
        }
        Err(error) => {
            screen.fail(&error);
            cli::Done::Code(code_of(&error))
        }
    })
}

fn code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<AgentError>() {
        Some(AgentError::Interrupted) => INTERRUPTED,
        Some(
            AgentError::Deadline { .. } | AgentError::TooLong(_) | AgentError::SignInDeadline(_),
        ) => TOO_LATE,
        _ => 1,
    }
}

/// Goes in, does what is to be done, and leaves. The first signal ends what is under way, and the
/// server is told; the second ends everything.
async fn converse(
    arguments: &Arguments,
    command: Command,
    screen: &Arc<Screen>,
    stop: &Canceller,
) -> anyhow::Result<Done> {
    let (host, answerer) = host::host(&arguments.answers, screen)?;
    let config = arguments.connection.config(&arguments.url, host)?;
    let mut signals = Signals::listen()?;
    let listener = Arc::clone(screen);
    let connecting = agent::connect(config, move |event| listener.report(&event));
    let mut connection = tokio::select! {
        connected = connecting => connected?,
        _ = signals.next() => return Err(AgentError::Interrupted.into()),
    };
    let canceller = connection.canceller();
    let done = {
        let mut working = pin!(act(&mut connection, command, screen, stop));
        tokio::select! {
            done = &mut working => done,
            _ = signals.next() => {
                stop.cancel();
                // What is watched ends well; a call has to be withdrawn.
                if !screen.is_watching() {
                    canceller.cancel();
                }
                tokio::select! {
                    done = &mut working => done,
                    _ = signals.next() => return Err(AgentError::Interrupted.into()),
                }
            }
        }
    };
    tokio::select! {
        () = connection.close() => {}
        _ = signals.next() => {}
    }
    answerer.say_what_was_left();
    done
}

/// A result for a program: one line, and nothing in it that steers a terminal.
fn json_line(value: Value) -> String {
    Document::from(value).line()
}

/// What is to be read: as it is where a program reads, without control characters on a terminal.
fn text_out(text: &str) {
    if output::is_terminal() {
        output::line(&agent::plain(text));
    } else {
        output::line(text);
    }
}
