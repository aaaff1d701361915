//! The long campaign: what the end-to-end tests do a little of, done for long. It takes the real
//! `gofer` (build it first) and a real Docker engine; `engine` starts one of its own, as root.
//!
//! ```text
//!  cargo build -p gofer
//!  cargo run -p gofer-tests --example campaign -- kills   [--n 100] [--seed N]
//!  cargo run -p gofer-tests --example campaign -- engine  [--n 20] [--seed N]
//!  cargo run -p gofer-tests --example campaign -- lines   [--n 10000000]
//! ```
//!
//! `kills` kills the server at random moments while runs of twelve tasks go on. `engine` takes the
//! Docker engine down under them, gracefully and by SIGKILL, alone and together with the server.
//! `lines` has one task write very many lines, with a follower that reads and one that stops. The
//! same seed gives the same moments. It ends with 0 where every promise held.
#![expect(clippy::print_stdout, reason = "a program of the tests: it prints its figures")]

mod engine;
mod lines;

use anyhow::{Context as _, Result, bail};
use gofer_tests::stage::Stage;
use gofer_tests::stage::chaos::random_kills;
use gofer_tests::stage::dag::Dag;

const N_KILLS: u32 = 100;
const N_RESTARTS: u32 = 20;
const N_LINES: u32 = 10_000_000;
/// Runs at once under kills.
const N_PARALLEL: usize = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let what = words.next().context("say which: kills, engine or lines")?;
    let (mut n, mut seed) = (None, 1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--n" => n = Some(value.parse()?),
            "--seed" => seed = value.parse()?,
            _ => bail!("`{word}` is no flag of this program"),
        }
    }
    match what.as_str() {
        "kills" => kills(n.unwrap_or(N_KILLS), seed).await,
        "engine" => engine::goes_down(n.unwrap_or(N_RESTARTS), seed).await,
        "lines" => lines::many(n.unwrap_or(N_LINES)).await,
        _ => bail!("`{what}` is no part of the campaign: kills, engine or lines"),
    }
}

async fn kills(n: u32, seed: u64) -> Result<()> {
    println!("{n} kills at random moments, seed {seed}");
    let mut stage = Stage::up().await?;
    let dag = Dag { n_lines: 12, pause_ms: 200 };
    let tally = random_kills(&mut stage, dag, seed, (n, N_PARALLEL)).await?;
    println!(
        "{} servers killed, {} of them before they answered, in {:.1} s; {} runs with {} attempts \
         ended as if there had been no kill: statuses, every log byte, one container for each \
         attempt, none left",
        tally.n_kills,
        tally.n_early,
        tally.took.as_secs_f64(),
        tally.n_runs,
        tally.n_attempts
    );
    Ok(())
}
