//! Holds the Docker driver, the embedded one and the fake to one behaviour (the suite), and the Docker
//! driver to what only it can show: registries. It needs a Docker engine, busybox-static,
//! docker-registry, and root.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bollard::Docker;
use futures_util::StreamExt as _;
use gofer_core::ids::InstanceId;
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{
    Driver, EngineEvent, FaultKind, ProgressSink, PullProgress, PullRequest, RegistryLogin,
};
use gofer_driver_docker::{DockerDriver, DockerSettings};
use gofer_tests::conformance::job::Job;
use gofer_tests::conformance::{Bench, PATIENCE, expect_fault, fresh_instance, images::MISSING};
use gofer_tests::embedded::Ground;
use gofer_tests::fake::{FakeDriver, FakeEngine, FakeImage};
use gofer_tests::images::{self, BUSYBOX};
use gofer_tests::registry::{Access, PASSWORD, Registry, SlowWay, USER, forget};

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

fn silent() -> ProgressSink {
    Arc::new(|_| {})
}

fn request(image: &str, policy: PullPolicy, auth: Option<RegistryLogin>) -> PullRequest {
    PullRequest { image: image.to_owned(), policy, auth }
}

/// A registry with a busybox in it, under a name that the engine does not have, and a driver.
async fn stocked(access: Access, name: &str) -> Result<(Registry, String, Docker, DockerDriver)> {
    images::busybox().await?;
    let docker = Docker::connect_with_defaults()?;
    let registry = Registry::start(access).await?;
    registry.push(&docker, BUSYBOX, name, "1").await?;
    let settings =
        DockerSettings { config_file: None, ..DockerSettings::from_env(fresh_instance()) };
    let driver = DockerDriver::connect(settings).await?;
    let image = registry.image(&format!("{name}:1"));
    Ok((registry, image, docker, driver))
}

#[tokio::test]
async fn the_right_credentials_pull_and_the_digest_is_recorded() -> Result<()> {
    let (registry, image, docker, driver) = stocked(Access::Login, "right").await?;
    let pull = request(&image, PullPolicy::IfNotPresent, Some(Registry::login()));
    let pulled = driver.pull(pull, silent()).await?;
    let digest = pulled.digest.context("no digest")?;
    ensure!(digest.starts_with(&registry.image("right@sha256:")), "{digest}");
    ensure!(pulled.image_id == images::busybox().await?, "{}", pulled.image_id);
    // And again without the registry: the digest is the engine's to remember.
    let again = driver.pull(request(&image, PullPolicy::Never, None), silent()).await?;
    ensure!(again.digest == Some(digest), "{again:?}");
    forget(&docker, &image).await
}

#[tokio::test]
async fn wrong_or_no_credentials_are_refused_for_good() -> Result<()> {
    let (_registry, image, docker, driver) = stocked(Access::Login, "wrong").await?;
    let wrong = RegistryLogin { username: USER.to_owned(), password: "guess".to_owned() };
    for auth in [Some(wrong), None] {
        let pulled = driver.pull(request(&image, PullPolicy::Always, auth), silent()).await;
        let fault = expect_fault(pulled, FaultKind::Image)?;
        ensure!(!fault.retryable && fault.message.contains("credentials"), "{fault:?}");
        ensure!(!fault.message.contains("guess"), "{fault:?}");
    }
    forget(&docker, &image).await
}

#[tokio::test]
async fn the_users_own_login_serves_a_task_without_one() -> Result<()> {
    use base64::Engine as _;
    let (registry, image, docker, _) = stocked(Access::Login, "own").await?;
    let folder = tempfile::tempdir()?;
    let config_file = folder.path().join("config.json");
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let host = registry.image("").trim_end_matches('/').to_owned();
    let config = serde_json::json!({ "auths": { host: { "auth": auth } } });
    std::fs::write(&config_file, config.to_string())?;
    let settings = DockerSettings::from_env(fresh_instance());
    let settings = DockerSettings { config_file: Some(config_file), ..settings };
    let driver = DockerDriver::connect(settings).await?;
    driver.pull(request(&image, PullPolicy::Always, None), silent()).await?;
    forget(&docker, &image).await
}

