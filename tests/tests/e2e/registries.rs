//! A task whose image lies in a private registry.

use anyhow::{Context as _, Result, ensure};
use gofer_client::model::{Reason, RunStatus};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::images::BUSYBOX;
use gofer_tests::registry::{Access, PASSWORD, Registry, USER, forget};
use gofer_tests::stage::{Stage, pipeline, readings, shell, task_of};

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_pulls_and_a_wrong_one_is_an_image_error() -> Result<()> {
    let stage = Stage::up().await?;
    let registry = Registry::start(Access::Login).await?;
    registry.push(&stage.docker, BUSYBOX, "private", "1").await?;
    let image = registry.image("private:1");
    let task = |id: &str, password: &str| sdk::Task {
        image: image.clone(),
        pull_policy: sdk::PullPolicy::Always.into(),
        registry_auth: Some(sdk::RegistryAuth {
            username: USER.to_owned(),
            password: password.to_owned(),
        }),
        ..shell(id, "echo pulled")
    };

    let run = stage.start_new(pipeline("wrong", vec![task("wrong", "a guess")])).await?;
    let done = stage.settled(&run).await?;
    let found = task_of(&done, "wrong")?;
    ensure!(done.status == Some(RunStatus::Failed), "{done:#?}");
    ensure!(found.reason == Some(Reason::ImageError), "{found:#?}");
    ensure!(found.attempts.len() == 1, "a refusal was tried again: {found:#?}");
    ensure!(!format!("{done:?}").contains("a guess"), "the password is shown");
    stage.nothing_is_left(&[&done]).await?;

    let run = stage.start_new(pipeline("right", vec![task("right", PASSWORD)])).await?;
    let done = stage.settled(&run).await?;
    ensure!(done.status == Some(RunStatus::Successful), "{done:#?}");
    let attempt = task_of(&done, "right")?.attempts.first().context("no attempt")?;
    let digest = attempt.image_digest.clone().unwrap_or_default();
    ensure!(digest.contains("private@sha256:"), "{digest}");
    ensure!(attempt.pull_started_at.is_some() && attempt.pull_ended_at.is_some(), "{attempt:#?}");
    let (said, _) = readings::read(&stage.client()?, &run.task("right"), 1).await?;
    ensure!(said.out == b"pulled\n", "{said:?}");
    ensure!(!stage.server.log_end().contains(PASSWORD), "the password is in the server's log");
    stage.nothing_is_left(&[&done]).await?;
    forget(&stage.docker, &image).await
}
