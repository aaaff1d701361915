//! Cases on making and starting: once, from the settings given, or with a fault that says why not.

use std::time::Duration;

use anyhow::{Result, ensure};
use gofer_core::log::{Cursor, Follow};
use gofer_core::ports::driver::{ContainerSpec, FaultKind, Observed};

use super::job::Job;
use super::logs::{read, text};
use super::{Bench, expect_fault};

pub async fn ensure_twice_gives_one_container(bench: Bench) -> Result<()> {
    let spec = bench.spec("task", &Job::handles_term(0))?;
    let first = bench.driver.ensure(spec.clone()).await?;
    let second = bench.driver.ensure(spec.clone()).await?;
    ensure!(first == second, "{first:?} and {second:?}");
    let listed = bench.driver.list(&bench.instance).await?;
    ensure!(listed.len() == 1 && listed.iter().all(|one| one.running), "{listed:?}");
    Ok(())
}

pub async fn ensure_after_the_exit_does_not_start_again(bench: Bench) -> Result<()> {
    let spec = bench.spec("task", &Job::exits(57))?;
    let first = bench.driver.ensure(spec.clone()).await?;
    let exit = bench.exit(&spec.key).await?;
    let second = bench.driver.ensure(spec.clone()).await?;
    ensure!(first == second, "{first:?} and {second:?}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let again = bench.exit(&spec.key).await?;
    ensure!(exit == again, "{exit:?} became {again:?}");
    ensure!(text(&read(&bench, &first, Cursor::default(), Follow::No).await?) == b"started\n");
    Ok(())
}

pub async fn another_spec_for_the_same_attempt_is_refused(bench: Bench) -> Result<()> {
    let spec = bench.spec("task", &Job::handles_term(0))?;
    let handle = bench.driver.ensure(spec.clone()).await?;
    let mut other = spec.clone();
    other.env.insert("GOFER_TEST".to_owned(), "2".to_owned());
    let fault = expect_fault(bench.driver.ensure(other).await, FaultKind::Config)?;
    ensure!(fault.message.contains(&spec.key.to_string()) && !fault.retryable, "{fault:?}");
    let seen = bench.driver.inspect(&spec.key).await?;
    ensure!(matches!(&seen, Observed::Running { handle: same, .. } if *same == handle), "{seen:?}");
    Ok(())
}

pub async fn a_command_that_is_missing_is_a_config_fault_127(bench: Bench) -> Result<()> {
    refused(&bench, bench.spec("task", &Job::is_missing())?, Some(127)).await
}

pub async fn a_file_that_cannot_be_executed_is_a_config_fault_126(bench: Bench) -> Result<()> {
    refused(&bench, bench.spec("task", &Job::is_not_executable())?, Some(126)).await
}

pub async fn an_unknown_user_is_a_config_fault(bench: Bench) -> Result<()> {
    let mut spec = bench.spec("task", &Job::of_an_unknown_user())?;
    spec.user = Some("nobody-knows-me".to_owned());
    refused(&bench, spec, None).await
}

pub async fn a_bad_working_directory_is_a_config_fault(bench: Bench) -> Result<()> {
    let mut spec = bench.spec("task", &Job::in_a_bad_workdir())?;
    spec.workdir = Some("/etc/passwd".to_owned());
    refused(&bench, spec.clone(), None).await?;
    spec.workdir = Some("relative".to_owned());
    expect_fault(bench.driver.validate(&spec), FaultKind::Config)?;
    refused(&bench, spec, None).await
}

pub async fn a_refused_start_leaves_nothing_and_never_runs(bench: Bench) -> Result<()> {
    let spec = bench.spec("task", &Job::is_missing())?;
    for _ in 0..2 {
        expect_fault(bench.driver.ensure(spec.clone()).await, FaultKind::Config)?;
        ensure!(bench.driver.list(&bench.instance).await?.is_empty());
        ensure!(bench.driver.inspect(&spec.key).await? == Observed::Absent);
    }
    Ok(())
}

pub async fn a_dropped_ensure_is_finished_by_the_next_and_starts_once(bench: Bench) -> Result<()> {
    for (number, wait_ms) in [0, 1, 5, 15, 40, 100, 200].into_iter().enumerate() {
        let spec = bench.spec(&format!("task_{number}"), &Job::exits(0))?;
        let dropped = bench.driver.ensure(spec.clone());
        let given_up = tokio::time::timeout(Duration::from_millis(wait_ms), dropped).await;
        let handle = bench.driver.ensure(spec.clone()).await?;
        bench.exit(&spec.key).await?;
        let log = text(&read(&bench, &handle, Cursor::default(), Follow::No).await?);
        ensure!(log == b"started\n", "{given_up:?} after {wait_ms} ms gave {log:?}");
        bench.driver.remove(&handle).await?;
    }
    let left = bench.driver.list(&bench.instance).await?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

pub async fn settings_reach_the_container(bench: Bench) -> Result<()> {
    let mut spec = bench.spec("task", &Job::describes_itself())?;
    spec.user = Some("job".to_owned());
    spec.workdir = Some("/tmp".to_owned());
    spec.env.insert("GOFER_WORDS".to_owned(), "a b=c".to_owned());
    spec.cpu_milli = Some(500);
    spec.memory_bytes = Some(64 << 20);
    let handle = bench.driver.ensure(spec.clone()).await?;
    let exit = bench.exit(&spec.key).await?;
    let log = text(&read(&bench, &handle, Cursor::default(), Follow::No).await?);
    let log = String::from_utf8_lossy(&log).into_owned();
    ensure!(log == "1000:1000\n/tmp\na b=c\n" && exit.code == 0, "{exit:?} {log:?}");
    Ok(())
}

async fn refused(bench: &Bench, spec: ContainerSpec, exit_code: Option<i32>) -> Result<()> {
    let fault = expect_fault(bench.driver.ensure(spec.clone()).await, FaultKind::Config)?;
    ensure!(fault.exit_code == exit_code, "{fault:?}");
    ensure!(!fault.retryable && fault.message.contains(&spec.key.to_string()), "{fault:?}");
    Ok(())
}
