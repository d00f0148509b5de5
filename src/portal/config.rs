//! Whether there is a portal, and who it is at the authorization server.

use std::path::PathBuf;

use crate::{
    secret::{Secret, SecretError},
    units::HumanDuration,
};

/// Settings of the developer portal.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether it is served. Default false.
    pub enabled: bool,
    /// A first-party application at the authorization server, by which developers sign in; its redirect
    /// URI is `/developers/callback` below the public URL. Default none.
    pub client_id: Option<String>,
    /// File with its secret, where it has one.
    pub client_secret_file: Option<PathBuf>,
    /// Its secret, for the environment.
    pub client_secret: Option<Secret>,
    /// How long a developer stays signed in. Above zero; default 8 h.
    pub session_for: HumanDuration,
    /// Sign-outs that are remembered on this node until their sessions would have ended by themselves, so
    /// that a cookie that was copied before is worth nothing. Above zero; default 10,000.
    pub sign_outs_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            client_id: None,
            client_secret_file: None,
            client_secret: None,
            session_for: HumanDuration::from_secs(8 * 3_600),
            sign_outs_max: 10_000,
        }
    }
}

/// Who the portal is at the authorization server.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) client_id: String,
    pub(super) secret: Option<Secret>,
}

impl Config {
    /// `None` where the settings name no application.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, SecretError> {
        let secret = match &self.client_secret_file {
            Some(file) => Some(Secret::from_file(file)?),
            None => self.client_secret.clone(),
        };
        let client_id = self.client_id.clone();
        Ok(client_id.map(|client_id| Credentials { client_id, secret }))
    }
}
