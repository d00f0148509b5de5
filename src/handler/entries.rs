//! Everything a server offers at one moment, by name: tools, resources, prompts.
//!
//! Whoever builds a server fills one; a [`Catalog`](super::Catalog) keeps the present one. A call looks
//! at the same from its beginning to its end.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Change, Delegate, ParamHeader, Prompt, Resource, ResourceTemplate, SchemaError, Tool,
    completion::Completer, permit::no_such, resources::URI, skills, tasks,
};
use crate::{
    protocol::{Method, ProtocolVersion, RpcError, TaskSupport},
    scope::Scopes,
    skills::{Skill, SkillFile},
};

/// What a server offers. Of two with one name the later stays.
///
/// Sorted, so that every listing has the same order (2026-07-28, tools/list SHOULD). Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    pub(super) tools: Named<Tool>,
    pub(super) resources: Named<Resource>,
    pub(super) templates: Named<ResourceTemplate>,
    pub(super) prompts: Named<Prompt>,
    /// By their paths.
    pub(super) skills: Named<Skill>,
    pub(super) delegate: Option<Arc<Delegate>>,
    /// What clients were told of, or may be told of from now on.
    lists: Lists,
}

/// Shared until one of the sharers changes it.
type Named<T> = Arc<BTreeMap<String, Arc<T>>>;

/// Which lists there are beside that of tools, that of tasks among them. One that was there once stays:
/// clients were told of it, and may ask for it when it is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a list of its own, in any combination"
)]
pub struct Lists {
    resources: bool,
    prompts: bool,
    skills: bool,
    tasks: bool,
}

impl Lists {
    /// Whether a change is of a list that is there.
    #[must_use]
    pub const fn have(self, change: &Change) -> bool {
        match change {
            Change::Tools => true,
            Change::Prompts => self.prompts,
            Change::Resources | Change::Resource(_) => self.resources,
        }
    }
}

impl Entries {
    /// Adds a tool.
    pub fn add_tool(&mut self, tool: Tool) {
        let name = tool.name().to_owned();
        self.lists.tasks |= tool.supports_tasks() != TaskSupport::Forbidden;
        Arc::make_mut(&mut self.tools).insert(name, Arc::new(tool));
    }

    /// Adds a resource.
    pub fn add_resource(&mut self, resource: Resource) {
        self.declare_resources();
        let uri = resource.description.uri.clone();
        Arc::make_mut(&mut self.resources).insert(uri, Arc::new(resource));
    }

    /// Adds a family of resources.
    pub fn add_template(&mut self, template: ResourceTemplate) {
        self.declare_resources();
        let uri = template.description.uri_template.clone();
        Arc::make_mut(&mut self.templates).insert(uri, Arc::new(template));
    }

    /// Adds a prompt.
    pub fn add_prompt(&mut self, prompt: Prompt) {
        self.declare_prompts();
        let name = prompt.description.name.clone();
        Arc::make_mut(&mut self.prompts).insert(name, Arc::new(prompt));
    }

    /// Adds a skill. Its files are resources, and its `SKILL.md` is listed as one.
    pub fn add_skill(&mut self, skill: Skill) {
        self.lists.skills = true;
        self.add_resource(skills::manifest(&skill));
        let path = skill.path().to_owned();
        Arc::make_mut(&mut self.skills).insert(path, Arc::new(skill));
    }

    /// Takes a tool away; whether there was one.
    pub fn remove_tool(&mut self, name: &str) -> bool {
        remove(&mut self.tools, name)
    }

    /// Takes a resource away; whether there was one.
    pub fn remove_resource(&mut self, uri: &str) -> bool {
        remove(&mut self.resources, uri)
    }

    /// Takes a family of resources away, by its template; whether there was one.
    pub fn remove_template(&mut self, uri_template: &str) -> bool {
        remove(&mut self.templates, uri_template)
    }

    /// Takes a prompt away; whether there was one.
    pub fn remove_prompt(&mut self, name: &str) -> bool {
        remove(&mut self.prompts, name)
    }

