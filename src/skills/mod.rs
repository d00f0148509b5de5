//! Skills: folders of instructions for agents, with what belongs to them (agentskills.io).
//!
//! A [`Skill`] is made in code or read from disk, once and whole: what is served is what was digested.
//! `handler` puts skills into its catalog and serves them (SEP-2640); `server` reads the folder that
//! the settings name. Bounds here are those of the extension, which every host has to support.

mod error;
mod file;
mod folder;
mod frontmatter;
mod skill;

use std::path::PathBuf;

pub use error::SkillError;
pub use file::SkillFile;
pub use folder::read_folder;
pub use skill::{Children, Skill};

use crate::units::ByteSize;

/// Files of one skill, `SKILL.md` among them (SEP-2640, limits).
pub const FILES_MAX: usize = 512;

/// Bytes of one skill's files together: 16 MiB (SEP-2640, limits).
pub const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which skills the binary offers.
#[derive(Debug, Clone)]
pub struct Config {
    /// A folder of skills; every folder below it with a `SKILL.md` is one. Default none.
    pub directory: Option<PathBuf>,
    /// Skills in it at most; default 100.
    pub skills_max: usize,
    /// Bytes of all of them together, which are kept in memory; default 64 MiB.
    pub bytes_max: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: None,
            skills_max: 100,
            bytes_max: ByteSize::from_mib(64),
        }
    }
}

#[cfg(test)]
mod tests;
