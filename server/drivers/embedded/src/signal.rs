//! Signals to a container's first process. The server sends them itself, by the process that the
//! shim wrote down: the shim is not asked, so a shim that hangs cannot keep a container alive.

use std::sync::Arc;

use gofer_core::ids::AttemptKey;
use gofer_core::ports::driver::DriverError;
use rustix::process::Signal;

use crate::adopt::Life;
use crate::engine::Engine;
use crate::files::AttemptDir;
use crate::{fault, limits, process};

/// Sends `signal`; a container that has ended, is gone or never ran is fine. One that is just being
/// started is waited for.
pub(crate) async fn send(
    engine: &Arc<Engine>,
    key: &AttemptKey,
    dir: &AttemptDir,
    signal: Signal,
) -> Result<(), DriverError> {
    let tried = format!("send signal {} to the container of {key}", signal.as_raw());
    let sent = async {
        loop {
            let at = dir.clone();
            let what = tried.clone();
            if engine.blocking(&tried, move |engine| try_send(engine, &what, &at, signal)).await? {
                return Ok(());
            }
            tokio::time::sleep(limits::LOOK_PAUSE).await;
        }
    };
    match tokio::time::timeout(limits::SIGNAL_LIMIT, sent).await {
        Ok(sent) => sent,
        Err(_) => Err(fault::engine(format!("could not {tried}: it is still being started"))),
    }
}

/// False where it is being started.
fn try_send(
    engine: &Engine,
    tried: &str,
    dir: &AttemptDir,
    signal: Signal,
) -> Result<bool, DriverError> {
    match engine.look(dir)?.map(|seen| seen.life) {
        Some(Life::Running(shim)) => {
            let sent = process::signal(shim.container, signal);
            sent.map(|()| true).map_err(|error| fault::of_io(tried, &error))
        }
        Some(Life::Starting) => Ok(false),
        Some(Life::Created | Life::Ended(_) | Life::Lost(_)) | None => Ok(true),
    }
}
