//! Cases on looking at the engine as a whole: its events, its list.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use futures_util::StreamExt as _;
use gofer_core::ids::AttemptKey;
use gofer_core::ports::driver::{ContainerSpec, DriverStream, EngineEvent};

use super::job::Job;
use super::{Bench, PATIENCE};

pub async fn events_say_connected_and_then_changed(bench: Bench) -> Result<()> {
    let mut events = connected(&bench).await?;
    let handle = bench.start("task", &Job::handles_term(0)).await?;
    changed(&mut events, &handle.key).await?;
    super::ends::is_ready(&bench, &handle).await?;
    quiet(&mut events).await?;
    bench.driver.stop(&handle).await?;
    changed(&mut events, &handle.key).await?;
    bench.exit(&handle.key).await?;
    quiet(&mut events).await?;
    bench.driver.remove(&handle).await?;
    changed(&mut events, &handle.key).await
}

pub async fn events_of_another_instance_are_not_ours(bench: Bench) -> Result<()> {
    let mut events = connected(&bench).await?;
    let spec = of_the_other(&bench, &Job::exits(0))?;
    let handle = bench.other.ensure(spec).await?;
    bench.other.remove(&handle).await?;
    let ours = bench.start("task", &Job::exits(0)).await?;
    changed(&mut events, &ours.key).await
}

pub async fn only_our_own_containers_are_listed(bench: Bench) -> Result<()> {
    let running = bench.start("runs", &Job::sleeps()).await?;
    let ended = bench.start("ended", &Job::exits(1)).await?;
    bench.exit(&ended.key).await?;
    let others = bench.other.ensure(of_the_other(&bench, &Job::exits(0))?).await?;
    let mut listed = bench.driver.list(&bench.instance).await?;
    listed.sort_by_key(|one| one.running);
    let seen: Vec<_> = listed.iter().map(|one| (&one.handle, one.running)).collect();
    ensure!(seen == [(&ended, false), (&running, true)], "{listed:?}");
    let listed = bench.other.list(&bench.other_instance).await?;
    ensure!(listed.iter().map(|one| &one.handle).eq([&others]), "{listed:?}");
    Ok(())
}

fn of_the_other(bench: &Bench, job: &Job) -> Result<ContainerSpec> {
    Ok(ContainerSpec { instance: bench.other_instance.clone(), ..bench.spec("task", job)? })
}

async fn connected(bench: &Bench) -> Result<DriverStream<EngineEvent>> {
    let mut events = bench.driver.events(&bench.instance);
    let first = tokio::time::timeout(PATIENCE, events.next()).await?;
    ensure!(matches!(first, Some(Ok(EngineEvent::Connected))), "{first:?}");
    Ok(events)
}

/// Waits for an event of this container; none of another may come before.
async fn changed(events: &mut DriverStream<EngineEvent>, key: &AttemptKey) -> Result<()> {
    match tokio::time::timeout(PATIENCE, events.next()).await? {
        Some(Ok(EngineEvent::Changed(seen))) if seen == *key => Ok(()),
        other => bail!("expected a change of {key}, got {other:?}"),
    }
}

/// Takes what more is told of the same moment; an engine may say several things about it.
async fn quiet(events: &mut DriverStream<EngineEvent>) -> Result<()> {
    while let Ok(event) = tokio::time::timeout(Duration::from_millis(500), events.next()).await {
        ensure!(matches!(event, Some(Ok(EngineEvent::Changed(_)))), "{event:?}");
    }
    Ok(())
}
