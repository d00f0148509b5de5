//! Pieces of content: what tools, prompts and resources are answered with.
//!
//! What a client of an older version does not know of them is left out by [`fit_result`], here and
//! nowhere else, whoever wrote them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Annotations, Method, ProtocolVersion};

/// A piece of a tool's result or of a prompt's message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Content {
    /// What it is.
    #[serde(flatten)]
    pub kind: ContentKind,
    /// Whom it is for, and how much it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// What extensions say of it; never looked into here (from 2025-06-18).
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

/// The kinds of content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentKind {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    #[serde(rename_all = "camelCase")]
    Image {
        /// In base64.
        data: String,
        /// As `image/png`.
        mime_type: String,
    },
    /// A sound (from 2025-03-26).
    #[serde(rename_all = "camelCase")]
    Audio {
        /// In base64.
        data: String,
        /// As `audio/wav`.
        mime_type: String,
    },
    /// A resource's content, embedded.
    Resource {
        /// The content with its URI.
        resource: ResourceContents,
    },
    /// A resource to be read by whoever wants it (from 2025-06-18).
    #[serde(rename_all = "camelCase")]
    ResourceLink {
        /// Where it is.
        uri: String,
        /// Its name.
        name: String,
        /// As `text/plain`.
        #[serde(skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
    },
}

/// What a resource holds: text, or bytes in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceContents {
    /// Which resource.
    pub uri: String,
    /// As `text/plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Text or bytes.
    #[serde(flatten)]
    pub body: ResourceBody,
    /// What extensions say of it, as `ui` of MCP Apps (from 2025-06-18).
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

/// One of the two forms of a resource's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceBody {
    /// Text in UTF-8.
    Text(String),
    /// Bytes in base64.
    Blob(String),
}

impl From<ContentKind> for Content {
    fn from(kind: ContentKind) -> Self {
        Self {
            kind,
            annotations: None,
            meta: Map::new(),
        }
    }
}

impl Content {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        ContentKind::Text { text: text.into() }.into()
    }

    /// A picture of this type from its bytes.
    pub fn image(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        let (data, mime_type) = (STANDARD.encode(bytes), mime_type.into());
        ContentKind::Image { data, mime_type }.into()
    }

    /// A sound of this type from its bytes.
    pub fn audio(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        let (data, mime_type) = (STANDARD.encode(bytes), mime_type.into());
        ContentKind::Audio { data, mime_type }.into()
    }

    /// A resource's content, embedded.
    #[must_use]
    pub fn resource(resource: ResourceContents) -> Self {
        ContentKind::Resource { resource }.into()
    }

    /// A resource to be read by whoever wants it: its URI, and its name.
    pub fn resource_link(uri: impl Into<String>, name: impl Into<String>) -> Self {
        let (uri, name) = (uri.into(), name.into());
        let mime_type = None;
        ContentKind::ResourceLink {
            uri,
            name,
            mime_type,
        }
        .into()
    }

    /// Hints on whom it is for, and how much it matters.
    #[must_use]
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// Adds a member to `_meta`; a later one of the same name takes its place.
    #[must_use]
    pub fn meta(mut self, name: impl Into<String>, value: Value) -> Self {
        self.meta.insert(name.into(), value);
        self
    }
}

impl ResourceContents {
    /// Text under a URI.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(uri.into(), ResourceBody::Text(text.into()))
    }

    /// Bytes under a URI.
    pub fn bytes(uri: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(uri.into(), ResourceBody::Blob(STANDARD.encode(bytes)))
    }

    fn new(uri: String, body: ResourceBody) -> Self {
        Self {
            uri,
            mime_type: None,
            body,
            meta: Map::new(),
        }
    }

    /// The same with its type, as `text/plain`.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// Adds a member to `_meta`; a later one of the same name takes its place.
    #[must_use]
    pub fn meta(mut self, name: impl Into<String>, value: Value) -> Self {
        self.meta.insert(name.into(), value);
        self
    }
}

/// Leaves out of the result of a method what a client of `version` does not know.
pub fn fit_result(method: &Method, version: ProtocolVersion, result: &mut Value) {
    let Value::Object(members) = result else {
        return;
    };
    if *method == Method::ToolsCall && version < ProtocolVersion::V2025_06_18 {
        members.remove("structuredContent");
    }
    let listed = match method {
        Method::ToolsCall => "content",
        Method::PromptsGet => "messages",
        Method::ResourcesRead => "contents",
        _ => return,
    };
    let pieces = members.get_mut(listed).and_then(Value::as_array_mut);
    for piece in pieces.into_iter().flatten() {
        let piece = match method {
            Method::PromptsGet => piece.get_mut("content"),
            _ => Some(piece),
        };
        if let Some(Value::Object(piece)) = piece {
            fit_piece(version, piece);
        }
    }
}

