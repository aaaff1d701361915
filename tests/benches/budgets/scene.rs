//! A server in this process with its driver and a client, and pipelines in a few words.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gofer_client::model::{Origin, OriginKind, PipelineRef, RunRef, RunState, RunStatus};
use gofer_client::watch::RunUpdate;
use gofer_client::{Client, Deploy, Mode, NewNamespace, RunQuery, StartRun, program};
use gofer_core::ids::RunUid;
use gofer_core::ports::Clock as _;
use gofer_core::ports::driver::Driver;
use gofer_driver_docker::{DockerDriver, DockerSettings};
use gofer_proto::sdk::v1 as sdk;
use gofer_server::{Config, Running};
use gofer_store::Store;
use gofer_tests::fake::{FakeDriver, FakeEngine};
use gofer_tests::harness;
use prost::Message as _;
use tempfile::TempDir;

use crate::timed::Timed;

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "bench";
/// How often a level is looked at that is not part of a figure.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A runtime as the server's own one: a thread for each processor.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// A server with everything around it.
pub(crate) struct Scene {
    dir: TempDir,
    config: Config,
    running: Option<Running>,
    pub(crate) driver: Timed,
    pub(crate) client: Client,
}

impl Scene {
    /// A server on a fake engine.
    pub(crate) async fn fake(fake: &FakeEngine) -> Result<Self> {
        Self::on(tempfile::tempdir()?, FakeDriver::port(fake.clone())).await
    }

    /// A server on the machine's Docker.
    pub(crate) async fn docker() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        // A Docker driver serves one instance, so the store gets its identity first.
        let now = gofer_engine::SystemClock.now();
        let instance = RunUid::parse(&format!("{:016}{:010}", now.as_ms(), std::process::id()))?;
        drop(Store::open(dir.path(), &instance, now)?);
        let settings = DockerSettings::from_env(instance);
        let driver = DockerDriver::connect(settings).await.context("reach Docker")?;
        gofer_tests::images::busybox().await?;
        Self::on(dir, Arc::new(driver)).await
    }

    async fn on(dir: TempDir, driver: Arc<dyn Driver>) -> Result<Self> {
        let config = config(dir.path())?;
        let driver = Timed::new(driver);
        let running = start(&config, &driver).await?;
        let config = Config { address: running.address, ..config };
        let client = harness::client_of(dir.path())?;
        let id = NAMESPACE.to_owned();
        client.create_namespace(NewNamespace { id, ..NewNamespace::default() }).await?;
        Ok(Self { dir, config, running: Some(running), driver, client })
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// A client with a connection of its own.
    pub(crate) fn another_client(&self) -> Result<Client> {
        harness::client_of(self.dir.path())
    }

    /// Stops the server in order; containers go on.
    pub(crate) async fn down(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(Duration::from_secs(30)).await;
        }
    }

    /// Starts it again on the same data.
    pub(crate) async fn up(&mut self) -> Result<()> {
        self.running = Some(start(&self.config, &self.driver).await?);
        Ok(())
    }

    /// Registers a pipeline and makes it live.
    pub(crate) async fn deploy(&self, id: &str, tasks: Vec<sdk::Task>) -> Result<PipelineRef> {
        let pipeline = sdk::Pipeline { id: id.to_owned(), tasks, ..sdk::Pipeline::default() };
        deploy(&self.client, pipeline).await
    }

    /// Starts a run and waits for its end.
    pub(crate) async fn run(&self, pipeline: &PipelineRef) -> Result<RunRef> {
        let started = self.client.start_run(start_run(pipeline)).await?;
        let run = started.run.reference();
        self.ended(&run).await?;
        Ok(run)
    }

    /// Waits for the end of a run, which must be a success: a run that fails is quick.
    pub(crate) async fn ended(&self, run: &RunRef) -> Result<()> {
        let mut watch = self.client.watch_run(run.clone());
        while let Some(update) = watch.next().await {
            if matches!(update?, RunUpdate::Complete) {
                return match watch.run() {
                    Some(run) if run.status == Some(RunStatus::Successful) => Ok(()),
                    other => bail!("run {run} was no success: {other:#?}"),
                };
            }
        }
        bail!("the watch of run {run} ended early")
    }

    /// Waits until the engine holds nothing of this server.
    pub(crate) async fn nothing_left(&self) -> Result<()> {
        let running = self.running.as_ref().context("the server is up")?;
        let instance = running.engine().instance().clone();
        until(async || Ok(self.driver.list(&instance).await?.is_empty())).await
    }
}

