//! What Gofer costs on a real engine: one task, ten tasks in a row, and the step from a parent to
//! its child, each beside the same work done by raw calls.

use anyhow::Result;
use tokio::time::Instant;

use crate::Size;
use crate::raw_docker::RawDocker;
use crate::report::{Report, Row, Times};
use crate::scene::{self, Scene, after, busybox};
use crate::timed::Moment;

const TRUE: &[&str] = &["true"];
/// Tasks in the row.
const N_TASKS: usize = 10;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let mut scene = Scene::docker().await?;
    let raw = RawDocker::new()?;
    one_task(&scene, &raw, size, report).await?;
    in_sequence(&scene, &raw, size, report).await?;
    parent_to_child(&scene, &raw, size, report).await?;
    scene.down().await;
    Ok(())
}

async fn one_task(scene: &Scene, raw: &RawDocker, size: Size, report: &mut Report) -> Result<()> {
    let pipeline = scene.deploy("single", vec![busybox("work", TRUE)]).await?;
    let (mut gofer, mut bare, mut added) = (Times::default(), Times::default(), Times::default());
    for n in 0..=size.of(50) {
        let begun = Instant::now();
        scene.run(&pipeline).await?;
        let took = begun.elapsed();
        scene.nothing_left().await?;
        let cycle = raw.cycle(TRUE).await?;
        raw.remove(&cycle.id).await?;
        if n > 0 {
            gofer.push(took);
            bare.push(cycle.took);
            added.push_ms((took.as_secs_f64() - cycle.took.as_secs_f64()) * 1000.0);
        }
    }
    report.row(Row {
        what: "one task on Docker: StartRun called → run complete seen",
        measured: gofer.to_string(),
        reference: format!("raw create, start, wait: {bare}"),
        ratio: Some(gofer.p50() / bare.p50()),
        ..Row::default()
    });
    report.row(Row {
        what: "added by Gofer to one task on Docker",
        measured: format!("{added} (each less the cycle after it)"),
        budget: "p50 ≤ 15 ms",
        met: Some(added.p50() <= 15.0),
        ..Row::default()
    });
    Ok(())
}

async fn in_sequence(
    scene: &Scene,
    raw: &RawDocker,
    size: Size,
    report: &mut Report,
) -> Result<()> {
    let names: Vec<String> = (0..N_TASKS).map(|n| format!("task{n}")).collect();
    let mut tasks: Vec<_> = names.iter().map(|name| busybox(name, TRUE)).collect();
    for (task, parent) in tasks.iter_mut().skip(1).zip(&names) {
        *task = after(std::mem::take(task), parent);
    }
    let pipeline = scene.deploy("sequence", tasks).await?;
    let (mut gofer, mut bare) = (Times::default(), Times::default());
    for _ in 0..size.of(10) {
        let begun = Instant::now();
        scene.run(&pipeline).await?;
        gofer.push(begun.elapsed());
        scene.nothing_left().await?;
        let begun = Instant::now();
        for _ in 0..N_TASKS {
            let cycle = raw.cycle(TRUE).await?;
            raw.remove(&cycle.id).await?;
        }
        bare.push(begun.elapsed());
    }
    let ratio = gofer.p50() / bare.p50();
    report.row(Row {
        what: "10 tasks in sequence on Docker",
        measured: gofer.to_string(),
        reference: format!("10 raw cycles with remove: {bare}"),
        ratio: Some(ratio),
        budget: "ratio ≤ 1.0",
        met: Some(ratio <= 1.0),
    });
    Ok(())
}

/// The engine's clock and ours are the machine's; the engine's times are known to the millisecond.
async fn parent_to_child(
    scene: &Scene,
    raw: &RawDocker,
    size: Size,
    report: &mut Report,
) -> Result<()> {
    let tasks = vec![busybox("parent", TRUE), after(busybox("child", TRUE), "parent")];
    let pipeline = scene.deploy("family", tasks).await?;
    let (mut gofer, mut bare) = (Times::default(), Times::default());
    for _ in 0..size.of(30) {
        scene.driver.forget();
        let started = scene.client.start_run(scene::start_run(&pipeline)).await?;
        let (parent, _) = scene.driver.ensured("parent").await;
        let ended_ms = scene.driver.ended_ms(&parent).await;
        let (_, child) = scene.driver.ensured("child").await;
        gofer.push_ms((child.wall_ms - ended_ms) as f64);
        scene.ended(&started.run.reference()).await?;
        scene.nothing_left().await?;
        bare.push_ms(told_after_ms(raw).await?);
    }
    report.row(Row {
        what: "parent exit → child create sent (Docker)",
        measured: gofer.to_string(),
        reference: format!("exit → raw wait answered: {bare}"),
        ratio: Some(gofer.p50() / bare.p50()),
        budget: "p50 ≤ 30 ms",
        met: Some(gofer.p50() <= 30.0),
    });
    Ok(())
}

/// How long after the end of a container a raw wait is answered.
async fn told_after_ms(raw: &RawDocker) -> Result<f64> {
    let cycle = raw.cycle(TRUE).await?;
    let told_ms = Moment::now().wall_ms.rem_euclid(DAY_MS) as f64;
    let ended_ms = raw.ended_day_ms(&cycle.id).await?;
    raw.remove(&cycle.id).await?;
    Ok(told_ms - ended_ms)
}
