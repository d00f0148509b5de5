//! Entries of listings as data: what a tool, a resource, a template, a prompt and the server itself
//! are shown with.
//!
//! `handler` describes its catalog with these. What a client of an older version does not know of them
//! is left out by [`Described::shown_to`], here and nowhere else.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ProtocolVersion;

/// A picture to show beside a name (2025-11-25, icons). Clients fetch `https:` and read `data:`, and
/// have to know PNG and JPEG; many know SVG and WebP too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Icon {
    /// Where it is: an `https:` or `data:` URI.
    pub src: String,
    /// As `image/png`, where `src` does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// As `48x48`, or `any` for what scales.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    /// What it was drawn for; without one, for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theme: Option<Theme>,
}

/// A page's colours behind an icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// Whose turn a message is, or whom a resource is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// Hints on how to use what they are attached to (2024-11-05, `Annotations`).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotations {
    /// Whom it is for; empty where that is not said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<Role>,
    /// From 0, can be left out, to 1, is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<f64>,
    /// When it last changed, in ISO 8601: `2025-01-12T15:00:58Z` (from 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// What every entry may have beside its own members.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Presentation {
    /// For people, where the name is for programs (from 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The same picture in several forms (from 2025-11-25).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// What extensions say of it, as `ui` of MCP Apps; never looked into here (from 2025-06-18).
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

/// What is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Described {
    /// A tool.
    Tool,
    /// A resource, or a family of them.
    Resource,
    /// A prompt.
    Prompt,
    /// The server itself.
    Implementation,
}

impl Icon {
    /// A picture at an `https:` or `data:` URI.
    pub fn new(src: impl Into<String>) -> Self {
        Self {
            src: src.into(),
            mime_type: None,
            sizes: Vec::new(),
            theme: None,
        }
    }

    /// A picture that travels with the entry. Keep it small: every listing carries it.
    #[must_use]
    pub fn embedded(bytes: &[u8], mime_type: &str) -> Self {
        Self::new(format!(
            "data:{mime_type};base64,{}",
            STANDARD.encode(bytes)
        ))
        .mime_type(mime_type)
    }

    /// As `image/png`.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// As `48x48`, or `any`; may be said more than once.
    #[must_use]
    pub fn size(mut self, size: impl Into<String>) -> Self {
        self.sizes.push(size.into());
        self
    }

    /// What it was drawn for.
    #[must_use]
    pub const fn theme(mut self, theme: Theme) -> Self {
        self.theme = Some(theme);
        self
    }
}

impl Described {
    /// A description as a client of `version` is shown it.
    #[must_use]
    pub fn shown_to(self, version: ProtocolVersion, description: impl Serialize) -> Value {
        // A description is made of texts and JSON, which always serialise.
        let mut shown = serde_json::to_value(description).unwrap_or_default();
        self.fit(version, &mut shown);
        shown
    }

    /// Leaves out of a description what a client of `version` does not know.
    pub fn fit(self, version: ProtocolVersion, description: &mut Value) {
        let Value::Object(members) = description else {
            return;
        };
        // Tasks, of which it speaks, are the server's to begin from 2026-07-28 on.
        let is_gone = |member: &str| member == "execution" && version.is_modern();
        members.retain(|member, _| version >= self.since(member) && !is_gone(member));
        if version >= ProtocolVersion::V2025_06_18 {
            return;
        }
        if let Some(Value::Object(annotations)) = members.get_mut("annotations") {
            annotations.remove("lastModified");
        }
        let arguments = members.get_mut("arguments").and_then(Value::as_array_mut);
        let arguments = arguments.into_iter().flatten();
        for argument in arguments.filter_map(Value::as_object_mut) {
            argument.remove("title");
        }
    }

    /// The version that brought a member.
    fn since(self, member: &str) -> ProtocolVersion {
        match (self, member) {
            (_, "icons")
            | (Self::Tool, "execution")
            | (Self::Implementation, "description" | "websiteUrl") => ProtocolVersion::V2025_11_25,
            (_, "title" | "_meta") | (Self::Tool, "outputSchema") => ProtocolVersion::V2025_06_18,
            (Self::Tool, "annotations") => ProtocolVersion::V2025_03_26,
            _ => ProtocolVersion::V2024_11_05,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(described: Described, version: ProtocolVersion, entry: &Value) -> Vec<String> {
        let shown = described.shown_to(version, entry);
        shown.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn a_version_is_shown_the_members_it_knows_and_those_of_older_ones() {
        let tool = json!({
            "name": "a", "inputSchema": {}, "annotations": {}, "outputSchema": {}, "title": "A",
            "_meta": {}, "icons": [], "execution": {},
        });
        let known = ProtocolVersion::ALL.map(|version| {
            let members = members(Described::Tool, version, &tool);
            assert!(members.contains(&"inputSchema".to_owned()));
            members.len()
        });

        assert_eq!(known, [2, 3, 6, 8, 7]);
    }

    #[test]
    fn a_servers_description_is_younger_than_a_tools() {
        let entry = json!({ "name": "a", "description": "b", "websiteUrl": "c" });
        let version = ProtocolVersion::V2025_06_18;

        assert_eq!(members(Described::Tool, version, &entry).len(), 3);
        assert_eq!(
            members(Described::Implementation, version, &entry),
            ["name"]
        );
    }

    #[test]
    fn what_lies_within_a_member_is_left_out_too() {
        let entry = json!({
            "annotations": { "priority": 1, "lastModified": "2025-01-12T15:00:58Z" },
            "arguments": [{ "name": "a", "title": "A" }],
        });
        let shown = Described::Prompt.shown_to(ProtocolVersion::V2025_03_26, &entry);

        assert_eq!(
            shown,
            json!({ "annotations": { "priority": 1 }, "arguments": [{ "name": "a" }] })
        );
        let shown = Described::Prompt.shown_to(ProtocolVersion::V2025_06_18, &entry);
        assert_eq!(shown, entry);
    }

    #[test]
    fn an_embedded_icon_is_a_data_uri() {
        let icon = Icon::embedded(b"a", "image/png")
            .size("1x1")
            .theme(Theme::Dark);

        assert_eq!(
            json!(icon),
            json!({
                "src": "data:image/png;base64,YQ==", "mimeType": "image/png", "sizes": ["1x1"],
                "theme": "dark",
            })
        );
    }
}
