//! Who may use what: rules of the operator's about tools, prompts and resources, by client, user and
//! role, beside the scopes that the code asks for.
//!
//! Rules only ever narrow what the code allows, and their order means nothing: a rule that denies
//! wins; what some rule allows is allowed to nobody else; and scopes add up. `config` makes a
//! [`Policy`], `handler` asks it, in one place for every way in. Nothing is remembered: every request
//! is judged by the principal that came with it, so a token that says more or less counts at once.

mod pattern;
mod rate;
mod rule;
mod who;

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    str::FromStr,
};

use url::Url;

pub use pattern::{Pattern, Patterns};
pub use rate::{Bucket, Limiter, Rate, RateError, TooSoon};
pub use rule::{Effect, Rule, RuleMistake};
pub use who::{Class, Clients};

use crate::{
    auth::{ClaimPath, Principal},
    scope::Scopes,
};

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where a token names its bearer's roles: one text or a list of them. Default `roles`.
    pub roles_claim: ClaimPath,
    /// What a call becomes that lacks a scope. Default a challenge.
    pub missing_scope: MissingScope,
    /// Whether lists also show what a caller only lacks scopes for, so that its client can ask for
    /// them. Default no.
    pub list_unscoped: bool,
    /// How often one caller (issuer, client id, subject) may call at all. Default without limit.
    pub rate: Option<Rate>,
    /// Callers and rules of which it is known how often they called, some 100 bytes each. Above zero;
    /// default 100,000.
    pub rates_max: usize,
    /// Default none.
    pub rules: Vec<Rule>,
}

/// Most rules: each is looked at for every entry of a list.
pub const RULES_MAX: usize = 256;

/// What a call becomes whose caller lacks a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingScope {
    /// A 403 with all scopes it needs, where the transport is HTTP: OAuth's own way, by which a client
    /// asks its user for more (RFC 6750 §3.1).
    Challenge,
    /// A tool's result with `isError`, which the model reads; for clients that take a 403 for a broken
    /// sign-in. What is no tool is answered with a JSON-RPC error.
    ToolError,
}

/// The rules of one server. Cheap to ask; made once.
#[derive(Debug, Clone)]
pub struct Policy {
    config: Config,
    /// Our own clients, by issuer: an id means nothing without it.
    first_party: Vec<(String, Patterns)>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is.
    pub kind: Kind,
    /// A tool's or prompt's name; a resource's URI, or the template of a family of them.
    pub name: &'a str,
}

/// What rules can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is MCP's word")]
pub enum Kind {
    Tool,
    Prompt,
    Resource,
}

/// Whether a caller may use an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may: it was granted these, which are all that are needed.
    Allowed(Scopes),
    /// It may once it was granted these: all that are needed, so that one challenge is enough.
    Lacks(Scopes),
    /// It may not, whatever it is granted: for such a caller there is no such entry.
    Denied(Denial),
}

/// Which rule it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// Its place among the rules, from zero.
    pub rule: usize,
    /// Whether it denies, or allows the entry to others only.
    pub effect: Effect,
}

/// How a caller stands to all rules: as long as it is the same, so is what the caller may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing(u64);

impl Default for Config {
    fn default() -> Self {
        Self {
            roles_claim: ClaimPath::named("roles"),
            missing_scope: MissingScope::Challenge,
            list_unscoped: false,
            rate: None,
            rates_max: 100_000,
            rules: Vec::new(),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(Config::default(), Vec::new())
    }
}

impl Policy {
    /// These rules. `first_party` are patterns of the client ids that are our own, by issuer.
    #[must_use]
    pub fn new(config: Config, first_party: Vec<(String, Patterns)>) -> Self {
        Self {
            config,
            first_party,
        }
    }

    /// What was set.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the caller may use `entry`, which by itself needs the scopes `declared`.
    #[must_use]
    pub fn judge(&self, caller: &Principal, entry: Entry<'_>, declared: &Scopes) -> Decision {
        let spellings = Spellings::of(entry);
        let mut needed = declared.clone();
        let (mut opened, mut closed) = (false, None);
        for (rule, index) in self.config.rules.iter().zip(0..) {
            let names = |name: &str| rule.names(entry.kind, name);
            if !spellings.any(names) {
                continue;
            }
            let fits = self.fits(rule, caller);
            match rule.effect {
                Some(effect @ Effect::Deny) if fits => {
                    return Decision::Denied(Denial {
                        rule: index,
                        effect,
                    });
                }
                Some(Effect::Allow) if fits && spellings.every(names) => opened = true,
                Some(Effect::Allow) => closed = closed.or(Some(index)),
                _ => {}
            }
            if fits {
                needed = needed.union(&rule.needs);
            }
        }
        match closed {
            Some(rule) if !opened => Decision::Denied(Denial {
                rule,
                effect: Effect::Allow,
            }),
            _ if caller.scopes().covers(&needed) => Decision::Allowed(needed),
            _ => Decision::Lacks(needed),
        }
    }

