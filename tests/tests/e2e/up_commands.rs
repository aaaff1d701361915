//! `gofer up` and starts as scripts and editors meet them: what is refused is refused before anything is
//! done, what was done is told, and a run is cancelled by other contents only.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gofer_client::model::{PipelineRef, Run, RunRef, RunStatus};
use gofer_client::{Mode, NewNamespace, RunQuery};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::fake::{FakeDriver, FakeEngine, Program};
use gofer_tests::harness::{InProcess, gofer_binary};
use gofer_tests::stage::{NAMESPACE, declared, deploy, pipeline, start, until};
use prost::Message as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than a watch takes to see a save.
const A_WHILE: Duration = Duration::from_secs(2);

/// A server on the fake engine, and a folder for programs.
struct Scene {
    server: InProcess,
    fake: FakeEngine,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn up() -> Result<Self> {
        let fake = FakeEngine::new();
        fake.program("endless", Program::forever());
        let server = InProcess::start(Arc::new(FakeDriver::new(fake.clone()))).await?;
        let id = NAMESPACE.to_owned();
        let namespace = NewNamespace { id, ..NewNamespace::default() };
        server.client()?.create_namespace(namespace).await?;
        Ok(Self { server, fake, folder: tempfile::tempdir()? })
    }

    /// The command line, speaking to this server.
    fn command(&self, args: &[&str]) -> Result<Command> {
        let data_dir = self.server.data_dir();
        let address = std::fs::read_to_string(data_dir.join("address"))?;
        let mut command = Command::new(gofer_binary()?);
        command
            .args(args)
            .args(["-n", NAMESPACE])
            .env("GOFER_CLI_HOST", format!("https://{address}"))
            .env("GOFER_DATA_DIR", data_dir)
            .env("GOFER_CLI_CONFIG", self.folder.path().join("cli.hcl"))
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Runs a command line and checks how it leaves; gives what it printed.
    async fn leaves(&self, args: &[&str], code: i32) -> Result<(String, String)> {
        let mut command = tokio::process::Command::from(self.command(args)?);
        let done = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
        let done = done.with_context(|| format!("gofer {args:?} goes on for ever"))??;
        ensure!(done.status.code() == Some(code), "gofer {args:?} left so: {done:?}");
        Ok((String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?))
    }

    /// Writes what a program prints; gives the file.
    fn program(&self, pipelines: Vec<sdk::Pipeline>) -> Result<PathBuf> {
        let kind = gofer_proto::PROGRAM_KIND.to_owned();
        let program = sdk::Program { kind, pipelines, ..sdk::Program::default() };
        let file = self.folder.path().join("program");
        std::fs::write(&file, program.encode_to_vec())?;
        Ok(file)
    }

    async fn runs(&self, pipeline: &str) -> Result<Vec<Run>> {
        let query = RunQuery {
            namespace: NAMESPACE.to_owned(),
            pipeline: Some(pipeline.to_owned()),
            ..RunQuery::default()
        };
        Ok(self.server.client()?.runs(&query).await?.items)
    }

    async fn is_at_work(&self, run: &RunRef) -> Result<()> {
        let client = self.server.client()?;
        let is_running = |run: &Run| run.task_runs.iter().all(|task| task.started_at.is_some());
        until("the run is at work", async || {
            // It may not have been made yet.
            Ok(client.run(run).await.ok().filter(is_running).map(drop))
        })
        .await
    }
}

fn endless(id: &str, variable: &str) -> sdk::Pipeline {
    let variables = vec![sdk::Variable { key: "V".to_owned(), value: variable.to_owned() }];
    let task = sdk::Task {
        id: "work".to_owned(),
        image: "endless".to_owned(),
        variables,
        ..sdk::Task::default()
    };
    sdk::Pipeline { name: id.to_owned(), ..pipeline(id, vec![task]) }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_that_is_refused_starts_nothing() -> Result<()> {
    let scene = Scene::up().await?;
    let file = scene.program(vec![endless("simple", "1")])?;
    for (args, hint) in [
        (&["up", text(&file)?, "--run", "-o", "json"][..], "jsonl"),
        (&["up", text(&file)?, "-o", "raw"], "logs only"),
    ] {
        let (out, err) = scene.leaves(args, 2).await?;
        ensure!(out.is_empty() && err.contains(hint), "{args:?}: {out} {err}");
    }
    let simple = PipelineRef::new(NAMESPACE, "simple");
    ensure!(scene.server.client()?.pipeline(&simple).await.is_err(), "it was published");

    scene.leaves(&["up", text(&file)?], 0).await?;
    for format in ["json", "yaml", "raw"] {
        let args = ["run", "start", "simple", "--follow", "-o", format];
        let (out, err) = scene.leaves(&args, 2).await?;
        ensure!(out.is_empty() && !err.is_empty(), "{format}: {out}");
    }
    scene.leaves(&["run", "start", "simple", "--wait", "-o", "raw"], 2).await?;
    // Flags that would do nothing.
    scene.leaves(&["run", "start", "simple", "--timeout", "1s"], 2).await?;
    scene.leaves(&["up", text(&file)?, "--cancel-on-interrupt"], 2).await?;
    ensure!(scene.runs("simple").await?.is_empty(), "a run was started");

    let args = ["run", "start", "simple", "--follow", "--timeout", "1s", "-o", "jsonl"];
    let (out, _) = scene.leaves(&args, 124).await?;
    let last: Value = serde_json::from_str(out.lines().last().context("no line")?)?;
    ensure!(last["end"] == "WAITED_TOO_LONG", "{out}");
    let args = ["run", "watch", "simple", "1", "--timeout", "1s", "-o", "jsonl"];
    let (out, _) = scene.leaves(&args, 124).await?;
    let last: Value = serde_json::from_str(out.lines().last().context("no line")?)?;
    ensure!(last["end"] == "WAITED_TOO_LONG", "{out}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_before_a_refusal_is_told() -> Result<()> {
    let scene = Scene::up().await?;
    let client = scene.server.client()?;
    let second = PipelineRef::new(NAMESPACE, "second");
    let declared = declared(endless("second", "1"))?;
    let made = client.register_pipeline(NAMESPACE, &declared, origin(), Mode::Commit).await?;
    client.deploy(deploy(&second, made.version)).await?;
    let run = client.start_run(start(&second)).await?.run.reference();
    scene.is_at_work(&run).await?;
    // A deletion that cannot go on: the container can be neither killed nor collected.
    scene.fake.set_unreachable(true);
    let (deleting, name) = (client.clone(), second.clone());
    let mut deletion = tokio::task::JoinSet::new();
    deletion.spawn(async move { deleting.delete_pipeline(&name, Mode::Commit).await });
    until("the deletion has begun", async || {
        Ok(client.start_run(start(&second)).await.is_err().then_some(()))
    })
    .await?;

    let file = scene.program(vec![endless("first", "1"), endless("second", "2")])?;
    let (out, err) = scene.leaves(&["up", text(&file)?, "-o", "json"], 5).await?;
    let report: Value = serde_json::from_str(&out).with_context(|| format!("{out} {err}"))?;
    let published = report["pipelines"].as_array().context("no pipelines")?;
    ensure!(published.len() == 1 && published[0]["pipeline"] == "tests:first", "{report:#}");
    let (out, err) = scene.leaves(&["up", text(&file)?], 5).await?;
    ensure!(out.contains("first") && err.contains("delete"), "{out} {err}");
    scene.fake.set_unreachable(false);
    deletion.join_next().await.context("no deletion")???;
    Ok(())
}

fn origin() -> gofer_client::model::Origin {
    gofer_client::model::Origin {
        kind: gofer_client::model::OriginKind::Api,
        git_commit: None,
        git_dirty: None,
        author: None,
    }
}

/// A command that goes on until it is interrupted, or with the test.
struct Watching(Child);

impl Watching {
    /// Presses Ctrl-C; gives the exit code.
    fn interrupted(&mut self) -> Result<Option<i32>> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process id")?, Signal::INT)?;
        Ok(self.0.wait()?.code())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing to kill.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_other_contents_overtake_a_watched_run() -> Result<()> {
    let scene = Scene::up().await?;
    let file = scene.program(vec![endless("simple", "1")])?;
    let mut command = scene.command(&["up", text(&file)?, "--watch", "--run"])?;
    let mut watch = Watching(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let simple = PipelineRef::new(NAMESPACE, "simple");
    scene.is_at_work(&simple.run(1)).await?;
    tokio::time::sleep(A_WHILE).await;
    // Saved again, the same.
    scene.program(vec![endless("simple", "1")])?;
    tokio::time::sleep(A_WHILE).await;
    let runs = scene.runs("simple").await?;
    ensure!(runs.len() == 1 && !runs[0].is_complete(), "a save that changed nothing: {runs:#?}");
    for version in ["2", "3"] {
        scene.program(vec![endless("simple", version)])?;
        let n: u64 = version.parse()?;
        until("the next run is there", async || {
            Ok((scene.runs("simple").await?.len() as u64 >= n).then_some(()))
        })
        .await?;
    }
    scene.is_at_work(&simple.run(3)).await?;
    until("those that were overtaken are cancelled", async || {
        let runs = scene.runs("simple").await?;
        let is_over = |run: &&Run| run.status == Some(RunStatus::Cancelled);
        Ok((runs.len() == 3 && runs.iter().filter(is_over).count() == 2).then_some(()))
    })
    .await?;
    ensure!(watch.interrupted()? == Some(0), "Ctrl-C is the good end of a watch");
    ensure!(scene.runs("simple").await?.iter().any(|run| !run.is_complete()), "the run goes on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_wait_cancels_every_run_that_it_waits_for() -> Result<()> {
    let scene = Scene::up().await?;
    let file = scene.program(vec![endless("simple", "1")])?;
    scene.leaves(&["up", text(&file)?], 0).await?;
    let simple = PipelineRef::new(NAMESPACE, "simple");
    for n in 1..=3 {
        scene.leaves(&["run", "start", "simple"], 0).await?;
        scene.is_at_work(&simple.run(n)).await?;
    }
    let args = ["run", "wait", "simple/1", "simple/2", "--cancel-on-interrupt"];
    let mut command = scene.command(&args)?;
    let mut wait = Watching(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    tokio::time::sleep(A_WHILE).await;
    ensure!(wait.interrupted()? == Some(130), "Ctrl-C");
    until("both are cancelled", async || {
        let runs = scene.runs("simple").await?;
        let over: Vec<u64> =
            runs.iter().filter(|run| run.is_complete()).map(|run| run.id).collect();
        Ok((over.len() >= 2).then_some(over))
    })
    .await
    .and_then(|over| {
        ensure!(over == [2, 1], "{over:?} were cancelled");
        Ok(())
    })
}

#[test]
fn output_that_cannot_be_written_is_said() -> Result<()> {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
    let done = Command::new(gofer_binary()?)
        .args(["help", "exit-codes"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()?;
    let err = String::from_utf8(done.stderr)?;
    ensure!(done.status.code() == Some(8), "{:?} {err}", done.status);
    ensure!(err.contains("standard output"), "{err}");
    Ok(())
}
