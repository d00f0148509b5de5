//! Traces, and the audit log where it is to go there too, for a collector: OTLP, as protobuf over HTTP.
//!
//! Two threads of OpenTelemetry's own send what has come together; requests never wait for them. What
//! the specification has environment variables for (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_SCHEDULE_DELAY` …) is set by those.

use std::{env, time::Duration};

use anyhow::Context;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_otlp::{LogExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    logs::{self, BatchLogProcessor, SdkLoggerProvider},
    trace::{self, BatchSpanProcessor, Sampler, SdkTracerProvider},
};
use tracing::Level;
use tracing_subscriber::{Layer, filter::Targets};
use url::Url;

use super::logs::BoxedLayer;
use crate::{
    config::{AuditConfig, AuditTo, OtlpConfig},
    telemetry::audit,
};

/// How long the end of the process may wait for a collector.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(2);

/// Where a collector is, by the specification.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What sends. Dropped, it sends what still waits.
#[derive(Debug)]
pub(super) struct Exporters {
    traces: SdkTracerProvider,
    audit: Option<SdkLoggerProvider>,
}

impl Exporters {
    /// Starts what the settings want; nothing without a collector.
    pub(super) fn start(config: &OtlpConfig, audit: &AuditConfig) -> anyhow::Result<Option<Self>> {
        if config.endpoint.is_none() && env::var_os(ENDPOINT).is_none() {
            return Ok(None);
        }
        let traces = traces(config).context("could not begin to send traces")?;
        let audit = (audit.to == AuditTo::Otlp)
            .then(|| records(config))
            .transpose()
            .context("could not begin to send the audit log")?;
        Ok(Some(Self { traces, audit }))
    }

    /// What hands over spans and lines.
    pub(super) fn layers(&self) -> Vec<BoxedLayer> {
        let spans = tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer("usher"))
            .with_threads(false)
            .with_location(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target("mcp_usher", Level::INFO));
        let records = self.audit.as_ref().map(|audit| {
            OpenTelemetryTracingBridge::builder(audit)
                .with_tracing_span_attributes(TracingSpanAttributes::allowlist([
                    "request.id",
                    "mcp.session.id",
                ]))
                .build()
                .with_filter(
                    Targets::new()
                        .with_target(audit::TARGET, Level::INFO)
                        .with_target("mcp_usher::telemetry::spans", Level::INFO),
                )
                .boxed()
        });
        std::iter::once(spans.boxed()).chain(records).collect()
    }
}

impl Drop for Exporters {
    fn drop(&mut self) {
        let audit = self.audit.as_ref();
        let audit = audit.map(|audit| audit.shutdown_with_timeout(LAST_WORDS_WITHIN));
        let traces = self.traces.shutdown_with_timeout(LAST_WORDS_WITHIN);
        for failure in [audit, Some(traces)]
            .into_iter()
            .flatten()
            .filter_map(Result::err)
        {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "what was last seen could not be sent to the collector"
            );
        }
    }
}

fn traces(config: &OtlpConfig) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder().with_http();
    let exporter = match &config.endpoint {
        Some(base) => exporter.with_endpoint(below(base, "v1/traces")),
        None => exporter,
    };
    let queue = trace::BatchConfigBuilder::default().with_max_queue_size(config.queue_max);
    let processor = BatchSpanProcessor::builder(exporter.build()?).with_batch_config(queue.build());
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor.build())
        // By the trace's id and not by what a stranger wishes, or anybody could have all traces kept.
        .with_sampler(Sampler::TraceIdRatioBased(config.sample.get()))
        .with_resource(resource())
        .build())
}

fn records(config: &OtlpConfig) -> anyhow::Result<SdkLoggerProvider> {
    let exporter = LogExporter::builder().with_http();
    let exporter = match &config.endpoint {
        Some(base) => exporter.with_endpoint(below(base, "v1/logs")),
        None => exporter,
    };
    let queue = logs::BatchConfigBuilder::default().with_max_queue_size(config.queue_max);
    let processor = BatchLogProcessor::builder(exporter.build()?).with_batch_config(queue.build());
    Ok(SdkLoggerProvider::builder()
        .with_log_processor(processor.build())
        .with_resource(resource())
        .build())
}

/// A signal's path below the base (OTLP 1.x, endpoint URLs for OTLP/HTTP).
fn below(base: &Url, path: &str) -> String {
    format!("{}/{path}", base.as_str().trim_end_matches('/'))
}

/// Who sends: what the environment says, or else our own name.
fn resource() -> Resource {
    let attributes = env::var_os("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = env::var_os("OTEL_SERVICE_NAME").is_some()
        || attributes.to_string_lossy().contains("service.name=");
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named {
        resource.build()
    } else {
        resource.with_service_name("usher").build()
    }
}
