//! Listings: every entry in order, in pages, as a client's version knows it.
//!
//! [`Handler`](super::Handler) asks [`Entries`] for them here.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Entries, permit::View};
use crate::{
    policy::{Entry, Kind},
    protocol::{Described, Method, ProtocolVersion, Raw, RpcError, codes},
    scope::Scopes,
    skills::Skill,
};

/// Entries on one page of a listing.
const PAGE: usize = 500;

impl Entries {
    /// One page of a listing: what the caller sees of it.
    pub(super) fn list(
        &self,
        method: &Method,
        params: Option<&Raw>,
        version: ProtocolVersion,
        view: View<'_>,
    ) -> Result<Value, RpcError> {
        let resource = |uri: &str, needs: &Scopes| view.lists(Kind::Resource, uri, needs);
        match method {
            Method::ResourcesList => page("resources", &self.resources, params, |uri, one| {
                let shown = || Described::Resource.shown_to(version, &one.description);
                resource(uri, &one.needs).then(shown)
            }),
            Method::ResourcesTemplatesList => {
                page("resourceTemplates", &self.templates, params, |uri, one| {
                    let shown = || Described::Resource.shown_to(version, &one.description);
                    resource(uri, &one.needs).then(shown)
                })
            }
            Method::PromptsList => page("prompts", &self.prompts, params, |name, one| {
                let shown = || Described::Prompt.shown_to(version, &one.description);
                view.lists(Kind::Prompt, name, &one.needs).then(shown)
            }),
            Method::SkillsList => page("skills", &self.skills, params, |_, one: &Skill| {
                resource(&one.uri(), one.needed_scopes()).then(|| one.entry())
            }),
            _ => page("tools", &self.tools, params, |name, one| {
                let shown = || Described::Tool.shown_to(version, one.description());
                view.lists(Kind::Tool, name, one.needed_scopes())
                    .then(shown)
            }),
        }
    }

    /// Leaves out of a delegate's page what is not for the caller, and what is ours; puts our own
    /// entries before its first.
    pub(super) fn list_with(
        &self,
        method: &Method,
        version: ProtocolVersion,
        view: View<'_>,
        listing: &mut Value,
        is_first_page: bool,
    ) -> Result<(), RpcError> {
        let Some((member, kind, key)) = listed(method) else {
            return Ok(());
        };
        let Some(theirs) = listing.get_mut(member).and_then(Value::as_array_mut) else {
            return Ok(());
        };
        // One without a name can't be judged, nor be called.
        theirs.retain(|one| {
            let name = one.get(key).and_then(Value::as_str);
            name.is_some_and(|name| {
                let declared = self.declared(Entry { kind, name });
                !self.has(method, name) && view.lists(kind, name, declared)
            })
        });
        if is_first_page {
            let mut ours = self.list(method, None, version, view)?;
            if let Some(ours) = ours.get_mut(member).and_then(Value::as_array_mut) {
                ours.append(theirs);
                std::mem::swap(ours, theirs);
            }
        }
        Ok(())
    }
}

/// The member of a listing that holds its entries, what they are, and which member names one.
fn listed(method: &Method) -> Option<(&'static str, Kind, &'static str)> {
    match method {
        Method::ToolsList => Some(("tools", Kind::Tool, "name")),
        Method::ResourcesList => Some(("resources", Kind::Resource, "uri")),
        Method::ResourcesTemplatesList => {
            Some(("resourceTemplates", Kind::Resource, "uriTemplate"))
        }
        Method::PromptsList => Some(("prompts", Kind::Prompt, "name")),
        _ => None,
    }
}

#[derive(Default, Deserialize)]
pub(super) struct PageParams {
    #[serde(default)]
    cursor: Option<String>,
}

/// Entries after the cursor, which is the last one's name: a list that changes meanwhile skips and
/// repeats nothing that stayed. What `show` shows nothing of is not there: no page is shorter for it,
/// and no cursor names it.
pub(super) fn page<T>(
    member: &str,
    entries: &BTreeMap<String, Arc<T>>,
    params: Option<&Raw>,
    show: impl Fn(&str, &T) -> Option<Value>,
) -> Result<Value, RpcError> {
    let params = params.map_or_else(|| Ok(PageParams::default()), Raw::read)?;
    page_after(member, entries, params, show)
}

/// The same with params that were read already.
pub(super) fn page_after<T>(
    member: &str,
    entries: &BTreeMap<String, Arc<T>>,
    params: PageParams,
    show: impl Fn(&str, &T) -> Option<Value>,
) -> Result<Value, RpcError> {
    let after = params.cursor.map(|cursor| decoded(&cursor)).transpose()?;
    let mut rest = entries
        .iter()
        .filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after))
        .filter_map(|(name, entry)| Some((name, show(name, entry)?)))
        .peekable();
    let mut shown = Vec::new();
    let mut last = "";
    for (name, entry) in rest.by_ref().take(PAGE) {
        shown.push(entry);
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
        let entries: BTreeMap<String, Arc<usize>> = (0..=PAGE * 2)
            .map(|n| (format!("{n:05}"), Arc::new(n)))
            .collect();
        let mut seen = Vec::new();
        let mut params = json!({});
        loop {
            let page = page("all", &entries, Some(&raw(&params)), |_, n| Some(json!(n))).unwrap();
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
    fn pages_are_full_and_cursors_name_nothing_that_is_hidden() {
        let entries: BTreeMap<String, Arc<usize>> = (0..PAGE * 4)
            .map(|n| (format!("{n:05}"), Arc::new(n)))
            .collect();
        let even = |_: &str, n: &usize| n.is_multiple_of(2).then(|| json!(n));

        let first = page("all", &entries, None, even).unwrap();
        assert_eq!(first["all"].as_array().unwrap().len(), PAGE);
        let cursor = decoded(first["nextCursor"].as_str().unwrap()).unwrap();
        assert_eq!(cursor, format!("{:05}", 2 * PAGE - 2));

        let next = raw(&json!({ "cursor": first["nextCursor"] }));
        let second = page("all", &entries, Some(&next), even).unwrap();
        assert_eq!(second["all"].as_array().unwrap().len(), PAGE);
        // Hidden ones are left, and nothing tells of them.
        assert!(second.get("nextCursor").is_none());
    }

    #[test]
    fn a_cursor_of_somebody_else_is_invalid_params() {
        let entries: BTreeMap<String, Arc<usize>> = BTreeMap::new();
        let refused = page(
            "all",
            &entries,
            Some(&raw(&json!({ "cursor": "!" }))),
            |_, n| Some(json!(n)),
        );

        assert_eq!(refused.unwrap_err().code, codes::INVALID_PARAMS);
    }
}
