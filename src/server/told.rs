//! What the issuer says of its users, once they are here: unasked, and where Logto can be asked, asked.

use std::sync::Arc;

use actix_web::web::Data;

use super::{ServerError, roll_call_metrics::RollCallMetrics};
use crate::{
    auth::Verifier,
    config::Config,
    fetch::Fetcher,
    logto::Management,
    metadata::Issuer,
    notices::{self, Notices},
    roll_call::{self, RollCall},
    router::RouterHandle,
    telemetry::Metrics,
    time::Clock,
};

/// Both, as long as the server lives.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) notices: Data<Notices>,
    _roll_call: Option<RollCall>,
}

/// What both need of the rest of the house.
pub(super) struct Rooms<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) verifier: &'a Verifier,
    pub(super) router: &'a RouterHandle,
    pub(super) metrics: &'a Metrics,
    pub(super) clock: &'a Clock,
}

impl Told {
    /// Takes notices that were set up, and calls the roll where `management` can be asked.
    pub(super) fn start(
        config: (&notices::Config, &roll_call::Config),
        management: Option<Arc<Management>>,
        rooms: &Rooms<'_>,
    ) -> Result<Self, ServerError> {
        let told = notices::Rooms {
            issuer: rooms.issuer.to_string(),
            verifier: rooms.verifier.clone(),
            router: rooms.router.clone(),
            metrics: rooms.metrics.clone(),
            clock: rooms.clock.clone(),
        };
        let notices = Notices::new(config.0, told).map_err(ServerError::Notices)?;
        let roll_call = management.and_then(|management| {
            let asked = roll_call::Rooms {
                issuer: rooms.issuer.to_string(),
                management,
                router: rooms.router.clone(),
                clock: rooms.clock.clone(),
            };
            RollCall::start(config.1, asked)
        });
        if let Some(roll_call) = &roll_call {
            let counters = RollCallMetrics(roll_call.counters());
            rooms.metrics.register_collector(Box::new(counters));
        }
        Ok(Self {
            notices: Data::new(notices),
            _roll_call: roll_call,
        })
    }
}

/// The Management API of the issuer's tenant, where it may be asked.
pub(super) fn management(
    config: &Config,
    issuer: &Issuer,
    fetcher: &Fetcher,
) -> Result<Option<Arc<Management>>, ServerError> {
    let logto = Some(&config.logto).filter(|logto| logto.is_set());
    let management = logto.map(|logto| Management::new(logto, issuer.as_str(), fetcher.clone()));
    let management = management.transpose().map_err(ServerError::Logto)?;
    Ok(management.map(Arc::new))
}
