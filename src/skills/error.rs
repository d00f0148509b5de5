//! Why something is no skill.

use std::{io, path::PathBuf};

use super::{BYTES_MAX, FILES_MAX};
use crate::units::ByteSize;

/// A skill that can't be served.
#[derive(Debug, thiserror::Error)]
pub enum SkillError {
    /// One of a folder's, and what is wrong with it.
    #[error("the skill in {}", .0.display())]
    In(PathBuf, #[source] Box<Self>),
    /// It could not be read.
    #[error("could not read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A link leads out of the folder that was named.
    #[error("{} is outside of the folder", .0.display())]
    Outside(PathBuf),
    /// Neither a file nor a folder.
    #[error("{} is neither a file nor a folder", .0.display())]
    Kind(PathBuf),
    /// No `SKILL.md` where a skill should be.
    #[error("there is no SKILL.md")]
    NoSkillMd,
    /// A folder of skills that is one itself: it has no name of its own below itself.
    #[error("a SKILL.md lies in the folder of skills itself: give it a folder of its own")]
    Root,
    /// `SKILL.md` is no UTF-8.
    #[error("SKILL.md is no UTF-8 text")]
    NoText,
    /// `SKILL.md` does not begin with `---`, YAML, `---`.
    #[error("SKILL.md does not begin with a frontmatter between two lines of ---")]
    NoFrontmatter,
    /// What stands there is no YAML, or no mapping, or too long.
    #[error("the frontmatter of SKILL.md can't be used: {0}")]
    Frontmatter(String),
    /// `name` is 1 to 64 of a-z, 0-9 and single hyphens within (agentskills.io, name).
    #[error("{0:?} is no name of a skill: 1 to 64 of a-z, 0-9 and single hyphens within")]
    Name(String),
    /// A folder has to be called what its skill is.
    #[error("the skill is named {name:?}, and its folder {folder:?}")]
    NameDiffers {
        /// What the frontmatter says.
        name: String,
        /// What the folder says.
        folder: String,
    },
    /// `description` is 1 to 1024 characters (agentskills.io, description).
    #[error("the description is no text of 1 to 1024 characters")]
    Description,
    /// A path that is not relative, leads up, or has what no path should.
    #[error("{0:?} is no path within a skill")]
    Path(String),
    /// Something else is in its place.
    #[error("{0:?} is there already")]
    Taken(String),
    /// More files than a host has to take.
    #[error("more than {FILES_MAX} files")]
    Files,
    /// More bytes than a host has to take.
    #[error("more than {BYTES_MAX} bytes")]
    Bytes,
    /// More skills than `skills.skills_max`.
    #[error("more than {0} skills")]
    Skills(usize),
    /// More bytes than `skills.bytes_max`.
    #[error("more than {0} in all skills together")]
    AllBytes(ByteSize),
    /// Folders within folders beyond reason; a link may lead in a circle.
    #[error("{} lies too deep, or there is too much in it", .0.display())]
    Depth(PathBuf),
}
