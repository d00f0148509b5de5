//! Values as they are given on the command line: `key=value`, JSON, `@file`, and what a schema makes
//! of them. Pure but for the reading.

use std::{
    fs::File,
    io::{self, Read},
};

use serde_json::{Map, Value};

/// Largest JSON that is read from a file or standard input, in bytes: what a message may be.
const JSON_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// `key=value`, or `key:=JSON`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) text: String,
    json: Option<Value>,
}

impl Given {
    /// Reads one from the command line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (key, text) = text
            .split_once('=')
            .ok_or("write a name, =, and a value, as in unit=km")?;
        let (key, json) = match key.strip_suffix(':') {
            Some(key) => {
                let json = serde_json::from_str(text);
                (
                    key,
                    Some(json.map_err(|error| format!("after := stands JSON: {error}"))?),
                )
            }
            None => (key, None),
        };
        if key.is_empty() {
            return Err("the name before = is missing".to_owned());
        }
        Ok(Self {
            key: key.to_owned(),
            text: text.to_owned(),
            json,
        })
    }

    /// As text, for what knows only texts.
    pub(super) fn into_text(self) -> (String, Value) {
        (self.key, self.json.unwrap_or_else(|| self.text.into()))
    }

    /// The JSON, where `:=` gave some.
    pub(super) const fn json(&self) -> Option<&Value> {
        self.json.as_ref()
    }
}

/// Reads a JSON object.
pub(super) fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

/// Reads a JSON object that is given itself, as `@FILE`, or as `-` for standard input.
pub(super) fn json_source(text: &str) -> Result<Map<String, Value>, String> {
    if text == "-" {
        return json_object(&whole(io::stdin().lock(), "standard input")?);
    }
    let Some(path) = text.strip_prefix('@') else {
        return json_object(text);
    };
    let file = File::open(path).map_err(|error| format!("could not read {path}: {error}"))?;
    json_object(&whole(file, path)?)
}

fn whole(from: impl Read, what: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = from.take(JSON_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| format!("could not read {what}: {error}"))?;
    if text.len() as u64 > JSON_BYTES_MAX {
        return Err(format!("{what} is larger than 4 MiB"));
    }
    Ok(text)
}

/// The arguments of a call: `base`, and over it what was given one by one, as `schema` wants it.
pub(super) fn arguments(
    base: Map<String, Value>,
    given: &[Given],
    schema: &Value,
) -> Result<Map<String, Value>, String> {
    let mut arguments = base;
    let mut set = Vec::new();
    for one in given {
        let property = property(schema, &one.key)?;
        let value = match &one.json {
            Some(json) => json.clone(),
            None => {
                read(&one.text, property, schema).map_err(|why| format!("{}: {why}", one.key))?
            }
        };
        match arguments.get_mut(&one.key) {
            // Named before on this command line, it becomes a list, or grows.
            Some(Value::Array(list)) if set.contains(&one.key) => match value {
                Value::Array(more) => list.extend(more),
                value => list.push(value),
            },
            Some(_) if set.contains(&one.key) => {
                return Err(format!("{} is given twice, and is no list", one.key));
            }
            _ => {
                arguments.insert(one.key.clone(), value);
                set.push(one.key.clone());
            }
        }
    }
    Ok(arguments)
}

/// What the schema says of an argument; null where it says nothing of any.
fn property<'a>(schema: &'a Value, name: &str) -> Result<&'a Value, String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(&Value::Null);
    };
    if let Some(property) = properties.get(name) {
        return Ok(property);
    }
    // A schema that closes itself does not take it; any other might.
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Ok(&Value::Null);
    }
    let names: Vec<_> = properties.keys().map(String::as_str).collect();
    let near = names
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(nearness, _)| *nearness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(match near {
        Some((_, near)) => format!("there is no argument {name}; did you mean {near}?"),
        None => format!("there is no argument {name}; there is {}", names.join(", ")),
    })
}

/// Deepest chain of references and choices that is followed in a schema.
const SCHEMA_DEPTH_MAX: usize = 8;

/// Reads `text` as a value of one of the types that `property` allows.
fn read(text: &str, property: &Value, root: &Value) -> Result<Value, String> {
    let mut kinds = Vec::new();
    types(property, root, SCHEMA_DEPTH_MAX, &mut kinds);
    let json: Option<Value> = serde_json::from_str(text).ok();
    if let Some(json) = json.filter(|json| !json.is_string()) {
        let fits = kinds.iter().any(|kind| is_of(&json, kind));
        if fits || kinds.is_empty() {
            return Ok(json);
        }
    }
    if kinds.is_empty() || kinds.contains(&"string") {
        return Ok(text.into());
    }
    if kinds.contains(&"array") {
        // One of the list's entries.
        let item = items(property, root, SCHEMA_DEPTH_MAX).unwrap_or(&Value::Null);
        return read(text, item, root).map(|item| Value::Array(vec![item]));
    }
    Err(format!("{text:?} is not of type {}", kinds.join(" or ")))
}

fn is_of(value: &Value, kind: &str) -> bool {
    match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(number) => {
            kind == "number" || kind == "integer" && (number.is_i64() || number.is_u64())
        }
        Value::String(_) => kind == "string",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    }
}

