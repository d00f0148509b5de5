//! What a process writes for those who watch it: the log on standard error, for people or for programs,
//! the audit log, and traces.
//!
//! Started once, by the command that needs it; [`Logs`] is held until the end, so that nothing that
//! was said is lost.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, Targets, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{audit_log::AuditLog, otlp::Exporters};
use crate::{
    config::{AuditTo, Config, LogConfig, LogFormat},
    secret::Secret,
    server::Mounted,
    telemetry::{audit, use_pseudonym_key},
};

pub(super) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Everything that is being written. Dropped, it writes what still waits.
#[derive(Debug)]
pub(super) struct Logs {
    audit: Option<AuditLog>,
    _exporters: Option<Exporters>,
}

/// Starts the log alone, for the rest of the process.
pub(super) fn start(config: &LogConfig) -> anyhow::Result<()> {
    begin(vec![lines(config)?])
}

/// Starts everything that a server of these settings writes.
pub(super) fn start_for_server(config: &Config) -> anyhow::Result<Logs> {
    if let Some(file) = &config.log.pseudonym_key_file {
        let key = Secret::from_file(file).context("could not read log.pseudonym_key_file")?;
        use_pseudonym_key(&key).context("log.pseudonym_key_file")?;
    }
    let mut layers = vec![lines(&config.log)?];
    let exporters = Exporters::start(&config.otlp, &config.audit)?;
    if let Some(exporters) = &exporters {
        layers.extend(exporters.layers());
    }
    anyhow::ensure!(
        config.audit.to != AuditTo::Otlp || exporters.is_some(),
        "audit.to is otlp, but no collector is named: set otlp.endpoint"
    );
    let audit = AuditLog::start(&config.audit).context("could not begin the audit log")?;
    if let Some(audit) = &audit {
        layers.push(audited(audit));
    }
    begin(layers)?;
    Ok(Logs {
        audit,
        _exporters: exporters,
    })
}

impl Logs {
    /// Has what is lost of it counted among a server's metrics.
    pub(super) fn count_in(&self, server: &Mounted) {
        if let Some(audit) = &self.audit {
            server.metrics().register_collector(audit.lost());
        }
    }
}

fn begin(layers: Vec<BoxedLayer>) -> anyhow::Result<()> {
    let started = tracing_subscriber::registry().with(layers).try_init();
    started.map_err(|error| anyhow::anyhow!("could not start logging: {error}"))
}

/// The log.
fn lines(config: &LogConfig) -> anyhow::Result<BoxedLayer> {
    let filter = EnvFilter::try_new(&config.filter)
        .with_context(|| format!("log.filter {:?} is no filter", config.filter))?;
    // What the audit log says is for whoever keeps that.
    let filter = filter.and(filter_fn(|metadata| metadata.target() != audit::TARGET));
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    Ok(match config.format {
        LogFormat::Text => layer
            .compact()
            .with_target(false)
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

/// The audit log, with the spans of the requests that its lines are about.
fn audited(log: &AuditLog) -> BoxedLayer {
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_level(false)
        .with_current_span(false)
        .with_writer(log.writer())
        .with_filter(
            Targets::new()
                .with_target(audit::TARGET, tracing::Level::INFO)
                .with_target("mcp_usher::telemetry::spans", tracing::Level::INFO),
        )
        .boxed()
}
