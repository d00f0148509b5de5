//! Everything a server offers, by name: tools, resources, prompts; listed in order and in pages.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Changes, Delegate, Prompt, Resource, ResourceTemplate, SchemaError, Tool,
    completion::Completer, resources::URI,
};
use crate::{
    protocol::{Described, Method, ProtocolVersion, Raw, RpcError, codes},
    scope::Scopes,
};

/// What a server offers. Of two with one name the later stays.
///
/// Sorted, so that every listing has the same order (2026-07-28, tools/list SHOULD).
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub(super) tools: BTreeMap<String, Tool>,
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) templates: BTreeMap<String, ResourceTemplate>,
    pub(super) prompts: BTreeMap<String, Prompt>,
    pub(super) delegate: Option<Delegate>,
    pub(super) changes: Changes,
}

/// Pages that a host shows beside a tool's result, served as `ui://` resources (MCP Apps, 2026-01-26).
const APPS: &str = "io.modelcontextprotocol/ui";

/// Entries on one page of a listing.
const PAGE: usize = 500;

impl Catalog {
    /// Adds a tool.
    pub fn add_tool(&mut self, tool: Tool) {
        self.tools.insert(tool.name().to_owned(), tool);
    }

    /// Adds a resource.
    pub fn add_resource(&mut self, resource: Resource) {
        self.resources
            .insert(resource.description.uri.clone(), resource);
    }

    /// Adds a family of resources.
    pub fn add_template(&mut self, template: ResourceTemplate) {
        self.templates
            .insert(template.description.uri_template.clone(), template);
    }

    /// Adds a prompt.
    pub fn add_prompt(&mut self, prompt: Prompt) {
        self.prompts.insert(prompt.description.name.clone(), prompt);
    }

    /// Has everything that is not in here answered by somebody else's handler. Only one can be.
    pub fn delegate_to(&mut self, delegate: Delegate) {
        self.delegate = Some(delegate);
    }

    pub(super) fn delegates(&self, method: &Method) -> bool {
        self.delegate.as_ref().is_some_and(|one| one.serves(method))
    }

    /// Who answers a request that is none for our own entries. Listings are for both.
    pub(super) fn delegate_of(&self, method: &Method, params: &Value) -> Option<&Delegate> {
        let delegate = self.delegate.as_ref().filter(|one| one.serves(method))?;
        let text = |pointer| {
            params
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let is_ours = match method {
            Method::ToolsCall => self.tools.contains_key(text("/name")),
            Method::PromptsGet => self.prompts.contains_key(text("/name")),
            Method::ResourcesRead => self.resource(text("/uri")).is_some(),
            Method::CompletionComplete => {
                self.prompts.contains_key(text("/ref/name"))
                    || self.templates.contains_key(text("/ref/uri"))
            }
            _ => false,
        };
        (!is_ours).then_some(delegate)
    }

    /// Puts our own entries before a delegate's.
    pub(super) fn list_first(
        &self,
        method: &Method,
        version: ProtocolVersion,
        listing: &mut Value,
    ) -> Result<(), RpcError> {
        let (Some(member), Value::Object(members)) = (listed(method), listing) else {
            return Ok(());
        };
        let Value::Object(mut ours) = self.list(method, None, version)? else {
            return Ok(());
        };
        let (Some(Value::Array(theirs)), Some(Value::Array(ours))) =
            (members.get_mut(member), ours.get_mut(member))
        else {
            return Ok(());
        };
        // Ours take the place of those of the same name.
        let key = if member == "resources" { "uri" } else { "name" };
        theirs.retain(|one| ours.iter().all(|our| our[key] != one[key]));
        ours.append(theirs);
        std::mem::swap(ours, theirs);
        Ok(())
    }

    /// Compiles every tool's schemas.
    ///
    /// # Errors
    /// [`SchemaError`] for the first tool with one that can't be used.
    pub(super) fn compile(&self) -> Result<(), SchemaError> {
        let mut tools = self.tools.values();
        tools.try_for_each(|tool| tool.schemas().map(|_compiled| ()).map_err(Clone::clone))
    }

    /// Where to say that something of it has changed. Clones may be kept by tools.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    pub(super) fn has_resources(&self) -> bool {
        !self.resources.is_empty() || !self.templates.is_empty()
    }

