//! How agents come to be known here: the bridge, where programs register, and the portal, where people
//! do. Both share one registry, so that the limits count for both together, and one key.

use std::sync::Arc;

use actix_web::web::Data;

use super::ServerError;
use crate::{
    auth::Verifier,
    bridge::{self, Bridge},
    config::Config,
    fetch::Fetcher,
    logto::Management,
    metadata::ProtectedResources,
    portal::{self, Portal},
    registration::{LeadsTo, LogtoRegistrar, Mode, Registrar, Registry},
    telemetry::Metrics,
    time::Clock,
    units::PublicUrl,
};

/// What both are built of.
pub(super) struct WaysIn<'a> {
    pub(super) config: &'a Config,
    /// The Logto tenant, where its Management API may be asked.
    pub(super) management: Option<&'a Arc<Management>>,
    pub(super) url: &'a PublicUrl,
    pub(super) resources: &'a ProtectedResources,
    pub(super) verifier: &'a Verifier,
    pub(super) fetcher: &'a Fetcher,
    pub(super) metrics: &'a Metrics,
    pub(super) clock: &'a Clock,
}

type Built = (Option<Data<Bridge>>, Option<Data<Portal>>);

impl WaysIn<'_> {
    /// Those that the settings ask for. `registrar` keeps the agents, where that is not in the settings.
    pub(super) fn build(
        &self,
        registrar: Option<Arc<dyn Registrar>>,
    ) -> Result<Built, ServerError> {
        let registration = &self.config.registration;
        let has_bridge = registration.mode == Mode::Bridge;
        let has_portal = self.config.portal.enabled;
        if !has_bridge && !has_portal {
            return Ok((None, None));
        }
        let registrar = match registrar {
            Some(registrar) => registrar,
            None => self.registrar()?,
        };
        let scopes = &self.config.resource.scopes;
        let registry = Registry::new(registration, scopes, registrar, self.metrics.clone());
        let registry = Arc::new(registry.map_err(ServerError::InitialAccessToken)?);
        let sealer = Arc::new(registration.sealer().map_err(ServerError::SealingKey)?);
        let bridge = has_bridge.then(|| {
            Data::new(Bridge::new(bridge::Rooms {
                public_url: self.url,
                resources: self.resources,
                discovery: self.verifier.discovery().clone(),
                registry: Arc::clone(&registry),
                sealer: Arc::clone(&sealer),
                cut_offs: self.verifier.cut_offs().clone(),
                fetcher: self.fetcher.clone(),
                clock: self.clock.clone(),
            }))
        });
        if !has_portal {
            return Ok((bridge, None));
        }
        let rooms = portal::Rooms {
            public_url: self.url.clone(),
            discovery: self.verifier.discovery().clone(),
            registry,
            sealer,
            cut_offs: self.verifier.cut_offs().clone(),
            is_bridge: has_bridge,
            fetcher: self.fetcher.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
        };
        let portal = Portal::new(&self.config.portal, rooms).map_err(ServerError::Portal)?;
        Ok((bridge, Some(Data::new(portal))))
    }

    /// The Logto tenant that is managed.
    fn registrar(&self) -> Result<Arc<dyn Registrar>, ServerError> {
        let management = self.management.ok_or(ServerError::NoRegistrar)?;
        let documents = self.resources.documents();
        let indicators = documents.map(|(_, document)| document.resource.clone());
        let leads_to = leads_to(self.config, self.url);
        let registrar = LogtoRegistrar::new(Arc::clone(management), leads_to, indicators.collect());
        if let Some(unused_for) = self.config.registration.prune_after {
            registrar.prune_after(unused_for.get(), self.clock.clone());
        }
        Ok(Arc::new(registrar))
    }
}

/// Where whoever keeps the agents sends their users.
pub(super) fn leads_to(config: &Config, url: &PublicUrl) -> LeadsTo {
    match config.registration.mode {
        Mode::Bridge => LeadsTo::Bridge(url.join("/callback")),
        Mode::Off => LeadsTo::Agent,
    }
}
