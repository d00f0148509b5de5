//! Pieces of content: what tools, prompts and resources are answered with.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};

use super::ProtocolVersion;

/// A piece of a tool's result or of a prompt's message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
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

impl Content {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// A picture of this type from its bytes.
    pub fn image(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self::Image {
            data: STANDARD.encode(bytes),
            mime_type: mime_type.into(),
        }
    }

    /// A sound of this type from its bytes.
    pub fn audio(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self::Audio {
            data: STANDARD.encode(bytes),
            mime_type: mime_type.into(),
        }
    }

    /// A resource's content, embedded.
    #[must_use]
    pub const fn resource(resource: ResourceContents) -> Self {
        Self::Resource { resource }
    }

    /// What a client of `version` is shown: a kind it does not know becomes a text that says so.
    #[must_use]
    pub fn for_version(self, version: ProtocolVersion) -> Self {
        match self {
            Self::Audio { mime_type, .. } if version < ProtocolVersion::V2025_03_26 => {
                Self::text(format!("[a sound of type {mime_type}]"))
            }
            Self::ResourceLink { uri, .. } if version < ProtocolVersion::V2025_06_18 => {
                Self::text(uri)
            }
            Self::Resource { resource } => Self::Resource {
                resource: resource.for_version(version),
            },
            known => known,
        }
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

    /// What a client of `version` is shown.
    #[must_use]
    pub fn for_version(mut self, version: ProtocolVersion) -> Self {
        if version < ProtocolVersion::V2025_06_18 {
            self.meta.clear();
        }
        self
    }
}
