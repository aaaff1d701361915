//! How a task can end, and what is said of it.

use anyhow::{Context as _, Result, ensure};
use bollard::query_parameters::KillContainerOptionsBuilder;
use gofer_client::model::{FailureClass, LogState, Reason, Run, RunStatus, TaskRun, TaskRunState};
use gofer_client::{LogStart, ReadLog};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::conformance::images::MISSING;
use gofer_tests::stage::{Stage, pipeline, shell, task_of};
use tokio::time::Instant;

/// A task of its own command, without a shell.
fn command(id: &str, words: &[&str]) -> sdk::Task {
    let command = words.iter().map(|word| (*word).to_owned()).collect();
    sdk::Task { command, ..shell(id, "") }
}

/// Runs the one task and gives what became of it.
async fn ended(stage: &Stage, task: sdk::Task) -> Result<(Run, TaskRun)> {
    let id = task.id.clone();
    let run = stage.start_new(pipeline(&id, vec![task])).await?;
    let run = stage.settled(&run).await?;
    stage.nothing_is_left(&[&run]).await?;
    let task = task_of(&run, &id)?.clone();
    Ok((run, task))
}

#[track_caller]
fn failed(run: &Run, task: &TaskRun, reason: Reason, code: Option<i32>) {
    assert_eq!((run.status, run.reason), (Some(RunStatus::Failed), Some(reason)), "{run:#?}");
    assert_eq!(task.reason, Some(reason), "{task:#?}");
    let exit = task.attempts.last().and_then(|attempt| attempt.exit);
    assert_eq!(exit.and_then(|exit| exit.code), code, "{task:#?}");
    for text in [&task.reason_text, &task.next_step] {
        assert!(text.as_ref().is_some_and(|text| !text.is_empty()), "{task:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_fails_with_its_own_exit_code() -> Result<()> {
    let stage = Stage::up().await?;
    let (run, task) = ended(&stage, shell("leaves", "exit 57")).await?;
    failed(&run, &task, Reason::AbnormalExit, Some(57));
    ensure!(task.attempts.len() == 1 && task.user_failures == 1, "{task:#?}");

    let (run, task) = ended(&stage, command("lost", &["no-such-program"])).await?;
    failed(&run, &task, Reason::AbnormalExit, Some(127));
    let text = task.reason_text.clone().unwrap_or_default();
    ensure!(text.contains("no-such-program"), "{text}");
    ensure!(task.infra_failures == 0, "{task:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn want_of_memory_is_named_and_a_kill_by_somebody_is_not_taken_for_it() -> Result<()> {
    let stage = Stage::up().await?;
    let hungry =
        sdk::Task { memory_bytes: Some(16 << 20), ..command("hungry", &["tail", "/dev/zero"]) };
    let (run, task) = ended(&stage, hungry).await?;
    failed(&run, &task, Reason::OutOfMemory, Some(137));
    ensure!(task.attempts.iter().all(|one| one.exit.is_some_and(|exit| exit.oom)), "{task:#?}");

    let run =
        stage.start_new(pipeline("killed", vec![command("killed", &["sleep", "99"])])).await?;
    let runs = |run: &Run| run.task_runs.iter().all(|one| one.state == TaskRunState::Running);
    let now = stage.wait(&run, "running", runs).await?;
    let ids = stage.containers_of(&now).await?;
    let id = ids.first().context("no container")?;
    let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
    stage.docker.kill_container(id, Some(options)).await?;
    let run = stage.settled(&run).await?;
    let task = task_of(&run, "killed")?;
    failed(&run, task, Reason::AbnormalExit, Some(137));
    let attempt = task.attempts.last().context("no attempt")?;
    let exit = attempt.exit.context("no exit")?;
    ensure!(!exit.oom && exit.signal == Some(9), "{exit:?}");
    ensure!(attempt.failure_class == Some(FailureClass::User), "{attempt:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_is_an_image_error() -> Result<()> {
    let stage = Stage::up().await?;
    let absent = sdk::Task { image: MISSING.to_owned(), ..shell("absent", "true") };
    let (run, task) = ended(&stage, absent).await?;
    failed(&run, &task, Reason::ImageError, None);
    let text = task.reason_text.clone().unwrap_or_default();
    ensure!(text.contains(MISSING), "{text}");
    let log = task.attempts.last().and_then(|attempt| attempt.log).context("no log")?;
    ensure!(log.state == LogState::None, "{log:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_task_has_an_empty_log_at_once() -> Result<()> {
    let stage = Stage::up().await?;
    let (run, task) = ended(&stage, shell("silent", "true")).await?;
    ensure!(run.status == Some(RunStatus::Successful), "{run:#?}");
    let log = task.attempts.last().and_then(|attempt| attempt.log).context("no log")?;
    ensure!((log.bytes, log.lines) == (0, 0), "{log:?}");
    let read = ReadLog {
        task_run: task.reference(),
        attempt: None,
        start: LogStart::First,
        max_lines: None,
    };
    let asked = Instant::now();
    let page = stage.client()?.read_log(&read).await?;
    ensure!(asked.elapsed().as_secs() < 5, "an empty log took {:?}", asked.elapsed());
    ensure!(page.frames.is_empty() && page.sealed, "{page:?}");
    ensure!(page.state == log.state, "{page:?} for {log:?}");
    Ok(())
}
