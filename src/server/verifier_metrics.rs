//! What the verifier counts, as metrics: it counts by itself, since it knows no telemetry.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::auth::{Counters, Usage, Verifier};

/// Reads the verifier's counters whenever metrics are asked for.
#[derive(Debug)]
pub(super) struct VerifierMetrics(pub(super) Verifier);

type Gauge = (&'static str, &'static str, fn(&Usage) -> u64);

/// What there is of each issuer at this moment.
const GAUGES: [Gauge; 5] = [
    ("cache_entries", "Verified callers remembered", |usage| {
        usage.entries as u64
    }),
    ("cache_bytes", "Memory of verified callers", |usage| {
        usage.bytes
    }),
    ("refusals_remembered", "Refusals remembered", |usage| {
        usage.refusals as u64
    }),
    ("waiting", "Callers waiting for a verdict", |usage| {
        usage.waiting as u64
    }),
    (
        "breaker_open",
        "1 while the issuer has not answered lately and is asked once a second only",
        |usage| usage.resting.into(),
    ),
];

type Total = (&'static str, &'static str, fn(&Counters) -> u64);

/// What has happened since the start.
const TOTALS: [Total; 13] = [
    (
        "cache_hits",
        "Callers recognised without asking",
        Counters::hits,
    ),
    (
        "cache_misses",
        "Callers neither known nor refused from memory",
        Counters::misses,
    ),
    (
        "turned_away",
        "Callers sent away since too many waited",
        Counters::turned_away,
    ),
    (
        "restarts",
        "Times the verifier was rebuilt after a panic",
        Counters::examiner_restarts,
    ),
    (
        "key_fetches",
        "Times the issuer's keys were asked for",
        Counters::key_fetches,
    ),
    (
        "key_fetch_failures",
        "Times they could not be had",
        Counters::key_fetch_failures,
    ),
    (
        "stale_key_sets",
        "Times an issuer served keys that it had replaced already",
        Counters::stale_key_sets,
    ),
    (
        "stale_hits",
        "Callers let in though nobody could be asked about them again",
        Counters::stale_hits,
    ),
    (
        "questions",
        "Questions about tokens that were sent to an issuer",
        Counters::questions,
    ),
    (
        "questions_spared",
        "Questions that were not sent, since the issuer has not answered lately",
        Counters::questions_spared,
    ),
    (
        "rechecks",
        "Times a token was asked about again since it keeps a stream or a call open",
        Counters::rechecks,
    ),
    (
        "clock_skew_suspected",
        "Tokens of the future that their issuer has signed",
        Counters::clock_skews,
    ),
    (
        "swept",
        "Entries that had ended and were cleared away",
        Counters::swept,
    ),
];

impl Collector for VerifierMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let usage: Vec<_> = self.0.usage_by_issuer().collect();
        for (name, help, value) in GAUGES {
            let name = format!("usher_verifier_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
            for (issuer, usage) in &usage {
                let value = i64::try_from(value(usage)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(&[("issuer", *issuer)])?)?;
            }
        }
        let cut_offs = self.0.cut_offs();
        let help = "Cut-offs in force";
        let gauge = encoder.encode_descriptor("usher_cut_offs", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(cut_offs.len()).unwrap_or(i64::MAX)).encode(gauge)?;
        let counters = self.0.counters();
        for (name, help, value) in TOTALS {
            let name = format!("usher_verifier_{name}");
            let metric = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            ConstCounter::new(value(counters)).encode(metric)?;
        }
        let help = "Tokens examined, by method and outcome";
        let name = "usher_verifier_verdicts";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (method, outcome, count) in counters.verdicts() {
            let labels = [("method", method.as_str()), ("outcome", outcome.as_str())];
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        let help = "Tokens refused, by reason";
        let name = "usher_verifier_refusals";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (reason, count) in counters.refusals() {
            let labels = [("reason", reason.code())];
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }
}
