//! Holds the Docker driver, the embedded one and the fake to one behaviour (the suite), and the two
//! real ones to one behaviour with registries. It needs a Docker engine, busybox-static,
//! docker-registry, and root.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bollard::Docker;
use bollard::query_parameters::TagImageOptionsBuilder;
use futures_util::StreamExt as _;
use gofer_core::ids::InstanceId;
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{Driver, EngineEvent, FaultKind, ProgressSink, PullRequest};
use gofer_driver_docker::{DockerDriver, DockerSettings};
use gofer_tests::conformance::job::Job;
use gofer_tests::conformance::registries::Puller;
use gofer_tests::conformance::{Bench, expect_fault, fresh_instance, images::MISSING};
use gofer_tests::embedded::Ground;
use gofer_tests::fake::{FakeDriver, FakeEngine, FakeImage};
use gofer_tests::images::{self, BUSYBOX};
use gofer_tests::registry::bare::BareEngine;

async fn docker_driver(instance: InstanceId) -> Result<Arc<dyn Driver>> {
    let settings = DockerSettings { config_file: None, ..DockerSettings::from_env(instance) };
    Ok(Arc::new(DockerDriver::connect(settings).await?))
}

async fn docker_bench() -> Result<Bench> {
    images::busybox().await?;
    let (instance, other_instance) = (fresh_instance(), fresh_instance());
    Ok(Bench {
        driver: docker_driver(instance.clone()).await?,
        instance,
        other: docker_driver(other_instance.clone()).await?,
        other_instance,
        image: BUSYBOX.to_owned(),
        teach: Arc::new(|_, _| {}),
    })
}

#[expect(clippy::unused_async, reason = "the suite's benches are async")]
async fn fake_bench() -> Result<Bench> {
    Ok(fake_bench_on(&FakeEngine::new()))
}

fn fake_bench_on(engine: &FakeEngine) -> Bench {
    engine.image(MISSING, FakeImage::missing());
    engine.image(BUSYBOX, FakeImage::default());
    let driver = FakeDriver::port(engine.clone());
    let engine = engine.clone();
    Bench {
        driver: Arc::clone(&driver),
        instance: fresh_instance(),
        other: driver,
        other_instance: fresh_instance(),
        image: BUSYBOX.to_owned(),
        teach: Arc::new(move |words, program| engine.program_for(BUSYBOX, words, program)),
    }
}

async fn embedded_bench() -> Result<Bench> {
    let ground = Ground::new().await?;
    let (instance, other_instance) = (fresh_instance(), fresh_instance());
    let driver = ground.driver(instance.clone())?;
    Ok(Bench {
        other: Arc::new(driver.for_instance(other_instance.clone())),
        driver: Arc::new(driver),
        instance,
        other_instance,
        image: BUSYBOX.to_owned(),
        // It lives as long as the bench.
        teach: Arc::new(move |_, _| assert!(ground.data_dir().exists())),
    })
}

mod docker {
    gofer_tests::conformance_suite!(super::docker_bench, tokio::test);
}

mod embedded {
    gofer_tests::conformance_suite!(super::embedded_bench, tokio::test);
}

mod fake {
    gofer_tests::conformance_suite!(super::fake_bench, tokio::test(start_paused = true));
}

async fn docker_puller() -> Result<Puller> {
    let docker = Docker::connect_with_defaults()?;
    let engine = docker.clone();
    Ok(Puller {
        driver: docker_driver(fresh_instance()).await?,
        open: Arc::new(|config_file| {
            Box::pin(async move {
                let settings = DockerSettings::from_env(fresh_instance());
                let settings = DockerSettings { config_file: Some(config_file), ..settings };
                let driver: Arc<dyn Driver> = Arc::new(DockerDriver::connect(settings).await?);
                Ok(driver)
            })
        }),
        // The push took the tag off this very engine.
        give_back: Arc::new(move |name| {
            let engine = engine.clone();
            Box::pin(async move {
                let options = TagImageOptionsBuilder::default().repo(&name).tag("1").build();
                Ok(engine.tag_image(BUSYBOX, Some(options)).await?)
            })
        }),
        docker,
    })
}

