//! Every metric: name, unit and labels, in one table.
//!
//! Rooms count through the methods of [`Metrics`]; the admin listener writes them out. There is no
//! global registry, so several servers in one process don't mix. No label grows with users.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::Registry,
};

use super::{
    Limit,
    labels::{
        CallLabels, CallOutcome, CallSeconds, LimitLabel, McpSeconds, OperationLabels, ReasonLabel,
        StatusLabel, ToolLabel, Transport, TransportLabel,
    },
};
use crate::{outlet::CloseReason, protocol::TaskStatus};

/// Counts what happens. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Table>);

struct Table {
    registry: std::sync::Mutex<Registry>,
    sessions_live: Family<TransportLabel, Gauge>,
    sessions_opened: Family<TransportLabel, Counter>,
    sessions_closed: Family<ReasonLabel, Counter>,
    streams_open: Gauge,
    owner_mismatches: Counter,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<ToolLabel, Histogram, CallSeconds>,
    refusals: Family<ReasonLabel, Counter>,
    limit_hits: Family<LimitLabel, Counter>,
    tasks_kept: Gauge,
    tasks_running: Gauge,
    tasks_ended: Family<StatusLabel, Counter>,
    panics: Counter,
    draining: Gauge,
    operation_seconds: Family<OperationLabels, Histogram, McpSeconds>,
    session_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A fresh table, everything at zero.
    #[must_use]
    pub fn new() -> Self {
        let table = Table {
            registry: std::sync::Mutex::default(),
            sessions_live: Family::default(),
            sessions_opened: Family::default(),
            sessions_closed: Family::default(),
            streams_open: Gauge::default(),
            owner_mismatches: Counter::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(CallSeconds),
            refusals: Family::default(),
            limit_hits: Family::default(),
            tasks_kept: Gauge::default(),
            tasks_running: Gauge::default(),
            tasks_ended: Family::default(),
            panics: Counter::default(),
            draining: Gauge::default(),
            operation_seconds: Family::new_with_constructor(McpSeconds),
            session_seconds: McpSeconds.new_metric(),
        };
        let metrics = Self(Arc::new(table));
        metrics.with_registry(|registry| metrics.0.register(registry));
        metrics
    }

    /// Adds what another room counts by itself.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.with_registry(|registry| registry.register_collector(collector));
    }

    /// All metrics as text, in the form that Prometheus reads.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        self.with_registry(|registry| {
            if encode(&mut text, registry).is_err() {
                tracing::error!("metrics could not be written");
            }
        });
        text
    }

    fn with_registry(&self, work: impl FnOnce(&mut Registry)) {
        let mut registry = self
            .0
            .registry
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        work(&mut registry);
    }

    /// A session was opened.
    pub fn session_opened(&self, transport: Transport) {
        let label = TransportLabel {
            transport: transport.label(),
        };
        self.0.sessions_opened.get_or_create(&label).inc();
        self.0.sessions_live.get_or_create(&label).inc();
    }

    /// A session is over, and in no table any more, after this long.
    pub fn session_closed(&self, transport: Transport, reason: CloseReason, lasted: Duration) {
        let label = TransportLabel {
            transport: transport.label(),
        };
        self.0.sessions_live.get_or_create(&label).dec();
        self.0
            .sessions_closed
            .get_or_create(&ReasonLabel {
                reason: reason.label(),
            })
            .inc();
        self.0.session_seconds.observe(lasted.as_secs_f64());
    }

    /// A request of this method ended, perhaps in an error of this kind.
    pub fn operation_ended(
        &self,
        method: &'static str,
        error: Option<&'static str>,
        lasted: Duration,
    ) {
        let labels = OperationLabels {
            mcp_method_name: method,
            error_type: error,
        };
        let seconds = self.0.operation_seconds.get_or_create(&labels);
        seconds.observe(lasted.as_secs_f64());
    }

    /// An event stream was opened.
    pub fn stream_opened(&self) {
        self.0.streams_open.inc();
    }

    /// An event stream has ended.
    pub fn stream_closed(&self) {
        self.0.streams_open.dec();
    }

    /// Somebody named a session that belongs to another.
    pub fn owner_mismatch(&self) {
        self.0.owner_mismatches.inc();
    }

    /// A tool call ended.
    pub fn call_ended(&self, tool: &str, outcome: CallOutcome, duration: Duration) {
        self.0
            .calls
            .get_or_create(&CallLabels {
                tool: tool.to_owned(),
                outcome: outcome.label(),
            })
            .inc();
        let label = ToolLabel {
            tool: tool.to_owned(),
        };
        self.0
            .call_seconds
            .get_or_create(&label)
            .observe(duration.as_secs_f64());
        if outcome == CallOutcome::Deadline {
            self.limit_hit(Limit::CallDeadline);
        }
    }

    /// A request was refused; `reason` is one of a fixed set of words.
    pub fn refused(&self, reason: &'static str) {
        self.0.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A bound was reached.
    pub fn limit_hit(&self, limit: Limit) {
        self.0
            .limit_hits
            .get_or_create(&LimitLabel {
                limit: limit.label(),
            })
            .inc();
    }

    /// A task can be asked for from now on.
    pub fn task_kept(&self) {
        self.0.tasks_kept.inc();
    }

    /// A task's function runs.
    pub fn task_runs(&self) {
        self.0.tasks_running.inc();
    }

    /// A task's function is gone.
    pub fn task_runs_no_more(&self) {
        self.0.tasks_running.dec();
    }

    /// A task stands where it will stay.
    pub fn task_ended(&self, status: TaskStatus) {
        let status = status.as_str();
        let label = StatusLabel { status };
        self.0.tasks_ended.get_or_create(&label).inc();
    }

    /// A task can't be asked for any more.
    pub fn task_forgotten(&self) {
        self.0.tasks_kept.dec();
    }

    /// Something panicked and was contained.
    pub fn panicked(&self) {
        self.0.panics.inc();
    }

    /// The server is being stopped.
    pub fn draining(&self) {
        self.0.draining.set(1);
    }
}

