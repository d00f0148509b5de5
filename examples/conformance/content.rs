//! Tools that answer with every kind of content, and one that fails.

use mcp_usher::{
    handler::{NoArguments, Tool, ToolError},
    protocol::{CallToolResult, Content, ResourceContents},
};

pub(crate) const RED_PIXEL: &[u8] = include_bytes!("red.png");
const SILENCE: &[u8] = include_bytes!("silence.wav");

pub(crate) fn tools() -> Vec<Tool> {
    vec![
        Tool::new(
            "test_simple_text",
            "Answers with a text.",
            |_, _: NoArguments| async { Ok("This is a simple text response for testing.") },
        ),
        answering("test_image_content", "Answers with a picture.", || {
            vec![picture()]
        }),
        answering("test_audio_content", "Answers with a sound.", || {
            vec![Content::audio(SILENCE, "audio/wav")]
        }),
        answering("test_embedded_resource", "Answers with a resource.", || {
            let uri = "test://embedded-resource";
            let text = "This is an embedded resource content.";
            let resource = ResourceContents::text(uri, text).mime_type("text/plain");
            vec![Content::resource(resource)]
        }),
        answering(
            "test_multiple_content_types",
            "Answers with a text, a picture and a resource.",
            || {
                let uri = "test://mixed-content-resource";
                let data = r#"{"test":"data","value":123}"#;
                let resource = ResourceContents::text(uri, data).mime_type("application/json");
                vec![
                    Content::text("Multiple content types test:"),
                    picture(),
                    Content::resource(resource),
                ]
            },
        ),
        Tool::new("test_error_handling", "Fails.", |_, _: NoArguments| async {
            let text = "This tool intentionally returns an error for testing";
            Err::<String, _>(ToolError::failed(text))
        }),
    ]
}

/// A tool without arguments whose answer is always this.
fn answering(name: &str, description: &str, content: fn() -> Vec<Content>) -> Tool {
    Tool::new(name, description, move |_, _: NoArguments| async move {
        Ok(CallToolResult::content(content()))
    })
}

pub(crate) fn picture() -> Content {
    Content::image(RED_PIXEL, "image/png")
}
