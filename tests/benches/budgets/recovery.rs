//! How soon a server is there again: with many runs in its store, and with many containers that
//! went on without it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use gofer_client::Cancel;
use gofer_client::model::PipelineRef;
use gofer_tests::fake::{FakeEngine, Program};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::Size;
use crate::memory::Process;
use crate::raw_docker::RawDocker;
use crate::report::{Report, Row, Times};
use crate::scene::{self, Scene, busybox, task};
use crate::store;

const N_STARTS: usize = 5;
const RUNS_PER_JOB: u64 = 500;

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    stored_runs(size, report).await?;
    live_on_fake(size.of(200), report).await?;
    live_on_docker(size, report).await
}

async fn stored_runs(size: Size, report: &mut Report) -> Result<()> {
    let (full, empty) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let n_runs = size.of(100_000);
    seed(&full, n_runs)?;
    let (mut gofer, mut bare) = (Times::default(), Times::default());
    for n in 0..=N_STARTS {
        let (of_full, of_empty) = (start(&full).await?, start(&empty).await?);
        // The first start makes certificates.
        if n > 0 {
            gofer.push(of_full);
            bare.push(of_empty);
        }
    }
    report.row(Row {
        what: "start-up with 100k stored runs (release binary)",
        measured: format!("{gofer} ({n_runs} runs)"),
        reference: format!("with none: {bare}"),
        ratio: Some(gofer.p50() / bare.p50()),
        budget: "≤ 1 s",
        met: Some(gofer.p95() <= 1000.0),
    });
    Ok(())
}

fn seed(dir: &TempDir, n_runs: usize) -> Result<()> {
    let mut store = store::open(dir.path())?;
    store::prepare(&mut store)?;
    let n_runs = u64::try_from(n_runs)?;
    for first in (1..=n_runs).step_by(usize::try_from(RUNS_PER_JOB)?) {
        let mut orders = Vec::new();
        for n in first..(first + RUNS_PER_JOB).min(n_runs + 1) {
            orders.push((store::order(n)?, store::uid(n)?));
        }
        let (job, mut answer) = store::job(move |tx| {
            for (order, uid) in &orders {
                let started = tx.start_run(order, order_time())?;
                store::settle(tx, &started.run, uid)?;
            }
            Ok(())
        });
        store.run_group(vec![job])?;
        answer.try_recv().context("the answer of a job")??;
    }
    store.checkpoint()?;
    Ok(())
}

fn order_time() -> gofer_core::time::Timestamp {
    gofer_core::time::Timestamp::from_ms(1)
}

/// From the start of the process to its first answer.
async fn start(dir: &TempDir) -> Result<Duration> {
    let begun = Instant::now();
    let server = Process::server(dir.path())?;
    server.answers(dir.path()).await?;
    let took = begun.elapsed();
    server.stop().await?;
    Ok(took)
}

async fn live_on_fake(n_containers: usize, report: &mut Report) -> Result<()> {
    let fake = FakeEngine::new();
    fake.program("held", Program::forever());
    let mut scene = Scene::fake(&fake).await?;
    let pipeline = scene.deploy("held", vec![task("work", "held")]).await?;
    for _ in 0..n_containers {
        scene.client.start_run(scene::start_run(&pipeline)).await?;
    }
    scene::until(async || Ok(fake.left().iter().filter(|one| one.running).count() == n_containers))
        .await?;
    let mut times = Times::default();
    for _ in 0..N_STARTS {
        times.push(recover(&mut scene, n_containers).await?);
    }
    report.row(Row {
        what: "recovery of 200 live containers (fake)",
        measured: format!("{times} ({n_containers} containers)"),
        budget: "≤ 3 s",
        met: Some(times.p95() <= 3000.0),
        ..Row::default()
    });
    end_all(&scene, &pipeline).await?;
    scene.down().await;
    Ok(())
}

/// Stops the server and starts it; gives the time until it answers and has looked at each container.
async fn recover(scene: &mut Scene, n_containers: usize) -> Result<Duration> {
    scene.down().await;
    scene.driver.forget();
    let begun = Instant::now();
    scene.up().await?;
    scene.driver.inspected(n_containers).await;
    scene.another_client()?.info().await?;
    Ok(begun.elapsed())
}

async fn end_all(scene: &Scene, pipeline: &PipelineRef) -> Result<()> {
    let cancel = Cancel { force: true, reason: String::new() };
    scene.client.cancel_all_runs(pipeline, cancel).await?;
    scene.nothing_left().await
}

async fn live_on_docker(size: Size, report: &mut Report) -> Result<()> {
    const COMMAND: &[&str] = &["sleep", "900"];
    let mut scene = Scene::docker().await?;
    let raw = RawDocker::new()?;
    let n_containers = size.of(20);
    let pipeline = scene.deploy("held", vec![busybox("work", COMMAND)]).await?;
    let mut raw_ids = Vec::new();
    for _ in 0..n_containers {
        scene.client.start_run(scene::start_run(&pipeline)).await?;
        let id = raw.create(COMMAND).await?;
        raw.start(&id).await?;
        raw_ids.push(id);
    }
    scene.driver.inspected(n_containers).await;
    let (mut gofer, mut bare) = (Times::default(), Times::default());
    for _ in 0..N_STARTS {
        gofer.push(recover(&mut scene, n_containers).await?);
        let begun = Instant::now();
        for id in &raw_ids {
            raw.inspect(id).await?;
        }
        bare.push(begun.elapsed());
    }
    report.row(Row {
        what: "recovery of 20 live containers (Docker)",
        measured: format!("{gofer} ({n_containers} containers)"),
        reference: format!("raw inspect of each: {bare}"),
        ratio: Some(gofer.p50() / bare.p50()),
        ..Row::default()
    });
    for id in &raw_ids {
        raw.remove(id).await?;
    }
    end_all(&scene, &pipeline).await?;
    scene.down().await;
    Ok(())
}
