//! The YAML at the head of a `SKILL.md`, as JSON: every field as its author wrote it.
//!
//! Hosts read it again with readers of their own and compare, so it is read as YAML 1.2 says: `yes` and
//! `1_000` are texts.

use serde_json::{Map, Value};
use serde_saphyr::{Options, from_str_with_options, options};

use super::SkillError;

/// Bytes of a frontmatter: a listing carries those of every skill.
const BYTES_MAX: usize = 64 * 1024;

/// Characters of a `description` (agentskills.io).
const DESCRIPTION_MAX: usize = 1_024;

/// Characters of a `name` (agentskills.io).
const NAME_MAX: usize = 64;

/// Reads and checks it.
pub(super) fn read(skill_md: &str) -> Result<Map<String, Value>, SkillError> {
    let yaml = between_dashes(skill_md).ok_or(SkillError::NoFrontmatter)?;
    if yaml.len() > BYTES_MAX {
        let text = format!("it is longer than {BYTES_MAX} bytes");
        return Err(SkillError::Frontmatter(text));
    }
    let members: Map<String, Value> = from_str_with_options(yaml, yaml_1_2())
        .map_err(|error| SkillError::Frontmatter(error.to_string()))?;
    let name = text(&members, "name").unwrap_or_default();
    if !is_name(name) {
        return Err(SkillError::Name(name.to_owned()));
    }
    let description = text(&members, "description").unwrap_or_default();
    if description.trim().is_empty() || description.chars().count() > DESCRIPTION_MAX {
        return Err(SkillError::Description);
    }
    Ok(members)
}

/// A member's text.
pub(super) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

fn yaml_1_2() -> Options {
    options! {
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    }
}

fn between_dashes(skill_md: &str) -> Option<&str> {
    let text = skill_md.strip_prefix('\u{feff}').unwrap_or(skill_md);
    let (first, rest) = text.split_once('\n')?;
    if first.trim_end_matches('\r') != "---" {
        return None;
    }
    let mut end = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some(&rest[..end]);
        }
        end += line.len();
    }
    None
}

fn is_name(name: &str) -> bool {
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        !word.is_empty() && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= NAME_MAX && name.split('-').all(is_word)
}
