//! Every setting by its key: what it means, how it is read and how it is shown.
//!
//! What each setting is. [`KEYS`] is the one list behind the configuration file, the environment (`USHER_` and the key in capitals
//! with `_` for `.`), `--set key=value`, `usher config` and docs/configuration.md. A setting that is
//! not here does not exist.

use super::{Config, table::KEYS};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// `section.name`, as in the file.
    pub path: &'static str,
    /// What a value looks like, with its unit.
    pub form: &'static str,
    /// What it means, and its limits.
    pub about: &'static str,
    pub(super) get: fn(&Config) -> String,
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
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

/// docs/configuration.md: every setting in a table.
#[must_use]
pub fn markdown() -> String {
    let defaults = Config::default();
    let mut text = String::from(
        "# Settings\n\nWritten by `usher config --markdown`; a test keeps it true. In the file a \
         setting stands in its section; in the environment it is `USHER_` and the key in capitals \
         with `_` for `.`, as `USHER_SESSION_IDLE_AFTER`; on the command line `--set key=value`. \
         The later wins: default, file, environment, flags.\n\nMore issuers than one stand in the \
         file, each in a table `[[issuers]]` with the settings of `[issuer]`, beside it or instead \
         of it. They inherit nothing from each other.\n\nRules of who may use what stand in the \
         file too, each in a table `[[policy.rules]]`; docs/policy.md tells of them.\n\n\
         | setting | form | default | meaning |\n|---|---|---|---|\n",
    );
    for key in KEYS {
        let default = match key.path {
            // One for each processor, so no page can know it.
            "server.workers" | "session.threads" => "one per processor".to_owned(),
            _ => match key.get(&defaults).as_str() {
                "" => "none".to_owned(),
                default => format!("`{default}`"),
            },
        };
        let row = format!(
            "| `{}` | {} | {default} | {} |\n",
            key.path, key.form, key.about
        );
        text.push_str(&row);
    }
    text
}
