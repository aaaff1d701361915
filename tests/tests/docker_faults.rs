//! What a Docker engine that goes down does to containers, logs and events. Each test has an engine
//! of its own, since nobody may stop the machine's; so this needs root, and takes its time.
//!
//! The driver is used as the engine crate uses it: an event stream is open, and each exit is looked
//! at when it is told.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use gofer_core::log::{Cursor, Follow};
use gofer_core::ports::driver::{
    Driver, DriverStream, EngineEvent, Exit, FaultKind, Handle, Observed,
};
use gofer_driver_docker::{DockerDriver, DockerSettings};
use gofer_tests::conformance::job::Job;
use gofer_tests::conformance::{Bench, PATIENCE, expect_fault, fresh_instance};
use gofer_tests::docker_engine::DockerEngine;
use gofer_tests::images::{self, BUSYBOX};

/// An engine of its own, a bench on it, and the open event stream of a server.
struct World {
    engine: DockerEngine,
    bench: Bench,
    events: DriverStream<EngineEvent>,
}

/// How the engine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Down {
    Stopped,
    Killed,
}

impl World {
    async fn new() -> Result<Self> {
        Self::on(DockerEngine::start().await?).await
    }

    async fn on(engine: DockerEngine) -> Result<Self> {
        images::busybox_on(&engine.client()?).await?;
        let instance = fresh_instance();
        let driver = driver_of(&engine, &instance)?;
        let bench = Bench {
            other: Arc::clone(&driver),
            driver,
            other_instance: instance.clone(),
            instance,
            image: BUSYBOX.to_owned(),
            teach: Arc::new(|_, _| {}),
        };
        let events = bench.driver.events(&bench.instance);
        let mut world = Self { engine, bench, events };
        world.connected().await?;
        Ok(world)
    }

    async fn connected(&mut self) -> Result<()> {
        let first = tokio::time::timeout(PATIENCE, self.events.next()).await?;
        ensure!(matches!(first, Some(Ok(EngineEvent::Connected))), "{first:?}");
        Ok(())
    }

    /// Takes the engine down and up again, and connects anew, as a server does.
    async fn go_down(&mut self, how: Down) -> Result<()> {
        match how {
            Down::Stopped => self.engine.stop().await?,
            Down::Killed => self.engine.kill9().await?,
        }
        self.lost().await?;
        let key = self.bench.spec("nobody", &Job::is_silent())?.key;
        expect_fault(self.bench.driver.inspect(&key).await, FaultKind::Unreachable)?;
        self.engine.launch().await?;
        // Somebody else may be answered before the event stream is back.
        self.bench.driver.list(&self.bench.instance).await?;
        self.events = self.bench.driver.events(&self.bench.instance);
        self.connected().await
    }

    /// Reads events until the stream ends, as it must, with Unreachable.
    async fn lost(&mut self) -> Result<()> {
        loop {
            match tokio::time::timeout(PATIENCE, self.events.next()).await? {
                Some(Ok(EngineEvent::Changed(_))) => {}
                Some(Err(fault)) if fault.kind == FaultKind::Unreachable => break,
                other => bail!("expected the stream to be lost, got {other:?}"),
            }
        }
        let after = self.events.next().await;
        ensure!(after.is_none(), "{after:?}");
        Ok(())
    }

    async fn started(&self, task: &str, job: &Job) -> Result<Handle> {
        self.bench.start(task, job).await
    }

    async fn exit(&self, handle: &Handle) -> Result<Exit> {
        self.bench.exit(&handle.key).await
    }

    /// Removes what is left, so that the engine stops at once.
    async fn finish(mut self) -> Result<()> {
        for listed in self.bench.driver.list(&self.bench.instance).await? {
            self.bench.driver.remove(&listed.handle).await?;
        }
        drop(self.events);
        self.engine.stop().await
    }
}

fn driver_of(
    engine: &DockerEngine,
    instance: &gofer_core::ids::InstanceId,
) -> Result<Arc<dyn Driver>> {
    let settings = DockerSettings {
        instance: instance.clone(),
        host: Some(engine.host()),
        config_file: None,
        last_contact_ms: None,
    };
    Ok(Arc::new(DockerDriver::new(settings)?))
}