    /// What is declared in `initialize` and `server/discover`.
    pub(super) fn capabilities(&self, version: ProtocolVersion) -> Value {
        let mut capabilities = Map::new();
        capabilities.insert("tools".to_owned(), json!({ "listChanged": true }));
        if self.has_resources() {
            let offered = json!({ "subscribe": true, "listChanged": true });
            capabilities.insert("resources".to_owned(), offered);
        }
        if !self.prompts.is_empty() {
            capabilities.insert("prompts".to_owned(), json!({ "listChanged": true }));
        }
        if self.completes() && version >= ProtocolVersion::V2025_03_26 {
            capabilities.insert("completions".to_owned(), json!({}));
        }
        capabilities.insert("logging".to_owned(), json!({}));
        let extensions = self.extensions();
        if !extensions.is_empty() {
            capabilities.insert("extensions".to_owned(), Value::Object(extensions));
        }
        let delegates = self.delegate.iter();
        for name in delegates.flat_map(|delegate| delegate.capabilities(version)) {
            let declared = capabilities.entry(name.to_owned());
            declared.or_insert_with(|| json!({}));
        }
        Value::Object(capabilities)
    }

    /// Extensions with their settings. Declared in every version: capabilities were never a closed set
    /// (2024-11-05, `ServerCapabilities`), and MCP Apps are older than the member's specification.
    fn extensions(&self) -> Map<String, Value> {
        let mut extensions = Map::new();
        if self.resources.keys().any(|uri| uri.starts_with("ui://")) {
            extensions.insert(APPS.to_owned(), json!({}));
        }
        extensions
    }

    pub(super) fn completes(&self) -> bool {
        !self.prompts.is_empty() || !self.templates.is_empty()
    }

    /// A tool of this name.
    pub(super) fn tool(&self, name: &str) -> Result<&Tool, RpcError> {
        self.tools.get(name).ok_or_else(|| unknown("tool", name))
    }

    /// A prompt of this name.
    pub(super) fn prompt(&self, name: &str) -> Result<&Prompt, RpcError> {
        self.prompts
            .get(name)
            .ok_or_else(|| unknown("prompt", name))
    }

    /// The resource under `uri`, or the family it belongs to, with its variables.
    pub(super) fn resource(&self, uri: &str) -> Option<(Found<'_>, Map<String, Value>)> {
        let mut variables = Map::new();
        let found = if let Some(resource) = self.resources.get(uri) {
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

    /// The scopes that a request for `name` (a tool's or prompt's name, a resource's URI) needs.
    pub(super) fn needed_scopes(&self, method: &Method, name: Option<&str>) -> Option<&Scopes> {
        let name = name?;
        let ours = match method {
            Method::ToolsCall => self.tools.get(name).map(Tool::needed_scopes),
            Method::PromptsGet => self.prompts.get(name).map(|prompt| &prompt.needs),
            Method::ResourcesRead | Method::ResourcesSubscribe => {
                self.resource(name).map(|(found, _)| found.needs())
            }
            _ => None,
        };
        let delegate = self.delegate.as_ref();
        ours.or_else(|| delegate.and_then(|one| one.needed_scopes(method, name)))
    }

    /// What the resources of a family need.
    pub(super) fn scopes_of_template(&self, uri: &str) -> Scopes {
        self.templates
            .get(uri)
            .map(|template| template.needs.clone())
            .unwrap_or_default()
    }

    pub(super) fn completer_of_prompt(&self, name: &str) -> Result<Option<&Completer>, RpcError> {
        self.prompt(name).map(|prompt| prompt.completer.as_ref())
    }

    pub(super) fn completer_of_template(&self, uri: &str) -> Result<Option<&Completer>, RpcError> {
        let template = self
            .templates
            .get(uri)
            .ok_or_else(|| unknown("resource template", uri))?;
        Ok(template.completer.as_ref())
    }

    /// One page of a listing.
    pub(super) fn list(
        &self,
        method: &Method,
        params: Option<&Raw>,
        version: ProtocolVersion,
    ) -> Result<Value, RpcError> {
        match method {
            Method::ResourcesList => page("resources", &self.resources, params, |one| {
                Described::Resource.shown_to(version, &one.description)
            }),
            Method::ResourcesTemplatesList => {
                page("resourceTemplates", &self.templates, params, |one| {
                    Described::Resource.shown_to(version, &one.description)
                })
            }
            Method::PromptsList => page("prompts", &self.prompts, params, |one| {
                Described::Prompt.shown_to(version, &one.description)
            }),
            _ => page("tools", &self.tools, params, |one| {
                Described::Tool.shown_to(version, one.description())
            }),
        }
    }
}

/// Where a URI leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    Resource(&'a Resource),
    Template(&'a ResourceTemplate),
}

impl<'a> Found<'a> {
    pub(super) fn needs(self) -> &'a Scopes {
        match self {
            Self::Resource(resource) => &resource.needs,
            Self::Template(template) => &template.needs,
        }
    }

    pub(super) fn mime_type(self) -> Option<&'a String> {
        match self {
            Self::Resource(resource) => resource.description.about.mime_type.as_ref(),
            Self::Template(template) => template.description.about.mime_type.as_ref(),
        }
    }
}

