//! `[[policy.rules]]`: rules as an operator writes them.
//!
//! What each setting means stands at [`Rule`]. They are no rows of the table of settings: a list of
//! rules has no place in the environment, nor in one line.

use serde_json::{Value as Json, json};
use toml::{Table, Value};

use super::{Config, Problem};
use crate::{
    policy::{Clients, Effect, Patterns, Policy, RULES_MAX, Rate, RateError, Rule},
    scope::Scopes,
};

/// What can stand in a rule.
const NAMES: &[&str] = &[
    "tools",
    "prompts",
    "resources",
    "clients",
    "issuers",
    "subjects",
    "roles",
    "claims",
    "effect",
    "needs",
    "rate",
];

/// Reads every rule, and notes every mistake under the name of what it is in.
pub(super) fn read_rules(source: &str, value: Value, problems: &mut Vec<Problem>) -> Vec<Rule> {
    let Value::Array(tables) = value else {
        let text = "are written [[policy.rules]], one table for each";
        problems.push(problem(source, text));
        return Vec::new();
    };
    let tables = tables.into_iter().enumerate();
    let rules = tables.map(|(index, table)| {
        let at = format!("{source}[{index}]");
        let Value::Table(settings) = table else {
            problems.push(problem(&at, "is no table of settings"));
            return Rule::default();
        };
        read_rule(&at, &settings, problems)
    });
    rules.collect()
}

fn read_rule(at: &str, settings: &Table, problems: &mut Vec<Problem>) -> Rule {
    let mut rule = Rule::default();
    for (name, value) in settings {
        if let Err(text) = set(&mut rule, name, value) {
            problems.push(problem(&format!("{at}.{name}"), &text));
        }
    }
    rule
}

fn set(rule: &mut Rule, name: &str, value: &Value) -> Result<(), String> {
    match name {
        "tools" => rule.tools = Some(Patterns::new(texts(value)?)),
        "prompts" => rule.prompts = Some(Patterns::new(texts(value)?)),
        "resources" => rule.resources = Some(Patterns::new(texts(value)?)),
        "clients" => rule.clients = Some(Clients::new(texts(value)?)),
        "issuers" => rule.issuers = Some(texts(value)?),
        "subjects" => rule.subjects = Some(Patterns::new(texts(value)?)),
        "roles" => rule.roles = Some(Patterns::new(texts(value)?)),
        "claims" => rule.claims = claims(value)?,
        "effect" => rule.effect = Some(effect(value)?),
        "needs" => rule.needs = needs(value)?,
        "rate" => rule.rate = Some(rate(value)?),
        _ => return Err(no_such(name)),
    }
    Ok(())
}

/// A text, or a list of texts.
fn texts(value: &Value) -> Result<Vec<String>, String> {
    let list = match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) => {
            let texts = values.iter().map(|one| one.as_str().map(str::to_owned));
            texts.collect()
        }
        _ => None,
    };
    list.ok_or_else(|| "takes a text or a list of texts".to_owned())
}

fn claims(value: &Value) -> Result<Vec<(crate::auth::ClaimPath, Patterns)>, String> {
    let form = "takes a table of claims and their values, as { email_verified = \"true\" }";
    let table = value.as_table().ok_or(form)?;
    let claim = |(path, value): (&String, &Value)| {
        let path = path.parse().map_err(|error| format!("{error}"))?;
        // As the claim would be written: `true` is no text in TOML either.
        let values = match value {
            Value::Boolean(truth) => vec![truth.to_string()],
            Value::Integer(number) => vec![number.to_string()],
            other => texts(other)?,
        };
        Ok((path, Patterns::new(values)))
    };
    table.iter().map(claim).collect()
}

fn effect(value: &Value) -> Result<Effect, String> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(str::to_owned)
}

fn needs(value: &Value) -> Result<Scopes, String> {
    let text = texts(value)?.join(" ");
    text.parse()
        .map_err(|error: crate::scope::ScopeError| error.to_string())
}

