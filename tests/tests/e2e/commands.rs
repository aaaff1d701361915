//! The command line as scripts use it: what it prints, and the code it leaves with.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use gofer_client::model::{Run, TaskRunState};
use gofer_tests::harness::{PATIENCE, gofer_binary};
use gofer_tests::house::root;
use gofer_tests::images;
use gofer_tests::stage::{Stage, pipeline, readings, shell};
use serde_json::Value;

/// The image of the example pipelines.
const EXAMPLE_IMAGE: &str = "gofer-example/busybox:1";

/// What a command said, and how it left.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    pub(super) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("no JSON: {self:?}"))
    }
}

/// Runs a command line against the stage's server; words are parted by spaces.
pub(super) async fn gofer(stage: &Stage, line: &str) -> Result<Said> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = tokio::process::Command::from(stage.server.command(&words)?);
    command.kill_on_drop(true);
    let done = tokio::time::timeout(PATIENCE, command.output()).await;
    let done = done.with_context(|| format!("gofer {line} goes on for ever"))??;
    let text = |bytes| String::from_utf8(bytes).context("not text");
    Ok(Said { code: done.status.code(), out: text(done.stdout)?, err: text(done.stderr)? })
}

/// The same, and checks the code.
pub(super) async fn leaves(stage: &Stage, line: &str, code: i32) -> Result<Said> {
    let said = gofer(stage, line).await?;
    ensure!(said.code == Some(code), "gofer {line} should leave with {code}: {said:?}");
    Ok(said)
}

/// A server with the example pipelines on it.
async fn with_examples() -> Result<Stage> {
    let stage = Stage::up().await?;
    if stage.docker.inspect_image(EXAMPLE_IMAGE).await.is_err() {
        images::variant_on(&stage.docker, EXAMPLE_IMAGE, None).await?;
    }
    Ok(stage)
}

