//! What the roll call counts, as metrics.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::roll_call::Counters;

/// Reads the roll call's counters whenever metrics are asked for.
#[derive(Debug)]
pub(super) struct RollCallMetrics(pub(super) Arc<Counters>);

type Read = fn(&Counters) -> u64;

const GAUGES: [(&str, &str, Read); 2] = [
    (
        "due",
        "Questions about live callers whose turn it is, at the last look",
        Counters::due,
    ),
    (
        "longest_unasked_seconds",
        "How long ago that was asked about live callers which was asked the longest ago",
        Counters::oldest,
    ),
];

const OUTCOMES: [(&str, Read); 3] = [
    ("good", Counters::good),
    ("withdrawn", Counters::withdrawn),
    ("unanswered", Counters::unanswered),
];

impl Collector for RollCallMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, read) in GAUGES {
            let name = format!("usher_roll_call_{name}");
            let gauge = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(read(&self.0)).unwrap_or(i64::MAX)).encode(gauge)?;
        }
        let help = "Questions to Logto about live callers, by what came of them";
        let name = "usher_roll_call_questions";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (outcome, read) in OUTCOMES {
            family
                .encode_family(&[("outcome", outcome)])?
                .encode_counter::<NoLabelSet, _, u64>(&read(&self.0), None)?;
        }
        Ok(())
    }
}
