//! `cargo bench --bench load`: the real binary under the load of many users, and what that costs it.
//!
//! It starts `usher serve` as a process, with a real issuer behind it, and a plain actix-web server to
//! compare with, drives both with the same small client, and reads every answer. Figures are the
//! servers' own: processor time and memory as the kernel counts them. See benches/README.md for how
//! to read them.

#![expect(clippy::print_stdout, reason = "what it prints is what it is run for")]

mod calls;
mod flood;
mod idle;
#[path = "../../tests/it/kit/issuer/mod.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    clippy::panic,
    reason = "a kit of tests, of which little is needed here"
)]
mod issuer;
mod meter;
mod report;
mod server;
mod tally;
mod user;
mod visits;
mod wire;

use std::{env, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indicatif::ProgressBar;

use self::{report::Table, server::Issuer};

/// Usher under load: what a call, a visit and an idle session cost.
#[derive(Debug, Parser)]
#[command(
    name = "load",
    after_help = "Figures end in target/load/ as well, as JSON and as a page."
)]
struct Options {
    /// Only these scenarios; without it, all.
    #[arg(long, value_enum, value_name = "SCENARIO")]
    only: Vec<Scenario>,
    /// Rounds of each scenario; the middle figure is shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each round of each row takes.
    #[arg(long, default_value_t = 3, value_name = "SECONDS")]
    seconds: u64,
    /// Sessions of the idle scenario: each needs a file here and one in the server.
    #[arg(long, default_value_t = 15_000)]
    sessions: usize,
    /// Few and short rounds, and few sessions: whether it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Runs usher by this command, as "valgrind --tool=callgrind"; use it with --only and few seconds.
    #[arg(long, value_name = "COMMAND")]
    under: Option<String>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Calls in 100 sessions, against the floor.
    Calls,
    /// The same in one session, and in 64: whether anything is in everybody's way.
    Contention,
    /// Sessions opened, called in once and closed.
    Visits,
    /// Sessions that only listen, and what they hold.
    Idle,
    /// Known callers beside a flood of bad tokens.
    Flood,
}

/// What every scenario needs.
struct Bench {
    issuer: Issuer,
    rounds: usize,
    during: Duration,
    progress: ProgressBar,
}

impl Bench {
    /// Says what is done now.
    fn tell(&self, what: &str) {
        self.progress.set_message(what.to_owned());
        self.progress.tick();
    }
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    if arguments.next().is_some_and(|first| first == server::FLOOR) {
        let threads = arguments.next().context("how many threads")?;
        return server::serve_the_floor(threads.parse()?);
    }
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let bench = Bench {
        issuer: Issuer::start(options.under.clone())?,
        rounds: if options.quick { 1 } else { options.rounds },
        during: if options.quick {
            Duration::from_millis(300)
        } else {
            Duration::from_secs(options.seconds)
        },
        progress: ProgressBar::new_spinner(),
    };
    let sessions = if options.quick { 500 } else { options.sessions };
    let all = Scenario::value_variants();
    let wanted = if options.only.is_empty() {
        all
    } else {
        &options.only
    };
    let mut tables: Vec<Table> = Vec::new();
    for scenario in wanted {
        let from = tables.len();
        match scenario {
            Scenario::Calls => tables.push(calls::measure(&bench, 1, 100).await?),
            Scenario::Contention => {
                tables.push(calls::measure(&bench, 1, 1).await?);
                tables.push(calls::measure(&bench, 1, 64).await?);
            }
            Scenario::Visits => tables.push(visits::measure(&bench, 50).await?),
            Scenario::Idle => tables.push(idle::measure(&bench, sessions).await?),
            Scenario::Flood => tables.push(flood::measure(&bench).await?),
        }
        bench
            .progress
            .suspend(|| tables[from..].iter().for_each(|table| println!("{table}")));
    }
    bench.progress.finish_and_clear();
    let folder = target().join("load");
    report::write(&tables, &machine()?, &folder)?;
    println!("\nwritten: {}", folder.join("load.html").display());
    Ok(())
}

/// Cargo's folder for what it builds.
fn target() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR");
    folder.map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    )
}

/// The processors figures are from, and how busy they were.
fn machine() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let count = std::thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or("?");
    Ok(format!(
        "{count} × {model}, load {load} at the end, Usher {}",
        env!("CARGO_PKG_VERSION")
    ))
}
