//! What `usher agent` can be told to do.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use serde_json::{Map, Value};

use super::values::{self, Given};

/// One thing to do at a server.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Command {
    /// Call whoami where there is such a tool, else show what there is
    #[command(skip)]
    Look,
    /// Show what the server says of itself: version, capabilities, instructions
    #[command(visible_alias = "discover")]
    Info,
    /// List the tools, or describe one
    Tools {
        /// Tool to describe: its arguments and results
        name: Option<String>,
    },
    /// Call a tool
    #[command(after_help = "Examples:\n  \
        usher agent URL call add --arg a=1 --arg b=2\n  \
        usher agent URL call tag --arg tags=red --arg tags=blue --arg 'where:={\"zone\":7}'\n  \
        echo '{\"a\":1,\"b\":2}' | usher agent URL call add --args -\n  \
        usher agent URL call draw --output picture.png\n\n\
        A value is text, a number, true or false, or JSON, as the tool's schema says; := takes JSON.\n\
        Ctrl-C withdraws the call.")]
    Call(CallArguments),
    /// List the resources
    Resources,
    /// List the resource templates
    Templates,
    /// Read a resource
    #[command(after_help = "Examples:\n  \
        usher agent URL read file:///notes/today.md\n  \
        usher agent URL read image://logo --output logo.png")]
    Read {
        /// URI of the resource
        uri: String,
        /// Write it there instead of standard output
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Print changes as they come, until Ctrl-C
    #[command(after_help = "Examples:\n  \
        usher agent URL watch                                     lists of tools, prompts, resources\n  \
        usher agent URL watch file:///notes/today.md --count 1    wait for one change\n  \
        usher agent URL watch --json | jq -r .params.uri")]
    Watch {
        /// URIs of resources to watch; without one, the lists are watched
        uris: Vec<String>,
        /// End after so many changes
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// List the prompts
    Prompts,
    /// Fill a prompt in
    #[command(after_help = "Example:\n  usher agent URL prompt review --arg language=rust")]
    Prompt {
        /// Name of the prompt
        name: String,
        /// An argument
        #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = Given::parse)]
        given: Vec<Given>,
    },
    /// Ask for suggestions for an argument of a prompt, or a variable of a resource template
    #[command(after_help = "Examples:\n  \
        usher agent URL complete --prompt review language=ru\n  \
        usher agent URL complete --template 'db://{table}/{column}' column= --arg table=users")]
    Complete(CompleteArguments),
    /// Ask for a sign of life, and say how long it took
    Ping,
}

/// Which tool, and with what.
#[derive(Debug, Clone, Args)]
pub(super) struct CallArguments {
    /// Name of the tool
    pub(super) tool: String,
    /// An argument; := gives JSON. More than one of a name make a list
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = Given::parse)]
    pub(super) given: Vec<Given>,
    /// The arguments as a JSON object; @FILE reads it from a file, - from standard input
    #[arg(long, value_name = "JSON", value_parser = values::json_source)]
    pub(super) args: Option<Map<String, Value>>,
    /// Write the image, sound or file of the result there
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
}

impl CallArguments {
    pub(super) fn new(tool: &str, arguments: Map<String, Value>) -> Self {
        Self {
            tool: tool.to_owned(),
            given: Vec::new(),
            args: Some(arguments),
            output: None,
        }
    }
}

/// What is to be completed.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Reference {
    /// An argument of this prompt
    #[arg(long, value_name = "NAME")]
    pub(super) prompt: Option<String>,
    /// A variable of this resource template
    #[arg(long, value_name = "URI")]
    pub(super) template: Option<String>,
}

/// What is to be completed, and what is known.
#[derive(Debug, Clone, Args)]
pub(super) struct CompleteArguments {
    #[command(flatten)]
    pub(super) reference: Reference,
    /// The argument, and what is typed of it
    #[arg(value_name = "KEY=VALUE", value_parser = Given::parse)]
    pub(super) partial: Given,
    /// Another argument that is known already
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = Given::parse)]
    pub(super) given: Vec<Given>,
}
