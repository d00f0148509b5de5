//! Forms that a user is asked to fill in: flat schemas that every client can draw.
//!
//! A client knows texts, numbers, truth values and choices among texts, and nothing around them
//! (2025-06-18, elicitation). What `schemars` derives says more, and is brought into that shape here.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::schema::members_of;
use crate::protocol::ProtocolVersion;

/// What a text can be said to be.
const FORMATS: [&str; 4] = ["email", "uri", "date", "date-time"];

/// `T`'s schema as a client of `version` can draw it. A field that is an `Option` may be left out.
pub(super) fn form_of<T: JsonSchema>(version: ProtocolVersion) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut members = members_of::<T>(settings);
    let mut fields = match members.remove("properties") {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    for field in fields.values_mut().filter_map(Value::as_object_mut) {
        without_null(field);
        with_titles(field, version);
        with_known_format(field);
    }
    let mut form = json!({ "type": "object", "properties": fields });
    if let Some(required) = members.remove("required") {
        form["required"] = required;
    }
    form
}

/// Nobody can fill in nothing: what may be absent is only not required.
fn without_null(field: &mut Map<String, Value>) {
    let is_null = |schema: &Value| schema == &json!({ "type": "null" });
    if let Some(Value::Array(either)) = field.get("anyOf") {
        let mut others = either.iter().filter(|one| !is_null(one));
        if let (Some(Value::Object(only)), None) = (others.next().cloned(), others.next()) {
            field.remove("anyOf");
            for (name, value) in only {
                // What is said of this field counts more than what is said of its type.
                field.entry(name).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(kinds)) = field.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = &kinds[..] {
            let kind = kind.clone();
            field.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(choices)) = field.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if field.get("default").is_some_and(Value::is_null) {
        field.remove("default");
    }
}

/// A choice whose values are described has titles, in the form of its version.
fn with_titles(field: &mut Map<String, Value>, version: ProtocolVersion) {
    let Some(choices) = field.get("oneOf").and_then(choices) else {
        return;
    };
    field.remove("oneOf");
    field.insert("type".to_owned(), json!("string"));
    if version >= ProtocolVersion::V2025_11_25 {
        let titled = choices
            .iter()
            .map(|(value, title)| json!({ "const": value, "title": title }));
        field.insert("oneOf".to_owned(), titled.collect());
    } else {
        let (values, titles): (Vec<_>, Vec<_>) = choices.into_iter().unzip();
        field.insert("enum".to_owned(), json!(values));
        field.insert("enumNames".to_owned(), json!(titles));
    }
}

/// The texts to choose from with their titles; `None` where there are other things among them.
fn choices(one_of: &Value) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    for one in one_of.as_array()? {
        match (one.get("const"), one.get("enum")) {
            (Some(Value::String(value)), _) => {
                let title = one.get("title").or_else(|| one.get("description"));
                let title = title.and_then(Value::as_str).unwrap_or(value);
                found.push((value.clone(), title.to_owned()));
            }
            (None, Some(Value::Array(values))) => {
                for value in values {
                    let value = value.as_str()?;
                    found.push((value.to_owned(), value.to_owned()));
                }
            }
            _ => return None,
        }
    }
    Some(found)
}

/// Rust's own formats, as `uint8`, are none of the protocol's.
fn with_known_format(field: &mut Map<String, Value>) {
    let is_known = |format: &Value| FORMATS.iter().any(|known| format == known);
    if field.get("format").is_some_and(|format| !is_known(format)) {
        field.remove("format");
    }
}
