//! A skill: its place, its frontmatter and its files.

use std::{collections::BTreeMap, fmt::Write as _};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{BYTES_MAX, FILES_MAX, SkillError, SkillFile, frontmatter};
use crate::scope::Scopes;

/// Instructions for an agent with what belongs to them, served under `skill://`. Cheap to clone.
///
/// ```
/// # use mcp_usher::skills::{Skill, SkillError};
/// # fn skill() -> Result<Skill, SkillError> {
/// Skill::new("---\nname: refunds\ndescription: Refunds an order\n---\n\nFirst read `limits.md`.")?
///     .under("acme/billing")?
///     .file("limits.md", "Up to 100 euros.")
/// # }
/// # assert_eq!(skill().unwrap().uri(), "skill://acme/billing/refunds/SKILL.md");
/// ```
#[derive(Debug, Clone)]
pub struct Skill {
    /// As it stands in the URI, and so percent-encoded: `acme/billing/refunds`.
    path: String,
    frontmatter: Map<String, Value>,
    /// `SKILL.md`, which is among the files too.
    manifest: SkillFile,
    /// By their paths in the skill, percent-encoded too.
    files: BTreeMap<String, SkillFile>,
    needs: Scopes,
}

/// What lies in a folder, by the last segment of its URI: a file, or a folder again.
pub type Children<'a> = BTreeMap<&'a str, Option<&'a SkillFile>>;

/// The file that makes a folder a skill.
pub(super) const SKILL_MD: &str = "SKILL.md";

const SCHEME: &str = "skill://";

/// Bytes of a path before it is encoded.
const PATH_MAX: usize = 1_024;

/// Bytes of a prefix, a name and a path, each of them encoded to three times as many.
const URI_MAX: usize = 3 * (2 * PATH_MAX) + 128;

impl Skill {
    /// A skill from the text of its `SKILL.md`, whose frontmatter names and describes it.
    ///
    /// # Errors
    /// A text without such a frontmatter.
    pub fn new(skill_md: impl Into<String>) -> Result<Self, SkillError> {
        let text: String = skill_md.into();
        let frontmatter = frontmatter::read(&text)?;
        let name = frontmatter::text(&frontmatter, "name").unwrap_or_default();
        let content = Bytes::from(text);
        let skill = Self {
            path: name.to_owned(),
            manifest: SkillFile::new(SKILL_MD, content.clone()),
            frontmatter,
            files: BTreeMap::new(),
            needs: Scopes::none(),
        };
        skill.with_file(SKILL_MD, content)
    }

    /// Puts it below others of a team, a domain or a version: `acme/billing`.
    ///
    /// # Errors
    /// [`SkillError::Path`].
    pub fn under(mut self, prefix: &str) -> Result<Self, SkillError> {
        self.path = format!("{}/{}", encoded(prefix)?, self.name());
        Ok(self)
    }

    /// Adds a file under its path in the skill: `references/FORMS.md`.
    ///
    /// # Errors
    /// A path that is none or taken, or more than [`FILES_MAX`] files or [`BYTES_MAX`] bytes.
    pub fn file(self, path: &str, content: impl Into<Bytes>) -> Result<Self, SkillError> {
        self.with_file(path, content.into())
    }

    /// The scopes a reader of its files must have been granted; all of them. That it is there, and its
    /// frontmatter, is listed for everybody.
    #[must_use]
    pub fn needs(mut self, scopes: Scopes) -> Self {
        self.needs = scopes;
        self
    }

    /// What it is called; the last segment of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        frontmatter::text(&self.frontmatter, "name").unwrap_or_default()
    }

    /// What it is for.
    #[must_use]
    pub fn description(&self) -> &str {
        frontmatter::text(&self.frontmatter, "description").unwrap_or_default()
    }

    /// The URI of its `SKILL.md`, which names it.
    #[must_use]
    pub fn uri(&self) -> String {
        self.uri_of(SKILL_MD)
    }

    /// Its entry, as `skills/list` and `skills/get` show it.
    #[must_use]
    pub fn entry(&self) -> Value {
        let resources = self.files.iter().map(|(path, file)| {
            json!({ "uri": self.uri_of(path), "digest": file.digest(), "size": file.size() })
        });
        json!({
            "uri": self.uri(),
            "frontmatter": self.frontmatter,
            "resources": resources.collect::<Vec<_>>(),
        })
    }

    /// Its path, as it stands in the URI.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its `SKILL.md`.
    #[must_use]
    pub fn manifest(&self) -> &SkillFile {
        &self.manifest
    }

    /// The file at a path, as it stands in the URI.
    #[must_use]
    pub fn file_at(&self, path: &str) -> Option<&SkillFile> {
        self.files.get(path)
    }

    /// The scopes that its files need.
    #[must_use]
    pub fn needed_scopes(&self) -> &Scopes {
        &self.needs
    }

    /// What lies in a folder of it, as it stands in the URI; that of the skill itself is empty. `None`
    /// where there is no such folder.
    #[must_use]
    pub fn children(&self, folder: &str) -> Option<Children<'_>> {
        let within = |path: &'_ str| match folder {
            "" => Some(0),
            _ => path
                .strip_prefix(folder)?
                .starts_with('/')
                .then_some(folder.len() + 1),
        };
        let mut children = Children::new();
        for (path, file) in &self.files {
            let Some(start) = within(path) else { continue };
            match path[start..].split_once('/') {
                Some((folder, _)) => children.insert(folder, None),
                None => children.insert(&path[start..], Some(file)),
            };
        }
        (!children.is_empty()).then_some(children)
    }

    /// The path in a `skill://` URI; `None` for one that is longer than any of a skill.
    #[must_use]
    pub fn path_in(uri: &str) -> Option<&str> {
        uri.strip_prefix(SCHEME)
            .filter(|path| path.len() <= URI_MAX)
    }

    /// The path of the skill that a `SKILL.md`'s URI names.
    #[must_use]
    pub fn path_named_by(uri: &str) -> Option<&str> {
        Self::path_in(uri)?
            .strip_suffix(SKILL_MD)?
            .strip_suffix('/')
    }

    fn uri_of(&self, path: &str) -> String {
        format!("{SCHEME}{}/{path}", self.path)
    }

    fn with_file(mut self, path: &str, content: Bytes) -> Result<Self, SkillError> {
        let key = encoded(path)?;
        let in_the_way = |other: &String| {
            let (longer, shorter) = if other.len() > key.len() {
                (other, &key)
            } else {
                (&key, other)
            };
            let rest = longer.strip_prefix(shorter.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if self.files.keys().any(in_the_way) {
            return Err(SkillError::Taken(path.to_owned()));
        }
        if self.files.len() >= FILES_MAX {
            return Err(SkillError::Files);
        }
        let sizes = self.files.values().map(|file| file.content().len());
        if sizes.sum::<usize>().saturating_add(content.len()) > BYTES_MAX {
            return Err(SkillError::Bytes);
        }
        let file = SkillFile::new(path, content);
        self.files.insert(key, file);
        Ok(self)
    }
}

/// A path as it stands in a URI: what RFC 3986 has no place for in a segment is percent-encoded.
fn encoded(path: &str) -> Result<String, SkillError> {
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
    let is_odd = |character: char| character.is_control() || character == '\\';
    if path.len() > PATH_MAX || path.contains(is_odd) || !path.split('/').all(is_segment) {
        return Err(SkillError::Path(path.chars().take(PATH_MAX).collect()));
    }
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text can't fail.
            let _always = write!(encoded, "%{byte:02X}");
        }
    }
    Ok(encoded)
}