fn rate(value: &Value) -> Result<Rate, String> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|error: RateError| error.to_string())
}

fn no_such(name: &str) -> String {
    let near = NAMES
        .iter()
        .map(|one| (strsim::jaro_winkler(one, name), one));
    let near = near.max_by(|(left, _), (right, _)| left.total_cmp(right));
    match near {
        Some((likeness, near)) if likeness >= 0.8 => {
            format!("no such setting; did you mean {near}?")
        }
        _ => format!("no such setting; a rule has {}", NAMES.join(", ")),
    }
}

impl Config {
    /// The rules, and whose clients are whose. `dev` is the issuer of whoever names none.
    #[must_use]
    pub fn to_policy(&self, dev: &str) -> Policy {
        let sections = std::iter::once(&self.issuer).chain(&self.issuers);
        let ours = sections.filter(|section| !section.first_party_clients.is_empty());
        let ours = ours.map(|section| {
            let issuer = section.url.as_ref().map_or(dev, |url| url.as_str());
            let clients = Patterns::new(section.first_party_clients.clone());
            (issuer.to_owned(), clients)
        });
        Policy::new(self.policy.clone(), ours.collect())
    }

    /// What is wrong with rules whose parts are right.
    pub(super) fn check_rules(&self) -> Vec<Problem> {
        let rules = &self.policy.rules;
        let mut problems = Vec::new();
        if rules.len() > RULES_MAX {
            let text = format!("are {}, and at most {RULES_MAX} are taken", rules.len());
            problems.push(problem("policy.rules", &text));
        }
        for (index, rule) in rules.iter().enumerate() {
            for mistake in rule.mistakes() {
                let at = format!("policy.rules[{index}].{}", mistake.0);
                problems.push(problem(&at, mistake.1));
            }
            let known: Vec<_> = self.issuer_sections().collect();
            let unknown = rule.issuers.iter().flatten().filter(|issuer| {
                let mut urls = known.iter().filter_map(|(_, section)| section.url.as_ref());
                !known.is_empty() && !urls.any(|url| url.as_str() == *issuer)
            });
            problems.extend(unknown.map(|issuer| {
                let text = format!("names {issuer:?}, which is no issuer of this server");
                problem(&format!("policy.rules[{index}].issuers"), &text)
            }));
        }
        problems
    }
}

/// The settings of a rule that are given, as the file has them.
#[must_use]
pub fn rule_settings(rule: &Rule) -> Vec<(&'static str, Json)> {
    let lists = [
        ("tools", rule.tools.as_ref().map(Patterns::texts)),
        ("prompts", rule.prompts.as_ref().map(Patterns::texts)),
        ("resources", rule.resources.as_ref().map(Patterns::texts)),
        ("clients", rule.clients.as_ref().map(Clients::texts)),
        ("issuers", rule.issuers.as_deref()),
        ("subjects", rule.subjects.as_ref().map(Patterns::texts)),
        ("roles", rule.roles.as_ref().map(Patterns::texts)),
    ];
    let lists = lists.into_iter();
    let lists = lists.filter_map(|(name, texts)| Some((name, json!(texts?))));
    let claims = rule.claims.iter();
    let claims = claims.map(|(path, values)| (path.to_string(), json!(values.texts())));
    let claims: serde_json::Map<_, _> = claims.collect();
    let claims = (!claims.is_empty()).then_some(("claims", Json::Object(claims)));
    let effect = rule
        .effect
        .map(|effect| ("effect", json!(effect.to_string())));
    let needs = (!rule.needs.is_empty()).then(|| ("needs", json!(rule.needs.to_string())));
    let rate = rule.rate.map(|rate| ("rate", json!(rate.to_string())));
    let says = effect.into_iter().chain(needs).chain(rate);
    lists.chain(claims).chain(says).collect()
}

fn problem(at: &str, text: &str) -> Problem {
    Problem {
        source: at.to_owned(),
        text: text.to_owned(),
    }
}
