//! Which settings two sources disagree about, for a line in the log (X09): that a flag or a variable
//! silently beats the file is how a server comes to trust another issuer than its operator thinks.

use std::{collections::HashMap, fs};

use toml::{Table, Value};

use super::{KEYS, Key, Sources, load::plain_text};

/// A setting for which an earlier source says something else. Lists are never put together: the later
/// source has it all its way. Holds no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overruled {
    /// The setting.
    pub key: &'static str,
    /// What counts: `environment` or `flag`.
    pub by: &'static str,
    /// What does not: `file` or `environment`.
    pub of: &'static str,
}

type Said = Vec<(&'static Key, String)>;

impl Sources<'_> {
    /// Settings of which one source overrules another, in the order of the sources.
    #[must_use]
    pub fn overruled(&self) -> Vec<Overruled> {
        let of_flags = self.flags.iter();
        let of_flags = of_flags.filter_map(|(path, value)| Some((Key::find(path)?, value.clone())));
        let mut said: HashMap<&str, (&'static str, String)> = HashMap::new();
        let mut overruled = Vec::new();
        for (by, settings) in [
            ("file", self.of_file().unwrap_or_default()),
            ("environment", self.of_environment()),
            ("flag", of_flags.collect()),
        ] {
            for (key, value) in settings {
                let before = said.insert(key.path, (by, value.clone()));
                if let Some((of, other)) = before
                    && of != by
                    && other != value
                {
                    let key = key.path;
                    overruled.push(Overruled { key, by, of });
                }
            }
        }
        overruled
    }

    /// What can't be read is [`Sources::read`]'s to complain about.
    fn of_file(&self) -> Option<Said> {
        let table: Table = fs::read_to_string(self.file?).ok()?.parse().ok()?;
        let sections = table.iter().filter_map(|(section, value)| match value {
            Value::Table(settings) => Some((section, settings)),
            _ => None,
        });
        let settings = sections.flat_map(|(section, settings)| {
            settings.iter().filter_map(move |(name, value)| {
                let key = Key::find(&format!("{section}.{name}"))?;
                Some((key, plain_text(value)?))
            })
        });
        Some(settings.collect())
    }

    fn of_environment(&self) -> Said {
        let variables = self.environment.iter();
        let settings = variables.filter_map(|(name, value)| {
            let key = KEYS.iter().find(|key| key.environment() == *name)?;
            Some((key, value.clone()))
        });
        settings.collect()
    }
}
