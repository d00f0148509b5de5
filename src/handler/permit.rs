//! May this caller use this? Asked in one place for every method, protocol version and transport.
//!
//! [`Handler::handle`](super::Handler::handle) comes by here before anything runs, for our own entries and a delegate's
//! alike; listings show what is let through here. `transport` asks for the scopes first, so that it can
//! challenge over HTTP; this is also for who calls without it, and for what was put in the place of
//! what it looked at.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    CallContext, Entries, Handler, ToolError, params::resource_not_found, refused::Refused, skills,
};
use crate::{
    auth::Principal,
    policy::{
        Bucket, Decision, Entry, Kind, MissingScope, Pattern, Patterns, Policy, Rate, Standing,
        TooSoon,
    },
    protocol::{Method, Peek, ProtocolVersion, RpcError, codes},
    scope::Scopes,
    skills::Skill,
    telemetry::Limit,
};

/// What is offered, as one caller sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    policy: &'a Policy,
    caller: &'a Principal,
}

impl View<'_> {
    /// Whether the caller may use an entry that needs `declared`.
    pub(super) fn judge(self, entry: Entry<'_>, declared: &Scopes) -> Decision {
        self.policy.judge(self.caller, entry, declared)
    }

    /// Whether a listing shows it.
    pub(super) fn lists(self, kind: Kind, name: &str, declared: &Scopes) -> bool {
        self.policy
            .lists(&self.judge(Entry { kind, name }, declared))
    }

    /// Whether the caller may use an entry now.
    pub(super) fn allows(self, entry: Entry<'_>, declared: &Scopes) -> bool {
        matches!(self.judge(entry, declared), Decision::Allowed(_))
    }
}

impl Handler {
    /// The scopes that this very request needs, granted or not: all of them, so that one challenge is
    /// enough. None where a challenge is no answer: there is no such entry for this caller, or the
    /// model is to be told instead.
    #[must_use]
    pub fn needed_scopes(&self, caller: &Principal, method: &Method, peek: &Peek) -> Scopes {
        let now = self.now();
        let judged = if method.is_of_task() {
            let id = peek.task_id.as_ref().and_then(Value::as_str);
            let task = id.and_then(|id| self.0.tasks.find(&caller.owner(), id));
            task.map(|task| self.view(caller).judge(task.entry(), task.needs()))
        } else {
            let about = (&peek.name, &peek.uri, &peek.reference);
            let entry = entry_of(method, about.0.as_ref(), about.1.as_ref(), about.2.as_ref());
            entry.map(|entry| self.view(caller).judge(entry, now.declared(entry)))
        };
        match judged {
            Some(Decision::Allowed(needed)) => needed,
            Some(Decision::Lacks(needed)) if self.challenges() => needed,
            _ => Scopes::none(),
        }
    }

    /// Whether the caller may be told of changes of a resource.
    #[must_use]
    pub fn may_watch(&self, caller: &Principal, uri: &str) -> bool {
        let entry = Entry {
            kind: Kind::Resource,
            name: uri,
        };
        self.view(caller).allows(entry, self.now().declared(entry))
    }

    /// How the caller stands to the rules; where it is another than before, so may be its lists.
    #[must_use]
    pub fn standing(&self, caller: &Principal) -> Standing {
        self.0.policy.standing(caller)
    }

    /// What rules name that is not offered now, as `policy.rules[0].tools: notes_raed`. Of what a
    /// delegate may have that can't be asked for it, nothing.
    #[must_use]
    pub fn strays(&self) -> Vec<String> {
        let now = self.now();
        let rules = self.0.policy.config().rules.iter().enumerate();
        let mut strays = Vec::new();
        for (index, rule) in rules {
            for kind in [Kind::Tool, Kind::Prompt, Kind::Resource] {
                let named = rule.entries(kind).map_or(&[][..], Patterns::takes);
                let stray = named.iter().filter(|pattern| !now.may_have(kind, pattern));
                strays.extend(stray.map(|one| format!("policy.rules[{index}].{kind}s: {one}")));
            }
        }
        strays
    }

