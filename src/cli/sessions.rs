//! `usher sessions`: who is in, and out with them.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::output;
use crate::{
    agent::Said,
    fetch::{self, Fetcher},
    secret::Secret,
    session::{SessionFilter, SessionSummary},
    units::{ByteSize, HumanDuration},
};

/// Flags of `usher sessions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher sessions                                  all sessions of the server on this machine\n  \
    usher sessions list --subject alice --json      one user's, for programs\n  \
    usher sessions end --client-id smartmail        an agent's, calls in flight included\n  \
    usher sessions end --id hj38fk                  one, by the beginning of its id as logs show it\n  \
    usher sessions --admin http://10.0.0.7:9090 --admin-token-file token end --all\n\n\
    A client whose session was ended may come back at once with the token it has.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The server's admin listener
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9090",
        global = true
    )]
    admin: Url,
    /// File with the token of server.admin_token_file, where the server has one
    #[arg(long, value_name = "FILE", global = true)]
    admin_token_file: Option<PathBuf>,
    /// JSON on standard output
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show sessions, the longest open first
    List(Which),
    /// Show all that is known of one session
    Show {
        /// The beginning of its id, at least six characters
        id: String,
    },
    /// End sessions
    End {
        #[command(flatten)]
        which: Which,
        /// End every session there is
        #[arg(long, conflicts_with_all = ["id", "subject", "client_id", "issuer"])]
        all: bool,
    },
}

/// Which sessions; all that is given has to match.
#[derive(Debug, Default, Args)]
struct Which {
    /// The beginning of an id, at least six characters
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The user, as the token's sub
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// The agent, as the token's client_id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The issuer, to the character
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

/// The admin listener's answers.
#[derive(Debug, Deserialize)]
struct Listed {
    sessions: Vec<SessionSummary>,
    total: usize,
}

#[derive(Debug, Deserialize)]
struct Ended {
    ended: usize,
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: String,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let office = Office::new(&arguments)?;
    match arguments.command.unwrap_or(Command::List(Which::default())) {
        Command::List(which) => {
            let body = office.ask(Method::GET, &which.into_filter(), false).await?;
            if arguments.json {
                output::line(&body.to_string());
            } else {
                table(&serde_json::from_value(body)?);
            }
        }
        Command::Show { id } => {
            let filter = SessionFilter {
                id: Some(id),
                ..SessionFilter::default()
            };
            let body = office.ask(Method::GET, &filter, false).await?;
            show(serde_json::from_value(body)?, arguments.json)?;
        }
        Command::End { which, all } => {
            let filter = which.into_filter();
            if filter.is_everything() && !all {
                bail!("say which sessions: --id, --subject, --client-id, --issuer, or --all");
            }
            let body = office.ask(Method::DELETE, &filter, all).await?;
            if arguments.json {
                output::line(&body.to_string());
            } else {
                let Ended { ended } = serde_json::from_value(body)?;
                output::line(&format!("{ended} ended"));
            }
        }
    }
    Ok(())
}

impl Which {
    fn into_filter(self) -> SessionFilter {
        SessionFilter {
            id: self.id,
            issuer: self.issuer,
            subject: self.subject,
            client_id: self.client_id,
        }
    }
}

/// The admin listener as this command reaches it.
struct Office {
    fetcher: Fetcher,
    url: Url,
    token: Option<Secret>,
}

impl Office {
    fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let file = arguments.admin_token_file.as_deref();
        Ok(Self {
            fetcher: Fetcher::new(fetch::Config {
                deadline: HumanDuration::from_secs(15),
                answer_max: ByteSize::from_mib(4),
            })?,
            url: arguments.admin.join("sessions")?,
            token: file.map(Secret::from_file).transpose()?,
        })
    }

    async fn ask(
        &self,
        method: Method,
        filter: &SessionFilter,
        all: bool,
    ) -> anyhow::Result<Value> {
        let mut url = self.url.clone();
        let members = serde_json::to_value(filter)?;
        for (name, value) in members.as_object().into_iter().flatten() {
            url.query_pairs_mut()
                .append_pair(name, value.as_str().unwrap_or_default());
        }
        if all {
            url.query_pairs_mut().append_pair("all", "true");
        }
        let mut request = self.fetcher.request(method, url.as_str());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let answer = self.fetcher.send(request).await.with_context(|| {
            format!(
                "is the server running, and {} its server.admin_listen?",
                self.url.authority()
            )
        })?;
        if answer.is_success() {
            return Ok(answer.json()?);
        }
        let said = serde_json::from_slice(&answer.body).map(|Refused { error }| Said::new(&error));
        match (answer.status, said) {
            (_, Ok(said)) => bail!("{said}"),
            (StatusCode::NOT_FOUND, Err(_)) => bail!("{} is no admin listener of Usher", self.url),
            (status, Err(_)) => bail!("the admin listener answered {status}"),
        }
    }
}

fn table(listed: &Listed) {
    if listed.sessions.is_empty() {
        output::line("no session");
        return;
    }
    output::line(&format!(
        "{:8}  {:20}  {:20}  {:15}  {:10}  {:>8}  {:>5}",
        "ID", "SUBJECT", "CLIENT", "TRANSPORT", "VERSION", "SILENT", "CALLS"
    ));
    for one in &listed.sessions {
        output::line(&format!(
            "{:8}  {:20}  {:20}  {:15}  {:10}  {:>7}s  {:>5}",
            Said::new(&one.id).as_str(),
            Said::new(&one.subject).as_str(),
            Said::new(one.client_id.as_deref().unwrap_or("-")).as_str(),
            one.transport,
            one.protocol_version.as_deref().unwrap_or("-"),
            one.silent_for,
            one.calls,
        ));
    }
    let more = listed.total - listed.sessions.len();
    if more > 0 {
        output::line(&format!(
            "and {more} more; narrow it down with --subject or --client-id"
        ));
    }
}

fn show(listed: Listed, as_json: bool) -> anyhow::Result<()> {
    if listed.sessions.is_empty() {
        bail!("no session has an id that begins like this");
    }
    for one in listed.sessions {
        if as_json {
            output::line(&serde_json::to_string(&one)?);
            continue;
        }
        let members = serde_json::to_value(&one)?;
        for (name, value) in members.as_object().into_iter().flatten() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            output::line(&format!("{name:18} {}", Said::new(&value)));
        }
    }
    Ok(())
}
