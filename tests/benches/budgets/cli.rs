//! A whole `gofer run get`, from the start of the process to its end, beside a process that does
//! nothing and a call over a new TLS connection. The command runs as the release binary.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gofer_tests::fake::FakeEngine;
use gofer_tests::harness;
use tokio::time::Instant;

use crate::Size;
use crate::report::{Report, Row, Times};
use crate::scene::{NAMESPACE, Scene, task};

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let mut scene = Scene::fake(&FakeEngine::new()).await?;
    let pipeline = scene.deploy("single", vec![task("work", "quick")]).await?;
    let run = scene.run(&pipeline).await?;
    let address = std::fs::read_to_string(scene.data_dir().join("address"))?;
    let gofer = harness::gofer_binary().context("run `cargo build --release -p gofer` first")?;
    let mut get = Command::new(gofer);
    get.args(["run", "get", &format!("{NAMESPACE}:single/1")])
        .env("GOFER_CLI_HOST", format!("https://{address}"))
        .env("GOFER_DATA_DIR", scene.data_dir())
        .env("GOFER_CLI_CONFIG", scene.data_dir().join("cli.hcl"));
    let mut nothing = Command::new("true");
    let (mut whole, mut process, mut call) = (Times::default(), Times::default(), Times::default());
    for n in 0..=size.of(200) {
        let took = time(&mut get)?;
        let bare = time(&mut nothing)?;
        let begun = Instant::now();
        scene.another_client()?.run(&run).await?;
        if n > 0 {
            whole.push(took);
            process.push(bare);
            call.push(begun.elapsed());
        }
    }
    report.row(Row {
        what: "CLI `run get`, whole process",
        measured: whole.to_string(),
        reference: format!("`true`: {process}; GetRun on a new connection: {call}"),
        ratio: Some(whole.p50() / (process.p50() + call.p50())),
        budget: "p50 ≤ 10 ms",
        met: Some(whole.p50() <= 10.0),
    });
    scene.down().await;
    Ok(())
}

fn time(command: &mut Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status()?;
    let took = begun.elapsed();
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(took)
}