    pub(super) fn view<'a>(&'a self, caller: &'a Principal) -> View<'a> {
        View {
            policy: &self.0.policy,
            caller,
        }
    }

    fn challenges(&self) -> bool {
        self.0.policy.config().missing_scope == MissingScope::Challenge
    }

    /// Whether the call may go on.
    ///
    /// # Errors
    /// What the call is answered with. Of an entry that is not for this caller: what it would be if
    /// there were none.
    pub(super) fn permit(
        &self,
        now: &Entries,
        context: &CallContext,
        method: &Method,
        params: &Value,
    ) -> Result<(), ToolError> {
        let get = |member| params.get(member);
        let Some(entry) = entry_of(method, get("name"), get("uri"), get("ref")) else {
            return Ok(());
        };
        let caller = context.principal();
        let refused = |why| self.refused(caller, method, entry.name, why);
        match self.view(caller).judge(entry, now.declared(entry)) {
            Decision::Allowed(_) => self.count(caller, entry).map_err(|too_soon| {
                refused(Refused::Rate);
                too_soon.into()
            }),
            Decision::Lacks(needed) => {
                refused(Refused::Scopes(&needed));
                Err(self.lacking(method, &needed))
            }
            Decision::Denied(denial) => {
                refused(Refused::Policy);
                if let Some(left_out) = self.0.refusal_lines.admit() {
                    let (kind, name) = (entry.kind.as_str(), entry.name);
                    let caller = caller.pseudonym();
                    let name: String = name.chars().take(NAME_SHOWN).collect();
                    tracing::info!(kind, name, %denial, %caller, left_out, "call refused");
                }
                Err(unknown(method, entry, context.protocol_version()).into())
            }
        }
    }

    /// Counts a call for every limit that the caller has.
    fn count(&self, caller: &Principal, entry: Entry<'_>) -> Result<(), RpcError> {
        let owner = caller.owner();
        for (bucket, rate) in self.0.policy.rates(caller, entry) {
            let counted = self.0.limiter.count(bucket, owner, rate);
            let Err(TooSoon {
                retry_after,
                is_shared,
            }) = counted
            else {
                continue;
            };
            self.0.metrics.limit_hit(match bucket {
                _ if is_shared => Limit::RatesKept,
                Bucket::Caller => Limit::RatePerPrincipal,
                Bucket::Rule(_) => Limit::RatePerRule,
            });
            return Err(too_often(rate, retry_after));
        }
        Ok(())
    }

    /// The answer to a call whose caller has not been granted enough.
    fn lacking(&self, method: &Method, needed: &Scopes) -> ToolError {
        if *method == Method::ToolsCall && !self.challenges() {
            return ToolError::failed(format!(
                "The user has not agreed to what this tool needs. Ask the user to connect this \
                 server again and to grant the scopes: {needed}"
            ));
        }
        lacks(needed).into()
    }
}

/// The error of a call that came too early, with the seconds after which it would not.
fn too_often(rate: Rate, retry_after: Duration) -> RpcError {
    // Whole ones, and enough: who comes back then is not refused for the rest of one.
    let seconds = retry_after.as_secs_f64().ceil().max(1.0);
    let text = format!("too many calls: {rate} are allowed; try again in {seconds} s");
    RpcError::new(codes::SERVER_ERROR, text).with_data(json!({ "retryAfter": seconds }))
}

/// Characters of a name that a log line shows: a client may send any.
const NAME_SHOWN: usize = 128;

/// The error of a call whose caller has not been granted `needed`.
pub(super) fn lacks(needed: &Scopes) -> RpcError {
    let text = format!("this needs the scopes {needed}");
    RpcError::new(codes::INVALID_REQUEST, text)
}

/// Whether a method names an entry that it is about.
pub(super) fn names_entry(method: &Method) -> bool {
    matches!(
        method,
        Method::ToolsCall
            | Method::PromptsGet
            | Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
            | Method::CompletionComplete
            | Method::SkillsGet
            | Method::ResourcesDirectoryRead
    )
}

