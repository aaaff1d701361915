//! A real server on a real Docker engine, to be killed and started again, with an eye on every
//! container that the engine makes for it. The end-to-end tests and the long campaign stand on it.
//!
//! ```text
//!  Stage ── Binary (the server)      dag     twelve tasks and what must come of them
//!     └──── Births (the engine)      chaos   kills at random moments
//!                                    readings  logs, by stream
//! ```

pub mod births;
pub mod chaos;
pub mod dag;
pub mod readings;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use gofer_client::model::{Attempt, Origin, OriginKind, PipelineRef, Run, RunRef, TaskRun};
use gofer_client::program::{self, Declared};
use gofer_client::{Client, Deploy, ErrorKind, Mode, NewNamespace, StartRun};
use gofer_driver_docker::labels;
use gofer_proto::sdk::v1 as sdk;
use prost::Message as _;
use tokio::time::Instant;

use crate::docker_engine::DockerEngine;
use crate::harness::Binary;
use crate::images;
use births::Births;

/// The namespace of every pipeline on a stage.
pub const NAMESPACE: &str = "tests";
/// The longest that anything is waited for.
pub const DEADLINE: Duration = Duration::from_secs(90);
/// The address that containers are told. A server on a free port has another one in each life, and
/// a container's settings are not to change with that.
pub const ADVERTISED: &str = "gofer.test:8080";
/// How often a level is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A server and the engine below it.
#[derive(Debug)]
pub struct Stage {
    /// The server.
    pub server: Binary,
    /// The engine.
    pub docker: Docker,
    /// What the engine made for any server.
    pub births: Births,
    /// The server's name on its containers.
    instance: String,
}

impl Stage {
    /// A stage on the machine's engine, with a server that answers and a namespace in it.
    ///
    /// # Errors
    /// Where no engine answers or the server does not start.
    pub async fn up() -> Result<Self> {
        Self::up_with(&[]).await
    }

    /// The same, with further variables in the server's environment.
    ///
    /// # Errors
    /// As [`Stage::up`].
    pub async fn up_with(environment: &[(&str, &str)]) -> Result<Self> {
        let docker = Docker::connect_with_defaults().context("connect to the Docker engine")?;
        Self::on(docker, environment).await
    }

    /// The same on an engine of its own.
    ///
    /// # Errors
    /// As [`Stage::up`].
    pub async fn up_on(engine: &DockerEngine) -> Result<Self> {
        let host = engine.host();
        Self::on(engine.client()?, &[("DOCKER_HOST", &host)]).await
    }

    async fn on(docker: Docker, environment: &[(&str, &str)]) -> Result<Self> {
        images::busybox_on(&docker).await?;
        let births = Births::watch(docker.clone());
        let advertised = [("GOFER_SERVER__ADDRESS", ADVERTISED)];
        let environment = [&advertised, environment].concat();
        let mut stage =
            Self { server: Binary::new(&environment)?, docker, births, instance: String::new() };
        stage.server.up(None).await?;
        stage.instance = stage.client()?.info().await?.instance_id;
        let id = NAMESPACE.to_owned();
        let namespace = NewNamespace { id, ..NewNamespace::default() };
        stage.client()?.create_namespace(namespace).await?;
        Ok(stage)
    }

    /// A client of the server's present life.
    ///
    /// # Errors
    /// Where the server never answered.
    pub fn client(&self) -> Result<Client> {
        self.server.client()
    }

    /// Kills the server and starts the next one.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.server.kill()?;
        self.server.up(None).await
    }

    /// Kills the server and starts the next one without waiting for it to answer.
    ///
    /// # Errors
    /// Where the binary is not there.
    pub fn restart_unheard(&mut self, failpoint: Option<&str>) -> Result<()> {
        self.server.kill()?;
        self.server.spawn(failpoint)
    }

    /// Waits until the server has died of its failpoint.
    ///
    /// # Errors
    /// Where it lives on.
    pub async fn died(&mut self, failpoint: &str) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        while !self.server.has_died()? {
            let log = || self.server.log_end();
            ensure!(Instant::now() < end, "nobody came by {failpoint}: {}", log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Registers a pipeline and makes it live.
    ///
    /// # Errors
    /// Where the server refuses.
    pub async fn deploy(&self, pipeline: sdk::Pipeline) -> Result<PipelineRef> {
        let reference = PipelineRef::new(NAMESPACE, &pipeline.id);
        let version = self.register(pipeline).await?;
        self.client()?.deploy(deploy(&reference, version)).await?;
        Ok(reference)
    }

    /// Registers a pipeline and gives the version.
    ///
    /// # Errors
    /// Where the server refuses.
    pub async fn register(&self, pipeline: sdk::Pipeline) -> Result<u64> {
        let declared = declared(pipeline)?;
        let client = self.client()?;
        let registered = client.register_pipeline(NAMESPACE, &declared, origin(), Mode::Commit);
        Ok(registered.await?.version)
    }

    /// Deploys a pipeline and starts a run of it.
    ///
    /// # Errors
    /// Where the server refuses.
    pub async fn start_new(&self, pipeline: sdk::Pipeline) -> Result<RunRef> {
        let pipeline = self.deploy(pipeline).await?;
        let started = self.client()?.start_run(start(&pipeline)).await?;
        Ok(started.run.reference())
    }

    /// Waits until a run is as wanted.
    ///
    /// # Errors
    /// Where it never is; the text has the run and the end of the server's log.
    pub async fn wait(
        &self,
        run: &RunRef,
        what: &str,
        ready: impl Fn(&Run) -> bool,
    ) -> Result<Run> {
        let client = self.client()?;
        let end = Instant::now() + DEADLINE;
        loop {
            let now = client.run(run).await?;
            if ready(&now) {
                return Ok(now);
            }
            if Instant::now() > end {
                bail!("run {run} never was {what}: {now:#?}{}", self.server.log_end());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for a run's end and for all its logs to be whole.
    ///
    /// # Errors
    /// As [`Stage::wait`].
    pub async fn settled(&self, run: &RunRef) -> Result<Run> {
        self.wait(run, "settled", |run| run.is_complete() && attempts(run).all(is_whole)).await
    }

    /// Waits until the engine has no container of these runs, and checks that it made at most one
    /// for each attempt and started it at most once.
    ///
    /// # Errors
    /// Where a container is left or an attempt had two.
    pub async fn nothing_is_left(&self, runs: &[&Run]) -> Result<()> {
        for run in runs {
            let end = Instant::now() + DEADLINE;
            loop {
                let left = self.containers_of(run).await?;
                if left.is_empty() {
                    break;
                }
                ensure!(Instant::now() < end, "run {} left {left:?}", run.path);
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.births.were_single(run).await?;
        }
        Ok(())
    }

    /// The ids of the containers that the engine has of a run.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub async fn containers_of(&self, run: &Run) -> Result<Vec<String>> {
        labelled(&self.docker, labels::RUN, &run.uid).await
    }

    /// The server's name on its containers.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }
}

/// Ends the server and removes what a test that failed left on the engine.
impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.server.kill() {
            eprintln!("could not kill a server: {error}");
        }
        let (docker, instance) = (self.docker.clone(), self.instance.clone());
        // A runtime of its own: this one may be about to end.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let cleaned = async { tokio::time::timeout(DEADLINE, clean(&docker, &instance)).await };
            runtime.block_on(cleaned)?
        });
        match cleaning.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("containers of {} may be left: {error:#}", self.instance),
            Err(_panic) => eprintln!("containers of {} may be left", self.instance),
        }
    }
}

