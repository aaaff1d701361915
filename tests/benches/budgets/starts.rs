//! How long a run waits for Gofer: from its start to its first container, and from the end of one
//! container to the next one. On the fake engine, so that nothing of an engine is in it.

use std::time::Duration;

use anyhow::Result;
use gofer_tests::fake::{FakeEngine, Program};
use tokio::time::Instant;

use crate::Size;
use crate::raw_sqlite::RawSqlite;
use crate::report::{Report, Row, Times};
use crate::scene::{self, Scene, after, task};

/// Starts at the beginning that are not counted: connections open and caches fill.
const N_WARM: usize = 5;

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let fake = FakeEngine::new();
    fake.program("held", Program::forever());
    let mut scene = Scene::fake(&fake).await?;
    let raw = RawSqlite::new()?;
    first_create(&scene, &raw, size, report).await?;
    next_create(&scene, &fake, (&raw, size), report).await?;
    scene.down().await;
    Ok(())
}

async fn first_create(
    scene: &Scene,
    raw: &RawSqlite,
    size: Size,
    report: &mut Report,
) -> Result<()> {
    let pipeline = scene.deploy("single", vec![task("work", "quick")]).await?;
    let (mut times, mut commits) = (Times::default(), Times::default());
    for n in 0..N_WARM + size.of(300) {
        scene.driver.forget();
        idle().await;
        let begun = Instant::now();
        let started = scene.client.start_run(scene::start_run(&pipeline)).await?;
        let (_, first) = scene.driver.ensured("work").await;
        if n >= N_WARM {
            times.push(first.at.duration_since(begun));
            commits.push(raw.commit(1)?);
        }
        scene.ended(&started.run.reference()).await?;
        scene.nothing_left().await?;
    }
    report.row(Row {
        what: "StartRun called → first create sent, idle (fake)",
        measured: times.to_string(),
        reference: format!("one SQLite commit: {commits}"),
        ratio: Some(times.p50() / commits.p50()),
        budget: "p50 ≤ 10 ms",
        met: Some(times.p50() <= 10.0),
    });
    Ok(())
}

async fn next_create(
    scene: &Scene,
    fake: &FakeEngine,
    (raw, size): (&RawSqlite, Size),
    report: &mut Report,
) -> Result<()> {
    let tasks = vec![task("parent", "held"), after(task("child", "quick"), "parent")];
    let pipeline = scene.deploy("family", tasks).await?;
    let (mut times, mut commits) = (Times::default(), Times::default());
    for _ in 0..size.of(300) {
        scene.driver.forget();
        let started = scene.client.start_run(scene::start_run(&pipeline)).await?;
        let (parent, _) = scene.driver.ensured("parent").await;
        scene::until(async || Ok(fake.left().iter().any(|one| one.running))).await?;
        idle().await;
        let ended = Instant::now();
        fake.finish(&parent, 0);
        let (_, child) = scene.driver.ensured("child").await;
        times.push(child.at.duration_since(ended));
        commits.push(raw.commit(1)?);
        scene.ended(&started.run.reference()).await?;
        scene.nothing_left().await?;
    }
    report.row(Row {
        what: "parent exit → child create sent (fake)",
        measured: times.to_string(),
        reference: format!("one SQLite commit: {commits}"),
        ratio: Some(times.p50() / commits.p50()),
        budget: "p50 ≤ 30 ms",
        met: Some(times.p50() <= 30.0),
    });
    Ok(())
}

/// Lets what is left of the round before come to rest.
async fn idle() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
