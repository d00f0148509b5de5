//! The one way in for agents: how often, how many, kept by whom, written down how (R15, P21).
//!
//! `bridge` registers programs here and `portal` what developers make, so both are held to the same
//! limits, and one line of the audit log stands for each.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::Mutex;

use super::{
    Admission, Client, Config, Directory, NamedSecret, NewClient, Refused, Registered, Registrar,
    RegistrarError,
};
use crate::{
    oauth::redirect_uri::RedirectUri,
    scope::Scopes,
    secret::{Secret, SecretError},
    telemetry::{Limit, Metrics, audit},
};

/// Secrets of a client that are good at once: the one in use, and the one that takes its place.
pub(crate) const SECRETS_MAX: usize = 2;
/// Longest wait for the developers before: their quota is counted one after another.
const TURN_WITHIN: Duration = Duration::from_secs(8);

/// Who may register, and what is registered.
#[derive(Debug)]
pub(crate) struct Registry {
    admission: Admission,
    directory: Directory,
    scopes: Scopes,
    clients_max: usize,
    per_developer_max: usize,
    address_header: Option<String>,
    dry_run: bool,
    deduplicate: bool,
    metrics: Metrics,
    turn: Mutex<()>,
}

/// Why nothing was registered.
#[derive(Debug)]
pub(crate) enum NotRegistered {
    /// Too many of late.
    Refused(Refused),
    /// It would have been: `registration.dry_run` is set.
    DryRun,
    /// There are as many clients as there may be.
    Full,
    /// The developer has as many as one may have.
    FullForDeveloper,
    /// Whoever keeps the clients did not.
    Registrar(RegistrarError),
}

/// Why there is no further secret.
#[derive(Debug)]
pub(crate) enum NoSecret {
    /// A public client has none, and one that is gone neither.
    NotConfidential,
    /// There are [`SECRETS_MAX`].
    TooMany,
    /// Whoever keeps the clients did not.
    Registrar(RegistrarError),
}

impl Registry {
    /// Reads the initial access token, where there is one. `advertised` is what an agent may be granted
    /// where the settings don't say.
    ///
    /// # Errors
    /// [`SecretError`] for a file that can't be taken.
    pub(crate) fn new(
        config: &Config,
        advertised: &Scopes,
        registrar: Arc<dyn Registrar>,
        metrics: Metrics,
    ) -> Result<Self, SecretError> {
        let scopes = if config.scopes.is_empty() {
            advertised
        } else {
            &config.scopes
        };
        Ok(Self {
            admission: Admission::new(config)?,
            directory: Directory::new(registrar),
            scopes: scopes.clone(),
            clients_max: config.clients_max,
            per_developer_max: config.per_developer_max,
            address_header: config.address_header.clone(),
            dry_run: config.dry_run,
            deduplicate: config.deduplicate,
            metrics,
            turn: Mutex::default(),
        })
    }

    /// Who may.
    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// What is there.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Most that a client may ever be granted.
    pub(crate) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Most clients that one developer may have.
    pub(crate) fn per_developer_max(&self) -> usize {
        self.per_developer_max
    }

