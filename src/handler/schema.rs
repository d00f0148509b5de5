//! JSON Schema 2020-12 of a tool: its arguments checked before it runs, its result before it is sent.
//!
//! A [`Tool`](super::Tool) holds its own, compiled once when the server is built. Nothing is ever
//! fetched: a schema that refers to another document is refused, and so is one that is none.

use std::error::Error;

use jsonschema::{
    PatternOptions, Retrieve, Uri, ValidationError, Validator, error::ValidationErrorKind,
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{ParamHeader, param_headers::of_schema};
use crate::protocol::ToolDescription;

/// Why a tool's schema can't be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the {which} of the tool {tool} can't be used: {why}")]
pub struct SchemaError {
    tool: String,
    which: &'static str,
    why: String,
}

/// A tool's schemas, compiled.
#[derive(Debug)]
pub(super) struct Schemas {
    input: Validator,
    output: Option<Validator>,
    param_headers: Vec<ParamHeader>,
}

/// Mismatches that are named; a model mends these first, and then meets the rest.
const NAMED_MAX: usize = 8;

/// Longest text of one mismatch, in characters. Names in it may be the caller's own.
const TEXT_MAX: usize = 200;

/// How often a pattern with look-around may go back, so that no argument holds a thread up. The
/// other patterns never do.
const BACKTRACK_MAX: usize = 10_000;

/// Answers every reference to another document: with nothing.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Err(format!("{uri} is another document, and none is fetched").into())
    }
}

impl Schemas {
    /// Arguments that are repeated in headers.
    pub(super) fn param_headers(&self) -> &[ParamHeader] {
        &self.param_headers
    }

    /// Compiles what a tool declares. A schema without `$schema` is one of 2020-12 (2025-11-25,
    /// JSON Schema usage).
    ///
    /// # Errors
    /// [`SchemaError`] for what is no schema, or refers to another document.
    pub(super) fn of(tool: &ToolDescription) -> Result<Self, SchemaError> {
        let compiled = |which, schema| {
            compile(schema).map_err(|why| SchemaError {
                tool: tool.name.clone(),
                which,
                why,
            })
        };
        let output = tool.output_schema.as_ref();
        Ok(Self {
            param_headers: tool
                .input_schema
                .as_object()
                .map(of_schema)
                .unwrap_or_default(),
            input: compiled("inputSchema", &tool.input_schema)?,
            output: output
                .map(|schema| compiled("outputSchema", schema))
                .transpose()?,
        })
    }

    /// Whether arguments fit; else a text for the model.
    pub(super) fn check_input(&self, arguments: &Value) -> Result<(), String> {
        check(&self.input, arguments)
    }

    /// Whether a structured result fits what was declared; else a text for our log.
    pub(super) fn check_output(&self, structured: Option<&Value>) -> Result<(), String> {
        match (&self.output, structured) {
            (None, _) => Ok(()),
            (Some(schema), Some(structured)) => check(schema, structured),
            (Some(_), None) => Err("there is no structured result".to_owned()),
        }
    }
}

/// JSON Schema 2020-12 of `A`; always an object at its root, as the specification asks.
pub(super) fn schema_of<A: JsonSchema>() -> Value {
    let mut members = members_of::<A>(SchemaSettings::draft2020_12());
    members.insert("type".to_owned(), json!("object"));
    Value::Object(members)
}

/// The same for a result: one that is no object is sent as `{"result": …}`, so its schema is wrapped
/// likewise.
pub(super) fn output_schema_of<T: JsonSchema>() -> Value {
    let mut members = members_of::<T>(SchemaSettings::draft2020_12());
    if members.get("type").is_none_or(|kind| kind == "object") {
        members.insert("type".to_owned(), json!("object"));
        return Value::Object(members);
    }
    let mut root = Map::new();
    for shared in ["$schema", "$defs"] {
        root.extend(members.remove_entry(shared));
    }
    root.insert("type".to_owned(), json!("object"));
    root.insert("properties".to_owned(), json!({ "result": members }));
    root.insert("required".to_owned(), json!(["result"]));
    Value::Object(root)
}

pub(super) fn members_of<A: JsonSchema>(settings: SchemaSettings) -> Map<String, Value> {
    let schema = settings.into_generator().into_root_schema_for::<A>();
    match schema.to_value() {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// A schema that refers to nothing outside of itself.
pub(super) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_retriever(Nothing)
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_MAX))
        .build(schema)
        .map_err(|error| described(&error))
}

/// Whether a value fits; else a text that names each place.
pub(super) fn check(schema: &Validator, value: &Value) -> Result<(), String> {
    let mut errors = schema.iter_errors(value);
    let named: Vec<_> = errors
        .by_ref()
        .take(NAMED_MAX)
        .map(|e| described(&e))
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let more = if errors.next().is_some() {
        "; and more"
    } else {
        ""
    };
    Err(named.join("; ") + more)
}