/// The schema itself, or what its reference within the same document points to.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let pointer = schema.get("$ref").and_then(Value::as_str);
    let pointer = pointer.and_then(|pointer| pointer.strip_prefix('#'));
    pointer
        .and_then(|pointer| root.pointer(pointer))
        .unwrap_or(schema)
}

fn types<'a>(schema: &'a Value, root: &'a Value, depth: usize, found: &mut Vec<&'a str>) {
    if depth == 0 {
        return;
    }
    let schema = resolved(schema, root);
    match schema.get("type") {
        Some(Value::String(kind)) => found.push(kind),
        Some(Value::Array(kinds)) => found.extend(kinds.iter().filter_map(Value::as_str)),
        _ => {}
    }
    for keyword in ["anyOf", "oneOf"] {
        let choices = schema.get(keyword).and_then(Value::as_array);
        for choice in choices.into_iter().flatten() {
            types(choice, root, depth - 1, found);
        }
    }
    let named = schema.get("enum").and_then(Value::as_array);
    let named = named.into_iter().flatten().chain(schema.get("const"));
    if named.into_iter().any(Value::is_string) {
        found.push("string");
    }
}

fn items<'a>(schema: &'a Value, root: &'a Value, depth: usize) -> Option<&'a Value> {
    let schema = resolved(schema, root);
    if let Some(items) = schema.get("items") {
        return Some(items);
    }
    let mut choices = ["anyOf", "oneOf"]
        .into_iter()
        .filter_map(|keyword| schema.get(keyword)?.as_array())
        .flatten();
    if depth == 0 {
        return None;
    }
    choices.find_map(|choice| items(choice, root, depth - 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(texts: &[&str]) -> Vec<Given> {
        let texts = texts.iter();
        texts.map(|text| Given::parse(text).unwrap()).collect()
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "text": { "type": "string" },
                "number": { "type": "number" },
                "whole": { "type": ["integer", "null"] },
                "yes": { "type": "boolean" },
                "either": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
                "tags": { "type": "array", "items": { "type": "string" } },
                "ids": { "anyOf": [{ "type": "array", "items": { "type": "integer" } }, { "type": "null" }] },
                "unit": { "$ref": "#/$defs/Unit" },
                "at": { "type": "object" },
            },
            "$defs": { "Unit": { "enum": ["m", "1"] } },
            "additionalProperties": false,
        })
    }

    #[test]
    fn a_value_is_what_the_schema_wants() {
        for (text, wanted) in [
            ("text=7", json!("7")),
            ("text=true", json!("true")),
            ("text=a=b", json!("a=b")),
            ("text=", json!("")),
            ("number=7", json!(7)),
            ("whole=null", json!(null)),
            ("yes=true", json!(true)),
            ("either=7", json!(7)),
            ("either=x", json!("x")),
            ("tags=a", json!(["a"])),
            ("tags=[\"a\",\"b\"]", json!(["a", "b"])),
            ("ids=4", json!([4])),
            ("unit=1", json!("1")),
            ("at={\"x\":1}", json!({ "x": 1 })),
            ("text:=7", json!(7)),
        ] {
            let arguments = arguments(Map::new(), &given(&[text]), &schema()).unwrap();
            assert_eq!(arguments.values().collect::<Vec<_>>(), [&wanted], "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, named) in [
            ("number=x", "number"),
            ("whole=1.5", "integer or null"),
            ("yes=1", "boolean"),
            ("ids=x", "integer"),
            ("tegs=a", "did you mean tags?"),
            ("zzz=a", "there is at, either"),
        ] {
            let error = arguments(Map::new(), &given(&[text]), &schema()).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn more_than_one_of_a_name_make_a_list() {
        let base = json_object(r#"{"tags": ["old"], "text": "kept"}"#).unwrap();

        let arguments = arguments(base, &given(&["tags=a", "tags=b"]), &schema()).unwrap();

        assert_eq!(
            Value::Object(arguments),
            json!({ "tags": ["a", "b"], "text": "kept" })
        );
    }

    #[test]
    fn one_that_is_no_list_is_given_once() {
        let twice = given(&["text=a", "text=b"]);

        assert!(arguments(Map::new(), &twice, &schema()).is_err());
    }

    #[test]
    fn without_a_schema_json_is_json_and_the_rest_is_text() {
        let all = given(&["a=1", "b=x", "c=[1]", "d=\"1\""]);

        let arguments = arguments(Map::new(), &all, &Value::Null).unwrap();

        assert_eq!(
            Value::Object(arguments),
            json!({ "a": 1, "b": "x", "c": [1], "d": "\"1\"" })
        );
    }

    #[test]
    fn a_reference_that_goes_round_comes_to_an_end() {
        let schema = json!({
            "properties": { "a": { "$ref": "#/$defs/A" } },
            "$defs": { "A": { "anyOf": [{ "$ref": "#/$defs/A" }] } },
        });

        assert!(arguments(Map::new(), &given(&["a=x"]), &schema).is_ok());
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for text in ["a", "=b", ":=1", "a:={"] {
            assert!(Given::parse(text).is_err(), "{text}");
        }
    }
}
