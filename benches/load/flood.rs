//! Callers that are known, while strangers with bad tokens are refused as fast as they can ask.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures_util::future::{Either, select, try_join_all};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::{
    Bench,
    report::{Figures, Table},
    server::Server,
    tally::{Cost, Waits},
    user::{Manner, Pass, User},
};

/// Callers that are known; each calls so often.
const CALLERS: usize = 20;
const EVERY: Duration = Duration::from_millis(10);

/// Strangers, and how many requests of theirs a second are tried; the last as many as there can be.
const STRANGERS: usize = 50;
const FLOODS: [(&str, u64); 4] = [
    ("no flood", 0),
    ("5,000 refusals a second", 5_000),
    ("20,000 refusals a second", 20_000),
    ("as many as go through", 1_000_000),
];

/// Measures how long callers wait in each flood, in every round.
pub(crate) async fn measure(bench: &Bench) -> Result<Table> {
    let usher = Server::usher(&bench.issuer, 1, &[])?;
    let pass = |user| bench.issuer.jwt(&format!("user-{user:06}"));
    let callers = (0..CALLERS).map(|user| User::arrive(usher.address, Manner::Modern, pass(user)));
    let mut callers = try_join_all(callers).await?;
    let mut table = Table::new(format!(
        "flood: {CALLERS} callers, {} calls a second, beside {STRANGERS} strangers with bad tokens",
        CALLERS as u128 * 1000 / EVERY.as_millis()
    ));
    for round in 0..=bench.rounds {
        for (name, per_second) in FLOODS {
            bench.tell(&format!("flood, round {round}: {name}"));
            let mut refused = 0;
            let calling = paced(&mut callers, bench.during);
            let flooded = async {
                let flood = Box::pin(flood(bench, &usher, per_second, &mut refused));
                match select(Box::pin(calling), flood).await {
                    Either::Left((waits, _)) => waits,
                    Either::Right((broken, calling)) => broken.and(calling.await),
                }
            };
            let cost = Cost::of(&usher, flooded).await?;
            if round > 0 {
                let mut figures = Figures::of(&cost);
                figures.push(
                    "refused a second",
                    f64::from(refused) / cost.wall.as_secs_f64(),
                );
                table.add("usher, JWT", name, &figures);
            }
        }
    }
    Ok(table)
}

async fn paced(callers: &mut [User], during: Duration) -> Result<Waits> {
    let until = Instant::now() + during;
    let calling = callers.iter_mut().map(async |caller| {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waits = Vec::new();
        loop {
            ticks.tick().await;
            let asked = Instant::now();
            if asked > until {
                return anyhow::Ok(waits);
            }
            caller.call().await?;
            waits.push(asked.elapsed());
        }
    });
    Waits::of(try_join_all(calling).await?)
}

/// Goes on until it is dropped, or something else than a refusal comes.
async fn flood(bench: &Bench, usher: &Server, per_second: u64, refused: &mut u32) -> Result<()> {
    if per_second == 0 {
        return std::future::pending().await;
    }
    let refused = Cell::from_mut(refused);
    let began = tokio::time::Instant::now();
    let asked = Cell::new(0);
    let asking = (0..STRANGERS).map(async |stranger| {
        let pass = Pass {
            subject: "nobody".to_owned(),
            token: format!("{}x{stranger}", bench.issuer.jwt("nobody").token),
        };
        let mut stranger = User::arrive(usher.address, Manner::Modern, pass).await?;
        loop {
            let due = Duration::from_micros(asked.get() * 1_000_000 / per_second);
            asked.set(asked.get() + 1);
            sleep_until(began + due).await;
            stranger.is_refused().await?;
            refused.set(refused.get() + 1);
        }
    });
    try_join_all(asking).await.map(|_: Vec<()>| ())
}
