//! `usher completions`: scripts for the usual shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

/// Flags of `usher completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher completions bash > /etc/bash_completion.d/usher")]
pub(super) struct Arguments {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) {
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "usher",
        &mut std::io::stdout(),
    );
}
