//! What is shown at the end: a table for people, JSON for programs, a page with pictures.

use std::{fmt, fs, path::Path};

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

use super::tally::{Cost, median};

/// The figure that is compared with the floor's.
const PROCESSOR: &str = "CPU µs";
const P99: &str = "p99 ms";

/// Some figures by their names, with their units.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    named: Vec<(&'static str, Vec<f64>)>,
    bars: Vec<(f64, u64)>,
}

impl Figures {
    /// Those of work that was done.
    pub(crate) fn of(cost: &Cost) -> Self {
        let mut figures = Self::default();
        figures.push("a second", cost.per_second());
        figures.push(PROCESSOR, cost.processor_each());
        figures.push("p50 ms", cost.waits.quantile(0.5));
        figures.push(P99, cost.waits.quantile(0.99));
        figures.push("longest ms", cost.waits.quantile(1.0));
        figures.bars = cost.waits.bars();
        figures
    }

    /// One more figure of that name.
    pub(crate) fn push(&mut self, name: &'static str, figure: f64) {
        match self.named.iter_mut().find(|(other, _)| *other == name) {
            Some((_, figures)) => figures.push(figure),
            None => self.named.push((name, vec![figure])),
        }
    }

    fn get(&self, name: &str) -> Option<&[f64]> {
        let (_, figures) = self.named.iter().find(|(other, _)| *other == name)?;
        Some(figures)
    }
}

#[derive(Debug)]
struct Row {
    who: String,
    manner: String,
    figures: Figures,
}

/// The rows of a scenario, each with the figures of every round.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    rows: Vec<Row>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(title: String) -> Self {
        Self {
            title,
            rows: Vec::new(),
        }
    }

    /// One more round of a row.
    pub(crate) fn add(&mut self, who: &str, manner: &str, round: &Figures) {
        let known = |row: &Row| row.who == who && row.manner == manner;
        if !self.rows.iter().any(known) {
            self.rows.push(Row {
                who: who.to_owned(),
                manner: manner.to_owned(),
                figures: Figures::default(),
            });
        }
        let Some(row) = self.rows.iter_mut().find(|row| known(row)) else {
            return;
        };
        for (name, figures) in &round.named {
            for figure in figures {
                row.figures.push(name, *figure);
            }
        }
        row.figures.bars.clone_from(&round.bars);
    }

    /// A row's figure against the floor's of the same round, in the middle of all rounds.
    fn against_the_floor(&self, row: &Row, name: &str) -> Option<f64> {
        let floor = self
            .rows
            .first()
            .filter(|row| row.who.starts_with("floor"))?;
        let ratios = row.figures.get(name)?.iter().zip(floor.figures.get(name)?);
        let ratios: Vec<_> = ratios.map(|(own, floor)| own / floor).collect();
        Some(median(&ratios))
    }

    fn cells(&self, row: &Row) -> Vec<(String, f64)> {
        let middle = |(name, figures): &(&str, Vec<f64>)| ((*name).to_owned(), median(figures));
        let mut cells: Vec<_> = row.figures.named.iter().map(middle).collect();
        for name in [PROCESSOR, P99] {
            if let Some(ratio) = self.against_the_floor(row, name) {
                cells.push((
                    format!("{} × floor", name.split(' ').next().unwrap_or(name)),
                    ratio,
                ));
            }
        }
        cells
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let middle: serde_json::Map<_, _> = self
                .cells(row)
                .into_iter()
                .map(|(name, figure)| (name, json!(figure)))
                .collect();
            let rounds: serde_json::Map<_, _> = row.figures.named.iter()
                .map(|(name, figures)| ((*name).to_owned(), json!(figures)))
                .collect();
            json!({ "who": row.who, "how": row.manner, "median": middle, "rounds": rounds, "waits": row.figures.bars })
        });
        json!({ "title": self.title, "rows": rows.collect::<Vec<_>>() })
    }

    fn markup(&self) -> Markup {
        html! {
            section {
                h2 { (self.title) }
                div.wide { table {
                    @if let Some(first) = self.rows.first() {
                        thead { tr { th { "server" } th { "how" } @for (name, _) in self.cells(first) { th.figure { (name) } } } }
                    }
                    tbody { @for row in &self.rows {
                        tr { td { (row.who) } td { (row.manner) } @for (_, figure) in self.cells(row) { td.figure { (short(figure)) } } }
                    } }
                } }
                @for row in self.rows.iter().filter(|row| !row.figures.bars.is_empty()) {
                    figure { (bars(&row.figures.bars)) figcaption { (row.who) ", " (row.manner) ": how many waited how long (ms)" } }
                }
            }
        }
    }
}

/// Bars of a histogram whose steps grow, as a picture of 360 by 90.
fn bars(bars: &[(f64, u64)]) -> Markup {
    let most = bars
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(1)
        .max(1);
    let step = 360 / bars.len().max(1);
    html! {
        svg viewBox="0 0 360 110" role="img" {
            @for (place, (until, count)) in bars.iter().enumerate() {
                @let height = (count * 90).div_ceil(most);
                rect x=(place * step) y=(90 - height) width=(step.saturating_sub(1).max(1)) height=(height) {
                    title { "up to " (short(*until)) " ms: " (count) }
                }
                @if place % 6 == 0 { text x=(place * step) y="104" { (short(*until)) } }
            }
        }
    }
}

/// A figure with as many digits as mean something.
fn short(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\n{}", self.title)?;
        let Some(first) = self.rows.first() else {
            return Ok(());
        };
        write!(formatter, "  {:<24}{:<18}", "server", "how")?;
        for (name, _) in self.cells(first) {
            write!(formatter, "{name:>17}")?;
        }
        writeln!(formatter)?;
        for row in &self.rows {
            write!(formatter, "  {:<24}{:<18}", row.who, row.manner)?;
            for (_, figure) in self.cells(row) {
                write!(formatter, "{:>17}", short(figure))?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

/// Writes `load.json` and `load.html` into a folder.
pub(crate) fn write(tables: &[Table], machine: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let scenarios: Vec<_> = tables.iter().map(Table::json).collect();
    let whole = json!({ "machine": machine, "scenarios": scenarios });
    fs::write(
        folder.join("load.json"),
        serde_json::to_string_pretty(&whole)?,
    )?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Usher under load" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Usher under load" }
                p { (machine) }
                @for table in tables { (table.markup()) }
            }
        }
    };
    fs::write(folder.join("load.html"), page.into_string())?;
    Ok(())
}

const STYLE: &str = "
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; padding: 0 1rem; max-width: 70rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; white-space: nowrap; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #8884; text-align: left; }
.figure { text-align: right; font-variant-numeric: tabular-nums; }
figure { display: inline-block; margin: 1rem 1rem 0 0; width: 20rem; }
figcaption { font-size: .85rem; opacity: .8; }
svg { width: 100%; } rect { fill: #4a7fd4; } text { font-size: 9px; fill: currentColor; }
";
