//! Cases on images that need no registry.

use std::sync::Arc;

use anyhow::{Result, ensure};
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{ContainerSpec, FaultKind, ProgressSink, PullRequest};

use super::job::Job;
use super::{Bench, expect_fault};

/// An image that no engine has. The fake is told so by its bench.
pub const MISSING: &str = "gofer-test/no-such-image:1";

pub async fn an_image_that_is_there_is_not_pulled(bench: Bench) -> Result<()> {
    for policy in [PullPolicy::IfNotPresent, PullPolicy::Never] {
        let pulled = bench.driver.pull(request(&bench.image, policy), silent()).await?;
        ensure!(pulled.image_id.starts_with("sha256:"), "{pulled:?}");
        // A container is made from the id just as well.
        let spec = bench.spec("task", &Job::exits(0))?;
        let spec = ContainerSpec { image: pulled.image_id, ..spec };
        bench.driver.ensure(spec.clone()).await?;
        ensure!(bench.exit(&spec.key).await?.code == 0);
    }
    Ok(())
}

pub async fn never_with_a_missing_image_says_so(bench: Bench) -> Result<()> {
    let pulled = bench.driver.pull(request(MISSING, PullPolicy::Never), silent()).await;
    let fault = expect_fault(pulled, FaultKind::Image)?;
    ensure!(!fault.retryable && fault.message.contains(MISSING), "{fault:?}");
    ensure!(fault.message.contains("never"), "{fault:?}");
    Ok(())
}

pub async fn a_container_of_a_missing_image_is_an_image_fault(bench: Bench) -> Result<()> {
    let spec = ContainerSpec { image: MISSING.to_owned(), ..bench.spec("task", &Job::exits(0))? };
    expect_fault(bench.driver.ensure(spec).await, FaultKind::Image)?;
    ensure!(bench.driver.list(&bench.instance).await?.is_empty());
    Ok(())
}

fn request(image: &str, policy: PullPolicy) -> PullRequest {
    PullRequest { image: image.to_owned(), policy, auth: None }
}

pub(super) fn silent() -> ProgressSink {
    Arc::new(|_| {})
}