#[tokio::test]
async fn a_missing_image_is_final_and_a_registry_that_is_down_is_not() -> Result<()> {
    let (mut registry, image, docker, driver) = stocked(Access::Open, "down").await?;
    for missing in [registry.image("down:2"), registry.image("nothing:1")] {
        let pulled = driver.pull(request(&missing, PullPolicy::IfNotPresent, None), silent()).await;
        let fault = expect_fault(pulled, FaultKind::Image)?;
        ensure!(!fault.retryable && fault.message.contains("no such image"), "{fault:?}");
    }
    registry.stop().await?;
    let down = || driver.pull(request(&image, PullPolicy::IfNotPresent, None), silent());
    let fault = expect_fault(down().await, FaultKind::Image)?;
    ensure!(fault.retryable, "{fault:?}");
    registry.start_again().await?;
    down().await?;
    // It is there now, so the policy asks nobody.
    registry.stop().await?;
    down().await?;
    forget(&docker, &image).await
}

#[tokio::test]
async fn always_sees_a_new_image_and_if_not_present_does_not() -> Result<()> {
    let (registry, image, docker, driver) = stocked(Access::Open, "fresh").await?;
    let old = driver.pull(request(&image, PullPolicy::Always, None), silent()).await?;
    let variant = format!("gofer-test/variant:{}", fresh_instance());
    let new_id = images::variant_on(&docker, &variant, Some("new")).await?;
    registry.push(&docker, &variant, "fresh", "1").await?;
    driver.pull(request(&image, PullPolicy::IfNotPresent, None), silent()).await?;
    // The push took the tag off the engine, so that pull fetched; give the engine the old one.
    docker_tag(&docker, BUSYBOX, &registry.image("fresh")).await?;
    let same = driver.pull(request(&image, PullPolicy::IfNotPresent, None), silent()).await?;
    ensure!(same.image_id == old.image_id, "{same:?}");
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink: ProgressSink = {
        let told = Arc::clone(&told);
        Arc::new(move |now: PullProgress| told.lock().unwrap().push(now))
    };
    let new = driver.pull(request(&image, PullPolicy::Always, None), sink).await?;
    ensure!(new.image_id == new_id && new.digest != old.digest, "{new:?} after {old:?}");
    forget(&docker, &image).await?;
    // The old one has lost its tag and kept its digest.
    forget(&docker, &old.digest.context("no digest")?).await?;
    forget(&docker, &variant).await
}

async fn docker_tag(docker: &Docker, local: &str, remote: &str) -> Result<()> {
    use bollard::query_parameters::TagImageOptionsBuilder;
    let options = TagImageOptionsBuilder::default().repo(remote).tag("1").build();
    Ok(docker.tag_image(local, Some(options)).await?)
}

#[tokio::test]
async fn a_pull_tells_its_progress_and_a_dropped_one_is_cancelled_on_the_engine() -> Result<()> {
    let registry = Registry::start(Access::Open).await?;
    let docker = Docker::connect_with_defaults()?;
    // A layer that the engine does not have, or there would be nothing to fetch.
    let mark = fresh_instance().to_string();
    let variant = format!("gofer-test/variant:{mark}");
    images::variant_on(&docker, &variant, Some(&mark)).await?;
    registry.push(&docker, &variant, "slow", "1").await?;
    forget(&docker, &variant).await?;
    let mut way = SlowWay::open(&registry, 256 * 1024).await?;
    let image = way.image("slow:1");
    let settings =
        DockerSettings { config_file: None, ..DockerSettings::from_env(fresh_instance()) };
    let driver = DockerDriver::connect(settings).await?;
    let (told, mut telling) = tokio::sync::watch::channel(PullProgress::default());
    let sink: ProgressSink = Arc::new(move |now| {
        told.send_replace(now);
    });
    let pull = driver.pull(request(&image, PullPolicy::Always, None), sink);
    tokio::select! {
        told = telling.wait_for(|now| now.current_bytes > 0) => {
            let now = *told?;
            ensure!(now.total_bytes > 256 * 1024 && now.current_bytes < now.total_bytes, "{now:?}");
        }
        pulled = pull => anyhow::bail!("pulled all in no time: {pulled:?}"),
        () = tokio::time::sleep(PATIENCE) => anyhow::bail!("no progress was told"),
    }
    // The select has dropped the pull; the engine must hang up, hours before the end.
    tokio::time::timeout(Duration::from_secs(10), way.slow(0)).await??;
    way.close().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pull_is_cancelled_on_the_fake() -> Result<()> {
    let engine = FakeEngine::new();
    let slow = FakeImage { takes: Duration::from_secs(60), bytes: 100, ..FakeImage::remote() };
    engine.image("slow:1", slow);
    let driver = FakeDriver::new(engine.clone());
    let pull = driver.pull(request("slow:1", PullPolicy::IfNotPresent, None), silent());
    ensure!(tokio::time::timeout(Duration::from_secs(7), pull).await.is_err());
    ensure!(engine.pulls_under_way() == 0);
    let pull = driver.pull(request("slow:1", PullPolicy::Never, None), silent()).await;
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
