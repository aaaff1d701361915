//! Measures the budgets of a release and prints one table. Every figure stands beside a raw
//! reference of the same run, measured in blocks that alternate with Gofer's, so that a busy or a
//! slow machine shows in both. Nothing is asserted: a budget that is not met is told, not failed.
//!
//! `cargo bench -p gofer-tests --bench budgets [-- --quick] [-- ROW…]`; `docs/benches.md` says what
//! each row is. What must never happen: a figure that holds the bench's own waiting.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a program that prints figures"
)]

mod cli;
mod docker;
mod docker_logs;
mod logs;
mod memory;
mod raw_docker;
mod raw_sqlite;
mod recovery;
mod report;
mod scene;
mod starts;
mod store;
mod throughput;
mod timed;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;

use report::Report;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    tenth: bool,
}

impl Size {
    /// `n`, or a tenth of it.
    pub(crate) fn of(self, n: usize) -> usize {
        if self.tenth { n.div_ceil(10) } else { n }
    }
}

/// A group of rows and the name to ask for it by.
type Group = (&'static str, fn(Size, &mut Report) -> LocalBoxFuture<'_, Result<()>>);

const GROUPS: &[Group] = &[
    ("start", |size, report| Box::pin(starts::measure(size, report))),
    ("docker", |size, report| Box::pin(docker::measure(size, report))),
    ("store", |size, report| Box::pin(store::measure(size, report))),
    ("logs", |size, report| Box::pin(logs::measure(size, report))),
    ("docker-logs", |size, report| Box::pin(docker_logs::measure(size, report))),
    ("throughput", |size, report| Box::pin(throughput::measure(size, report))),
    ("memory", |size, report| Box::pin(memory::measure(size, report))),
    ("recovery", |size, report| Box::pin(recovery::measure(size, report))),
    ("cli", |size, report| Box::pin(cli::measure(size, report))),
];

fn main() -> Result<()> {
    if let Some(dir) = std::env::var_os(memory::CHILD) {
        return scene::runtime()?.block_on(memory::serve(dir.into()));
    }
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let size = Size { tenth: words.iter().any(|word| word == "--quick") };
    let wanted: Vec<&String> = words.iter().filter(|word| *word != "--quick").collect();
    if let Some(unknown) = wanted.iter().find(|word| GROUPS.iter().all(|(name, _)| *name != **word))
    {
        let names: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
        anyhow::bail!("`{unknown}` is no row; there are {}", names.join(", "));
    }
    let mut report = Report::default();
    for (name, measure) in GROUPS {
        if !wanted.is_empty() && !wanted.iter().any(|word| *word == *name) {
            continue;
        }
        eprintln!("measuring {name} …");
        // Each group has a runtime of its own: nothing of one runs under the next.
        if let Err(error) = scene::runtime()?.block_on(measure(size, &mut report)) {
            report.failed(name, &error);
        }
    }
    println!("{report}");
    Ok(())
}
