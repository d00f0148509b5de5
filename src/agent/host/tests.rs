//! Forms: what is read from a schema, and what may stand in them.

use serde_json::{Map, Value, json};

use super::{Field, Form, Kind};
use crate::agent::document::Document;

fn form(schema: &Value) -> Result<Form, String> {
    Form::of_params(&Document::from(json!({ "requestedSchema": schema })))
}

fn field(schema: &Value) -> Field {
    let schema = json!({"type": "object", "properties": {"it": schema}, "required": ["it"]});
    form(&schema).unwrap().fields.remove(0)
}

fn reads(schema: &Value, text: &str, value: &Value) {
    assert_eq!(field(schema).read(text).as_ref(), Ok(value), "{schema}");
}

fn refuses(schema: &Value, texts: &[&str]) {
    for text in texts {
        assert!(field(schema).read(text).is_err(), "{schema} took {text:?}");
    }
}

#[test]
fn fields_stand_in_the_server_s_order() {
    let text = r#"{"requestedSchema":{"type":"object","properties":{
        "zip":{"type":"string"},"name":{"type":"string"},"age":{"type":"integer"}},"required":["age"]}}"#;
    let params = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();

    let form = Form::of_params(&Document::new(params).unwrap()).unwrap();

    let names: Vec<_> = form
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field.required))
        .collect();
    assert_eq!(names, [("zip", false), ("name", false), ("age", true)]);
}

#[test]
fn a_text_is_judged_by_its_length_and_format() {
    reads(
        &json!({"type": "string", "minLength": 2, "maxLength": 3}),
        "äöü",
        &json!("äöü"),
    );
    refuses(
        &json!({"type": "string", "minLength": 2, "maxLength": 3}),
        &["a", "abcd"],
    );
    for (format, good, bad) in [
        ("email", "ada@example.com", ["ada", "@example.com", "a b@c"]),
        ("uri", "https://example.com/", ["example", "/a", ""]),
        ("date", "2024-02-29", ["2023-02-29", "2024-13-01", "24-1-1"]),
        (
            "date-time",
            "2026-07-28T09:30:00.5+02:00",
            ["2026-07-28", "2026-07-28T09:30Z", "2026-07-28T25:00:00Z"],
        ),
        ("colour", "anything", ["", "", ""]),
    ] {
        let schema = json!({"type": "string", "format": format});
        reads(&schema, good, &json!(good));
        if format != "colour" {
            refuses(&schema, &bad);
        }
    }
}

#[test]
fn a_number_is_judged_by_its_bounds_and_fraction() {
    let age = json!({"type": "integer", "minimum": 18, "maximum": 99});
    reads(&age, " 18 ", &json!(18));
    refuses(&age, &["17", "100", "18.5", "NaN", "1e999", "old", ""]);
    reads(&json!({"type": "number"}), "-2.5e1", &json!(-25.0));
    assert!(field(&age).check(&json!(20.0)).is_ok());
}

#[test]
fn yes_and_no_are_said_in_many_ways() {
    for (text, truth) in [
        ("y", true),
        ("YES", true),
        ("true", true),
        ("n", false),
        ("No", false),
    ] {
        reads(&json!({"type": "boolean"}), text, &json!(truth));
    }
    refuses(&json!({"type": "boolean"}), &["", "maybe", "1"]);
}

#[test]
fn every_way_to_write_an_enum_is_read() {
    let titled = json!([{"const": "#f00", "title": "Red"}, {"const": "#0f0", "title": "Green"}]);
    for schema in [
        json!({"type": "string", "enum": ["#f00", "#0f0"], "enumNames": ["Red", "Green"]}),
        json!({"type": "string", "oneOf": titled}),
        json!({"type": "string", "anyOf": titled}),
    ] {
        reads(&schema, "#f00", &json!("#f00"));
        reads(&schema, "green", &json!("#0f0"));
        refuses(&schema, &["blue", ""]);
    }
    for items in [
        json!({"type": "string", "enum": ["a", "b", "c"]}),
        json!({"anyOf": [
            {"const": "a", "title": "A"}, {"const": "b", "title": "B"}, {"const": "c", "title": "C"},
        ]}),
    ] {
        let schema = json!({"type": "array", "items": items, "minItems": 1, "maxItems": 2});
        reads(&schema, "a, b", &json!(["a", "b"]));
        reads(&schema, r#"["c"]"#, &json!(["c"]));
        refuses(&schema, &["", "a,b,c", "a,a", "d", "[1]"]);
    }
}

#[test]
fn a_value_wins_over_another_s_title() {
    let schema = json!({"type": "string", "oneOf": [
        {"const": "a", "title": "b"}, {"const": "b", "title": "a"},
    ]});

    reads(&schema, "b", &json!("b"));
}

#[test]
fn null_in_a_type_makes_a_field_optional() {
    let field = field(&json!({"type": ["integer", "null"], "default": null}));

    assert!(!field.required);
    assert_eq!(field.default, None);
    assert!(matches!(field.kind, Kind::Number { integer: true, .. }));
}

#[test]
fn a_schema_that_forms_are_not_to_have_takes_json() {
    reads(&json!({"type": "object"}), r#"{"a": 1}"#, &json!({"a": 1}));
    reads(
        &json!({"$ref": "https://example.com/schema"}),
        "7",
        &json!(7),
    );
}

#[test]
fn a_default_stands_only_where_it_fits() {
    assert_eq!(
        field(&json!({"type": "integer", "default": 30})).default,
        Some(json!(30))
    );
    assert_eq!(
        field(&json!({"type": "integer", "default": "30"})).default,
        None
    );
}

#[test]
fn an_answer_is_judged_as_a_whole() {
    let form = form(&json!({
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "default": 30}},
        "required": ["name"],
    }))
    .unwrap();
    let wrong = |values: Value| {
        let values: Map<String, Value> = serde_json::from_value(values).unwrap();
        let wrong = form.check(&values).err().unwrap_or_default();
        wrong.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };

    assert_eq!(
        form.defaults(),
        Map::from_iter([("age".to_owned(), json!(30))])
    );
    assert_eq!(wrong(json!({"name": "Ada"})), Vec::<String>::new());
    assert_eq!(
        wrong(json!({"age": "x", "colour": 1})),
        ["age", "name", "colour"]
    );
}

#[test]
fn what_is_no_form_is_refused() {
    let fields: Map<String, Value> = (0..101)
        .map(|at| (at.to_string(), json!({"type": "string"})))
        .collect();
    let choices: Vec<_> = (0..1001).map(|at| at.to_string()).collect();
    for schema in [
        json!({}),
        json!({"properties": 7}),
        json!({ "properties": fields }),
        json!({ "properties": {"a": {"type": "string", "enum": choices}} }),
    ] {
        assert!(form(&schema).is_err());
    }
    let twice = r#"{"requestedSchema":{"properties":{"a":{},"a":{}}}}"#;
    let twice = serde_json::value::RawValue::from_string(twice.to_owned()).unwrap();
    assert!(Form::of_params(&Document::new(twice).unwrap()).is_err());
}
