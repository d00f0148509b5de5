//! One rule: what it is about, whom it is about, and what it says.

use std::fmt;

use serde_json::Value;

use super::{Clients, Kind, Patterns, Rate, who::has_open_host};
use crate::{
    auth::{ClaimPath, Principal},
    policy::Class,
    scope::Scopes,
};

/// A rule fits a caller if every condition does that is given; a list of several is met by one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Names of tools.
    pub tools: Option<Patterns>,
    /// Names of prompts.
    pub prompts: Option<Patterns>,
    /// URIs of resources, and templates of families of them.
    pub resources: Option<Patterns>,
    /// Which agents.
    pub clients: Option<Clients>,
    /// Which issuers, to the character: a role of one is no role of another.
    pub issuers: Option<Vec<String>>,
    /// Which users, by `sub`.
    pub subjects: Option<Patterns>,
    /// Which roles, by the claim that the policy names.
    pub roles: Option<Patterns>,
    /// Which claims, each with the values it may have.
    pub claims: Vec<(ClaimPath, Patterns)>,
    /// Whether such callers may use them; nothing where the rule only asks for more.
    pub effect: Option<Effect>,
    /// What such callers need to have been granted for it, beside what the code asks for.
    pub needs: Scopes,
    /// How often each such caller may call what the rule is about, all of it together.
    pub rate: Option<Rate>,
}

/// What a rule says of those it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// They may, and nobody else whom no other rule allows it to.
    Allow,
    /// They may not, whatever else is said.
    Deny,
}

/// What is wrong with a rule whose parts are right by themselves: the setting, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleMistake(pub &'static str, pub &'static str);

impl Rule {
    /// What is wrong with it; all of it.
    #[must_use]
    pub fn mistakes(&self) -> Vec<RuleMistake> {
        let mut mistakes = Vec::new();
        if self.tools.is_none() && self.prompts.is_none() && self.resources.is_none() {
            let text =
                "is not set, nor prompts or resources: say what the rule is about, \"*\" for all";
            mistakes.push(RuleMistake("tools", text));
        }
        if self.effect.is_none() && self.needs.is_empty() && self.rate.is_none() {
            let text = "is not set, nor needs or rate: the rule says nothing";
            mistakes.push(RuleMistake("effect", text));
        }
        if self.effect == Some(Effect::Deny) && !self.needs.is_empty() {
            let text = "asks for scopes of those whom the rule denies it";
            mistakes.push(RuleMistake("needs", text));
        }
        if self.effect == Some(Effect::Deny) && self.rate.is_some() {
            let text = "limits those whom the rule denies it";
            mistakes.push(RuleMistake("rate", text));
        }
        let lists = [
            ("tools", self.tools.as_ref().map(Patterns::texts)),
            ("prompts", self.prompts.as_ref().map(Patterns::texts)),
            ("resources", self.resources.as_ref().map(Patterns::texts)),
            ("clients", self.clients.as_ref().map(Clients::texts)),
            ("issuers", self.issuers.as_deref()),
            ("subjects", self.subjects.as_ref().map(Patterns::texts)),
            ("roles", self.roles.as_ref().map(Patterns::texts)),
        ];
        for (name, texts) in lists {
            let Some(texts) = texts else { continue };
            if texts.is_empty()
                || texts
                    .iter()
                    .any(|text| text.trim_start_matches('!').is_empty())
            {
                let text = "is empty, or has an empty text; leave it out, or write \"*\" for all";
                mistakes.push(RuleMistake(name, text));
            }
        }
        let clients = self.clients.as_ref().map_or(&[][..], Clients::texts);
        if clients.iter().any(|text| has_open_host(text)) {
            let text = "has a * in a client id's host, which anybody could register";
            mistakes.push(RuleMistake("clients", text));
        }
        mistakes
    }

    /// What it says of entries of this kind.
    #[must_use]
    pub fn entries(&self, kind: Kind) -> Option<&Patterns> {
        match kind {
            Kind::Tool => self.tools.as_ref(),
            Kind::Prompt => self.prompts.as_ref(),
            Kind::Resource => self.resources.as_ref(),
        }
    }

    pub(super) fn names(&self, kind: Kind, name: &str) -> bool {
        self.entries(kind)
            .is_some_and(|entries| entries.fit(&[name]))
    }

    pub(super) fn fits(&self, caller: &Principal, class: Class, roles_claim: &ClaimPath) -> bool {
        let clients = self.clients.as_ref();
        let issuers = self.issuers.as_ref();
        let subjects = self.subjects.as_ref();
        let roles = self.roles.as_ref();
        let has = |path: &ClaimPath, values: &Patterns| {
            let said = said(path.find(caller.claims()));
            let said: Vec<_> = said.iter().map(String::as_str).collect();
            values.fit(&said)
        };
        clients.is_none_or(|clients| clients.fit(class, caller.client_id()))
            && issuers.is_none_or(|issuers| issuers.iter().any(|one| one == caller.issuer()))
            && subjects.is_none_or(|subjects| subjects.fit(&[caller.subject()]))
            && roles.is_none_or(|roles| has(roles_claim, roles))
            && self.claims.iter().all(|(path, values)| has(path, values))
    }
}

/// A claim's values as text: one, or those of a list. What is an object says nothing.
fn said(claim: Option<&Value>) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match claim {
        Some(Value::Array(values)) => values.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl std::str::FromStr for Effect {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err("an effect is allow or deny"),
        }
    }
}
