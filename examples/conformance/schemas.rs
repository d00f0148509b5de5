//! Schemas written by hand, with all that the suite wants to see again as it was written. The fixture
//! for rmcp uses them as well.

use serde_json::{Value, json};

/// Of a tool's arguments: references, conditions and combinations of JSON Schema 2020-12.
pub(crate) fn address_book_entry() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": {
            "properties": { "contactMethod": { "const": "phone" } },
            "required": ["contactMethod"],
        },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

/// Of a form: a default for each kind of field.
pub(crate) fn defaults() -> Value {
    let statuses = ["active", "inactive", "pending"];
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": statuses, "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
    })
}

/// Of a form: the five ways to write a choice.
pub(crate) fn choices() -> Value {
    let options = ["option1", "option2", "option3"];
    let titled = [
        json!({ "const": "value1", "title": "First Option" }),
        json!({ "const": "value2", "title": "Second Option" }),
        json!({ "const": "value3", "title": "Third Option" }),
    ];
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled } },
        },
    })
}
