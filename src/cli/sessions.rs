//! `usher sessions`: who is in, and out with them.

use anyhow::bail;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;

use super::{
    office::{Office, Reach},
    output,
};
use crate::{
    agent::Said,
    auth::{CutOffSummary, Whom},
    session::{SessionFilter, SessionSummary},
    time::Timestamp,
    units::HumanDuration,
};

/// Flags of `usher sessions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher sessions                                  all sessions of the server on this machine\n  \
    usher sessions list --subject alice --json      one user's, for programs\n  \
    usher sessions end --client-id smartmail        an agent's, calls in flight included\n  \
    usher sessions end --client-id smartmail --subject alice --ban 24h\n  \
    usher sessions end --id hj38fk                  one, by the beginning of its id as logs show it\n  \
    usher sessions cut-offs                         who is shut out, and until when\n  \
    usher sessions lift --client-id smartmail --subject alice\n  \
    usher sessions --admin http://10.0.0.7:9090 --admin-token-file token end --all\n\n\
    Whose sessions are ended by --client-id or --subject is cut off: the access tokens of these\n\
    callers are refused from now on. They are let in with new ones, which a client with a refresh\n\
    token gets by itself: with --ban they are not. Cut-offs are forgotten at a restart; what has to\n\
    last is done at the authorization server.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    office: Reach,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show sessions, the longest open first
    List(Which),
    /// Show all that is known of one session
    Show {
        /// The beginning of its id, at least six characters
        // An id may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// End sessions
    End {
        #[command(flatten)]
        which: Which,
        /// End every session there is
        #[arg(long, conflicts_with_all = ["id", "subject", "client_id", "issuer"])]
        all: bool,
        /// Refuse later tokens of these callers too, for so long, as 24h
        #[arg(long, value_name = "DURATION", conflicts_with_all = ["all", "id", "let_back"])]
        ban: Option<HumanDuration>,
        /// Only end sessions: their callers may come back with the tokens they have
        #[arg(long)]
        let_back: bool,
    },
    /// Show who is cut off
    CutOffs,
    /// Let those in again who were cut off by just these flags
    Lift(Callers),
}

/// Whose tokens.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Callers {
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

/// Which sessions; all that is given has to match.
#[derive(Debug, Default, Args)]
struct Which {
    /// The beginning of an id, at least six characters
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
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
struct InForce {
    cut_offs: Vec<CutOffSummary>,
}

#[derive(Debug, Deserialize)]
struct Lifted {
    lifted: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let office = Office::new(&arguments.office)?;
    let as_json = arguments.office.json;
    match arguments.command.unwrap_or(Command::List(Which::default())) {
        Command::List(which) => {
            let filter = which.into_filter();
            let body = office.ask(Method::GET, SESSIONS, &filter, &[]).await?;
            if as_json {
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
            let body = office.ask(Method::GET, SESSIONS, &filter, &[]).await?;
            show(serde_json::from_value(body)?, as_json)?;
        }
        Command::End {
            which,
            all,
            ban,
            let_back,
        } => {
            let filter = which.into_filter();
            if filter.is_everything() && !all {
                bail!("say which sessions: --id, --subject, --client-id, --issuer, or --all");
            }
            let names_callers = filter.subject.is_some() || filter.client_id.is_some();
            if ban.is_some() && !names_callers {
                bail!("say whom to ban: --subject, --client-id or both");
            }
            let cut_off = names_callers && filter.id.is_none() && !let_back;
            let mut more = Vec::new();
            if all {
                more.push(("all", "true".to_owned()));
            }
            if cut_off {
                more.push(("cut_off", "true".to_owned()));
            }
            more.extend(ban.map(|ban| ("ban", ban.to_string())));
            let body = office.ask(Method::DELETE, SESSIONS, &filter, &more).await?;
            if as_json {
                output::line(&body.to_string());
            } else {
                let Ended { ended } = serde_json::from_value(body)?;
                let and = if cut_off { ", and cut off" } else { "" };
                output::line(&format!("{ended} ended{and}"));
            }
        }
        Command::CutOffs => {
            let body = office.ask(Method::GET, CUT_OFFS, &(), &[]).await?;
            if as_json {
                output::line(&body.to_string());
            } else {
                cut_offs(&serde_json::from_value(body)?);
            }
        }
        Command::Lift(callers) => {
            let whom = callers.into_whom();
            let body = office.ask(Method::DELETE, CUT_OFFS, &whom, &[]).await?;
            let Lifted { lifted } = serde_json::from_value(body.clone())?;
            if as_json {
                output::line(&body.to_string());
            } else if lifted {
                output::line("lifted");
            }
            if !lifted {
                bail!("no cut-off names just these; see usher sessions cut-offs");
            }
        }
    }
    Ok(())
}

const SESSIONS: &str = "sessions";
const CUT_OFFS: &str = "cut-offs";

impl Callers {
    fn into_whom(self) -> Whom {
        Whom {
            issuer: self.issuer,
            client_id: self.client_id,
            subject: self.subject,
        }
    }
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

fn cut_offs(in_force: &InForce) {
    if in_force.cut_offs.is_empty() {
        output::line("nobody is cut off");
        return;
    }
    output::line(&format!(
        "{:20}  {:20}  {:20}  {:20}  ISSUER",
        "SUBJECT", "CLIENT", "TOKENS BEFORE", "BANNED UNTIL"
    ));
    let any = |text: &Option<String>| Said::new(text.as_deref().unwrap_or("any")).to_string();
    let moment = |seconds| Timestamp::from_unix_seconds(seconds).to_rfc3339();
    for one in &in_force.cut_offs {
        output::line(&format!(
            "{:20}  {:20}  {:20}  {:20}  {}",
            any(&one.whom.subject),
            any(&one.whom.client_id),
            moment(one.issued_before),
            one.banned_until.map_or_else(|| "-".to_owned(), moment),
            any(&one.whom.issuer),
        ));
    }
}