async fn start(config: &Config, driver: &Timed) -> Result<Running> {
    let driver: Arc<dyn Driver> = Arc::new(driver.clone());
    Ok(gofer_server::start(config.clone(), |_| Ok(driver)).await?)
}

/// Settings for a server on this directory; nothing in the environment changes them but Docker's.
pub(crate) fn config(data_dir: &Path) -> Result<Config> {
    let engine = gofer_engine::EngineConfig {
        run_parallelism_limit: 0,
        ..gofer_engine::EngineConfig::default()
    };
    Ok(Config {
        data_dir: data_dir.to_path_buf(),
        address: ([127, 0, 0, 1], 0).into(),
        dev_mode: true,
        engine,
        ..Config::default()
    })
}

/// Registers a pipeline and makes it live.
pub(crate) async fn deploy(client: &Client, pipeline: sdk::Pipeline) -> Result<PipelineRef> {
    let reference = PipelineRef::new(NAMESPACE, &pipeline.id);
    let program = sdk::Program {
        kind: gofer_proto::PROGRAM_KIND.to_owned(),
        pipelines: vec![pipeline],
        ..sdk::Program::default()
    };
    let decoded = program::decode(&program.encode_to_vec())?;
    let declared = decoded.pipelines.first().context("a pipeline")?;
    let origin = Origin { kind: OriginKind::Api, git_commit: None, git_dirty: None, author: None };
    let registered = client.register_pipeline(NAMESPACE, declared, origin, Mode::Commit).await?;
    let deploy = Deploy {
        pipeline: reference.clone(),
        version: registered.version,
        base_version: None,
        reason: String::new(),
        mode: Mode::Commit,
    };
    client.deploy(deploy).await?;
    Ok(reference)
}

/// Waits until all runs of a pipeline have ended, each with success.
pub(crate) async fn all_ended(client: &Client, pipeline: &PipelineRef) -> Result<()> {
    let query = RunQuery {
        namespace: pipeline.namespace.clone(),
        pipeline: Some(pipeline.pipeline.clone()),
        states: vec![RunState::Pending, RunState::Running],
        ..RunQuery::default()
    };
    until(async || Ok(client.runs(&query).await?.total == 0)).await?;
    let failed = vec![RunStatus::Failed, RunStatus::Cancelled];
    let query = RunQuery { states: Vec::new(), statuses: failed, ..query };
    match client.runs(&query).await?.total {
        0 => Ok(()),
        n => bail!("{n} runs were no success"),
    }
}

/// Waits for a level, with a deadline.
pub(crate) async fn until(mut ready: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !ready().await? {
        if tokio::time::Instant::now() > end {
            bail!("waited in vain for {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

pub(crate) fn start_run(pipeline: &PipelineRef) -> StartRun {
    StartRun {
        pipeline: pipeline.clone(),
        version: None,
        variables: Vec::new(),
        idempotency_key: None,
        reason: String::new(),
        mode: Mode::Commit,
    }
}

pub(crate) fn task(id: &str, image: &str) -> sdk::Task {
    sdk::Task { id: id.to_owned(), image: image.to_owned(), ..sdk::Task::default() }
}

/// A task that runs this command in busybox.
pub(crate) fn busybox(id: &str, command: &[&str]) -> sdk::Task {
    sdk::Task {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        ..task(id, gofer_tests::images::BUSYBOX)
    }
}

/// The same task after the success of another one.
pub(crate) fn after(mut task: sdk::Task, parent: &str) -> sdk::Task {
    task.depends_on.push(sdk::DependsOn {
        parent: parent.to_owned(),
        status: sdk::RequiredStatus::Success.into(),
        source: None,
    });
    task
}
