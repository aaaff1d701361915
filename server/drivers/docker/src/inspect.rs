//! What is true of a container now. Docker's state is a handful of fields that can contradict each
//! other; [`Life`] is the one reading of them, used by inspect and ensure alike.
//!
//! "Was it ever started" is told by `StartedAt` alone: a start that was refused leaves a container
//! in state `created` with an exit code and the engine's error, and no process ever ran.

use bollard::models::{ContainerInspectResponse, Network};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
};
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::ports::driver::{
    DriverError, Exit, FaultKind, Handle, Listed, Observed, container_name,
};

use crate::client::Client;
use crate::outage::{Ended, EngineNow};
use crate::{clock, labels};
use std::collections::HashMap;

/// The name that dockerd gives to the network it makes at each start.
const EPOCH_NETWORK: &str = "bridge";

/// Exit code of a container that the engine could not start, where it names none itself.
const REFUSED_CODE: i32 = 128;

/// The reading of a container's state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Made, and nobody asked to start it.
    Created,
    /// The engine refused to start it; it never ran.
    Refused {
        code: i32,
        text: String,
        at_ms: i64,
    },
    Running {
        since_ms: i64,
    },
    Ended {
        code: i32,
        oom: bool,
        started_ms: i64,
        ended_ms: i64,
    },
}

pub(crate) async fn inspect(
    client: &Client,
    instance: &InstanceId,
    key: &AttemptKey,
) -> Result<Observed, DriverError> {
    let certain_ms = client.life().last_certain_ms();
    let Some(found) = by_name(client, &container_name(instance, key)).await? else {
        return Ok(Observed::Absent);
    };
    let handle = Handle { key: key.clone(), id: id_of(&found)? };
    let exit = match life_of(&found) {
        Life::Created => return Ok(Observed::Created(handle)),
        Life::Running { since_ms } => return Ok(Observed::Running { handle, since_ms }),
        Life::Refused { code, at_ms, .. } => {
            Exit { code, oom: false, interrupted: false, started_ms: None, ended_ms: at_ms }
        }
        Life::Ended { code, oom, started_ms, ended_ms } => {
            let ended = Ended { code, oom, started_ms, ended_ms };
            let interrupted = judge(client, &ended, certain_ms).await?;
            Exit { code, oom, interrupted, started_ms: Some(started_ms), ended_ms }
        }
    };
    Ok(Observed::Exited { handle, exit })
}

/// Whether the engine went down under the container. It is asked *after* the exit was seen, on a
/// connection of its own: an engine that is going down takes none any more, so an exit by its
/// shutdown ends here in Unreachable, and is judged by the next life.
async fn judge(
    client: &Client,
    ended: &Ended,
    certain_ms: Option<i64>,
) -> Result<bool, DriverError> {
    let life = client.life();
    if !life.is_doubtful(ended) {
        return Ok(false);
    }
    let now = engine_now(client).await?;
    life.settle(now, certain_ms);
    Ok(life.interrupted(ended, now))
}