/// Where and why, without the value itself: it may be long, or a secret.
fn described(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().as_str();
    let place = if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    };
    let text = match error.kind() {
        ValidationErrorKind::FalseSchema => format!("{place}nothing is allowed here"),
        _ => format!("{place}{}", error.masked()),
    };
    if text.chars().count() <= TEXT_MAX {
        return text.replace(char::is_control, " ");
    }
    let kept: String = text.chars().take(TEXT_MAX).collect();
    kept.replace(char::is_control, " ") + "…"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::Presentation;

    fn tool(input: Value, output: Option<Value>) -> ToolDescription {
        ToolDescription {
            name: "measure".to_owned(),
            description: String::new(),
            input_schema: input,
            output_schema: output,
            annotations: None,
            execution: None,
            presentation: Presentation::default(),
        }
    }

    fn refusal(schema: Value, arguments: &Value) -> String {
        let schemas = Schemas::of(&tool(schema, None)).unwrap();
        schemas.check_input(arguments).unwrap_err()
    }

    #[test]
    fn every_offending_place_is_named_and_no_value_is() {
        let schema = json!({
            "type": "object", "required": ["unit"],
            "properties": {
                "at": { "type": "array", "items": { "type": "number" } },
                "unit": { "enum": ["m", "s"] },
            },
        });

        let text = refusal(schema, &json!({ "at": [1, "secret"], "unit": "km" }));

        assert!(
            text.contains("/at/1: value is not of type \"number\""),
            "{text}"
        );
        assert!(text.contains("/unit: "), "{text}");
        assert!(!text.contains("secret") && !text.contains("km"), "{text}");
    }

    #[test]
    fn words_of_2020_12_are_understood() {
        let schema = json!({
            "type": "object",
            "$defs": { "pair": { "prefixItems": [{ "type": "string" }], "items": false } },
            "properties": { "pair": { "$ref": "#/$defs/pair" }, "a": {} },
            "dependentRequired": { "a": ["pair"] },
            "unevaluatedProperties": false,
        });
        let schemas = Schemas::of(&tool(schema, None)).unwrap();

        assert!(
            schemas
                .check_input(&json!({ "pair": ["x"], "a": 1 }))
                .is_ok()
        );
        assert!(schemas.check_input(&json!({ "pair": ["x", "y"] })).is_err());
        assert!(schemas.check_input(&json!({ "a": 1 })).is_err());
        assert!(schemas.check_input(&json!({ "b": 1 })).is_err());
    }

    #[test]
    fn a_refusal_stays_short_whatever_is_sent() {
        let schema = json!({ "type": "object", "additionalProperties": { "type": "null" } });
        let long = "x".repeat(10_000);
        let arguments: Map<_, _> = (0..500)
            .map(|n| (format!("{long}\n{n}"), json!(1)))
            .collect();

        let text = refusal(schema, &Value::Object(arguments));

        assert!(text.chars().count() < NAMED_MAX * (TEXT_MAX + 4) + 16);
        assert!(text.ends_with("and more") && !text.contains('\n'));
    }

    #[test]
    fn a_reference_to_another_document_is_refused_with_the_tools_name() {
        for reference in [
            "https://example.com/a.json",
            "file:///etc/passwd",
            "other.json",
        ] {
            let schema = json!({ "type": "object", "properties": { "a": { "$ref": reference } } });
            let error = Schemas::of(&tool(schema, None)).unwrap_err().to_string();

            assert!(error.contains("inputSchema of the tool measure"), "{error}");
        }
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for schema in [
            json!({ "type": "objekt" }),
            json!({ "properties": [] }),
            json!({ "pattern": "(" }),
            json!(7),
        ] {
            assert!(
                Schemas::of(&tool(schema.clone(), None)).is_err(),
                "{schema}"
            );
            let error = Schemas::of(&tool(json!({}), Some(schema))).unwrap_err();
            assert!(error.to_string().contains("outputSchema"));
        }
    }

    #[test]
    fn a_pattern_that_goes_back_and_back_is_given_up() {
        let schema = json!({ "properties": { "a": { "pattern": r"^(?=(a+)+$)(a|aa)+\1b$" } } });
        let started = std::time::Instant::now();

        let text = refusal(schema, &json!({ "a": "a".repeat(4_000) }));

        assert!(!text.is_empty());
        assert!(started.elapsed().as_secs() < 5);
    }

    #[test]
    fn a_declared_output_has_to_be_there_and_to_fit() {
        let declared = json!({ "type": "object", "required": ["metres"] });
        let schemas = Schemas::of(&tool(json!({}), Some(declared))).unwrap();

        assert!(schemas.check_output(Some(&json!({ "metres": 1 }))).is_ok());
        assert!(schemas.check_output(Some(&json!({}))).is_err());
        assert!(schemas.check_output(None).is_err());
    }
}