async fn embedded_puller() -> Result<Puller> {
    let engine = Arc::new(BareEngine::new()?);
    Ok(Puller {
        driver: Arc::new(engine.driver(None)?),
        // It lives as long as the puller.
        open: Arc::new(move |config_file| {
            let driver = engine.driver(Some(config_file));
            Box::pin(async move {
                let driver: Arc<dyn Driver> = Arc::new(driver?);
                Ok(driver)
            })
        }),
        give_back: Arc::new(|_| Box::pin(async { Ok(()) })),
        docker: Docker::connect_with_defaults()?,
    })
}

mod docker_registries {
    gofer_tests::registry_suite!(super::docker_puller);
}

mod embedded_registries {
    gofer_tests::registry_suite!(super::embedded_puller);
}

fn silent() -> ProgressSink {
    Arc::new(|_| {})
}

fn request(image: &str, policy: PullPolicy) -> PullRequest {
    PullRequest { image: image.to_owned(), policy, auth: None }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pull_is_cancelled_on_the_fake() -> Result<()> {
    let engine = FakeEngine::new();
    let slow = FakeImage { takes: Duration::from_secs(60), bytes: 100, ..FakeImage::remote() };
    engine.image("slow:1", slow);
    let driver = FakeDriver::new(engine.clone());
    let pull = driver.pull(request("slow:1", PullPolicy::IfNotPresent), silent());
    ensure!(tokio::time::timeout(Duration::from_secs(7), pull).await.is_err());
    ensure!(engine.pulls_under_way() == 0);
    let pull = driver.pull(request("slow:1", PullPolicy::Never), silent()).await;
    expect_fault(pull, FaultKind::Image)?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_fake_is_as_deaf_as_an_engine_and_loses_answers_after_the_act() -> Result<()> {
    let engine = FakeEngine::new();
    let bench = fake_bench_on(&engine);
    let spec = bench.spec("task", &Job::handles_term(0))?;
    let mut events = bench.driver.events(&bench.instance);
    ensure!(matches!(events.next().await, Some(Ok(EngineEvent::Connected))));
    engine.lose_answers(1);
    expect_fault(bench.driver.ensure(spec.clone()).await, FaultKind::Unreachable)?;
    let handle = bench.driver.ensure(spec.clone()).await?;
    ensure!(engine.starts(&spec.key) == 1, "{:?}", engine.all_starts());
    engine.down();
    ensure!(
        matches!(events.next().await, Some(Err(fault)) if fault.kind == FaultKind::Unreachable)
    );
    ensure!(events.next().await.is_none());
    expect_fault(bench.driver.inspect(&spec.key).await, FaultKind::Unreachable)?;
    engine.up();
    let exit = bench.exit(&spec.key).await?;
    ensure!(exit.code == 0 && exit.interrupted, "{exit:?}");
    let mut events = bench.driver.events(&bench.instance);
    ensure!(matches!(events.next().await, Some(Ok(EngineEvent::Connected))));
    let quiet = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
    ensure!(quiet.is_err(), "told of what was missed: {quiet:?}");
    bench.driver.remove(&handle).await?;
    ensure!(engine.left().is_empty());
    Ok(())
}

#[tokio::test]
async fn no_engine_is_unreachable_and_nothing_else() -> Result<()> {
    let instance = fresh_instance();
    let folder = tempfile::tempdir()?;
    let host = format!("unix://{}/none.sock", folder.path().display());
    let settings =
        DockerSettings { instance, host: Some(host), config_file: None, last_contact_ms: None };
    expect_fault(DockerDriver::connect(settings.clone()).await, FaultKind::Unreachable)?;
    let driver = DockerDriver::new(settings)?;
    let fault = expect_fault(driver.list(&fresh_instance()).await, FaultKind::Unreachable)?;
    ensure!(fault.retryable, "{fault:?}");
    Ok(())
}
