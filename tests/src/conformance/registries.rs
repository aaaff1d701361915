//! Cases on pulls from a registry, for drivers that have one to ask. They need a Docker engine, whatever
//! the driver: it makes the images and pushes them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bollard::Docker;
use futures_util::future::BoxFuture;
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{
    Driver, FaultKind, ProgressSink, PullProgress, PullRequest, RegistryLogin,
};

use super::images::silent;
use super::{PATIENCE, expect_fault, fresh_instance};
use crate::images::{self, BUSYBOX};
use crate::registry::{Access, PASSWORD, Registry, SlowWay, USER, forget};

/// How the driver of a user with this `config.json` is made.
pub type Open = Arc<dyn Fn(PathBuf) -> BoxFuture<'static, Result<Arc<dyn Driver>>> + Send + Sync>;

/// Gives an engine a name for the image that it had under it before the push took it away.
pub type GiveBack = Arc<dyn Fn(String) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A driver under test and what a case needs around it.
#[derive(Clone)]
pub struct Puller {
    /// The driver of a user who has logged in nowhere.
    pub driver: Arc<dyn Driver>,
    /// See [`Open`].
    pub open: Open,
    /// See [`GiveBack`]; it is told the name without the tag, which is `1`.
    pub give_back: GiveBack,
    /// The engine that pushes.
    pub docker: Docker,
}

impl fmt::Debug for Puller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Puller").field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl Puller {
    /// A registry with a busybox in it, under a name that the engine does not have.
    async fn stocked(&self, access: Access, name: &str) -> Result<(Registry, String)> {
        images::busybox_on(&self.docker).await?;
        let registry = Registry::start(access).await?;
        registry.push(&self.docker, BUSYBOX, name, "1").await?;
        let image = registry.image(&format!("{name}:1"));
        Ok((registry, image))
    }

    /// Takes an image off the engine, also when it is Docker's.
    async fn forget(&self, image: &str) -> Result<()> {
        self.driver.images().remove(image).await?;
        forget(&self.docker, image).await
    }
}

fn request(image: &str, policy: PullPolicy, auth: Option<RegistryLogin>) -> PullRequest {
    PullRequest { image: image.to_owned(), policy, auth }
}

pub async fn the_right_credentials_pull_and_the_digest_is_recorded(puller: Puller) -> Result<()> {
    let (registry, image) = puller.stocked(Access::Login, "right").await?;
    let pull = request(&image, PullPolicy::IfNotPresent, Some(Registry::login()));
    let pulled = puller.driver.pull(pull, silent()).await?;
    let digest = pulled.digest.context("no digest")?;
    ensure!(digest.starts_with(&registry.image("right@sha256:")), "{digest}");
    ensure!(pulled.image_id == images::busybox_on(&puller.docker).await?, "{}", pulled.image_id);
    // And again without the registry: the digest is the engine's to remember.
    let again = puller.driver.pull(request(&image, PullPolicy::Never, None), silent()).await?;
    ensure!(again.digest == Some(digest), "{again:?}");
    puller.forget(&image).await
}

pub async fn wrong_or_no_credentials_are_refused_for_good(puller: Puller) -> Result<()> {
    let (_registry, image) = puller.stocked(Access::Login, "wrong").await?;
    let wrong = RegistryLogin { username: USER.to_owned(), password: "guess".to_owned() };
    for auth in [Some(wrong), None] {
        let pulled = puller.driver.pull(request(&image, PullPolicy::Always, auth), silent()).await;
        let fault = expect_fault(pulled, FaultKind::Image)?;
        ensure!(!fault.retryable && fault.message.contains("credentials"), "{fault:?}");
        ensure!(fault.message.contains(&image) && !fault.message.contains("guess"), "{fault:?}");
    }
    puller.forget(&image).await
}

pub async fn the_users_own_login_serves_a_task_without_one(puller: Puller) -> Result<()> {
    use base64::Engine as _;
    let (registry, image) = puller.stocked(Access::Login, "own").await?;
    let folder = tempfile::tempdir()?;
    let config_file = folder.path().join("config.json");
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let host = registry.image("").trim_end_matches('/').to_owned();
    let config = serde_json::json!({ "auths": { host: { "auth": auth } } });
    std::fs::write(&config_file, config.to_string())?;
    let driver = (puller.open)(config_file).await?;
    driver.pull(request(&image, PullPolicy::Always, None), silent()).await?;
    puller.forget(&image).await
}

