//! Resources: text, bytes, and a family of them.

use mcp_usher::{
    handler::{Resource, ResourceTemplate, TemplateError},
    protocol::ResourceContents,
};
use serde_json::json;

use crate::content::RED_PIXEL;

/// The one to subscribe to.
pub(crate) const WATCHED: &str = "test://watched-resource";

pub(crate) fn all() -> Vec<Resource> {
    let text = "test://static-text";
    let picture = "test://static-binary";
    vec![
        Resource::new(text, "Static text", move |_| async move {
            let content = "This is the content of the static text resource.";
            Ok(ResourceContents::text(text, content))
        })
        .description("A text that never changes")
        .mime_type("text/plain"),
        Resource::new(picture, "Static picture", move |_| async move {
            Ok(ResourceContents::bytes(picture, RED_PIXEL))
        })
        .description("A red pixel")
        .mime_type("image/png"),
        Resource::new(WATCHED, "Watched resource", |_| async {
            Ok(ResourceContents::text(WATCHED, "Watched resource content"))
        })
        .description("A text to subscribe to")
        .mime_type("text/plain"),
    ]
}

pub(crate) fn template() -> Result<ResourceTemplate, TemplateError> {
    let template = ResourceTemplate::new(
        "test://template/{id}/data",
        "Data by id",
        |_, variables| async move {
            let id = variables.get("id");
            let data =
                json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            Ok(ResourceContents::text(variables.uri(), data.to_string()))
        },
    )?;
    Ok(template
        .description("The data of one id")
        .mime_type("application/json"))
}
