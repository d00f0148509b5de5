//! What metrics are told apart by: words from fixed sets, and the names of tools. No label grows with
//! users.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        family::MetricConstructor,
        histogram::{Histogram, exponential_buckets},
    },
};

/// How a session's messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP+SSE (2024-11-05).
    Sse,
    /// Streamable HTTP with a session (2025-03-26 to 2025-11-25).
    Streamable,
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// With a result.
    Ok,
    /// With an error the tool gave.
    Error,
    /// The tool panicked.
    Panic,
    /// The tool took too long.
    Deadline,
    /// The client has to be asked first; the call will come again.
    InputRequired,
    /// Not at all: the client cancelled it or left, or its session ended.
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TransportLabel {
    pub(super) transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StatusLabel {
    pub(super) status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LimitLabel {
    pub(super) limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ToolLabel {
    pub(super) tool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CallLabels {
    pub(super) tool: String,
    pub(super) outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OperationLabels {
    pub(super) mcp_method_name: &'static str,
    pub(super) error_type: Option<&'static str>,
}

/// What OpenTelemetry's conventions for MCP advise, in seconds.
const MCP_BUCKETS: [f64; 14] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

/// How long requests and sessions last.
#[derive(Clone, Copy)]
pub(super) struct McpSeconds;

impl MetricConstructor<Histogram> for McpSeconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(MCP_BUCKETS)
    }
}

/// How long a tool's function runs.
#[derive(Clone, Copy)]
pub(super) struct CallSeconds;

impl MetricConstructor<Histogram> for CallSeconds {
    fn new_metric(&self) -> Histogram {
        // A quarter of a millisecond to a minute.
        Histogram::new(exponential_buckets(0.000_25, 4.0, 10))
    }
}

impl Transport {
    /// A session that brings its stream along is one of HTTP+SSE.
    #[must_use]
    pub const fn of_stream(has_stream: bool) -> Self {
        if has_stream {
            Self::Sse
        } else {
            Self::Streamable
        }
    }

    /// The word used in metrics and by the admin listener.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::Streamable => "streamable_http",
        }
    }
}

impl CallOutcome {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Deadline => "deadline",
            Self::InputRequired => "input_required",
            Self::Cancelled => "cancelled",
        }
    }
}
