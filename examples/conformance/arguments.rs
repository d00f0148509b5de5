//! Tools whose argument schemas matter: one written by hand, one with a value that its header repeats.

use mcp_usher::handler::Tool;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Where to look. `Mcp-Param-Region` repeats it for proxies (2026-07-28, transports).
#[derive(Deserialize, JsonSchema)]
struct Place {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

pub(crate) fn tools() -> Vec<Tool> {
    vec![
        Tool::with_schema(
            "json_schema_2020_12_tool",
            "Tool with JSON Schema 2020-12 features",
            address_book_entry(),
            |_, arguments: Value| async move { Ok(arguments.to_string()) },
        ),
        Tool::new(
            "test_header_parameter",
            "Says which region was asked for.",
            |_, Place { region }| async move { Ok(format!("Region: {region}")) },
        ),
    ]
}

fn address_book_entry() -> Value {
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
