//! One file of a skill, with the digest that a host compares what it reads with.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

/// A file of a skill. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillFile {
    content: Bytes,
    digest: String,
    mime_type: &'static str,
}

/// Types by a name's ending; anything else is told by its bytes.
const TYPES: &[(&str, &str)] = &[
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("py", "text/x-python"),
    ("sh", "application/x-sh"),
    ("svg", "image/svg+xml"),
    ("toml", "application/toml"),
    ("txt", "text/plain"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
];

impl SkillFile {
    pub(super) fn new(name: &str, content: Bytes) -> Self {
        let mut hex = "sha256:".to_owned();
        for byte in digest(&SHA256, &content).as_ref() {
            // Writing to a text can't fail.
            let _always = write!(hex, "{byte:02x}");
        }
        Self {
            digest: hex,
            mime_type: mime_type(name, &content),
            content,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// Its bytes as a text, which stands for exactly them; `None` where they are none.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        text(&self.content)
    }

    /// `sha256:` and the digest of its bytes in lower-case hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// As `text/markdown`.
    #[must_use]
    pub fn mime_type(&self) -> &'static str {
        self.mime_type
    }

    /// Length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.len() as u64
    }
}

fn text(content: &Bytes) -> Option<&str> {
    let text = std::str::from_utf8(content).ok();
    text.filter(|text| !text.contains('\0'))
}

fn mime_type(name: &str, content: &Bytes) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let named = TYPES
        .iter()
        .find(|(known, _)| ending.is_some_and(|ending| ending.eq_ignore_ascii_case(known)));
    match named {
        Some((_, mime_type)) => mime_type,
        None if text(content).is_some() => "text/plain",
        None => "application/octet-stream",
    }
}
