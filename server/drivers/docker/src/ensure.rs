//! Makes the container of an attempt, once. The engine's rule that a name is given once is the
//! lock: whoever creates has made it, everyone else gets 409 and adopts what is there.
//!
//! ```text
//!  create ── made ──────────────► start ── ok ──► handle
//!    │ name taken, or any refusal    └ refused ─► remove, fault
//!    ▼
//!  inspect ── none ──► the refusal was the answer (or, for a taken name, create again)
//!    │ there
//!    ├ never started, of an earlier life of the engine ─► remove, Engine fault
//!    ├ other spec, never started ─► remove, create again
//!    ├ other spec ──► Config fault
//!    ├ was started ─► handle, whatever became of it: never start twice
//!    └ never started ─► start (unless its start was refused for its settings before)
//! ```
//!
//! A container is looked at before it is started, and the engine answers that look only once a
//! start under way is through, as both take the container's lock. So an answer that was lost, or
//! a server killed in between, gives no second start.
//!
//! An engine that is killed in the middle of a start forgets the start: its next life shows the
//! container as never started, although its process may have run. Such a container is not started
//! either; another attempt is made.
//!
//! The next server may give a container other settings than the one that was killed before it could
//! start it: another address, a secret that was changed meanwhile. That is nobody's fault, and no
//! process ever ran, so the container is made anew.

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use gofer_core::ports::driver::{ContainerSpec, DriverError, FaultKind, Handle};

use crate::client::{CallError, Client};
use crate::inspect::{self, Life};
use crate::{body, clock, fault, labels, limits, signal};

pub(crate) async fn ensure(client: &Client, spec: &ContainerSpec) -> Result<Handle, DriverError> {
    body::validate(spec)?;
    let name = spec.container_name();
    for _ in 0..limits::CREATE_TRIES_MAX {
        let refusal = match Box::pin(create(client, spec, &name)).await {
            Ok(id) => return start(client, spec, id).await,
            Err(refusal) if refusal.engine.is_none() => return Err(refusal.fault),
            Err(refusal) => refusal,
        };
        // Whatever the refusal says, a container of that name counts first: its image may be gone
        // while it runs.
        if let Some(found) = Box::pin(inspect::by_name(client, &name)).await? {
            Box::pin(refuse_if_doubtful(client, spec, &found)).await?;
            if !is_outdated(spec, &found) {
                return adopt(client, spec, &found).await;
            }
            let handle = Handle { key: spec.key.clone(), id: inspect::id_of(&found)? };
            signal::remove_unless_running(client, &handle).await?;
            continue;
        }
        if !refusal.is_conflict() {
            return Err(create_fault(spec, &refusal));
        }
        tokio::time::sleep(limits::CREATE_RETRY_PAUSE).await;
    }
    let message = format!(
        "could not create container {name}: an older one of that name is still being removed"
    );
    Err(DriverError::new(FaultKind::Engine, message))
}

async fn create(client: &Client, spec: &ContainerSpec, name: &str) -> Result<String, CallError> {
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    let body = body::of(spec);
    let tried = format!("create container {name}");
    let made = client
        .act(&tried, |docker| async move { docker.create_container(Some(options), body).await })
        .await?;
    Ok(made.id)
}

fn create_fault(spec: &ContainerSpec, refusal: &CallError) -> DriverError {
    let tried = format!("create the container of {}", spec.key);
    match refusal.engine_text() {
        // It was there when it was pulled; somebody pruned it. The next pull brings it back.
        Some((404, text)) => {
            let message = format!("could not {tried}, its image is gone from the engine: {text}");
            DriverError { retryable: true, ..DriverError::new(FaultKind::Image, message) }
        }
        Some((400, text)) => {
            DriverError::new(FaultKind::Config, format!("could not {tried}: {text}"))
        }
        Some((_, text)) => fault::of_start(&tried, text),
        None => refusal.fault.clone(),
    }
}