async fn clean(docker: &Docker, instance: &str) -> Result<()> {
    for id in labelled(docker, labels::INSTANCE, instance).await? {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        docker.remove_container(&id, Some(options)).await?;
    }
    Ok(())
}

async fn labelled(docker: &Docker, label: &str, value: &str) -> Result<Vec<String>> {
    let filters = HashMap::from([("label", vec![format!("{label}={value}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let found = docker.list_containers(Some(options)).await?;
    Ok(found.into_iter().filter_map(|one| one.id).collect())
}

/// Does again what the server was too dead to answer.
///
/// # Errors
/// Every other error.
pub fn unless_dead<T>(answer: gofer_client::Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind == ErrorKind::Unavailable => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits for a level.
///
/// # Errors
/// Where it is not reached in time, or the look fails.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_whole(attempt: &Attempt) -> bool {
    use gofer_client::model::LogState;
    attempt.log.is_some_and(|log| log.state != LogState::Open)
}

/// All attempts of a run.
pub fn attempts(run: &Run) -> impl Iterator<Item = &Attempt> {
    run.task_runs.iter().flat_map(|task| &task.attempts)
}

/// What a program would have printed.
///
/// # Errors
/// Never for what this crate makes.
pub fn declared(pipeline: sdk::Pipeline) -> Result<Declared> {
    let program = sdk::Program {
        kind: gofer_proto::PROGRAM_KIND.to_owned(),
        pipelines: vec![pipeline],
        ..sdk::Program::default()
    };
    let mut decoded = program::decode(&program.encode_to_vec())?;
    decoded.pipelines.pop().context("a program without a pipeline")
}

fn origin() -> Origin {
    Origin { kind: OriginKind::Api, git_commit: None, git_dirty: None, author: None }
}

/// An order to make a version live.
#[must_use]
pub fn deploy(pipeline: &PipelineRef, version: u64) -> Deploy {
    Deploy {
        pipeline: pipeline.clone(),
        version,
        base_version: None,
        reason: String::new(),
        mode: Mode::Commit,
    }
}

/// An order to start the live version.
#[must_use]
pub fn start(pipeline: &PipelineRef) -> StartRun {
    StartRun {
        pipeline: pipeline.clone(),
        version: None,
        variables: Vec::new(),
        idempotency_key: None,
        reason: String::new(),
        mode: Mode::Commit,
    }
}

/// A pipeline of these tasks.
#[must_use]
pub fn pipeline(id: &str, tasks: Vec<sdk::Task>) -> sdk::Pipeline {
    sdk::Pipeline { id: id.to_owned(), tasks, ..sdk::Pipeline::default() }
}

/// A task that runs this shell script, word for word.
#[must_use]
pub fn shell(id: &str, script: &str) -> sdk::Task {
    sdk::Task {
        id: id.to_owned(),
        image: images::BUSYBOX.to_owned(),
        pull_policy: sdk::PullPolicy::Never.into(),
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ..sdk::Task::default()
    }
}

/// The task with one more parent.
#[must_use]
pub fn after(mut task: sdk::Task, parent: &str, need: sdk::RequiredStatus) -> sdk::Task {
    let parent = parent.to_owned();
    task.depends_on.push(sdk::DependsOn { parent, status: need.into(), source: None });
    task
}

/// A task run of a run.
///
/// # Errors
/// Where the run has no such task.
pub fn task_of<'a>(run: &'a Run, task: &str) -> Result<&'a TaskRun> {
    let found = run.task_runs.iter().find(|one| one.task_id == task);
    found.with_context(|| format!("no task {task} in {run:#?}"))
}
