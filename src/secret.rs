//! Secrets: read from a file or the environment, never shown, wiped when dropped.
//!
//! `auth` holds the introspection credential in one, `idp` its demo users' passwords. A secret's
//! file must not be readable by others, as ssh wants of a key.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

/// A text that must not be shown. `Debug` says only that there is one.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Why a secret's file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It could not be read.
    #[error("could not read the secret file {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It holds nothing but white space.
    #[error("the secret file {} is empty", .0.display())]
    Empty(PathBuf),
    /// Others may read it.
    #[error("the secret file {} can be read by others (mode {mode:03o}); set it to 600 or 400", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// Reads a secret from a file, without the line break at its end.
    ///
    /// # Errors
    /// See [`SecretError`]. A mounted Kubernetes secret is group-readable by design, so only the
    /// bits for *others* count.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let unreadable = |error| SecretError::Unreadable(path.to_owned(), error);
        let text = fs::read_to_string(path).map_err(unreadable)?;
        refuse_exposed(path, &fs::metadata(path).map_err(unreadable)?)?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Err(SecretError::Empty(path.to_owned()));
        }
        Ok(Self::new(text))
    }

    /// The text, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, metadata: &fs::Metadata) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt;

    let mode = metadata.permissions().mode() & 0o777;
    let others = mode & 0o007;
    if others == 0 {
        return Ok(());
    }
    Err(SecretError::Exposed {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(not(unix))]
fn refuse_exposed(_path: &Path, _metadata: &fs::Metadata) -> Result<(), SecretError> {
    Ok(())
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(name: &str, text: &str, mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("usher-secret-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_file_is_read_without_its_line_break() {
        let path = file("good", "s3cret\n", 0o600);

        assert_eq!(Secret::from_file(&path).unwrap().expose(), "s3cret");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_secret_file_that_others_can_read_is_refused() {
        let path = file("open", "s3cret", 0o644);

        assert!(matches!(
            Secret::from_file(&path),
            Err(SecretError::Exposed { mode: 0o644, .. })
        ));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_empty_secret_file_is_refused() {
        let path = file("empty", " \n", 0o600);

        assert!(matches!(
            Secret::from_file(&path),
            Err(SecretError::Empty(_))
        ));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn debug_output_never_shows_the_text() {
        assert_eq!(format!("{:?}", Secret::new("s3cret")), "Secret(…)");
    }
}
