//! In the place of `otlp.rs` in a build without the feature `otlp`: a setting that nothing could keep is
//! refused.

use super::logs::BoxedLayer;
use crate::config::{AuditConfig, OtlpConfig};

/// Nothing that sends.
#[derive(Debug)]
pub(super) enum Exporters {}

impl Exporters {
    /// Nothing, or why that would be wrong.
    pub(super) fn start(config: &OtlpConfig, _audit: &AuditConfig) -> anyhow::Result<Option<Self>> {
        anyhow::ensure!(
            config.endpoint.is_none(),
            "otlp.endpoint is set, but this program was built without the feature otlp"
        );
        Ok(None)
    }

    /// None.
    pub(super) fn layers(&self) -> Vec<BoxedLayer> {
        match *self {}
    }
}
