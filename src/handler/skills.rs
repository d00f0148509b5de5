//! The extension skills (SEP-2640): `skills/get`, `resources/directory/read`, and a skill's files among
//! the resources.
//!
//! What a skill is belongs to the room `skills`; that there are such resources, to [`Entries`].

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Entries, Resource, listing::page_after, params::fitting, permit::View,
    template::percent_decoded,
};
use crate::{
    policy::{Entry, Kind},
    protocol::{Described, ProtocolVersion, ResourceContents, RpcError, codes},
    skills::{Skill, SkillFile},
};

/// The type that marks a folder among resources.
const FOLDER: &str = "inode/directory";

#[derive(Deserialize)]
struct UriParams {
    uri: String,
}

impl Entries {
    /// The file of a skill under a URI. Of skills within one another, the innermost's.
    pub(super) fn skill_file(&self, uri: &str) -> Option<(&Skill, &SkillFile)> {
        let path = Skill::path_in(uri)?;
        path.rmatch_indices('/').find_map(|(end, _)| {
            let skill = self.skills.get(&path[..end])?;
            Some((skill.as_ref(), skill.file_at(&path[end + 1..])?))
        })
    }

    /// `skills/get`.
    pub(super) fn skill_entry(&self, params: Value) -> Result<Value, RpcError> {
        let UriParams { uri } = fitting(params)?;
        let skill = Skill::path_named_by(&uri).and_then(|path| self.skills.get(path));
        let skill = skill.ok_or_else(|| no_skill(&uri))?;
        Ok(json!({ "skill": skill.entry() }))
    }

    /// `resources/directory/read`, for every folder of a skill.
    pub(super) fn folder(
        &self,
        params: &Value,
        version: ProtocolVersion,
        view: View<'_>,
    ) -> Result<Value, RpcError> {
        let UriParams { uri } = fitting(params.clone())?;
        let children = self.children(&uri, version);
        let children = children.ok_or_else(|| no_folder(&uri))?;
        let cursor = fitting(params.clone())?;
        page_after("resources", &children, cursor, |uri, child| {
            let entry = Entry {
                kind: Kind::Resource,
                name: uri,
            };
            let shows = view.lists(entry.kind, uri, self.declared(entry));
            shows.then(|| child.clone())
        })
    }

    /// The skill that a URI is in, be it a file's or a folder's. Of skills within one another, the
    /// innermost.
    pub(super) fn skill_around(&self, uri: &str) -> Option<&Skill> {
        let path = Skill::path_in(uri)?;
        let ends = path.rmatch_indices('/').map(|(end, _)| end);
        let mut ends = std::iter::once(path.len()).chain(ends);
        ends.find_map(|end| self.skills.get(&path[..end]).map(Arc::as_ref))
    }

    fn children(
        &self,
        uri: &str,
        version: ProtocolVersion,
    ) -> Option<BTreeMap<String, Arc<Value>>> {
        let path = Skill::path_in(uri).filter(|path| !path.ends_with('/'))?;
        let ends = path.rmatch_indices('/').map(|(end, _)| end);
        let children = std::iter::once(path.len()).chain(ends).find_map(|end| {
            let skill = self.skills.get(&path[..end])?;
            skill.children(path.get(end + 1..).unwrap_or_default())
        })?;
        let shown = children.into_iter().map(|(name, file)| {
            let uri = format!("{uri}/{name}");
            let shown = match (self.resources.get(&uri), file) {
                (Some(listed), _) => Described::Resource.shown_to(version, &listed.description),
                (None, file) => {
                    let kind = file.map_or(FOLDER, SkillFile::mime_type);
                    let name = percent_decoded(name).unwrap_or_else(|| name.to_owned());
                    let mut shown = json!({ "uri": uri, "name": name, "mimeType": kind });
                    if let Some(file) = file {
                        shown["size"] = json!(file.size());
                    }
                    shown
                }
            };
            (uri, Arc::new(shown))
        });
        Some(shown.collect())
    }
}

/// A skill's `SKILL.md` as a resource (SEP-2640, resource metadata).
pub(super) fn manifest(skill: &Skill) -> Resource {
    let (uri, file) = (skill.uri(), skill.manifest().clone());
    let size = file.size();
    Resource::new(uri.clone(), skill.name(), move |_| {
        let contents = contents(&uri, &file);
        async { Ok(contents) }
    })
    .description(skill.description())
    .mime_type("text/markdown")
    .size(size)
    .needs(skill.needed_scopes().clone())
}

/// A file as it is read: as text where that stands for the same bytes.
pub(super) fn contents(uri: &str, file: &SkillFile) -> ResourceContents {
    let contents = match file.text() {
        Some(text) => ResourceContents::text(uri, text),
        None => ResourceContents::bytes(uri, file.content()),
    };
    contents.mime_type(file.mime_type())
}

/// The error where a URI names no skill.
pub(super) fn no_skill(uri: &str) -> RpcError {
    not_one(uri, "the SKILL.md of a skill")
}

/// The error where a URI names no folder.
pub(super) fn no_folder(uri: &str) -> RpcError {
    not_one(uri, "a directory")
}

fn not_one(uri: &str, what: &str) -> RpcError {
    let text = format!("what the URI names is not {what}");
    RpcError::new(codes::INVALID_PARAMS, text).with_data(json!({ "uri": uri }))
}
