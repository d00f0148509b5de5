//! Skills from disk: a folder, or a folder of folders.
//!
//! Everything is read once, at the start, and what does not fit ends it with the path. Links are
//! followed where they stay within the folder that was named, as a Kubernetes volume has them, and
//! nowhere else. What begins with a dot is not looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{BYTES_MAX, Config, Skill, SkillError, skill::SKILL_MD};
use crate::units::ByteSize;

/// Folders within folders.
const DEPTH_MAX: usize = 16;

/// Files and folders that are looked at: links may multiply what there is.
const ENTRIES_MAX: usize = 100_000;

/// A file that was found: its path in the folder, `/`-separated, and where it really is.
type Files = BTreeMap<String, PathBuf>;

impl Skill {
    /// The skill in a folder, which is called what the skill is. Reads from disk, and waits for it.
    ///
    /// # Errors
    /// See [`SkillError`].
    pub fn from_directory(path: impl AsRef<Path>) -> Result<Self, SkillError> {
        let path = path.as_ref();
        let root = real(path)?;
        let files = files_below(&root)?;
        let folder = root.file_name().unwrap_or_default().to_string_lossy();
        // What is too much for one skill is noticed by it.
        let mut contents = Contents::new(ByteSize::from_bytes(2 * BYTES_MAX));
        let within = files.iter().map(|(path, real)| (path.as_str(), real));
        made_of(&folder, within, &mut contents).map_err(|error| named(path, error))
    }
}

/// Every skill below a folder, those within other skills too. Reads from disk, and waits for it.
///
/// # Errors
/// The first that can't be served, with its path; or more of them than the settings let in.
pub fn read_folder(folder: &Path, config: &Config) -> Result<Vec<Skill>, SkillError> {
    let root = real(folder)?;
    let files = files_below(&root)?;
    if files.contains_key(SKILL_MD) {
        return Err(SkillError::Root);
    }
    let folders: BTreeSet<_> = files
        .keys()
        .filter_map(|path| path.strip_suffix(SKILL_MD)?.strip_suffix('/'))
        .collect();
    if folders.len() > config.skills_max {
        return Err(SkillError::Skills(config.skills_max));
    }
    let mut contents = Contents::new(config.bytes_max);
    let mut skills = Vec::with_capacity(folders.len());
    for path in folders {
        let within = files.iter().filter_map(|(file, real)| {
            let inside = file.strip_prefix(path)?.strip_prefix('/')?;
            Some((inside, real))
        });
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let made = made_of(name, within, &mut contents);
        let placed = made.and_then(|skill| match above {
            "" => Ok(skill),
            above => skill.under(above),
        });
        skills.push(placed.map_err(|error| named(&root.join(path), error))?);
    }
    Ok(skills)
}

fn named(path: &Path, error: SkillError) -> SkillError {
    SkillError::In(path.to_owned(), Box::new(error))
}

/// A skill of the files in its folder.
fn made_of<'a>(
    folder: &str,
    files: impl Iterator<Item = (&'a str, &'a PathBuf)>,
    contents: &mut Contents,
) -> Result<Skill, SkillError> {
    let mut files: BTreeMap<_, _> = files.collect();
    let skill_md = files.remove(SKILL_MD).ok_or(SkillError::NoSkillMd)?;
    let text = String::from_utf8(contents.of(skill_md)?.into());
    let mut skill = Skill::new(text.map_err(|_not_utf8| SkillError::NoText)?)?;
    if skill.name() != folder {
        return Err(SkillError::NameDiffers {
            name: skill.name().to_owned(),
            folder: folder.to_owned(),
        });
    }
    for (path, real) in files {
        skill = skill.file(path, contents.of(real)?)?;
    }
    Ok(skill)
}

/// What was read, once each: a file belongs to its skill and to those around it.
struct Contents {
    read: BTreeMap<PathBuf, Bytes>,
    max: ByteSize,
    left: usize,
}

impl Contents {
    fn new(max: ByteSize) -> Self {
        Self {
            read: BTreeMap::new(),
            max,
            left: max.bytes(),
        }
    }

    fn of(&mut self, path: &Path) -> Result<Bytes, SkillError> {
        if let Some(content) = self.read.get(path) {
            return Ok(content.clone());
        }
        let unread = |error| SkillError::Read(path.to_owned(), error);
        // One more than there may be: a file can grow while it is read.
        let limit = self.left.min(BYTES_MAX) as u64 + 1;
        let mut content = Vec::new();
        let file = File::open(path).map_err(unread)?;
        file.take(limit).read_to_end(&mut content).map_err(unread)?;
        if content.len() > BYTES_MAX {
            return Err(SkillError::Bytes);
        }
        self.left = self
            .left
            .checked_sub(content.len())
            .ok_or(SkillError::AllBytes(self.max))?;
        let content = Bytes::from(content);
        self.read.insert(path.to_owned(), content.clone());
        Ok(content)
    }
}

fn real(path: &Path) -> Result<PathBuf, SkillError> {
    fs::canonicalize(path).map_err(|error| SkillError::Read(path.to_owned(), error))
}

fn files_below(root: &Path) -> Result<Files, SkillError> {
    let mut files = Files::new();
    let mut folders = vec![(String::new(), root.to_owned(), 0)];
    let mut seen = 0;
    while let Some((above, folder, depth)) = folders.pop() {
        let unread = |error| SkillError::Read(folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(SkillError::Path(name.to_string_lossy().into_owned()));
            };
            if name.starts_with('.') {
                continue;
            }
            seen += 1;
            if seen > ENTRIES_MAX || depth > DEPTH_MAX {
                return Err(SkillError::Depth(folder));
            }
            let place = real(&entry.path())?;
            if !place.starts_with(root) {
                return Err(SkillError::Outside(entry.path()));
            }
            let kind = fs::metadata(&place).map_err(unread)?;
            let path = match above.as_str() {
                "" => name.to_owned(),
                above => format!("{above}/{name}"),
            };
            if kind.is_dir() {
                folders.push((path, place, depth + 1));
            } else if kind.is_file() {
                files.insert(path, place);
            } else {
                return Err(SkillError::Kind(entry.path()));
            }
        }
    }
    Ok(files)
}
