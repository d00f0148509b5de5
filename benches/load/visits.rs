//! Sessions that are opened, called once and closed.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::try_join_all;

use super::{
    Bench,
    report::{Figures, Table},
    server::Server,
    tally::{Cost, Waits},
    user::{Manner, User},
};

/// Measures both transports that have sessions.
pub(crate) async fn measure(bench: &Bench, visitors: usize) -> Result<Table> {
    let usher = Server::usher(&bench.issuer, 1, &[])?;
    let mut table = Table::new(format!(
        "open, call, close: {visitors} at once, a connection for each session, one thread"
    ));
    for round in 0..=bench.rounds {
        for manner in [Manner::Streamable, Manner::Sse] {
            bench.tell(&format!(
                "open, call, close, round {round}: {}",
                manner.name()
            ));
            let cost = Cost::of(&usher, visits(bench, &usher, manner, visitors)).await?;
            if round > 0 {
                table.add("usher, JWT", manner.name(), &Figures::of(&cost));
            }
        }
    }
    usher.wait_until("all sessions are over", |usher| {
        Ok(usher.metric("usher_sessions_live")? == 0.0)
    })?;
    Ok(table)
}

async fn visits(bench: &Bench, usher: &Server, manner: Manner, visitors: usize) -> Result<Waits> {
    let until = Instant::now() + bench.during;
    let visiting = (0..visitors).map(async |visitor| {
        let pass = bench.issuer.jwt(&format!("visitor-{visitor:06}"));
        let mut waits: Vec<Duration> = Vec::new();
        loop {
            let came = Instant::now();
            if came > until {
                return anyhow::Ok(waits);
            }
            let mut caller = User::arrive(usher.address, manner, pass.clone()).await?;
            caller.call().await?;
            caller.leave().await?;
            waits.push(came.elapsed());
        }
    });
    Waits::of(try_join_all(visiting).await?)
}
