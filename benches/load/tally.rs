//! What was measured: how many, how long each took, and what the server used for it.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use super::server::Server;

/// Waits of many users, in microseconds with three digits.
#[derive(Debug, Clone)]
pub(crate) struct Waits(Histogram<u64>);

impl Waits {
    /// Those of all users together.
    pub(crate) fn of(users: Vec<Vec<Duration>>) -> Result<Self> {
        let mut waits = Histogram::new_with_bounds(1, 60_000_000, 3)?;
        for wait in users.into_iter().flatten() {
            waits.saturating_record(u64::try_from(wait.as_micros())?);
        }
        Ok(Self(waits))
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The wait that this part of all did not exceed, in milliseconds.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        millis(self.0.value_at_quantile(part))
    }

    /// Ends of waits, in milliseconds, and how many ended between there and the one before.
    pub(crate) fn bars(&self) -> Vec<(f64, u64)> {
        let bars = self.0.iter_log(50, 1.35);
        bars.map(|bar| {
            (
                millis(bar.value_iterated_to()),
                bar.count_since_last_iteration(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "waits are far below 2^52 µs")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// What a server did in a while, and what it cost it.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    /// How long each took.
    pub(crate) waits: Waits,
    /// How long all took.
    pub(crate) wall: Duration,
    /// Processor time of the server.
    pub(crate) processor: Duration,
}

impl Cost {
    /// Does something with a server, and says what it cost.
    pub(crate) async fn of(
        server: &Server,
        work: impl Future<Output = Result<Waits>>,
    ) -> Result<Self> {
        let before = server.processor_time()?;
        let started = Instant::now();
        let waits = work.await?;
        Ok(Self {
            waits,
            wall: started.elapsed(),
            processor: server.processor_time()?.saturating_sub(before),
        })
    }

    /// How many a second.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn per_second(&self) -> f64 {
        self.waits.count() as f64 / self.wall.as_secs_f64()
    }

    /// Microseconds of the server's processor time for each.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn processor_each(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.waits.count() as f64
    }
}

/// The middle of some figures.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
