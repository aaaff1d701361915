//! The engine goes down under running tasks. Whatever ran is made again, at the expense of the
//! infrastructure's budget and not of the task's retries; nothing that was cut off is a success,
//! although every task of the graph leaves with 0 when it is told to stop.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gofer_client::model::{Run, RunRef};
use gofer_tests::docker_engine::DockerEngine;
use gofer_tests::stage::chaos::Dice;
use gofer_tests::stage::dag::{Dag, Ordeal};
use gofer_tests::stage::{Stage, attempts};
use tokio::time::Instant;

/// How the engine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Stopped,
    Killed,
    /// Just after it made a container, so that the kill falls into a start.
    KilledInAStart,
    KilledWithTheServer,
    StoppedWhileTheServerIsAway,
}

const WAYS: [Way; 5] = [
    Way::Stopped,
    Way::Killed,
    Way::KilledInAStart,
    Way::KilledWithTheServer,
    Way::StoppedWhileTheServerIsAway,
];

/// The graph runs for about this long.
const DAG_MS: u64 = 12_000;
/// The longest that the engine is away.
const AWAY_MS_MAX: u64 = 2_000;
/// A start takes about this long.
const START_MS: u64 = 300;
/// The longest that the next start is waited for; a run near its end has none.
const NEXT_START: Duration = Duration::from_secs(3);

/// What one way came to.
#[derive(Debug, Default)]
struct Tally {
    n_rounds: u32,
    n_attempts: usize,
    n_interrupted: usize,
    n_user_failures: u32,
}

pub(crate) async fn goes_down(n_rounds: u32, seed: u64) -> Result<()> {
    println!("{n_rounds} times the engine goes down, seed {seed}");
    let begun = Instant::now();
    let mut dice = Dice::new(seed);
    let mut world = World::new().await?;
    let mut tallies: BTreeMap<Way, Tally> = BTreeMap::new();
    for (round, way) in (1..=n_rounds).zip(WAYS.into_iter().cycle()) {
        let run = world.round(way, &mut dice).await.with_context(|| {
            format!("seed {seed}, round {round}, {way:?}{}", world.stage.server.log_end())
        })?;
        let tally = tallies.entry(way).or_default();
        let n_interrupted: u32 = run.task_runs.iter().map(|task| task.infra_failures).sum();
        tally.n_rounds += 1;
        tally.n_attempts += attempts(&run).count();
        tally.n_interrupted += n_interrupted as usize;
        tally.n_user_failures += run.task_runs.iter().map(|task| task.user_failures).sum::<u32>();
        println!("round {round}: {way:?}, {n_interrupted} attempts were cut off");
    }
    for (way, tally) in &tallies {
        println!("{way:?}: {tally:?}");
    }
    let n_interrupted: usize = tallies.values().map(|tally| tally.n_interrupted).sum();
    ensure!(n_interrupted > 0, "nothing was cut off, so nothing was shown");
    println!("all runs ended as they must, in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

struct World {
    // Before the engine: a stage that is dropped leaves first.
    stage: Stage,
    engine: DockerEngine,
    dag: Dag,
}

impl World {
    async fn new() -> Result<Self> {
        let engine = DockerEngine::start().await?;
        let stage = Stage::up_on(&engine).await?;
        Ok(Self { stage, engine, dag: Dag { n_lines: 10, pause_ms: 150 } })
    }

    async fn round(&mut self, way: Way, dice: &mut Dice) -> Result<Run> {
        let run = self.stage.start_new(self.dag.pipeline("dag")).await?;
        tokio::time::sleep(dice.below_ms(DAG_MS)).await;
        match way {
            Way::Stopped => self.engine.stop().await?,
            Way::Killed => self.engine.kill9().await?,
            Way::KilledInAStart => {
                self.next_start(&run).await?;
                tokio::time::sleep(dice.below_ms(START_MS)).await;
                self.engine.kill9().await?;
            }
            Way::KilledWithTheServer => {
                self.stage.server.kill()?;
                self.engine.kill9().await?;
            }
            Way::StoppedWhileTheServerIsAway => {
                self.stage.server.kill()?;
                tokio::time::sleep(dice.below_ms(AWAY_MS_MAX)).await;
                self.engine.stop().await?;
            }
        }
        tokio::time::sleep(dice.below_ms(AWAY_MS_MAX)).await;
        self.engine.launch().await?;
        if matches!(way, Way::KilledWithTheServer | Way::StoppedWhileTheServerIsAway) {
            tokio::time::sleep(dice.below_ms(AWAY_MS_MAX)).await;
            self.stage.restart().await?;
        }
        self.checked(&run).await
    }

    /// Waits for the engine to make the run's next container.
    async fn next_start(&self, run: &RunRef) -> Result<()> {
        let run = self.stage.client()?.run(run).await?;
        let (before, end) = (self.stage.births.n_created(&run), Instant::now() + NEXT_START);
        while self.stage.births.n_created(&run) == before && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn checked(&self, run: &RunRef) -> Result<Run> {
        let run = self.stage.settled(run).await?;
        self.dag.check(&self.stage.client()?, &run, Ordeal::Engine).await?;
        self.stage.nothing_is_left(&[&run]).await?;
        let unexpected = attempts(&run).find(|one| one.ended_at.is_none());
        ensure!(unexpected.is_none(), "{unexpected:#?}");
        Ok(run)
    }
}
