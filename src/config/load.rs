//! From defaults, file, environment and flags to one [`Config`]; the later wins.
//!
//! Everything is read before anything is refused, so an operator sees all mistakes at once. The
//! environment is a parameter.

use std::{fmt, path::Path};

use toml::{Table, Value};

use super::{Config, KEYS, Key, policy::read_rules};

/// One mistake, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, variable or flag.
    pub source: String,
    /// What is wrong, and how to mend it.
    pub text: String,
}

/// All that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(problems) = self;
        write!(
            formatter,
            "the configuration has {} mistake",
            problems.len()
        )?;
        formatter.write_str(if problems.len() == 1 { "" } else { "s" })?;
        for Problem { source, text } in problems {
            write!(formatter, "\n  {source}: {text}")?;
        }
        Ok(())
    }
}

/// Where settings come from.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// A TOML file.
    pub file: Option<&'a Path>,
    /// The environment, name and value.
    pub environment: Vec<(String, String)>,
    /// `key=value`, as flags give them.
    pub flags: Vec<(String, String)>,
}

/// Variables of ours that are no settings.
const OTHER_VARIABLES: [&str; 2] = ["USHER_CONFIG", "USHER_BIN"];

impl Sources<'_> {
    /// Reads everything over `config`, which holds the defaults.
    ///
    /// # Errors
    /// All mistakes, not only the first.
    pub fn read(&self, mut config: Config) -> Result<Config, ConfigError> {
        let mut problems = Vec::new();
        if let Some(file) = self.file {
            read_file(file, &mut config, &mut problems);
        }
        self.read_environment(&mut config, &mut problems);
        for (path, value) in &self.flags {
            apply(
                &mut config,
                path,
                value,
                &format!("--set {path}"),
                &mut problems,
            );
        }
        problems.extend(config.check());
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(problems))
        }
    }

    fn read_environment(&self, config: &mut Config, problems: &mut Vec<Problem>) {
        for (name, value) in &self.environment {
            if !name.starts_with("USHER_") || is_not_ours(name) {
                continue;
            }
            match KEYS.iter().find(|key| key.environment() == *name) {
                Some(key) => set(config, key, value, name, problems),
                None => problems.push(Problem {
                    source: name.clone(),
                    text: "no such setting; see usher config --keys".to_owned(),
                }),
            }
        }
    }
}

/// Kubernetes sets variables for every Service; one named `usher` would look like settings of ours.
fn is_not_ours(name: &str) -> bool {
    OTHER_VARIABLES.contains(&name)
        || name.starts_with("USHER_SERVICE_")
        || name == "USHER_PORT"
        || name.starts_with("USHER_PORT_")
}

fn read_file(file: &Path, config: &mut Config, problems: &mut Vec<Problem>) {
    let source = file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            return problems.push(Problem {
                source,
                text: format!("could not be read: {error}"),
            });
        }
    };
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            return problems.push(Problem {
                source,
                text: format!("is no TOML: {error}"),
            });
        }
    };
    for (section, value) in table {
        if section == ISSUERS {
            read_issuers(&source, value, config, problems);
            continue;
        }
        let Value::Table(settings) = value else {
            let text = "settings stand in a section, as [server]".to_owned();
            problems.push(Problem {
                source: format!("{source}: {section}"),
                text,
            });
            continue;
        };
        for (name, value) in settings {
            let path = format!("{section}.{name}");
            let at = format!("{source}: {path}");
            if path == RULES {
                config.policy.rules = read_rules(&at, value, problems);
                continue;
            }
            apply_value(config, &path, &value, &at, problems);
        }
    }
}

/// The array of tables with one rule each.
const RULES: &str = "policy.rules";

/// The array of tables with one issuer each.
const ISSUERS: &str = "issuers";

/// Each table of `[[issuers]]` by the rows of `[issuer]`, so that both mean the same by a name. It
/// begins with the defaults: rules are never inherited from another issuer.
fn read_issuers(source: &str, value: Value, config: &mut Config, problems: &mut Vec<Problem>) {
    let Value::Array(issuers) = value else {
        let text = "are written [[issuers]], one table for each".to_owned();
        return problems.push(Problem {
            source: format!("{source}: {ISSUERS}"),
            text,
        });
    };
    for (index, issuer) in issuers.into_iter().enumerate() {
        let at = format!("{source}: {ISSUERS}[{index}]");
        let Value::Table(settings) = issuer else {
            let text = "is no table of settings".to_owned();
            problems.push(Problem { source: at, text });
            continue;
        };
        let mut draft = Config::default();
        for (name, value) in settings {
            let at = format!("{at}.{name}");
            apply_value(&mut draft, &format!("issuer.{name}"), &value, &at, problems);
        }
        config.issuers.push(draft.issuer);
    }
}

fn apply_value(
    config: &mut Config,
    path: &str,
    value: &Value,
    source: &str,
    problems: &mut Vec<Problem>,
) {
    match plain_text(value) {
        Some(text) => apply(config, path, &text, source, problems),
        None => problems.push(Problem {
            source: source.to_owned(),
            text: "takes a text, a number, true, false, or a list of texts".to_owned(),
        }),
    }
}

/// A value as the environment would write it.
pub(super) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(values) => {
            let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(" "))
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

fn apply(config: &mut Config, path: &str, value: &str, source: &str, problems: &mut Vec<Problem>) {
    if let Some(key) = Key::find(path) {
        return set(config, key, value, source, problems);
    }
    let text = nearest(path).map_or_else(
        || "no such setting; see usher config --keys".to_owned(),
        |near| format!("no such setting; did you mean {near}?"),
    );
    problems.push(Problem {
        source: source.to_owned(),
        text,
    });
}

fn set(config: &mut Config, key: &Key, value: &str, source: &str, problems: &mut Vec<Problem>) {
    if let Err(text) = key.set(config, value) {
        problems.push(Problem {
            source: source.to_owned(),
            text,
        });
    }
}

/// How alike a key has to be to be suggested, from 0 to 1.
const ALIKE: f64 = 0.9;

/// A key of the same name in another section, or the one that looks most like it.
fn nearest(path: &str) -> Option<&'static str> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let of_name = KEYS
        .iter()
        .find(|key| key.path.ends_with(&format!(".{name}")));
    let alike = KEYS
        .iter()
        .map(|key| (strsim::jaro_winkler(key.path, path), key))
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .map(|(_, key)| key);
    of_name.or(alike).map(|key| key.path)
}
