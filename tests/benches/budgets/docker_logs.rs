//! Lines per second of one task on Docker, where the engine sets the pace: through Gofer to a
//! follower beside the engine's own log call.

use anyhow::{Result, bail};

use crate::Size;
use crate::logs::{LINE_BYTES, follow};
use crate::raw_docker::RawDocker;
use crate::report::{Rate, Report, Row};
use crate::scene::{self, Scene, busybox};

const N_BLOCKS: usize = 3;

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let mut scene = Scene::docker().await?;
    let raw = RawDocker::new()?;
    let n_lines = size.of(300_000);
    let line = "=".repeat(LINE_BYTES - 1);
    let script = format!("yes {line} | head -n {n_lines}");
    let command = ["sh", "-c", script.as_str()];
    let pipeline = scene.deploy("flood", vec![busybox("work", &command)]).await?;
    let (mut gofer, mut bare) = (Rate::default(), Rate::default());
    for _ in 0..N_BLOCKS {
        scene.driver.forget();
        let started = scene.client.start_run(scene::start_run(&pipeline)).await?;
        let mut n_seen = 0;
        follow(&scene, &started.run.reference(), |frames| n_seen += frames.len()).await?;
        let (_, begun) = scene.driver.ensured("work").await;
        gofer.add(n_lines, begun.at.elapsed());
        if n_seen != n_lines {
            bail!("{n_seen} lines of {n_lines} came");
        }
        scene.nothing_left().await?;
        let (n_frames, took) = raw.read_log(&command).await?;
        if n_frames != n_lines {
            bail!("the engine gave {n_frames} lines of {n_lines}");
        }
        bare.add(n_lines, took);
    }
    report.row(Row {
        what: "log lines of one task, sustained to a follower (Docker)",
        measured: gofer.to_string(),
        reference: format!("raw log call after the end: {bare}"),
        ratio: Some(gofer.per_s() / bare.per_s()),
        ..Row::default()
    });
    scene.down().await;
    Ok(())
}