async fn restart_under(how: Down) -> Result<()> {
    let mut world = World::new().await?;
    let done = world.started("done", &Job::exits(57)).await?;
    let well = world.started("well", &Job::exits(0)).await?;
    let done_before = world.exit(&done).await?;
    let well_before = world.exit(&well).await?;
    let sleeps = world.started("sleeps", &Job::sleeps()).await?;
    let traps = world.started("traps", &Job::handles_term(0)).await?;
    says(&world, &traps, "ready\n").await?;

    world.go_down(how).await?;

    // What had ended before is what it was.
    ensure!(world.exit(&done).await? == done_before, "{how:?}");
    ensure!(done_before.code == 57 && !done_before.interrupted, "{done_before:?}");
    ensure!(world.exit(&well).await? == well_before && !well_before.interrupted, "{how:?}");
    // What ran is interrupted, whatever its code, also to a server that watched nothing.
    let slept = world.exit(&sleeps).await?;
    ensure!(slept.interrupted && !slept.oom, "{how:?}: {slept:?}");
    let trapped = world.exit(&traps).await?;
    ensure!(trapped.interrupted, "{how:?}: {trapped:?}");
    let stranger = driver_of(&world.engine, &world.bench.instance)?;
    let seen = stranger.inspect(&sleeps.key).await?;
    ensure!(
        matches!(&seen, Observed::Exited { exit, .. } if exit.interrupted),
        "{how:?}: {seen:?}"
    );

    // Nothing starts again, and logs are what they were.
    let spec = world.bench.spec("new", &Job::exits(3))?;
    let new = world.bench.driver.ensure(spec.clone()).await?;
    ensure!(world.bench.driver.ensure(spec).await? == new);
    let exit = world.exit(&new).await?;
    ensure!(exit.code == 3 && !exit.interrupted, "{exit:?}");
    says(&world, &traps, "ready\n").await?;
    says(&world, &done, "started\n").await?;

    // A kill by us in the new life is no interruption.
    let killed = world.started("killed", &Job::sleeps()).await?;
    world.bench.driver.kill(&killed).await?;
    let exit = world.exit(&killed).await?;
    ensure!(exit.code == 137 && !exit.interrupted, "{exit:?}");
    let told = tokio::time::timeout(Duration::from_secs(10), world.events.next()).await?;
    ensure!(matches!(told, Some(Ok(EngineEvent::Changed(_)))), "the new stream is deaf: {told:?}");
    world.finish().await
}

/// Follows the log until it has said this much.
async fn says(world: &World, handle: &Handle, text: &str) -> Result<()> {
    let mut log = world.bench.driver.logs(handle, Cursor::default(), Follow::Yes);
    let mut heard = Vec::new();
    while heard.len() < text.len() {
        let frame = tokio::time::timeout(PATIENCE, log.next()).await?;
        heard.extend_from_slice(&frame.context("the log has ended")??.data);
    }
    ensure!(heard == text.as_bytes(), "{:?}", String::from_utf8_lossy(&heard));
    Ok(())
}

#[tokio::test]
async fn a_graceful_restart_interrupts_what_runs_and_nothing_else() -> Result<()> {
    restart_under(Down::Stopped).await
}

#[tokio::test]
async fn a_kill_interrupts_what_runs_and_nothing_else() -> Result<()> {
    restart_under(Down::Killed).await
}

#[tokio::test]
async fn with_live_restore_containers_outlive_the_engine_and_nothing_is_interrupted() -> Result<()>
{
    let mut world = World::on(DockerEngine::start_with(&["--live-restore"]).await?).await?;
    let sleeps = world.started("sleeps", &Job::sleeps()).await?;
    let ends = world.started("ends", &Job::writes_in_bursts(3)).await?;
    world.engine.stop().await?;
    world.lost().await?;
    // Long enough for the second to end while nobody looks.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.engine.launch().await?;
    world.events = world.bench.driver.events(&world.bench.instance);
    world.connected().await?;
    let exit = world.exit(&ends).await?;
    ensure!(exit.code == 0 && !exit.interrupted, "{exit:?}");
    let seen = world.bench.driver.inspect(&sleeps.key).await?;
    ensure!(matches!(seen, Observed::Running { .. }), "{seen:?}");
    world.bench.driver.kill(&sleeps).await?;
    let exit = world.exit(&sleeps).await?;
    ensure!(exit.code == 137 && !exit.interrupted, "{exit:?}");
    world.finish().await
}

#[tokio::test]
async fn an_ensure_under_a_kill_ends_in_one_start() -> Result<()> {
    let mut world = World::new().await?;
    let spec = world.bench.spec("task", &Job::exits(0))?;
    let driver = Arc::clone(&world.bench.driver);
    let ensure_once = driver.ensure(spec.clone());
    let (first, killed) = tokio::join!(ensure_once, async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        world.engine.kill9().await
    });
    killed?;
    if let Err(fault) = &first {
        ensure!(fault.kind == FaultKind::Unreachable, "{fault:?}");
    }
    world.engine.launch().await?;
    let handle = match driver.ensure(spec.clone()).await {
        Ok(handle) => handle,
        // The kill fell between create and the record of the start: nobody knows whether it ran.
        Err(fault) => {
            ensure!(fault.kind == FaultKind::Engine && fault.retryable, "{fault:?}");
            ensure!(driver.list(&world.bench.instance).await?.is_empty(), "it was not removed");
            return world.finish().await;
        }
    };
    world.exit(&handle).await?;
    let listed = driver.list(&world.bench.instance).await?;
    ensure!(listed.len() == 1, "{listed:?}");
    let log = driver.logs(&handle, Cursor::default(), Follow::No).collect::<Vec<_>>().await;
    ensure!(log.len() <= 1, "started twice: {log:?}");
    world.finish().await
}
