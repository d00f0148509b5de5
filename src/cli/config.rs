//! `usher config`: the settings in force, or all there are.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{output, settings::Settings};
use crate::config::{Config, KEYS, rule_settings};

/// Flags of `usher config`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher config --config usher.toml           what this file makes of it\n  \
    usher config --keys                        every setting, its unit and default\n  \
    usher config --keys --json                 the same for programs")]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Describe every setting instead of reading any
    #[arg(long)]
    keys: bool,
    /// The same as docs/configuration.md
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.markdown {
        markdown();
    } else if arguments.keys {
        keys(arguments.json);
    } else {
        let config = arguments.settings.read(Config::default(), [])?;
        in_force(&config, arguments.json);
    }
    Ok(())
}

fn in_force(config: &Config, as_json: bool) {
    if as_json {
        let all = KEYS
            .iter()
            .map(|key| (key.path.to_owned(), json!(key.get(config))));
        let mut all: Map<_, _> = all.collect();
        if !config.issuers.is_empty() {
            let issuers = config.issuers.iter().map(|issuer| {
                let settings = issuer.settings();
                let settings = settings.map(|(name, value)| (name.to_owned(), json!(value)));
                Value::Object(settings.collect())
            });
            all.insert("issuers".to_owned(), issuers.collect());
        }
        let rules = config.policy.rules.iter();
        let rules: Vec<_> = rules
            .map(|rule| {
                rule_settings(rule)
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Map<_, _>>()
            })
            .collect();
        if !rules.is_empty() {
            all.insert("policy.rules".to_owned(), json!(rules));
        }
        output::line(&Value::Object(all).to_string());
        return;
    }
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if of != section {
            output::line(&format!(
                "{}[{of}]",
                if section.is_empty() { "" } else { "\n" }
            ));
            section = of;
        }
        output::line(&format!("{name} = {:?}", key.get(config)));
    }
    for rule in &config.policy.rules {
        output::line("\n[[policy.rules]]");
        for (name, value) in rule_settings(rule) {
            output::line(&format!("{name} = {}", toml(&value)));
        }
    }
    for issuer in &config.issuers {
        output::line("\n[[issuers]]");
        for (name, value) in issuer.settings() {
            output::line(&format!("{name} = {value:?}"));
        }
    }
}

/// JSON as TOML writes it, which differs in tables only.
fn toml(value: &Value) -> String {
    let Value::Object(members) = value else {
        return value.to_string();
    };
    let members = members.iter();
    let members: Vec<_> = members
        .map(|(name, value)| format!("{} = {}", json!(name), toml(value)))
        .collect();
    format!("{{ {} }}", members.join(", "))
}

fn keys(as_json: bool) {
    let defaults = Config::default();
    for key in KEYS {
        if as_json {
            let described = json!({
                "key": key.path, "form": key.form, "default": key.get(&defaults),
                "environment": key.environment(), "about": key.about,
            });
            output::line(&described.to_string());
        } else {
            output::line(key.path);
            output::line(&format!("    {}", key.about));
            output::line(&format!(
                "    {}; default {:?}",
                key.form,
                key.get(&defaults)
            ));
            output::line(&format!("    {}\n", key.environment()));
        }
    }
}

/// docs/configuration.md, which a test keeps equal to this.
fn markdown() {
    output::line(&crate::config::markdown());
}