/// Asks the engine when its present life began and whether containers outlive it.
pub(crate) async fn engine_now(client: &Client) -> Result<EngineNow, DriverError> {
    let filters = HashMap::from([("name", vec![EPOCH_NETWORK])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let networks = client
        .read("list the engine's networks", |docker| async move {
            docker.list_networks(Some(options)).await
        })
        .await?;
    let is_epoch = |network: &&Network| network.name.as_deref() == Some(EPOCH_NETWORK);
    let made = networks.iter().find(is_epoch).and_then(|network| network.created.as_deref());
    let info = client
        .read("ask the engine for its settings", |docker| async move { docker.info().await })
        .await?;
    if let Some(engine_ms) = info.system_time.as_deref().and_then(clock::parse_ms) {
        client.life().clock_is(engine_ms);
    }
    Ok(EngineNow {
        epoch_ms: made.and_then(clock::parse_ms),
        live_restore: info.live_restore_enabled.unwrap_or(false),
    })
}

/// The container of that name; none where the engine says that there is none.
pub(crate) async fn by_name(
    client: &Client,
    name: &str,
) -> Result<Option<Box<ContainerInspectResponse>>, DriverError> {
    let tried = format!("inspect container {name}");
    let name = name.to_owned();
    let found = client
        .read(&tried, |docker| async move {
            docker.inspect_container(&name, None::<InspectContainerOptions>).await
        })
        .await;
    match found {
        Ok(found) => Ok(Some(Box::new(found))),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.fault),
    }
}

pub(crate) async fn list(
    client: &Client,
    instance: &InstanceId,
) -> Result<Vec<Listed>, DriverError> {
    let filters = HashMap::from([("label", vec![labels::instance_filter(instance)])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let tried = format!("list the containers of instance {instance}");
    let found = client
        .read(&tried, |docker| async move { docker.list_containers(Some(options)).await })
        .await?;
    let listed = found.into_iter().filter_map(|container| {
        let key = labels::key_of(&container.labels.unwrap_or_default())?;
        let running = container.state.is_some_and(|state| {
            matches!(state.to_string().as_str(), "running" | "paused" | "restarting")
        });
        Some(Listed { handle: Handle { key, id: container.id? }, running })
    });
    Ok(listed.collect())
}

pub(crate) fn id_of(found: &ContainerInspectResponse) -> Result<String, DriverError> {
    found.id.clone().ok_or_else(|| {
        DriverError::new(FaultKind::Engine, "could not inspect a container: the answer names no id")
    })
}

pub(crate) fn life_of(found: &ContainerInspectResponse) -> Life {
    let state = found.state.clone().unwrap_or_default();
    let code = state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or_default();
    let text = state.error.unwrap_or_default();
    let time = |text: Option<String>| text.as_deref().and_then(clock::parse_ms);
    let Some(started_ms) = time(state.started_at) else {
        let at_ms =
            time(state.finished_at).or_else(|| time(found.created.clone())).unwrap_or_default();
        return match (code, text.is_empty()) {
            (0, true) => Life::Created,
            (0, false) => Life::Refused { code: REFUSED_CODE, text, at_ms },
            (code, _) => Life::Refused { code, text, at_ms },
        };
    };
    if state.running.unwrap_or(false) || state.restarting.unwrap_or(false) {
        return Life::Running { since_ms: started_ms };
    }
    // A process that ends at once is recorded as ended about a millisecond before it started.
    let ended_ms = time(state.finished_at).unwrap_or(started_ms).max(started_ms);
    Life::Ended { code, oom: state.oom_killed.unwrap_or(false), started_ms, ended_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ContainerState;

    const ZERO: &str = "0001-01-01T00:00:00Z";
    const T1: &str = "1970-01-01T00:00:01Z";
    const T2: &str = "1970-01-01T00:00:02.5Z";

    fn state(started: &str, finished: &str, code: i64) -> ContainerState {
        ContainerState {
            started_at: Some(started.to_owned()),
            finished_at: Some(finished.to_owned()),
            exit_code: Some(code),
            ..ContainerState::default()
        }
    }

    #[track_caller]
    fn check(state: ContainerState, want: &Life) {
        let found = ContainerInspectResponse {
            created: Some(T1.to_owned()),
            state: Some(state),
            ..ContainerInspectResponse::default()
        };
        assert_eq!(&life_of(&found), want);
    }

    #[test]
    fn a_container_that_never_ran_is_created_or_refused() {
        check(state(ZERO, ZERO, 0), &Life::Created);
        let refused = ContainerState { error: Some("no".to_owned()), ..state(ZERO, ZERO, 127) };
        check(refused, &Life::Refused { code: 127, text: "no".to_owned(), at_ms: 1_000 });
        let refused = ContainerState { error: Some("no".to_owned()), ..state(ZERO, ZERO, 0) };
        check(refused, &Life::Refused { code: 128, text: "no".to_owned(), at_ms: 1_000 });
    }

    #[test]
    fn a_container_that_ran_is_running_or_ended() {
        let running = ContainerState { running: Some(true), ..state(T1, ZERO, 0) };
        check(running, &Life::Running { since_ms: 1_000 });
        let ended = Life::Ended { code: 57, oom: false, started_ms: 1_000, ended_ms: 2_500 };
        check(state(T1, T2, 57), &ended);
    }

    #[test]
    fn an_end_recorded_before_the_start_is_the_start() {
        let ended = Life::Ended { code: 0, oom: false, started_ms: 2_500, ended_ms: 2_500 };
        check(state(T2, T1, 0), &ended);
    }
}
