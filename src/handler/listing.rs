//! Listings: every entry in order, in pages, as a client's version knows it.
//!
//! [`Handler`](super::Handler) asks [`Entries`] for them here.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Entries;
use crate::{
    protocol::{Described, Method, ProtocolVersion, Raw, RpcError, codes},
    skills::Skill,
};

/// Entries on one page of a listing.
const PAGE: usize = 500;

impl Entries {
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
            Method::SkillsList => page("skills", &self.skills, params, Skill::entry),
            _ => page("tools", &self.tools, params, |one| {
                Described::Tool.shown_to(version, one.description())
            }),
        }
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
pub(super) fn page<T>(
    member: &str,
    entries: &BTreeMap<String, Arc<T>>,
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
        let entries: BTreeMap<String, Arc<usize>> = BTreeMap::new();
        let refused = page(
            "all",
            &entries,
            Some(&raw(&json!({ "cursor": "!" }))),
            |n| json!(n),
        );

        assert_eq!(refused.unwrap_err().code, codes::INVALID_PARAMS);
    }
}
