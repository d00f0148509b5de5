//! Every setting by its key: what it means, how it is read and how it is shown.
//!
//! The one list behind the configuration file, the environment (`USHER_` and the key in capitals
//! with `_` for `.`), `--set key=value`, `usher config` and docs/configuration.md. A setting that is
//! not here does not exist.

use std::{fmt::Display, path::PathBuf, str::FromStr};

use super::Config;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// `section.name`, as in the file.
    pub path: &'static str,
    /// What a value looks like, with its unit.
    pub form: &'static str,
    /// What it means, and its limits.
    pub about: &'static str,
    get: fn(&Config) -> String,
    set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Key {
    /// The environment variable of the same meaning.
    #[must_use]
    pub fn environment(&self) -> String {
        format!("USHER_{}", self.path.replace('.', "_").to_uppercase())
    }

    /// The value as it would be written; a secret only says that it is set.
    #[must_use]
    pub fn get(&self, config: &Config) -> String {
        (self.get)(config)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// A sentence that says what the value would have to look like.
    pub fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        (self.set)(config, text)
    }

    /// The setting of this name.
    #[must_use]
    pub fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error: T::Err| error.to_string())
}

fn parse_optional<T: FromStr<Err: Display>>(text: &str) -> Result<Option<T>, String> {
    if text.trim().is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn show_optional<T: ToString>(value: Option<&T>) -> String {
    value.map(T::to_string).unwrap_or_default()
}

fn words<T: FromStr<Err: Display>>(text: &str) -> Result<Vec<T>, String> {
    text.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty()).map(parse).collect()
}

fn show_words<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

fn show_path(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// A setting whose type reads and shows itself.
macro_rules! plain {
    ($path:literal, $form:literal, $about:literal, $($field:ident).+) => {
        Key {
            path: $path,
            form: $form,
            about: $about,
            get: |config| config.$($field).+.to_string(),
            set: |config, text| parse(text).map(|value| config.$($field).+ = value),
        }
    };
}

/// A setting that may be left out.
macro_rules! optional {
    ($path:literal, $form:literal, $about:literal, $($field:ident).+) => {
        Key {
            path: $path,
            form: $form,
            about: $about,
            get: |config| show_optional(config.$($field).+.as_ref()),
            set: |config, text| parse_optional(text).map(|value| config.$($field).+ = value),
        }
    };
}

/// A list, separated by spaces or commas; in the file also an array.
macro_rules! list {
    ($path:literal, $form:literal, $about:literal, $($field:ident).+) => {
        Key {
            path: $path,
            form: $form,
            about: $about,
            get: |config| show_words(&config.$($field).+),
            set: |config, text| words(text).map(|value| config.$($field).+ = value),
        }
    };
}

const DURATION: &str = "duration, as 500ms, 30s, 5min, 2h";
