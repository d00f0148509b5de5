//! The Logto tenant that the settings name, for the commands that look after it.

use std::sync::Arc;

use anyhow::{Context, ensure};

use super::settings::Settings;
use crate::{
    config::Config,
    fetch::Fetcher,
    logto::{Management, is_of_resource},
    registration::{LeadsTo, LogtoRegistrar, Mode},
    scope::{Scope, Scopes},
    units::PublicUrl,
};

/// A tenant, and what of it is ours.
pub(super) struct Tenant {
    pub(super) config: Config,
    pub(super) management: Arc<Management>,
    pub(super) registrar: LogtoRegistrar,
    /// Where clients reach the server.
    pub(super) public_url: PublicUrl,
    /// Resource indicators of our endpoints.
    pub(super) resources: Vec<String>,
}

impl Tenant {
    /// By the settings that `usher serve` has.
    pub(super) fn read(settings: &Settings) -> anyhow::Result<Self> {
        let config = settings.read(Config::default(), [])?;
        let issuer = config.issuer.url.as_ref();
        let issuer = issuer
            .context("issuer.url is not set: name the Logto, as https://acme.logto.app/oidc")?;
        ensure!(
            config.logto.is_set(),
            "logto.client_id is not set: name a machine-to-machine application of that Logto (docs/logto.md)"
        );
        let fetcher = Fetcher::new(config.fetch.clone())?;
        let management = Arc::new(Management::new(&config.logto, issuer.as_str(), fetcher)?);
        let (url, resources) = (config.public_url(), config.resource_indicators());
        let leads_to = match config.registration.mode {
            Mode::Bridge => LeadsTo::Bridge(url.join("/callback")),
            Mode::Off => LeadsTo::Agent,
        };
        let registrar = LogtoRegistrar::new(Arc::clone(&management), leads_to, resources.clone());
        Ok(Self {
            config,
            management,
            registrar,
            public_url: url,
            resources,
        })
    }

    /// Most that an agent may be granted.
    pub(super) fn scopes(&self) -> &Scopes {
        let own = &self.config.registration.scopes;
        if own.is_empty() {
            &self.config.resource.scopes
        } else {
            own
        }
    }
}

/// Those that an API resource has to have.
pub(super) fn of_resource(scopes: &Scopes) -> impl Iterator<Item = &Scope> {
    scopes.iter().filter(|scope| is_of_resource(scope.as_str()))
}