/// Refuses, and removes, a container that was made in an earlier life of the engine and is said to
/// have never started: nobody knows whether it did.
async fn refuse_if_doubtful(
    client: &Client,
    spec: &ContainerSpec,
    found: &ContainerInspectResponse,
) -> Result<(), DriverError> {
    if !is_ours(spec, found) || inspect::life_of(found) != Life::Created {
        return Ok(());
    }
    let made_ms = found.created.as_deref().and_then(clock::parse_ms);
    let (Some(made_ms), Some(born_ms)) = (made_ms, inspect::engine_now(client).await?.epoch_ms)
    else {
        return Ok(());
    };
    if made_ms >= born_ms {
        return Ok(());
    }
    clear_away(client, spec, inspect::id_of(found)?).await;
    let message = format!(
        "could not start the container of {}: the engine went down while it was being started, \
         and nobody knows whether it ran",
        spec.key
    );
    Err(DriverError::new(FaultKind::Engine, message))
}

fn is_ours(spec: &ContainerSpec, found: &ContainerInspectResponse) -> bool {
    let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
    labels
        .and_then(|labels| labels.get(labels::INSTANCE))
        .is_some_and(|instance| instance == spec.instance.as_str())
}

/// Whether it is a container of ours that was made from other settings and never started.
fn is_outdated(spec: &ContainerSpec, found: &ContainerInspectResponse) -> bool {
    let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
    let same = labels::same_spec(labels, spec);
    match inspect::life_of(found) {
        Life::Created | Life::Refused { .. } => is_ours(spec, found) && !same,
        Life::Running { .. } | Life::Ended { .. } => false,
    }
}

async fn adopt(
    client: &Client,
    spec: &ContainerSpec,
    found: &ContainerInspectResponse,
) -> Result<Handle, DriverError> {
    let held = found.config.as_ref().and_then(|config| config.labels.as_ref());
    if !labels::same_spec(held, spec) {
        let message = format!(
            "could not run {}: the container {} was made from other settings",
            spec.key,
            spec.container_name()
        );
        return Err(DriverError::new(FaultKind::Config, message));
    }
    let id = inspect::id_of(found)?;
    match inspect::life_of(found) {
        Life::Running { .. } | Life::Ended { .. } => Ok(Handle { key: spec.key.clone(), id }),
        Life::Created => start(client, spec, id).await,
        Life::Refused { text, .. } => {
            let before = fault::of_start(&format!("start the container of {}", spec.key), &text);
            if before.kind == FaultKind::Config {
                clear_away(client, spec, id).await;
                return Err(before);
            }
            start(client, spec, id).await
        }
    }
}

async fn start(client: &Client, spec: &ContainerSpec, id: String) -> Result<Handle, DriverError> {
    let tried = format!("start the container of {}", spec.key);
    let handle = Handle { key: spec.key.clone(), id: id.clone() };
    let started = client
        .act(&tried, |docker| async move {
            docker.start_container(&id, None::<StartContainerOptions>).await
        })
        .await;
    let refusal = match started {
        Ok(()) => return Ok(handle),
        Err(refusal) => refusal,
    };
    let Some((status, text)) = refusal.engine_text() else {
        return Err(refusal.fault);
    };
    if status == 404
        && refusal.fault.kind == FaultKind::Engine
        && text.contains("No such container")
    {
        return Err(refusal.fault);
    }
    let fault = fault::of_start(&tried, text);
    if fault.kind == FaultKind::Config {
        clear_away(client, spec, handle.id).await;
    }
    Err(fault)
}

/// Removes a container that will not be started. Nothing of it is wanted, and the caller gets no
/// handle to remove it by. Should this fail, `reconcile` finds it, and the engine's record (of the
/// refusal, or of its age) keeps the next [`ensure`] from starting it.
async fn clear_away(client: &Client, spec: &ContainerSpec, id: String) {
    let handle = Handle { key: spec.key.clone(), id };
    if let Err(error) = signal::remove(client, &handle).await {
        tracing::warn!(key = %spec.key, %error, "left a container that will not be started");
    }
}
