//! Logs on the fake engine: how soon a follower sees a line, and how many lines per second one task
//! may write, through the driver, the files and the wire to a client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use gofer_client::LogStart;
use gofer_client::model::{LogFrame, RunRef};
use gofer_client::watch::{FollowLog, LogUpdate};
use gofer_core::ids::{AttemptKey, RunUid, TaskId};
use gofer_core::log::{Cursor, Follow};
use gofer_core::ports::driver::{ContainerSpec, Driver};
use gofer_tests::fake::{FakeDriver, FakeEngine, Program};
use tokio::time::Instant;

use crate::Size;
use crate::report::{Rate, Report, Row, Times};
use crate::scene::{self, Scene, task};

/// What the fake engine's clock shows when it is made.
const FAKE_FIRST_MS: f64 = 1_700_000_000_000.0;
/// Bytes of a line, its end included.
pub(crate) const LINE_BYTES: usize = 80;
const N_BLOCKS: usize = 3;

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    line_to_follower(size, report).await?;
    sustained(size, report).await
}

async fn line_to_follower(size: Size, report: &mut Report) -> Result<()> {
    let made = Instant::now();
    let fake = FakeEngine::new();
    let mut program = Program::exit(0).wait(Duration::from_millis(200));
    for n in 0..size.of(1000) {
        program = program.out(format!("line {n}\n")).wait(Duration::from_millis(5));
    }
    fake.program("ticks", program);
    let mut scene = Scene::fake(&fake).await?;
    let pipeline = scene.deploy("ticks", vec![task("work", "ticks")]).await?;
    let mut times = Times::default();
    let mut bare = Times::default();
    for _ in 0..2 {
        let started = scene.client.start_run(scene::start_run(&pipeline)).await?;
        let seen = |frames: &[LogFrame]| {
            let now_ms = made.elapsed().as_secs_f64() * 1000.0;
            for frame in frames {
                times.push_ms(now_ms - (frame.time_ns as f64 / 1e6 - FAKE_FIRST_MS));
            }
        };
        follow(&scene, &started.run.reference(), seen).await?;
        scene.nothing_left().await?;
        raw_follow(&fake, "ticks", |time_ns| {
            let now_ms = made.elapsed().as_secs_f64() * 1000.0;
            bare.push_ms(now_ms - (time_ns as f64 / 1e6 - FAKE_FIRST_MS));
        })
        .await?;
    }
    report.row(Row {
        what: "log line → follower (fake)",
        measured: times.to_string(),
        reference: format!("line → raw driver stream: {bare}"),
        ratio: Some(times.p95() / bare.p95()),
        budget: "p95 ≤ 100 ms",
        met: Some(times.p95() <= 100.0),
    });
    scene.down().await;
    Ok(())
}

async fn sustained(size: Size, report: &mut Report) -> Result<()> {
    let fake = FakeEngine::new();
    let n_lines = size.of(300_000);
    let line = format!("{:=>width$}\n", "", width = LINE_BYTES - 1);
    fake.program("flood", Program::exit(0).out(line.repeat(n_lines)));
    let mut scene = Scene::fake(&fake).await?;
    let pipeline = scene.deploy("flood", vec![task("work", "flood")]).await?;
    let (mut gofer, mut bare) = (Rate::default(), Rate::default());
    for _ in 0..N_BLOCKS {
        scene.driver.forget();
        let started = scene.client.start_run(scene::start_run(&pipeline)).await?;
        let mut n_seen = 0;
        follow(&scene, &started.run.reference(), |frames| n_seen += frames.len()).await?;
        let (_, begun) = scene.driver.ensured("work").await;
        if n_seen != n_lines {
            bail!("{n_seen} lines of {n_lines} came");
        }
        gofer.add(n_lines, begun.at.elapsed());
        scene.nothing_left().await?;
        let begun = Instant::now();
        raw_follow(&fake, "flood", |_| {}).await?;
        bare.add(n_lines, begun.elapsed());
    }
    report.row(Row {
        what: "log lines of one task, sustained to a follower (fake)",
        measured: gofer.to_string(),
        reference: format!("raw driver stream: {bare}"),
        ratio: Some(gofer.per_s() / bare.per_s()),
        budget: "≥ 100k/s",
        met: Some(gofer.per_s() >= 100_000.0),
    });
    scene.down().await;
    Ok(())
}

/// Follows the log of the task `work` to its end.
pub(crate) async fn follow(
    scene: &Scene,
    run: &RunRef,
    mut seen: impl FnMut(&[LogFrame]),
) -> Result<()> {
    let mut stream = scene.client.follow_log(FollowLog {
        task_run: run.task("work"),
        attempt: None,
        start: LogStart::First,
        allow_gaps: false,
    });
    while let Some(update) = stream.next().await {
        match update? {
            LogUpdate::Frames { frames, .. } => seen(&frames),
            LogUpdate::Gap(gap) => bail!("{gap:?} though none was allowed"),
            LogUpdate::Lost(reason) => bail!("the stream was lost: {reason}"),
            LogUpdate::End(_) => return Ok(()),
        }
    }
    bail!("the stream ended early")
}

/// Runs a container of this image on the fake engine and follows its log, without Gofer.
async fn raw_follow(fake: &FakeEngine, image: &str, mut seen: impl FnMut(i64)) -> Result<()> {
    let driver = FakeDriver::new(fake.clone());
    let uid = RunUid::parse(&"7".repeat(26))?;
    let spec = ContainerSpec {
        instance: uid.clone(),
        key: AttemptKey { uid, task: TaskId::parse("raw")?, attempt: 1 },
        image: image.to_owned(),
        entrypoint: Vec::new(),
        command: Vec::new(),
        env: BTreeMap::new(),
        user: None,
        workdir: None,
        cpu_milli: None,
        memory_bytes: None,
        pids_max: 1,
        labels: BTreeMap::new(),
    };
    let handle = driver.ensure(spec).await?;
    let mut frames = driver.logs(&handle, Cursor::default(), Follow::Yes);
    while let Some(frame) = frames.next().await {
        seen(frame.context("a raw frame")?.time_ns);
    }
    drop(frames);
    let driver: Arc<dyn Driver> = Arc::new(driver);
    driver.remove(&handle).await?;
    Ok(())
}
