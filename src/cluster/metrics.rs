//! What a node counts of its life among others.

use std::{
    fmt,
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::Inner;

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident = $metric:literal, $label:literal;)+) => {
        /// Counted since the start.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($(#[$doc])* pub(super) $field: Count,)+
        }

        impl Counters {
            fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$(($metric, $label, self.$field.get()),)+]
            }
        }
    };
}

/// A number that rises.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn one_more(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

counters! {
    forwarded = "forwards", "answered";
    not_there = "forwards", "not_there";
    not_taken = "forwards", "not_taken";
    unreachable = "forwards", "unreachable";
    unclear = "forwards", "unclear";
    received = "received", "taken";
    forged = "received", "forged";
    other_version = "received", "version";
    stale = "received", "stale";
    wrong_node = "received", "wrong_node";
    suspect = "received", "suspect";
    claims_won = "claims", "won";
    claims_lost = "claims", "lost";
    claims_alive = "claims", "alive";
    claims_gone = "claims", "gone";
    fenced = "fenced", "given_up";
    asked = "store_operations", "ok";
    failed = "store_operations", "failed";
    spared = "store_operations", "spared";
    writes_left_out = "writes", "left_out";
    said = "words", "said";
    heard = "words", "heard";
    deaf = "words", "deaf";
}

/// What each metric means.
const HELP: [(&str, &str); 7] = [
    (
        "forwards",
        "Requests for sessions of other nodes, by what came of it",
    ),
    ("received", "Requests that other nodes sent here"),
    (
        "claims",
        "Sessions of nodes that are gone, and whether they could be taken",
    ),
    ("fenced", "Sessions given up, since another node has them"),
    ("store_operations", "Questions to the shared store"),
    (
        "writes",
        "Changes of sessions that found no place to wait (cluster.writes_max)",
    ),
    (
        "words",
        "Words said to all nodes, heard from them, and times nothing was heard",
    ),
];

/// Reads a node's counters whenever metrics are asked for.
#[derive(Debug)]
pub(super) struct ClusterMetrics(pub(super) Weak<Inner>);

impl Collector for ClusterMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(inner) = self.0.upgrade() else {
            return Ok(());
        };
        let gauges = [
            (
                "usher_cluster_up",
                "1 while the shared store answers",
                !inner.contact.is_away(),
            ),
            (
                "usher_cluster_suspect",
                "1 while others may have taken this node's sessions, so that it takes no step for them",
                inner.contact.is_suspect(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::from(value)).encode(gauge)?;
        }
        let counted = inner.counters.all();
        for (metric, help) in HELP {
            let name = format!("usher_cluster_{metric}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            for (_, label, value) in counted.iter().filter(|(of, ..)| *of == metric) {
                ConstCounter::new(*value).encode(family.encode_family(&[("outcome", *label)])?)?;
            }
        }
        Ok(())
    }
}
