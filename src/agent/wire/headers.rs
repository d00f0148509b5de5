//! Headers that repeat what a request's body says, so that a proxy can route by them (2026-07-28,
//! transports, request metadata).
//!
//! `streamable` sends method and name in every version, `stateless` the marked arguments of a tool as
//! well. A tool whose marks break the rules is not called at all: see [`Mirror::of_schema`].

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::{
    agent::{error::AgentError, said::Said},
    protocol::ProtocolVersion,
};

pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// What a schema calls the header, without `Mcp-Param-`.
const KEYWORD: &str = "x-mcp-header";

/// Deepest schema that is searched for marks.
const DEPTH_MAX: usize = 64;

/// Largest whole number that JavaScript can hold, and so the largest that is repeated.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// From 2025-06-18 on; servers before it do not know the header.
pub(super) fn add_version(headers: &mut HeaderMap, version: ProtocolVersion) {
    if version >= ProtocolVersion::V2025_06_18 {
        let value = HeaderValue::from_static(version.as_str());
        headers.insert(PROTOCOL_VERSION, value);
    }
}

/// `Mcp-Method`, and `Mcp-Name` where the method has a name.
pub(super) fn standard(method: &str, params: &Map<String, Value>) -> Result<HeaderMap, AgentError> {
    let mut headers = HeaderMap::new();
    headers.insert(METHOD, value(method)?);
    let key = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return Ok(headers),
    };
    if let Some(name) = params.get(key).and_then(Value::as_str) {
        headers.insert(NAME, value(name)?);
    }
    Ok(headers)
}

/// One argument of a tool that is repeated in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent) struct Mirror {
    header: HeaderName,
    path: Vec<String>,
}

impl Mirror {
    /// The marked arguments of an input schema.
    ///
    /// # Errors
    /// A sentence, for marks that break the rules (2026-07-28, `x-mcp-header`): such a tool is not to
    /// be called.
    pub(in crate::agent) fn of_schema(schema: &Value) -> Result<Vec<Self>, String> {
        let mut found = Vec::new();
        search(schema, Some(&mut Vec::new()), DEPTH_MAX, &mut found)?;
        Ok(found)
    }
}

/// `path` is none where a mark is not allowed: below anything but `properties`.
fn search(
    schema: &Value,
    path: Option<&mut Vec<String>>,
    depth: usize,
    found: &mut Vec<Mirror>,
) -> Result<(), String> {
    if depth == 0 {
        return Err("its schema is nested too deep".to_owned());
    }
    let members = match schema {
        Value::Object(members) => members,
        Value::Array(items) => {
            let mut items = items.iter();
            return items.try_for_each(|item| search(item, None, depth - 1, found));
        }
        _ => return Ok(()),
    };
    if let Some(mark) = members.get(KEYWORD) {
        let reachable = path.as_deref().filter(|path| !path.is_empty());
        let path = reachable.ok_or("a header is asked for where no argument can be found")?;
        found.push(mirror(mark, members, path, found)?);
    }
    let mut path = path;
    for (keyword, inner) in members {
        match (keyword.as_str(), inner) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    match path.as_deref_mut() {
                        Some(path) => {
                            path.push(name.clone());
                            search(property, Some(path), depth - 1, found)?;
                            path.pop();
                        }
                        None => search(property, None, depth - 1, found)?,
                    }
                }
            }
            // Data, not schemas.
            ("default" | "examples" | "enum" | "const", _) => {}
            _ => search(inner, None, depth - 1, found)?,
        }
    }
    Ok(())
}

fn mirror(
    mark: &Value,
    property: &Map<String, Value>,
    path: &[String],
    found: &[Mirror],
) -> Result<Mirror, String> {
    let name = mark.as_str().unwrap_or_default();
    let shown = Said::new(name);
    // A `HeaderName` is a token of RFC 9110; the empty one would leave a bare prefix.
    let header = HeaderName::try_from(format!("mcp-param-{name}"));
    let Some(header) = header.ok().filter(|_| !name.is_empty()) else {
        return Err(format!("{shown:?} is no name for a header"));
    };
    let kind = property.get("type").and_then(Value::as_str);
    if !matches!(kind, Some("string" | "integer" | "boolean")) {
        return Err(format!(
            "the header {shown} is asked for an argument that is no string, integer or boolean"
        ));
    }
    if found.iter().any(|other| other.header == header) {
        return Err(format!("two arguments ask for the header {shown}"));
    }
    Ok(Mirror {
        header,
        path: path.to_vec(),
    })
}

