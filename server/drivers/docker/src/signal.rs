//! Signals to a container, and its removal. Each is harmless when the container has ended or is
//! gone: the caller may not know yet, and may ask twice.

use bollard::query_parameters::{KillContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use gofer_core::ports::driver::{DriverError, Handle};

use crate::client::Client;

/// Sends `signal` (for example `SIGTERM`). Docker's own stop call is of no use, since it waits and
/// then kills: the grace is the caller's to measure.
pub(crate) async fn send(
    client: &Client,
    handle: &Handle,
    signal: &str,
) -> Result<(), DriverError> {
    let options = KillContainerOptionsBuilder::default().signal(signal).build();
    let tried = format!("send {signal} to the container of {}", handle.key);
    let id = handle.id.clone();
    let sent = client
        .act(&tried, |docker| async move { docker.kill_container(&id, Some(options)).await })
        .await;
    match sent {
        Ok(()) => Ok(()),
        Err(error) if error.is_absent() || error.is_conflict() => Ok(()),
        // Before 1.41 a container that had just ended gave 500 with this text.
        Err(error)
            if error.engine_text().is_some_and(|(_, text)| text.contains("is not running")) =>
        {
            Ok(())
        }
        Err(error) => Err(error.fault),
    }
}

/// Removes the container with its log and its unnamed volumes, running or not.
pub(crate) async fn remove(client: &Client, handle: &Handle) -> Result<(), DriverError> {
    remove_with(client, handle, true).await
}

/// Removes the container unless it runs; then nothing happens.
pub(crate) async fn remove_unless_running(
    client: &Client,
    handle: &Handle,
) -> Result<(), DriverError> {
    remove_with(client, handle, false).await
}

async fn remove_with(client: &Client, handle: &Handle, force: bool) -> Result<(), DriverError> {
    let options = RemoveContainerOptionsBuilder::default().force(force).v(true).build();
    let tried = format!("remove the container of {}", handle.key);
    let id = handle.id.clone();
    let removed = client
        .act(&tried, |docker| async move { docker.remove_container(&id, Some(options)).await })
        .await;
    match removed {
        Ok(()) => Ok(()),
        // 409 is "removal is already in progress": somebody asked before us; or, without force,
        // that it runs.
        Err(error) if error.is_absent() || error.is_conflict() => Ok(()),
        Err(error) => Err(error.fault),
    }
}
