//! Tools whose argument schemas matter: one written by hand, one with a value that its header repeats.

use mcp_usher::handler::Tool;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::schemas::address_book_entry;

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