/// Adds the headers for the arguments that are there; `null` is not.
pub(super) fn add_mirrors(
    headers: &mut HeaderMap,
    mirrors: &[Mirror],
    arguments: Option<&Value>,
) -> Result<(), AgentError> {
    for Mirror { header, path } in mirrors {
        let argument = arguments.and_then(|arguments| {
            let mut path = path.iter();
            path.try_fold(arguments, |inner, name| inner.get(name))
        });
        let text = match argument {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(truth)) => truth.to_string(),
            Some(Value::Number(number)) => match number.as_i64() {
                Some(whole) if whole.abs() <= SAFE_INTEGER_MAX => whole.to_string(),
                _ => number.to_string(),
            },
            _ => continue,
        };
        headers.insert(header.clone(), value(&text)?);
    }
    Ok(())
}

fn value(text: &str) -> Result<HeaderValue, AgentError> {
    HeaderValue::try_from(header_text(text)).map_err(|_invalid| AgentError::Unreadable {
        method: Said::new(text).to_string(),
        why: "it does not fit a header".to_owned(),
    })
}

/// Plain where a header can carry it unharmed, else base64 between markers.
fn header_text(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim_matches(' ') == text
        && !text.starts_with("=?base64?");
    if plain {
        return text.to_owned();
    }
    format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_a_header_would_harm_travels_as_base64() {
        for (name, sent) in [
            ("whoami", "whoami"),
            ("a b", "a b"),
            ("", ""),
            (" a", "=?base64?IGE=?="),
            ("a\r\nb", "=?base64?YQ0KYg==?="),
            ("grüß", "=?base64?Z3LDvMOf?="),
            ("=?base64?IGE=?=", "=?base64?PT9iYXNlNjQ/SUdFPT89?="),
        ] {
            assert_eq!(header_text(name), sent);
        }
    }

    #[test]
    fn a_resource_is_named_by_its_uri() {
        let params = Map::from_iter([("uri".to_owned(), json!("test://a"))]);

        let headers = standard("resources/read", &params).unwrap();

        assert_eq!(headers.get(NAME).unwrap(), "test://a");
        assert_eq!(headers.get(METHOD).unwrap(), "resources/read");
    }

    #[test]
    fn marked_arguments_are_repeated_at_every_depth_and_null_is_not() {
        let schema = json!({ "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "where": { "properties": { "zone": { "type": "integer", "x-mcp-header": "Zone" } } },
            "dry": { "type": "boolean", "x-mcp-header": "Dry" },
            "none": { "type": "string", "x-mcp-header": "None" },
            "default": { "type": "string" },
        }});
        let arguments = json!({
            "region": "eu", "where": { "zone": 7 }, "dry": false, "none": null, "default": "x",
        });
        let mut headers = HeaderMap::new();

        let mirrors = Mirror::of_schema(&schema).unwrap();
        add_mirrors(&mut headers, &mirrors, Some(&arguments)).unwrap();

        let sent = |name| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(sent("mcp-param-region"), Some("eu"));
        assert_eq!(sent("mcp-param-zone"), Some("7"));
        assert_eq!(sent("mcp-param-dry"), Some("false"));
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn marks_that_break_the_rules_are_refused() {
        let marked = |mark: &str, kind: &str| json!({ "type": kind, "x-mcp-header": mark });
        for properties in [
            json!({ "a": marked("", "string") }),
            json!({ "a": marked("My Region", "string") }),
            json!({ "a": marked("Region:Primary", "string") }),
            json!({ "a": marked("Région", "string") }),
            json!({ "a": marked("Region\t1", "string") }),
            json!({ "a": marked("A", "number") }),
            json!({ "a": marked("A", "object") }),
            json!({ "a": { "type": "string", "x-mcp-header": 7 } }),
            json!({ "a": marked("A", "string"), "b": marked("a", "string") }),
            json!({ "a": { "type": "array", "items": marked("A", "string") } }),
            json!({ "a": { "anyOf": [ { "properties": { "b": marked("A", "string") } } ] } }),
        ] {
            let schema = json!({ "type": "object", "properties": properties });
            assert!(Mirror::of_schema(&schema).is_err(), "{schema}");
        }
    }
}