/// A kind of content that a client does not know becomes a text that says so.
fn fit_piece(version: ProtocolVersion, piece: &mut Map<String, Value>) {
    let text = |name| piece.get(name).and_then(Value::as_str).unwrap_or_default();
    let told = match text("type") {
        "audio" if version < ProtocolVersion::V2025_03_26 => {
            Some(format!("[a sound of type {}]", text("mimeType")))
        }
        "resource_link" if version < ProtocolVersion::V2025_06_18 => Some(text("uri").to_owned()),
        _ => None,
    };
    if let Some(told) = told {
        piece.retain(|name, _| name == "annotations");
        piece.insert("type".to_owned(), json!("text"));
        piece.insert("text".to_owned(), json!(told));
    }
    if version < ProtocolVersion::V2025_11_25 {
        // A link has what a listed resource has.
        piece.remove("icons");
    }
    if version < ProtocolVersion::V2025_06_18 {
        piece.remove("_meta");
        for (name, younger) in [("annotations", "lastModified"), ("resource", "_meta")] {
            if let Some(Value::Object(inner)) = piece.get_mut(name) {
                inner.remove(younger);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLDER: ProtocolVersion = ProtocolVersion::V2025_03_26;
    const KNOWN: ProtocolVersion = ProtocolVersion::V2025_06_18;

    fn shown(version: ProtocolVersion, content: &Content) -> Value {
        let mut result = json!({ "content": [content] });
        fit_result(&Method::ToolsCall, version, &mut result);
        result["content"][0].clone()
    }

    fn hints() -> Annotations {
        Annotations {
            priority: Some(0.5),
            last_modified: Some("2025-01-12T15:00:58Z".to_owned()),
            ..Annotations::default()
        }
    }

    #[test]
    fn what_is_said_of_a_piece_passes_through_where_it_is_known() {
        let inner = ResourceContents::text("a:b", "c").meta("inner", json!(1));
        let pieces = [
            Content::text("a"),
            Content::image(b"a", "image/png"),
            Content::audio(b"a", "audio/wav"),
            Content::resource(inner),
            Content::resource_link("a:b", "b"),
        ];
        for piece in pieces {
            let meta = json!({ "nested": [null] });
            let piece = piece.annotations(hints()).meta("outer", meta.clone());
            for version in ProtocolVersion::ALL {
                let shown = shown(version, &piece);
                assert_eq!(shown["annotations"]["priority"], 0.5, "{version}: {shown}");
                let hint = shown["annotations"].get("lastModified");
                let (of_piece, is_known) = (shown.get("_meta"), version >= KNOWN);
                assert_eq!(hint.is_some(), is_known, "{version}: {shown}");
                assert_eq!(of_piece.is_some(), is_known, "{version}: {shown}");
                if is_known {
                    assert_eq!(shown["_meta"]["outer"], meta);
                    assert_eq!(shown, json!(piece), "{version}");
                }
                assert!(is_known || shown["resource"].get("_meta").is_none());
            }
        }
    }

    #[test]
    fn a_kind_that_a_client_does_not_know_becomes_a_text() {
        let link = Content::resource_link("a:b", "b");
        let told = json!({ "type": "text", "text": "a:b" });
        assert_eq!(shown(OLDER, &link), told);
        let sound = Content::audio(b"a", "audio/wav");
        let told = json!({ "type": "text", "text": "[a sound of type audio/wav]" });
        assert_eq!(shown(ProtocolVersion::V2024_11_05, &sound), told);
        assert_eq!(shown(OLDER, &sound), json!(sound));
    }

    #[test]
    fn what_prompts_and_resources_say_is_fitted_as_well() {
        let piece = Content::text("a").meta("b", json!(1));
        let mut prompt = json!({ "messages": [{ "role": "user", "content": piece }] });
        fit_result(&Method::PromptsGet, OLDER, &mut prompt);
        assert_eq!(
            prompt["messages"][0]["content"],
            json!({ "type": "text", "text": "a" })
        );
        let contents = ResourceContents::text("a:b", "c").meta("d", json!(1));
        let mut read = json!({ "contents": [contents] });
        fit_result(&Method::ResourcesRead, OLDER, &mut read);
        assert_eq!(read["contents"][0], json!({ "uri": "a:b", "text": "c" }));
    }
}