    /// How often the caller may use an entry: each limit that there is, with what counts for it.
    pub fn rates<'p>(
        &'p self,
        caller: &'p Principal,
        entry: Entry<'p>,
    ) -> impl Iterator<Item = (Bucket, Rate)> + 'p {
        let spellings = Spellings::of(entry);
        let rules = self.config.rules.iter().enumerate();
        let of_rules = rules.filter_map(move |(index, rule)| {
            let rate = rule.rate?;
            let names = spellings.any(|name| rule.names(entry.kind, name));
            (names && self.fits(rule, caller)).then_some((Bucket::Rule(index), rate))
        });
        // The narrower first: a call that one of them refuses does not count for all.
        of_rules.chain(self.config.rate.map(|rate| (Bucket::Caller, rate)))
    }

    /// Whether a list shows what was judged so.
    #[must_use]
    pub fn lists(&self, decision: &Decision) -> bool {
        match decision {
            Decision::Allowed(_) => true,
            Decision::Lacks(_) => self.config.list_unscoped,
            Decision::Denied(_) => false,
        }
    }

    /// Whether the caller's agent is one of our own. One that nobody names is not.
    #[must_use]
    pub fn class(&self, caller: &Principal) -> Class {
        let ours = caller.client_id().is_some_and(|id| {
            let mut issuers = self.first_party.iter();
            issuers.any(|(issuer, clients)| issuer == caller.issuer() && clients.fit(&[id]))
        });
        if ours {
            Class::FirstParty
        } else {
            Class::ThirdParty
        }
    }

    /// How the caller stands to all rules.
    #[must_use]
    pub fn standing(&self, caller: &Principal) -> Standing {
        let mut hasher = DefaultHasher::new();
        for scope in caller.scopes().iter() {
            scope.hash(&mut hasher);
        }
        for rule in &self.config.rules {
            self.fits(rule, caller).hash(&mut hasher);
        }
        Standing(hasher.finish())
    }

    fn fits(&self, rule: &Rule, caller: &Principal) -> bool {
        rule.fits(caller, self.class(caller), &self.config.roles_claim)
    }
}

/// A resource's URI as it came, and as whoever reads it may take it: `..` gone through, escapes
/// undone. A rule that narrows counts for either, and one that allows only for both, so that no
/// spelling gets round the one or into the other.
struct Spellings<'a>(&'a str, Option<String>);

impl<'a> Spellings<'a> {
    fn of(entry: Entry<'a>) -> Self {
        let read = (entry.kind == Kind::Resource).then(|| plain(entry.name));
        Self(entry.name, read.flatten().filter(|read| read != entry.name))
    }

    fn any(&self, named: impl Fn(&str) -> bool) -> bool {
        named(self.0) || self.1.as_deref().is_some_and(named)
    }

    fn every(&self, named: impl Fn(&str) -> bool) -> bool {
        named(self.0) && self.1.as_deref().is_none_or(named)
    }
}

/// Templates stay as they are: they are names of families, and no addresses.
fn plain(uri: &str) -> Option<String> {
    if uri.contains('{') {
        return None;
    }
    let bytes = uri.as_bytes();
    let mut read = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let escaped = escaped.and_then(|hex| {
            hex_value(hex[0])?
                .checked_mul(16)?
                .checked_add(hex_value(hex[1])?)
        });
        read.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    let read = String::from_utf8(read).ok()?;
    let url = Url::parse(&read).ok()?;
    Some(url.into())
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

impl Kind {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule;
        match self.effect {
            Effect::Deny => write!(formatter, "policy.rules[{rule}] denies it"),
            Effect::Allow => write!(formatter, "policy.rules[{rule}] allows it to others only"),
        }
    }
}

impl fmt::Display for MissingScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Challenge => "challenge",
            Self::ToolError => "tool_error",
        })
    }
}

impl FromStr for MissingScope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "challenge" => Ok(Self::Challenge),
            "tool_error" => Ok(Self::ToolError),
            _ => Err("a missing scope becomes a challenge or a tool_error"),
        }
    }
}

#[cfg(test)]
mod tests;
