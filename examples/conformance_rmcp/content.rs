//! Tools that answer with every kind of content, one that fails, and two whose schemas matter.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use rmcp::{
    handler::server::wrapper::Parameters,
    model::{CallToolResult, ContentBlock, JsonObject, ResourceContents},
    tool, tool_router,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{Fixture, schemas::address_book_entry};

const RED_PIXEL: &[u8] = include_bytes!("../conformance/red.png");
const SILENCE: &[u8] = include_bytes!("../conformance/silence.wav");

/// Where to look. `Mcp-Param-Region` repeats it for proxies (2026-07-28, transports).
#[derive(Deserialize, JsonSchema)]
struct Place {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

#[tool_router(router = content, vis = "pub(crate)")]
impl Fixture {
    /// Answers with a text.
    #[tool]
    fn test_simple_text(&self) -> String {
        "This is a simple text response for testing.".to_owned()
    }

    /// Answers with a picture.
    #[tool]
    fn test_image_content(&self) -> CallToolResult {
        CallToolResult::success(vec![picture()])
    }

    /// Answers with a sound.
    #[tool]
    fn test_audio_content(&self) -> CallToolResult {
        let sound = ContentBlock::audio(STANDARD.encode(SILENCE), "audio/wav");
        CallToolResult::success(vec![sound])
    }

    /// Answers with a resource.
    #[tool]
    fn test_embedded_resource(&self) -> CallToolResult {
        let text = "This is an embedded resource content.";
        let embedded = embedded("test://embedded-resource", text, "text/plain");
        CallToolResult::success(vec![embedded])
    }

    /// Answers with a text, a picture and a resource.
    #[tool]
    fn test_multiple_content_types(&self) -> CallToolResult {
        let uri = "test://mixed-content-resource";
        let data = r#"{"test":"data","value":123}"#;
        CallToolResult::success(vec![
            ContentBlock::text("Multiple content types test:"),
            picture(),
            embedded(uri, data, "application/json"),
        ])
    }

    /// Fails.
    #[tool]
    fn test_error_handling(&self) -> CallToolResult {
        let why = "This tool intentionally returns an error for testing";
        CallToolResult::error(vec![ContentBlock::text(why)])
    }

    /// Tool with JSON Schema 2020-12 features
    #[tool(input_schema = by_hand())]
    fn json_schema_2020_12_tool(&self, arguments: JsonObject) -> String {
        Value::Object(arguments).to_string()
    }

    /// Says which region was asked for.
    #[tool]
    fn test_header_parameter(&self, Parameters(Place { region }): Parameters<Place>) -> String {
        format!("Region: {region}")
    }
}

fn by_hand() -> Arc<JsonObject> {
    match address_book_entry() {
        Value::Object(schema) => Arc::new(schema),
        _ => Arc::default(),
    }
}

pub(crate) fn picture() -> ContentBlock {
    ContentBlock::image(red_pixel(), "image/png")
}

pub(crate) fn red_pixel() -> String {
    STANDARD.encode(RED_PIXEL)
}

pub(crate) fn embedded(uri: &str, text: &str, mime_type: &str) -> ContentBlock {
    ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(mime_type))
}
