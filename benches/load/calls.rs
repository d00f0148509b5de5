//! Calls of known callers, one after the other in each of many sessions; the floor in every round.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::try_join_all;

use super::{
    Bench,
    report::{Figures, Table},
    server::Server,
    tally::{Cost, Waits},
    user::{Manner, Pass, User},
};

/// Each row: what it is called, how its users talk, and whether their tokens are opaque.
const ROWS: [(&str, Manner, bool); 5] = [
    ("floor: plain actix-web", Manner::Floor, false),
    ("usher, JWT", Manner::Modern, false),
    ("usher, opaque", Manner::Modern, true),
    ("usher, JWT", Manner::Streamable, false),
    ("usher, JWT", Manner::Sse, false),
];

/// Measures every row in every round.
pub(crate) async fn measure(bench: &Bench, threads: usize, users: usize) -> Result<Table> {
    let floor = Server::floor(threads)?;
    let usher = Server::usher(&bench.issuer, threads, &[])?;
    let mut parties = Vec::new();
    for (_, manner, is_opaque) in ROWS {
        let server = if manner == Manner::Floor {
            &floor
        } else {
            &usher
        };
        let passes = passes(bench, is_opaque, users).into_iter();
        let arriving = passes.map(|pass| User::arrive(server.address, manner, pass));
        parties.push((server, try_join_all(arriving).await?));
    }
    let mut table = Table::new(format!(
        "calls: {users} sessions, {threads} thread(s) for HTTP and as many for sessions"
    ));
    for round in 0..=bench.rounds {
        for ((server, party), (name, manner, _)) in parties.iter_mut().zip(ROWS) {
            bench.tell(&format!("calls, round {round}: {name}, {}", manner.name()));
            // The first round only warms up.
            let during = if round == 0 {
                Duration::from_millis(500)
            } else {
                bench.during
            };
            let cost = Cost::of(server, calls(party, during)).await?;
            if round > 0 {
                table.add(name, manner.name(), &Figures::of(&cost));
            }
        }
    }
    Ok(table)
}

fn passes(bench: &Bench, is_opaque: bool, users: usize) -> Vec<Pass> {
    let subjects = (0..users).map(|user| format!("user-{user:06}"));
    let pass = |subject: String| {
        if is_opaque {
            bench.issuer.opaque(&subject)
        } else {
            bench.issuer.jwt(&subject)
        }
    };
    subjects.map(pass).collect()
}

/// Every user calls again and again until the time is over.
pub(crate) async fn calls(users: &mut [User], during: Duration) -> Result<Waits> {
    let until = Instant::now() + during;
    let calling = users.iter_mut().map(async |user| {
        let mut waits = Vec::new();
        loop {
            let asked = Instant::now();
            if asked > until {
                return anyhow::Ok(waits);
            }
            user.call().await?;
            waits.push(asked.elapsed());
        }
    });
    Waits::of(try_join_all(calling).await?)
}
