//! Kills at random moments, the same ones for the same seed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use gofer_client::StartRun;
use gofer_client::model::{PipelineRef, RunRef};
use tokio::time::Instant;

use super::Stage;
use super::dag::{Dag, Ordeal};

/// Of so many lives one is cut off before its server answers.
const EARLY_ONE_OF: u64 = 4;
/// The longest of those lives.
const EARLY_MS_MAX: u64 = 250;
/// The longest life of a server after it answered.
const LIFE_MS_MAX: u64 = 1_500;

/// A small generator of numbers; the same seed gives the same ones.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// One that begins with `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// A length of time below so many milliseconds.
    pub fn below_ms(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// What random kills came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Servers killed.
    pub n_kills: u32,
    /// Of these, before they answered.
    pub n_early: u32,
    /// Runs that ended and were found right.
    pub n_runs: u32,
    /// Attempts in those.
    pub n_attempts: usize,
    /// Time that it took.
    pub took: Duration,
}

/// Kills the server so often while runs of `dag` go on, `n_parallel` of them at once, and checks
/// each run when it has ended.
///
/// # Errors
/// Where a run did not end as it must; the text has the seed.
pub async fn random_kills(
    stage: &mut Stage,
    dag: Dag,
    seed: u64,
    (n_kills, n_parallel): (u32, usize),
) -> Result<Tally> {
    let begun = Instant::now();
    let pipeline = stage.deploy(dag.pipeline("chaos")).await?;
    let mut chaos =
        Chaos { stage, dag, pipeline, runs: Vec::new(), n_started: 0, tally: Tally::default() };
    let mut dice = Dice::new(seed);
    chaos.kill_often(&mut dice, n_kills, n_parallel).await.with_context(|| {
        format!("seed {seed}, after {} kills{}", chaos.tally.n_kills, chaos.stage.server.log_end())
    })?;
    chaos.tally.took = begun.elapsed();
    Ok(chaos.tally)
}

struct Chaos<'a> {
    stage: &'a mut Stage,
    dag: Dag,
    pipeline: PipelineRef,
    /// Those that have not been checked.
    runs: Vec<RunRef>,
    n_started: u32,
    tally: Tally,
}

impl Chaos<'_> {
    async fn kill_often(&mut self, dice: &mut Dice, n_kills: u32, n_parallel: usize) -> Result<()> {
        while self.tally.n_kills < n_kills {
            if dice.below(EARLY_ONE_OF) == 0 {
                self.stage.restart_unheard(None)?;
                tokio::time::sleep(dice.below_ms(EARLY_MS_MAX)).await;
                self.tally.n_early += 1;
            } else {
                self.stage.restart().await?;
                self.take_in_the_ended().await?;
                self.start_up_to(n_parallel).await?;
                tokio::time::sleep(dice.below_ms(LIFE_MS_MAX)).await;
            }
            self.stage.server.kill()?;
            self.tally.n_kills += 1;
        }
        self.stage.restart().await?;
        for run in std::mem::take(&mut self.runs) {
            self.check(&run).await?;
        }
        Ok(())
    }

    async fn start_up_to(&mut self, n_parallel: usize) -> Result<()> {
        let client = self.stage.client()?;
        while self.runs.len() < n_parallel {
            self.n_started += 1;
            let key = Some(format!("run {}", self.n_started));
            let start = StartRun { idempotency_key: key, ..super::start(&self.pipeline) };
            self.runs.push(client.start_run(start).await?.run.reference());
        }
        Ok(())
    }

    async fn take_in_the_ended(&mut self) -> Result<()> {
        let client = self.stage.client()?;
        for run in std::mem::take(&mut self.runs) {
            if client.run(&run).await?.is_complete() {
                self.check(&run).await?;
            } else {
                self.runs.push(run);
            }
        }
        Ok(())
    }

    async fn check(&mut self, run: &RunRef) -> Result<()> {
        let run = self.stage.settled(run).await?;
        self.dag.check(&self.stage.client()?, &run, Ordeal::Server).await?;
        self.stage.nothing_is_left(&[&run]).await?;
        self.tally.n_runs += 1;
        self.tally.n_attempts += super::attempts(&run).count();
        Ok(())
    }
}
