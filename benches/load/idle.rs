//! Sessions that only listen: what each holds, and whether it is given back.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Bench,
    report::{Figures, Table},
    server::Server,
    user::{Idle, Manner, User},
};

/// Opens this many sessions with their streams, closes them, and does so again.
pub(crate) async fn measure(bench: &Bench, sessions: usize) -> Result<Table> {
    let mut table = Table::new(format!(
        "idle: {sessions} sessions with their streams open, each of a caller of its own"
    ));
    for manner in [Manner::Streamable, Manner::Sse] {
        let usher = Server::usher(&bench.issuer, 1, &[])?;
        let mut rounds = Figures::default();
        let empty = usher.memory()?;
        let files = usher.files()?;
        for round in 1..=bench.rounds {
            bench.tell(&format!(
                "idle, round {round}: {} sessions over {}",
                sessions,
                manner.name()
            ));
            let crowd = crowd(bench, &usher, manner, sessions).await?;
            let full = usher.memory()?;
            let leaving = stream::iter(crowd).map(|idle| Ok(idle.leave()));
            leaving
                .try_for_each_concurrent(50, async |leaving| leaving.await)
                .await?;
            rounds.push("bytes a session", per_session(full, empty, sessions));
            usher.wait_until("all sessions are over", |usher| {
                Ok(usher.metric("usher_sessions_live")? == 0.0 && usher.files()? <= files + 8)
            })?;
            rounds.push("MB after closing", megabytes(usher.memory()?));
        }
        table.add("usher, JWT", manner.name(), &rounds);
    }
    Ok(table)
}

async fn crowd(
    bench: &Bench,
    usher: &Server,
    manner: Manner,
    sessions: usize,
) -> Result<Vec<Idle>> {
    let arriving = stream::iter(0..sessions).map(async |user| {
        let pass = bench.issuer.jwt(&format!("listener-{user:06}"));
        let mut caller = User::arrive(usher.address, manner, pass).await?;
        caller.call().await?;
        caller.settle().await
    });
    arriving.buffer_unordered(50).try_collect().await
}

#[expect(clippy::cast_precision_loss, reason = "bytes far below 2^52")]
fn per_session(full: u64, empty: u64, sessions: usize) -> f64 {
    full.saturating_sub(empty) as f64 / sessions as f64
}

#[expect(clippy::cast_precision_loss, reason = "bytes far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