/// What a request is about, by the members of its params that say so. To unsubscribe is everybody's:
/// who may see something no more may still stop being told of it.
fn entry_of<'a>(
    method: &Method,
    name: Option<&'a Value>,
    uri: Option<&'a Value>,
    reference: Option<&'a Value>,
) -> Option<Entry<'a>> {
    let (kind, named) = match method {
        Method::ToolsCall => (Kind::Tool, name),
        Method::PromptsGet => (Kind::Prompt, name),
        Method::ResourcesRead
        | Method::ResourcesSubscribe
        | Method::SkillsGet
        | Method::ResourcesDirectoryRead => (Kind::Resource, uri),
        Method::CompletionComplete => match reference?.get("type")?.as_str()? {
            "ref/prompt" => (Kind::Prompt, reference?.get("name")),
            _ => (Kind::Resource, reference?.get("uri")),
        },
        _ => return None,
    };
    let name = named?.as_str()?;
    Some(Entry { kind, name })
}

/// The answer where there is no such entry. What it tells apart is which names rules are about, never
/// which of them exist.
fn unknown(method: &Method, entry: Entry<'_>, version: ProtocolVersion) -> RpcError {
    let name = entry.name;
    match (method, entry.kind) {
        (Method::SkillsGet, _) => skills::no_skill(name),
        (Method::ResourcesDirectoryRead, _) => skills::no_folder(name),
        (Method::CompletionComplete, Kind::Resource) => no_such("resource template", name),
        (_, Kind::Resource) => resource_not_found(name, version),
        (_, kind) => no_such(kind.as_str(), name),
    }
}

/// The error for a name that nothing has.
pub(super) fn no_such(what: &str, name: &str) -> RpcError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    RpcError::new(codes::INVALID_PARAMS, format!("unknown {what}: {name}"))
}

impl Entries {
    /// The scopes that the code asks for, of our own entry of this name or else a delegate's.
    pub(super) fn declared(&self, entry: Entry<'_>) -> &Scopes {
        const NONE: &Scopes = &Scopes::none();
        let name = entry.name;
        let ours = match entry.kind {
            Kind::Tool => self.tools.get(name).map(|tool| tool.needed_scopes()),
            Kind::Prompt => self.prompts.get(name).map(|prompt| &prompt.needs),
            Kind::Resource => {
                let family = self.templates.get(name).map(|family| &family.needs);
                family
                    .or_else(|| self.resource(name).map(|(found, _)| found.needs()))
                    .or_else(|| self.skill_around(name).map(Skill::needed_scopes))
            }
        };
        let theirs = || self.delegate()?.needed_scopes(entry);
        ours.or_else(theirs).unwrap_or(NONE)
    }

    /// Whether a pattern fits anything here, as far as can be told.
    fn may_have(&self, kind: Kind, pattern: &Pattern) -> bool {
        let fits = |name: &String| pattern.fits(name);
        let (ours, theirs) = match kind {
            Kind::Tool => (self.tools.keys().any(fits), Method::ToolsList),
            Kind::Prompt => (self.prompts.keys().any(fits), Method::PromptsList),
            Kind::Resource => {
                let families = !self.templates.is_empty() || !self.skills.is_empty();
                let ours = families || self.resources.keys().any(fits);
                (ours, Method::ResourcesList)
            }
        };
        let asked = || match kind {
            Kind::Tool if pattern.is_exact() => self.delegate()?.has_tool(pattern.as_str()),
            _ => None,
        };
        ours || (self.delegates(&theirs) && asked().unwrap_or(true))
    }

    /// Whether an entry is our own, so that a delegate's of the same name is never reached.
    pub(super) fn has(&self, method: &Method, key: &str) -> bool {
        match method {
            Method::ToolsList => self.tools.contains_key(key),
            Method::PromptsList => self.prompts.contains_key(key),
            Method::ResourcesTemplatesList => self.templates.contains_key(key),
            _ => self.resource(key).is_some(),
        }
    }
}