impl Table {
    fn register(&self, registry: &mut Registry) {
        // OpenTelemetry's names, as its rules for Prometheus write them.
        registry.register(
            "mcp_server_operation_duration_seconds",
            "How long requests took, by method and kind of error",
            self.operation_seconds.clone(),
        );
        registry.register(
            "mcp_server_session_duration_seconds",
            "How long sessions lasted",
            self.session_seconds.clone(),
        );
        let registry = registry.sub_registry_with_prefix("usher");
        registry.register(
            "sessions_live",
            "Sessions that are open",
            self.sessions_live.clone(),
        );
        registry.register(
            "sessions_opened",
            "Sessions opened since the start",
            self.sessions_opened.clone(),
        );
        registry.register(
            "sessions_closed",
            "Sessions ended since the start, by reason",
            self.sessions_closed.clone(),
        );
        registry.register(
            "streams_open",
            "Event streams that are open",
            self.streams_open.clone(),
        );
        registry.register(
            "session_owner_mismatch",
            "Requests that named somebody else's session",
            self.owner_mismatches.clone(),
        );
        registry.register("calls", "Tool calls, by outcome", self.calls.clone());
        registry.register(
            "call_duration_seconds",
            "How long tool calls took",
            self.call_seconds.clone(),
        );
        registry.register(
            "refusals",
            "Requests refused, by reason",
            self.refusals.clone(),
        );
        registry.register(
            "limit_hit",
            "Times a bound was reached",
            self.limit_hits.clone(),
        );
        registry.register(
            "tasks_kept",
            "Tasks that can be asked for, ended ones included",
            self.tasks_kept.clone(),
        );
        registry.register(
            "tasks_running",
            "Functions that run as tasks",
            self.tasks_running.clone(),
        );
        registry.register(
            "tasks_ended",
            "Tasks ended since the start, by status",
            self.tasks_ended.clone(),
        );
        registry.register("panics", "Panics that were contained", self.panics.clone());
        registry.register(
            "draining",
            "1 while the server is being stopped",
            self.draining.clone(),
        );
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_written_with_its_labels() {
        let metrics = Metrics::new();
        metrics.session_opened(Transport::Sse);
        let minute = Duration::from_secs(60);
        metrics.session_closed(Transport::Sse, CloseReason::Idle, minute);
        metrics.operation_ended("tools/call", None, minute);
        metrics.call_ended("whoami", CallOutcome::Ok, Duration::from_millis(1));
        metrics.limit_hit(Limit::BodyMax);

        let text = metrics.encode();

        for line in [
            "usher_sessions_live{transport=\"sse\"} 0",
            "usher_sessions_opened_total{transport=\"sse\"} 1",
            "usher_sessions_closed_total{reason=\"idle\"} 1",
            "usher_calls_total{tool=\"whoami\",outcome=\"ok\"} 1",
            "usher_limit_hit_total{limit=\"transport.body_max\"} 1",
            "mcp_server_session_duration_seconds_sum 60",
            "mcp_server_operation_duration_seconds_count{mcp_method_name=\"tools/call\",error_type=\"\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
