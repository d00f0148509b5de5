//! `usher policy`: what a caller may use under the rules of a configuration.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Done, output, settings::Settings};
use crate::{
    auth::{ClaimPath, Identity, Method, Principal},
    config::Config,
    policy::{Decision, Entry, Kind, Patterns, Policy},
    scope::{Scope, Scopes},
};

/// Flags of `usher policy`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what a caller of this kind may use, and by which rule not
    Explain(Explain),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher policy explain --config usher.toml --client agent --scope notes:read notes_write\n  \
    usher policy explain --config usher.toml --client web --claim roles=admin --json\n  \
    usher policy explain --config usher.toml --claim /org/plan=pro --resource notes://team/plan\n\n\
    Without names, everything that rules name is judged. Scopes that a tool asks for in its code are not\n\
    known here: those come on top. Exit codes: 0 all of it may be used, 1 not all, 2 wrong usage.")]
struct Explain {
    #[command(flatten)]
    settings: Settings,
    /// The agent's client id; without one, nobody tells it
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Who issued the token; without one, [issuer]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The user
    #[arg(long, value_name = "SUB", default_value = "somebody")]
    subject: String,
    /// A scope of the token; may be repeated
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<Scope>,
    /// A claim of the token, as roles=admin or /org/plan=pro; of one given twice, both are in a list
    #[arg(long, value_name = "CLAIM=VALUE", value_parser = claim)]
    claim: Vec<(ClaimPath, Value)>,
    /// A prompt to ask about; may be repeated
    #[arg(long, value_name = "NAME")]
    prompt: Vec<String>,
    /// A resource's URI to ask about; may be repeated
    #[arg(long, value_name = "URI")]
    resource: Vec<String>,
    /// Tools to ask about
    #[arg(value_name = "TOOL")]
    tools: Vec<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// `path=value`; a value that is JSON other than a text is taken as that.
fn claim(text: &str) -> Result<(ClaimPath, Value), String> {
    let (path, value) = text.split_once('=').ok_or("write CLAIM=VALUE")?;
    let path = path.parse().map_err(|error| format!("{error}"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_text| json!(value));
    Ok((path, value))
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Done> {
    let Command::Explain(explain) = &arguments.command;
    let config = explain.settings.read(Config::default(), [])?;
    let policy = config.to_policy("");
    let caller = explain.caller(&config);
    let judged: Vec<_> = explain
        .asked(&policy)
        .into_iter()
        .map(|(kind, name)| {
            let entry = Entry { kind, name: &name };
            let decision = policy.judge(&caller, entry, &Scopes::none());
            (kind, name, decision)
        })
        .collect();
    let class = policy.class(&caller);
    if explain.json {
        let entries = judged.iter().map(|(kind, name, decision)| {
            let listed = policy.lists(decision);
            let mut shown = json!({ "kind": kind.as_str(), "name": name, "listed": listed });
            match decision {
                Decision::Allowed(needed) => {
                    (shown["decision"], shown["needs"]) = (json!("allowed"), json!(needed));
                }
                Decision::Lacks(needed) => {
                    (shown["decision"], shown["needs"]) = (json!("lacks_scope"), json!(needed));
                }
                Decision::Denied(denial) => {
                    (shown["decision"], shown["rule"]) = (json!("denied"), json!(denial.rule));
                    shown["because"] = json!(denial.to_string());
                }
            }
            shown
        });
        let entries: Vec<_> = entries.collect();
        let report = json!({ "client_class": class.as_str(), "entries": entries });
        output::line(&report.to_string());
    } else {
        let client = explain.client.as_deref().unwrap_or("(unknown)");
        output::line(&format!("client {client} is {class}"));
        for (kind, name, decision) in &judged {
            let said = match decision {
                Decision::Allowed(needed) if needed.is_empty() => "allowed".to_owned(),
                Decision::Allowed(needed) => format!("allowed, having {needed}"),
                Decision::Lacks(needed) => format!("needs the scopes {needed}"),
                Decision::Denied(denial) => format!("not allowed: {denial}"),
            };
            output::line(&format!("{kind:<8}  {name:<24}  {said}"));
        }
    }
    let all = judged
        .iter()
        .all(|(.., decision)| matches!(decision, Decision::Allowed(_)));
    Ok(if all { Done::Well } else { Done::NotAsItShould })
}

impl Explain {
    fn caller(&self, config: &Config) -> Principal {
        let ours = config.issuer.url.as_ref().map(ToString::to_string);
        let mut claims = Map::new();
        for (path, value) in &self.claim {
            path.put(&mut claims, value.clone());
        }
        Principal::new(Identity {
            issuer: self.issuer.clone().or(ours).unwrap_or_default(),
            subject: self.subject.clone(),
            client_id: self.client.clone(),
            audiences: Vec::new(),
            scopes: self.scope.iter().cloned().collect(),
            expires_at: None,
            verified_by: Method::Jwt,
            claims,
        })
    }

    /// What is asked about, or else what rules name: a pattern stands for what it fits.
    fn asked(&self, policy: &Policy) -> Vec<(Kind, String)> {
        let given = [
            (Kind::Tool, &self.tools),
            (Kind::Prompt, &self.prompt),
            (Kind::Resource, &self.resource),
        ];
        let given = given.into_iter();
        let mut asked: Vec<_> = given
            .flat_map(|(kind, names)| names.iter().map(move |name| (kind, name.clone())))
            .collect();
        if !asked.is_empty() {
            return asked;
        }
        for kind in [Kind::Tool, Kind::Prompt, Kind::Resource] {
            let rules = policy.config().rules.iter();
            let named = rules.flat_map(|rule| rule.entries(kind).map_or(&[][..], Patterns::takes));
            let mut named: Vec<_> = named.map(ToString::to_string).collect();
            named.sort();
            named.dedup();
            asked.extend(named.into_iter().map(|name| (kind, name)));
        }
        asked
    }
}