    /// Whose request it is: the last address in the header that our balancer writes, which `header`
    /// reads by its name, or the peer's.
    pub(crate) fn address<'a>(
        &self,
        peer: Option<IpAddr>,
        header: impl FnOnce(&str) -> Option<&'a str>,
    ) -> Option<IpAddr> {
        let written = self.address_header.as_deref().and_then(header);
        let last = written.and_then(|value| value.rsplit(',').next());
        last.and_then(|address| address.trim().parse().ok())
            .or(peer)
    }

    /// Registers a client that was found well formed, if the limits let it.
    pub(crate) async fn register(
        &self,
        new: &NewClient,
        address: Option<IpAddr>,
    ) -> Result<Registered, NotRegistered> {
        let registered = self.try_register(new, address).await;
        match &registered {
            Ok(registered) => {
                write_down("registered", Some(&registered.client.id), new, address);
            }
            Err(NotRegistered::DryRun) => write_down("registration_tried", None, new, address),
            Err(_) => {}
        }
        registered
    }

    async fn try_register(
        &self,
        new: &NewClient,
        address: Option<IpAddr>,
    ) -> Result<Registered, NotRegistered> {
        self.admission.count(address).map_err(|refused| {
            self.metrics.limit_hit(match refused {
                Refused::TooManyFromAddress(_) => Limit::RegistrationsPerAddress,
                _ => Limit::RegistrationsPerHour,
            });
            NotRegistered::Refused(refused)
        })?;
        if self.dry_run {
            return Err(NotRegistered::DryRun);
        }
        let shared = new.shared().filter(|_| self.deduplicate);
        if let Some(shared) = &shared
            && let Some(client) = self.directory.shared_like(shared).await?
        {
            return Ok(Registered {
                client,
                secret: None,
            });
        }
        let new = shared.as_ref().unwrap_or(new);
        if self.directory.count().await? >= self.clients_max {
            self.metrics.limit_hit(Limit::RegisteredClients);
            return Err(NotRegistered::Full);
        }
        let Some(owner) = &new.owner else {
            return Ok(self.directory.create(new).await?);
        };
        // Who counts and who makes is one, or two requests at once would both find a place.
        let late = |_| RegistrarError::unavailable("no answer in time");
        let _turn = tokio::time::timeout(TURN_WITHIN, self.turn.lock())
            .await
            .map_err(late)?;
        if self.directory.owned_by(owner).await?.len() >= self.per_developer_max {
            self.metrics.limit_hit(Limit::ClientsPerDeveloper);
            return Err(NotRegistered::FullForDeveloper);
        }
        Ok(self.directory.create(new).await?)
    }

    /// Makes a confidential client's second secret. The first stays good until it is ended, so that
    /// nothing stands still meanwhile.
    pub(crate) async fn add_secret(&self, client: &Client) -> Result<Secret, NoSecret> {
        if !client.details.is_confidential() {
            return Err(NoSecret::NotConfidential);
        }
        let before = self.directory.secrets(&client.id).await?;
        if before.len() >= SECRETS_MAX {
            return Err(NoSecret::TooMany);
        }
        let made = self.directory.add_secret(&client.id).await?;
        let made = made.ok_or(NoSecret::NotConfidential)?;
        audit::registration_changed("secret_added", &client.id);
        Ok(made)
    }

    /// Ends a secret, but never the last one. False if it was none, or the last.
    pub(crate) async fn end_secret(
        &self,
        client: &Client,
        name: &str,
    ) -> Result<bool, RegistrarError> {
        let good = self.directory.secrets(&client.id).await?;
        let is_one = good.iter().any(|secret: &NamedSecret| secret.name == name);
        if good.len() < SECRETS_MAX || !is_one {
            return Ok(false);
        }
        let ended = self.directory.end_secret(&client.id, name).await?;
        if ended {
            audit::registration_changed("secret_ended", &client.id);
        }
        Ok(ended)
    }
}

/// What is written down of it: no secret, and of a person only a pseudonym.
fn write_down(
    event: &'static str,
    client_id: Option<&str>,
    new: &NewClient,
    address: Option<IpAddr>,
) {
    let uris: Vec<&str> = new.redirect_uris.iter().map(RedirectUri::as_str).collect();
    audit::agent_registered(
        event,
        audit::Registration {
            client_id,
            client_name: new.name.as_deref(),
            software_id: new.software_id.as_deref(),
            redirect_uris: &uris.join(" "),
            confidential: new.is_confidential(),
            developer: new.owner.as_deref(),
            address,
        },
    );
}

impl From<RegistrarError> for NotRegistered {
    fn from(error: RegistrarError) -> Self {
        Self::Registrar(error)
    }
}

impl From<RegistrarError> for NoSecret {
    fn from(error: RegistrarError) -> Self {
        Self::Registrar(error)
    }
}
