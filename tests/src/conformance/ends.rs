//! Cases on how a container ends, by itself or by us, and on what inspect says in each state.

use std::time::Duration;

use anyhow::{Result, ensure};
use gofer_core::ids::AttemptKey;
use gofer_core::ports::driver::{Exit, Handle, Observed};

use super::job::Job;
use super::{Bench, fresh_instance};

/// How far the engine's clock and the order of its notes may be off.
const SLACK_MS: i64 = 5_000;

pub async fn exit_codes_come_back_as_they_are(bench: Bench) -> Result<()> {
    for (task, code) in [("zero", 0), ("one", 1), ("fifty_seven", 57), ("most", 255)] {
        let handle = bench.start(task, &Job::exits(code)).await?;
        let exit = bench.exit(&handle.key).await?;
        ensure!(exit.code == code && !exit.oom && !exit.interrupted, "{exit:?}");
        check_times(&exit)?;
    }
    Ok(())
}

pub async fn a_container_that_never_was_is_absent(bench: Bench) -> Result<()> {
    let key = AttemptKey { uid: fresh_instance(), ..bench.spec("task", &Job::is_silent())?.key };
    ensure!(bench.driver.inspect(&key).await? == Observed::Absent);
    Ok(())
}

pub async fn a_running_container_is_seen_running(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::sleeps()).await?;
    let seen = bench.driver.inspect(&handle.key).await?;
    let Observed::Running { handle: same, since_ms } = &seen else {
        anyhow::bail!("saw {seen:?}");
    };
    ensure!(*same == handle && *since_ms > 1_600_000_000_000, "{seen:?}");
    ensure!(bench.driver.inspect(&handle.key).await? == seen);
    Ok(())
}

pub async fn want_of_memory_is_named(bench: Bench) -> Result<()> {
    let mut spec = bench.spec("task", &Job::takes_all_memory())?;
    spec.memory_bytes = Some(16 << 20);
    bench.driver.ensure(spec.clone()).await?;
    let exit = bench.exit(&spec.key).await?;
    ensure!(exit.oom && exit.code == 137 && !exit.interrupted, "{exit:?}");
    Ok(())
}

pub async fn stop_lets_a_handler_choose_the_exit_code(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::handles_term(7)).await?;
    is_ready(&bench, &handle).await?;
    bench.driver.stop(&handle).await?;
    let exit = bench.exit(&handle.key).await?;
    ensure!(exit.code == 7 && exit.signal().is_none() && !exit.interrupted, "{exit:?}");
    check_times(&exit)
}

pub async fn stop_without_a_handler_changes_nothing(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::sleeps()).await?;
    bench.driver.stop(&handle).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let seen = bench.driver.inspect(&handle.key).await?;
    ensure!(matches!(seen, Observed::Running { .. }), "{seen:?}");
    Ok(())
}

pub async fn kill_ends_with_137(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::sleeps()).await?;
    bench.driver.kill(&handle).await?;
    let exit = bench.exit(&handle.key).await?;
    ensure!(exit.code == 137 && exit.signal() == Some(9), "{exit:?}");
    ensure!(!exit.oom && !exit.interrupted, "{exit:?}");
    Ok(())
}

pub async fn signals_to_an_ended_or_gone_container_are_fine(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::exits(3)).await?;
    let exit = bench.exit(&handle.key).await?;
    bench.driver.stop(&handle).await?;
    bench.driver.kill(&handle).await?;
    ensure!(bench.exit(&handle.key).await? == exit);
    bench.driver.remove(&handle).await?;
    bench.driver.stop(&handle).await?;
    bench.driver.kill(&handle).await?;
    Ok(())
}

pub async fn remove_twice_is_fine_and_leaves_it_absent(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::exits(0)).await?;
    bench.exit(&handle.key).await?;
    bench.driver.remove(&handle).await?;
    ensure!(bench.driver.inspect(&handle.key).await? == Observed::Absent);
    bench.driver.remove(&handle).await?;
    ensure!(bench.driver.list(&bench.instance).await?.is_empty());
    Ok(())
}

pub async fn remove_takes_a_running_container(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::sleeps()).await?;
    bench.driver.remove(&handle).await?;
    ensure!(bench.driver.inspect(&handle.key).await? == Observed::Absent);
    Ok(())
}

/// Waits until the job has set up its handler and said so.
pub(super) async fn is_ready(bench: &Bench, handle: &Handle) -> Result<()> {
    use futures_util::StreamExt as _;
    use gofer_core::log::{Cursor, Follow};
    let mut log = bench.driver.logs(handle, Cursor::default(), Follow::Yes);
    let first = tokio::time::timeout(super::PATIENCE, log.next()).await?;
    match first {
        Some(Ok(frame)) if frame.data == "ready\n" => Ok(()),
        other => anyhow::bail!("the job is not ready: {other:?}"),
    }
}

fn check_times(exit: &Exit) -> Result<()> {
    let started_ms = exit.started_ms.unwrap_or(0);
    let ran_ms = exit.ended_ms - started_ms;
    ensure!(started_ms > 1_600_000_000_000 && (0..SLACK_MS + 60_000).contains(&ran_ms), "{exit:?}");
    Ok(())
}
