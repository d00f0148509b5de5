//! How a value of a setting is read from text, and shown as text again.

use std::{fmt::Display, path::PathBuf, str::FromStr};

use crate::secret::Secret;

pub(super) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.trim()
        .parse()
        .map_err(|error: T::Err| error.to_string())
}

pub(super) fn parse_optional<T: FromStr<Err: Display>>(text: &str) -> Result<Option<T>, String> {
    if text.trim().is_empty() {
        Ok(None)
    } else {
        parse(text).map(Some)
    }
}

pub(super) fn show_optional<T: ToString>(value: Option<&T>) -> String {
    value.map(T::to_string).unwrap_or_default()
}

pub(super) fn show_path(value: Option<&PathBuf>) -> String {
    value
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}

pub(super) fn show_secret(value: Option<&Secret>) -> String {
    value.map(|_hidden| "(set)".to_owned()).unwrap_or_default()
}

pub(super) fn words<T: FromStr<Err: Display>>(text: &str) -> Result<Vec<T>, String> {
    text.split([' ', ',', '\n', '\t'])
        .filter(|word| !word.is_empty())
        .map(parse)
        .collect()
}

pub(super) fn show_words<T: ToString>(values: &[T]) -> String {
    values
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
