//! Arguments that a client repeats in headers, so that a proxy can route by them (2026-07-28,
//! `x-mcp-header`).
//!
//! Found in a tool's input schema once, when the server is built; `transport` compares each header
//! with the argument, since a proxy may have decided by the one and the tool by the other.

use serde_json::{Map, Value};

use super::Handler;
use crate::{
    auth::Principal,
    policy::{Decision, Entry, Kind},
};

/// One argument that is repeated in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamHeader {
    header: String,
    path: Vec<String>,
}

/// What a schema calls the header, without `Mcp-Param-`.
const KEYWORD: &str = "x-mcp-header";

impl ParamHeader {
    /// The header's name, in lower case: `mcp-param-region`.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The argument, if it was given; `null` is none.
    #[must_use]
    pub fn argument<'a>(&self, arguments: &'a Value) -> Option<&'a Value> {
        let found = self
            .path
            .iter()
            .try_fold(arguments, |inner, name| inner.get(name))?;
        (!found.is_null()).then_some(found)
    }
}

impl Handler {
    /// Arguments of a tool that a client of 2026-07-28 repeats in headers. Of one that is not for this
    /// caller none: it would tell that there is one.
    #[must_use]
    pub fn param_headers(&self, caller: &Principal, tool: &str) -> Vec<ParamHeader> {
        let now = self.now();
        let entry = Entry {
            kind: Kind::Tool,
            name: tool,
        };
        let judged = self.view(caller).judge(entry, now.declared(entry));
        match judged {
            Decision::Denied(_) => Vec::new(),
            Decision::Allowed(_) | Decision::Lacks(_) => now.param_headers(tool),
        }
    }
}

/// Every argument of a schema that is repeated, reachable through `properties` only.
pub(super) fn of_schema(schema: &Map<String, Value>) -> Vec<ParamHeader> {
    let mut found = Vec::new();
    walk(schema, &mut Vec::new(), &mut found);
    found
}

fn walk(schema: &Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<ParamHeader>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (name, property) in properties {
        path.push(name.clone());
        if let Some(header) = property.get(KEYWORD).and_then(Value::as_str) {
            let header = format!("mcp-param-{}", header.to_ascii_lowercase());
            found.push(ParamHeader {
                header,
                path: path.clone(),
            });
        }
        if let Some(property) = property.as_object() {
            walk(property, path, found);
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_found_at_every_depth_and_null_is_none() {
        let schema = json!({ "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "where": { "properties": { "zone": { "type": "integer", "x-mcp-header": "Zone" } } },
            "other": { "type": "string" }
        }});

        let found = of_schema(schema.as_object().unwrap());

        let names: Vec<_> = found.iter().map(ParamHeader::header).collect();
        assert_eq!(names, ["mcp-param-region", "mcp-param-zone"]);
        let arguments = json!({ "region": null, "where": { "zone": 7 } });
        assert_eq!(found[0].argument(&arguments), None);
        assert_eq!(found[1].argument(&arguments), Some(&json!(7)));
    }
}
