//! The samples of a row and the table.

use std::fmt;
use std::time::Duration;

/// Times of one thing, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.push_ms(time.as_secs_f64() * 1000.0);
    }

    pub(crate) fn push_ms(&mut self, ms: f64) {
        self.0.push(ms);
    }

    pub(crate) fn p50(&self) -> f64 {
        self.at(50)
    }

    pub(crate) fn p95(&self) -> f64 {
        self.at(95)
    }

    /// The sample that this many in a hundred are not above.
    fn at(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(place).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} / {:.2} ms", self.p50(), self.p95())
    }
}

/// How many of something in how long.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Rate {
    n: f64,
    s: f64,
}

impl Rate {
    pub(crate) fn add(&mut self, n: usize, time: Duration) {
        self.n += n as f64;
        self.s += time.as_secs_f64();
    }

    pub(crate) fn per_s(self) -> f64 {
        self.n / self.s
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/s", self.per_s())
    }
}

/// A line of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) measured: String,
    /// What the reference is and what it came to; empty where there is nothing to compare with.
    pub(crate) reference: String,
    pub(crate) ratio: Option<f64>,
    pub(crate) budget: &'static str,
    /// None where the row has no budget of its own.
    pub(crate) met: Option<bool>,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn row(&mut self, row: Row) {
        eprintln!("  {}: {}", row.what, row.measured);
        self.rows.push(row);
    }

    pub(crate) fn failed(&mut self, group: &str, error: &anyhow::Error) {
        eprintln!("  {group} was not measured: {error:#}");
        self.failures.push(format!("{group} was not measured: {error:#}"));
    }
}

impl fmt::Display for Report {
    /// Markdown, so that a run can be put into a document as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["what", "measured", "raw reference", "ratio", "budget", "met?"];
        let mut lines = vec![heads.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let widths: Vec<usize> = (0..heads.len())
            .map(|column| {
                let lengths = lines.iter().filter_map(|line| line.get(column));
                lengths.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for (number, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                for width in &widths {
                    write!(f, "|{}", "-".repeat(width + 2))?;
                }
                writeln!(f, "|")?;
            }
        }
        self.failures.iter().try_for_each(|failure| writeln!(f, "\n{failure}"))
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let met = match self.met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        [
            self.what.to_owned(),
            self.measured.clone(),
            self.reference.clone(),
            self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            self.budget.to_owned(),
            met.to_owned(),
        ]
    }
}