    /// Takes a skill away, by the URI of its `SKILL.md`; whether there was one.
    pub fn remove_skill(&mut self, uri: &str) -> bool {
        let path = Skill::path_named_by(uri);
        let removed = path.is_some_and(|path| remove(&mut self.skills, path));
        removed && self.remove_resource(uri)
    }

    /// Tells clients that there are resources, though perhaps none yet. A client that was told of none
    /// when it said hello is not told either of those that come later.
    pub fn declare_resources(&mut self) {
        self.lists.resources = true;
    }

    /// Tells clients that there are prompts, though perhaps none yet; see
    /// [`Entries::declare_resources`].
    pub fn declare_prompts(&mut self) {
        self.lists.prompts = true;
    }

    /// Has everything that is not in here answered by somebody else's handler. Only one can be.
    pub fn delegate_to(&mut self, delegate: Delegate) {
        self.lists.tasks |= delegate.has_tasks();
        self.delegate = Some(Arc::new(delegate));
    }

    /// Names of all tools, in order.
    pub fn tool_names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// The lists that are not what they were in `before`.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<Change> {
        let same_delegate = match (&self.delegate, &before.delegate) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (now, before) => now.is_none() && before.is_none(),
        };
        let same_resources = Arc::ptr_eq(&self.resources, &before.resources)
            && Arc::ptr_eq(&self.templates, &before.templates)
            && Arc::ptr_eq(&self.skills, &before.skills);
        let changed = [
            (Arc::ptr_eq(&self.tools, &before.tools), Change::Tools),
            (same_resources, Change::Resources),
            (Arc::ptr_eq(&self.prompts, &before.prompts), Change::Prompts),
        ];
        let changed = changed.into_iter();
        let changed = changed.filter(|(same, _)| !(*same && same_delegate));
        changed.map(|(_, change)| change).collect()
    }

    pub(super) fn delegate(&self) -> Option<&Delegate> {
        self.delegate.as_deref()
    }

    pub(super) fn delegates(&self, method: &Method) -> bool {
        self.delegate.as_ref().is_some_and(|one| one.serves(method))
    }

    /// Who answers a request that is none for our own entries. Listings are for both.
    pub(super) fn delegate_of(&self, method: &Method, params: &Value) -> Option<&Delegate> {
        let delegate = self.delegate.as_deref().filter(|one| one.serves(method))?;
        let text = |pointer| {
            params
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let is_ours = match method {
            Method::ToolsCall => self.tools.contains_key(text("/name")),
            Method::PromptsGet => self.prompts.contains_key(text("/name")),
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                self.resource(text("/uri")).is_some()
            }
            Method::CompletionComplete => {
                self.prompts.contains_key(text("/ref/name"))
                    || self.templates.contains_key(text("/ref/uri"))
            }
            _ => false,
        };
        (!is_ours).then_some(delegate)
    }

    /// Arguments of a tool that a client of 2026-07-28 repeats in headers.
    pub(super) fn param_headers(&self, tool: &str) -> Vec<ParamHeader> {
        match (self.tools.get(tool), &self.delegate) {
            (Some(ours), _) => ours.param_headers().unwrap_or_default().to_vec(),
            (None, Some(delegate)) => delegate.param_headers(tool),
            (None, None) => Vec::new(),
        }
    }

    /// Compiles every tool's schemas.
    ///
    /// # Errors
    /// [`SchemaError`] for the first tool with one that can't be used.
    pub(super) fn compile(&self) -> Result<(), SchemaError> {
        let mut tools = self.tools.values();
        tools.try_for_each(|tool| tool.schemas().map(|_compiled| ()).map_err(Clone::clone))
    }

    /// Whether a method exists in a protocol version.
    pub(super) fn serve(&self, method: &Method, version: ProtocolVersion) -> bool {
        let is_modern = version.is_modern();
        let ours = match method {
            Method::ToolsList | Method::ToolsCall => true,
            Method::ServerDiscover | Method::SubscriptionsListen => is_modern,
            Method::Initialize | Method::LoggingSetLevel => return !is_modern,
            Method::ResourcesSubscribe | Method::ResourcesUnsubscribe if is_modern => return false,
            Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => self.has_resources(),
            Method::ResourcesList | Method::ResourcesTemplatesList | Method::ResourcesRead => {
                self.has_resources()
            }
            Method::PromptsList | Method::PromptsGet => self.has_prompts(),
            Method::CompletionComplete => self.completes(),
            Method::SkillsList | Method::SkillsGet | Method::ResourcesDirectoryRead => {
                self.has_skills()
            }
            _ => self.has_tasks() && tasks::serves(method, version),
        };
        ours || self.delegates(method)
    }

    /// Which lists a client is told of that says hello now.
    #[must_use]
    pub fn lists(&self) -> Lists {
        Lists {
            resources: self.has_resources() || self.delegates(&Method::ResourcesList),
            prompts: self.has_prompts() || self.delegates(&Method::PromptsList),
            skills: self.has_skills(),
            tasks: self.has_tasks(),
        }
    }

    pub(super) const fn has_resources(&self) -> bool {
        self.lists.resources
    }

    pub(super) const fn has_prompts(&self) -> bool {
        self.lists.prompts
    }

    pub(super) const fn has_skills(&self) -> bool {
        self.lists.skills
    }

    /// Whether a tool may run as a task, or might once.
    pub(super) const fn has_tasks(&self) -> bool {
        self.lists.tasks
    }

    pub(super) fn completes(&self) -> bool {
        self.has_prompts() || !self.templates.is_empty()
    }

    /// A tool of this name.
    pub(super) fn tool(&self, name: &str) -> Result<&Tool, RpcError> {
        let tool = self.tools.get(name);
        tool.map(Arc::as_ref).ok_or_else(|| no_such("tool", name))
    }

    /// A prompt of this name.
    pub(super) fn prompt(&self, name: &str) -> Result<&Prompt, RpcError> {
        let prompt = self.prompts.get(name);
        prompt
            .map(Arc::as_ref)
            .ok_or_else(|| no_such("prompt", name))
    }

    /// The resource under `uri`, or the family it belongs to, with its variables.
    pub(super) fn resource(&self, uri: &str) -> Option<(Found<'_>, Map<String, Value>)> {
        let mut variables = Map::new();
        // First, so that what is read is what its manifest says.
        let found = if let Some((skill, file)) = self.skill_file(uri) {
            Found::File(skill, file)
        } else if let Some(resource) = self.resources.get(uri) {
            Found::Resource(resource)
        } else {
            let of_family = |template: &'_ ResourceTemplate| template.template.matches(uri);
            let (template, values) = self
                .templates
                .values()
                .find_map(|template| of_family(template).map(|values| (template, values)))?;
            variables = values;
            Found::Template(template)
        };
        variables.insert(URI.to_owned(), Value::String(uri.to_owned()));
        Some((found, variables))
    }

    /// What suggests a prompt's arguments.
    pub(super) fn completer_of_prompt(&self, name: &str) -> Result<Option<&Completer>, RpcError> {
        Ok(self.prompt(name)?.completer.as_ref())
    }

    /// The same of a family's variables.
    pub(super) fn completer_of_template(&self, uri: &str) -> Result<Option<&Completer>, RpcError> {
        let template = self.templates.get(uri);
        let template = template.ok_or_else(|| no_such("resource template", uri))?;
        Ok(template.completer.as_ref())
    }
}

fn remove<T>(entries: &mut Named<T>, name: &str) -> bool {
    // What is not there changes nothing, and so nobody is told.
    entries.contains_key(name) && Arc::make_mut(entries).remove(name).is_some()
}

/// Where a URI leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    Resource(&'a Resource),
    Template(&'a ResourceTemplate),
    File(&'a Skill, &'a SkillFile),
}

impl<'a> Found<'a> {
    pub(super) fn needs(self) -> &'a Scopes {
        match self {
            Self::Resource(resource) => &resource.needs,
            Self::Template(template) => &template.needs,
            Self::File(skill, _) => skill.needed_scopes(),
        }
    }

    pub(super) fn mime_type(self) -> Option<&'a str> {
        match self {
            Self::Resource(resource) => resource.description.about.mime_type.as_deref(),
            Self::Template(template) => template.description.about.mime_type.as_deref(),
            Self::File(_, file) => Some(file.mime_type()),
        }
    }
}