/// The member of a listing that holds its entries.
fn listed(method: &Method) -> Option<&'static str> {
    match method {
        Method::ToolsList => Some("tools"),
        Method::ResourcesList => Some("resources"),
        Method::ResourcesTemplatesList => Some("resourceTemplates"),
        Method::PromptsList => Some("prompts"),
        _ => None,
    }
}

#[derive(Default, Deserialize)]
struct PageParams {
    #[serde(default)]
    cursor: Option<String>,
}

/// Entries after the cursor, which is the last one's name: a list that changes meanwhile skips and
/// repeats nothing that stayed.
fn page<T>(
    member: &str,
    entries: &BTreeMap<String, T>,
    params: Option<&Raw>,
    show: impl Fn(&T) -> Value,
) -> Result<Value, RpcError> {
    let params: PageParams = params.map_or_else(|| Ok(PageParams::default()), Raw::read)?;
    let after = params.cursor.map(|cursor| decoded(&cursor)).transpose()?;
    let mut rest = entries
        .iter()
        .filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after))
        .peekable();
    let mut shown = Vec::new();
    let mut last = "";
    for (name, entry) in rest.by_ref().take(PAGE) {
        shown.push(show(entry));
        last = name;
    }
    let mut page = Map::new();
    page.insert(member.to_owned(), Value::Array(shown));
    if rest.peek().is_some() {
        page.insert("nextCursor".to_owned(), json!(URL_SAFE_NO_PAD.encode(last)));
    }
    Ok(Value::Object(page))
}

fn decoded(cursor: &str) -> Result<String, RpcError> {
    let refused = || RpcError::new(codes::INVALID_PARAMS, "the cursor is not one of ours");
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_not_base64| refused())?;
    String::from_utf8(bytes).map_err(|_not_text| refused())
}

fn unknown(what: &str, name: &str) -> RpcError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    RpcError::new(codes::INVALID_PARAMS, format!("unknown {what}: {name}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::ClientMessage;

    fn raw(params: &Value) -> Raw {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "x", "params": params });
        match ClientMessage::parse(&Bytes::from(body.to_string())).unwrap() {
            ClientMessage::Request(request) => request.params.unwrap(),
            other => panic!("no request: {other:?}"),
        }
    }

    #[test]
    fn pages_show_every_entry_once_and_in_order() {
        let entries: BTreeMap<String, usize> =
            (0..=PAGE * 2).map(|n| (format!("{n:05}"), n)).collect();
        let mut seen = Vec::new();
        let mut params = json!({});
        loop {
            let page = page("all", &entries, Some(&raw(&params)), |n| json!(n)).unwrap();
            seen.extend(
                page["all"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|n| n.as_u64().unwrap()),
            );
            match page.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
        assert_eq!(seen, (0..=2 * PAGE as u64).collect::<Vec<_>>());
    }

    #[test]
    fn a_cursor_of_somebody_else_is_invalid_params() {
        let entries: BTreeMap<String, usize> = BTreeMap::new();
        let refused = page(
            "all",
            &entries,
            Some(&raw(&json!({ "cursor": "!" }))),
            |n| json!(n),
        );

        assert_eq!(refused.unwrap_err().code, codes::INVALID_PARAMS);
    }
}