pub async fn a_missing_image_is_final_and_a_registry_that_is_down_is_not(
    puller: Puller,
) -> Result<()> {
    let (mut registry, image) = puller.stocked(Access::Open, "down").await?;
    let pull =
        |image: &str| puller.driver.pull(request(image, PullPolicy::IfNotPresent, None), silent());
    for missing in [registry.image("down:2"), registry.image("nothing:1")] {
        let fault = expect_fault(pull(&missing).await, FaultKind::Image)?;
        ensure!(!fault.retryable && fault.message.contains("no such image"), "{fault:?}");
    }
    registry.stop().await?;
    let fault = expect_fault(pull(&image).await, FaultKind::Image)?;
    ensure!(fault.retryable, "{fault:?}");
    registry.start_again().await?;
    pull(&image).await?;
    // It is there now, so the policy asks nobody.
    registry.stop().await?;
    pull(&image).await?;
    puller.forget(&image).await
}

pub async fn always_sees_a_new_image_and_if_not_present_does_not(puller: Puller) -> Result<()> {
    let (registry, image) = puller.stocked(Access::Open, "fresh").await?;
    let pull = |policy| puller.driver.pull(request(&image, policy, None), silent());
    let old = pull(PullPolicy::Always).await?;
    let variant = format!("gofer-test/variant:{}", fresh_instance());
    let new_id = images::variant_on(&puller.docker, &variant, Some("new")).await?;
    registry.push(&puller.docker, &variant, "fresh", "1").await?;
    (puller.give_back)(registry.image("fresh")).await?;
    let same = pull(PullPolicy::IfNotPresent).await?;
    ensure!(same.image_id == old.image_id, "{same:?}");
    let new = pull(PullPolicy::Always).await?;
    ensure!(new.image_id == new_id && new.digest != old.digest, "{new:?} after {old:?}");
    puller.forget(&image).await?;
    // The old one has lost its tag and, on Docker, kept its digest.
    puller.forget(&old.digest.context("no digest")?).await?;
    forget(&puller.docker, &variant).await
}

pub async fn a_pull_tells_its_progress_and_hangs_up_when_it_is_dropped(
    puller: Puller,
) -> Result<()> {
    let registry = Registry::start(Access::Open).await?;
    // A layer that the engine does not have, or there would be nothing to fetch.
    let mark = fresh_instance().to_string();
    let variant = format!("gofer-test/variant:{mark}");
    images::variant_on(&puller.docker, &variant, Some(&mark)).await?;
    registry.push(&puller.docker, &variant, "slow", "1").await?;
    forget(&puller.docker, &variant).await?;
    let mut way = SlowWay::open(&registry, 256 * 1024).await?;
    let image = way.image("slow:1");
    let (told, mut telling) = tokio::sync::watch::channel(PullProgress::default());
    let sink: ProgressSink = Arc::new(move |now| {
        told.send_replace(now);
    });
    let pull = puller.driver.pull(request(&image, PullPolicy::Always, None), sink);
    tokio::select! {
        told = telling.wait_for(|now| now.current_bytes > 0) => {
            let now = *told?;
            ensure!(now.total_bytes > 256 * 1024 && now.current_bytes < now.total_bytes, "{now:?}");
        }
        pulled = pull => anyhow::bail!("pulled all in no time: {pulled:?}"),
        () = tokio::time::sleep(PATIENCE) => anyhow::bail!("no progress was told"),
    }
    // The select has dropped the pull; whoever fetches must hang up, hours before the end.
    tokio::time::timeout(Duration::from_secs(10), way.slow(0)).await??;
    way.close().await;
    Ok(())
}

/// Makes a test of each case, on the [`Puller`] that `$puller` sets up (an async function without
/// arguments, giving a `Result<Puller>`).
#[macro_export]
macro_rules! registry_suite {
    ($puller:path) => {
        $crate::registry_suite! { @tests $puller,
            the_right_credentials_pull_and_the_digest_is_recorded
            wrong_or_no_credentials_are_refused_for_good
            the_users_own_login_serves_a_task_without_one
            a_missing_image_is_final_and_a_registry_that_is_down_is_not
            always_sees_a_new_image_and_if_not_present_does_not
            a_pull_tells_its_progress_and_hangs_up_when_it_is_dropped
        }
    };
    (@tests $puller:path, $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() -> anyhow::Result<()> {
                $crate::conformance::registries::$case($puller().await?).await
            }
        )*
    };
}
