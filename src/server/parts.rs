//! Rooms that are not in every server: what of the settings makes them.

use std::sync::Arc;

use super::ServerError;
use crate::{
    cluster::{Cluster, ClusterError, Store},
    config,
    handler::Catalog,
    skills::{self, read_folder},
    telemetry::Metrics,
};

/// Offers the skills of the folder that the settings name.
pub(super) fn take_skills(config: &skills::Config, catalog: &Catalog) -> Result<(), ServerError> {
    if let Some(folder) = &config.directory {
        let skills = read_folder(folder, config).map_err(ServerError::Skills)?;
        catalog.prepare(|entries| skills.into_iter().for_each(|one| entries.add_skill(one)));
    }
    Ok(())
}

/// This node as one of several, which others reach at `address`.
pub(super) fn cluster_at(
    address: String,
    config: &config::Config,
    store: Option<Arc<dyn Store>>,
    metrics: &Metrics,
) -> Result<Cluster, ClusterError> {
    let idle_after = config.router.session.idle_after.get();
    Cluster::new(config.cluster.clone(), store, address, idle_after, metrics)
}
