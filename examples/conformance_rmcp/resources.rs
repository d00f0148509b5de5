//! Resources: text, bytes, and a family of them.

use rmcp::{
    ErrorData,
    model::{
        ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
    },
};
use serde_json::json;

use crate::content::red_pixel;

const TEXT: &str = "test://static-text";
const PICTURE: &str = "test://static-binary";
const WATCHED: &str = "test://watched-resource";

pub(crate) fn all() -> Vec<Resource> {
    let resource = |uri, name, description, mime_type| {
        Resource::new(uri, name)
            .with_description(description)
            .with_mime_type(mime_type)
    };
    vec![
        resource(
            TEXT,
            "Static text",
            "A text that never changes",
            "text/plain",
        ),
        resource(PICTURE, "Static picture", "A red pixel", "image/png"),
        resource(
            WATCHED,
            "Watched resource",
            "A text to subscribe to",
            "text/plain",
        ),
    ]
}

pub(crate) fn template() -> ResourceTemplate {
    ResourceTemplate::new("test://template/{id}/data", "Data by id")
        .with_description("The data of one id")
        .with_mime_type("application/json")
}

pub(crate) fn read(uri: String) -> Result<ReadResourceResponse, ErrorData> {
    let id = uri
        .strip_prefix("test://template/")
        .and_then(|rest| rest.strip_suffix("/data"));
    let content = match (uri.as_str(), id) {
        (TEXT, _) => {
            ResourceContents::text("This is the content of the static text resource.", TEXT)
                .with_mime_type("text/plain")
        }
        (PICTURE, _) => ResourceContents::blob(red_pixel(), PICTURE).with_mime_type("image/png"),
        (WATCHED, _) => {
            ResourceContents::text("Watched resource content", WATCHED).with_mime_type("text/plain")
        }
        (_, Some(id)) => {
            let data =
                json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            ResourceContents::text(data.to_string(), uri).with_mime_type("application/json")
        }
        _ => {
            let data = json!({ "uri": uri });
            return Err(ErrorData::resource_not_found(
                "resource not found",
                Some(data),
            ));
        }
    };
    Ok(ReadResourceResult::new(vec![content]).into())
}