fn example_program(name: &str) -> Result<PathBuf> {
    let program = gofer_binary()?.with_file_name(format!("gofer-example-{name}"));
    ensure!(program.exists(), "{} is missing; cargo build --bins makes it", program.display());
    Ok(program)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_goes_up_runs_and_shows_its_log() -> Result<()> {
    let stage = with_examples().await?;
    let project = root().join("sdk/rust/examples/simple");
    let up = leaves(&stage, &format!("up {} -o json", project.display()), 0).await?;
    ensure!(up.json()?["schema"] == "gofer.up/v1", "{up:?}");
    let again = leaves(&stage, &format!("up {} -o json", project.display()), 0).await?;
    let version = |said: &Said| anyhow::Ok(said.json()?["pipelines"][0]["version"].clone());
    ensure!(version(&up)? == 1 && version(&again)? == 1, "the same made another: {again:?}");

    let waited = leaves(&stage, "run start simple --wait -o json", 0).await?;
    let run = waited.json()?;
    ensure!(run["status"] == "SUCCESSFUL" && run["ref"] == "default:simple/1", "{run:#}");
    let log = leaves(&stage, "run logs simple 1", 0).await?;
    ensure!(log.out == "simple_task  │ Hello from Gofer!\n" && log.err.is_empty(), "{log:?}");
    let raw = leaves(&stage, "logs simple 1 simple_task -o raw", 0).await?;
    ensure!(raw.out == "Hello from Gofer!\n" && raw.err.is_empty(), "{raw:?}");
    let followed = leaves(&stage, "run start simple --follow", 0).await?;
    ensure!(followed.out.contains("simple_task  │ Hello from Gofer!\n"), "{followed:?}");

    for (line, schema) in [
        ("run get simple 1", "gofer.run/v1"),
        ("run list simple", "gofer.run.list/v1"),
        ("pipeline get simple", "gofer.pipeline/v1"),
        ("pipeline list", "gofer.pipeline.list/v1"),
        ("taskrun get simple 1 simple_task", "gofer.task_run/v1"),
        ("namespace list", "gofer.namespace.list/v1"),
        ("deployment list simple", "gofer.deployment.list/v1"),
        ("status", "gofer.status/v1"),
    ] {
        let said = leaves(&stage, &format!("{line} -o json"), 0).await?;
        ensure!(said.json()?["schema"] == schema, "gofer {line}: {said:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_a_run_is_the_exit_code_of_whoever_waited() -> Result<()> {
    let stage = with_examples().await?;
    let dag = example_program("dag")?;
    leaves(&stage, &format!("up {}", dag.display()), 0).await?;
    stage.deploy(pipeline("endless", vec![shell("work", "while :; do sleep 0.1; done")])).await?;
    leaves(&stage, "run start endless -n tests", 0).await?;
    let endless = gofer_client::model::PipelineRef::new("tests", "endless").run(1);
    let is_up = |run: &Run| run.task_runs.iter().all(|task| task.state == TaskRunState::Running);
    stage.wait(&endless, "running", is_up).await?;

    let cancelled = async {
        let late = leaves(&stage, "run wait endless 1 -n tests --timeout 1s", 124).await?;
        ensure!(late.out.is_empty() && late.err.contains("complete"), "{late:?}");
        let (waited, cancel) = tokio::join!(
            leaves(&stage, "run wait endless 1 -n tests", 102),
            leaves(&stage, "run cancel endless 1 -n tests --force -o json", 0),
        );
        waited?;
        ensure!(cancel?.json()?["ref"] == "tests:endless/1");
        leaves(&stage, "run cancel endless 1 -n tests", 0).await // asking twice is fine
    };
    let (good, failed, cancelled) = tokio::join!(
        leaves(&stage, "run start dag --wait -o json", 0),
        leaves(&stage, "run start dag_failing --wait -o json", 100),
        cancelled,
    );
    cancelled?;
    ensure!(good?.json()?["status"] == "SUCCESSFUL");
    let failed = failed?.json()?;
    ensure!(failed["status"] == "FAILED" && failed["reason"] == "ABNORMAL_EXIT", "{failed:#}");

    let log = leaves(&stage, "logs dag 1 test --attempt 1 -o raw", 0).await?;
    ensure!(log.out == "attempt 1: running 12 tests\ntest server did not answer\n", "{log:?}");
    let log = leaves(&stage, "logs dag 1 test -o raw", 0).await?;
    ensure!(log.out == "attempt 2: running 12 tests\n12 passed\n", "{log:?}");
    let log = leaves(&stage, "logs dag 1 call_someone", 0).await?;
    ensure!(log.out.is_empty() && log.err.contains("never started"), "{log:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_error_has_its_exit_code() -> Result<()> {
    let mut stage = Stage::up().await?;
    stage.deploy(pipeline("simple", vec![shell("work", "true")])).await?;
    stage.register(pipeline("simple", vec![shell("work", "false")])).await?;
    stage.register(pipeline("undeployed", vec![shell("work", "true")])).await?;
    let rows = [
        ("run start --nonsense", 2),
        ("run get simple zero -n tests", 2),
        ("namespace create a", 2),
        ("run get simple 99 -n tests", 3),
        ("pipeline get simpel -n tests", 3),
        ("namespace create tests", 4),
        ("run start undeployed -n tests", 5),
        ("pipeline disable simple -n tests", 0),
        ("run start simple -n tests", 5),
        ("pipeline deploy simple 2 --base 7 -n tests", 6),
    ];
    for (line, code) in rows {
        let said = leaves(&stage, line, code).await?;
        ensure!(code == 0 || (said.out.is_empty() && !said.err.is_empty()), "{line}: {said:?}");
        if code > 2 {
            let said = leaves(&stage, &format!("{line} -o json"), code).await?;
            let error: Value = serde_json::from_str(&said.err)?;
            ensure!(error["error"]["exit_code"] == code, "{line}: {said:?}");
        }
    }
    let nearest = gofer(&stage, "pipeline get simpel -n tests").await?;
    ensure!(nearest.err.contains("simple"), "{nearest:?}");
    stage.server.stop().await?;
    let said = leaves(&stage, "run list simple -n tests", 9).await?;
    ensure!(said.out.is_empty() && !said.err.is_empty(), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_command_in_silence() -> Result<()> {
    let stage = Stage::up().await?;
    // Far more than a pipe holds.
    let run = stage.start_new(pipeline("long", vec![shell("work", "seq 1 50000")])).await?;
    stage.settled(&run).await?;
    let (whole, _) = readings::read(&stage.client()?, &run.task("work"), 1).await?;
    let want: String = (1..=50_000).map(|i| format!("{i}\n")).collect();
    ensure!(readings::difference(&whole.out, want.as_bytes()).is_none(), "the log is not whole");
    let mut command = stage.server.command(&["run", "logs", "long", "1", "-n", "tests"])?;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().context("no pipe")?);
    out.read_line(&mut first)?;
    drop(out);
    let status = child.wait()?;
    let mut err = String::new();
    child.stderr.take().context("no pipe")?.read_to_string(&mut err)?;
    ensure!(first == "work  │ 1\n", "{first:?}");
    ensure!(status.code() == Some(141) && err.is_empty(), "{status:?}: {err}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_needs_no_server() -> Result<()> {
    let done = std::process::Command::new(gofer_binary()?).arg("--version").output()?;
    ensure!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    ensure!(String::from_utf8(done.stdout)? == concat!("gofer ", env!("CARGO_PKG_VERSION"), "\n"));
    Ok(())
}
