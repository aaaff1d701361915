//! Keeps an eye on the shims, so that an end is known when it comes. Shims of this server speak
//! through their sockets. Of those that an earlier server sent out, the folder tells: the exit record
//! is renamed into place, or the log is closed by the shim's death.

use std::sync::Arc;

use gofer_core::ids::InstanceId;
use gofer_core::ports::driver::DriverError;

use crate::adopt::Life;
use crate::bells::RingsFor;
use crate::engine::Engine;
use crate::events::Watching;
use crate::fault;
use crate::spawn::{Shim, Word};

/// Listens to a shim of this server to its end, and takes it off the process table.
pub(crate) async fn listen(mut shim: Shim, watching: Option<Watching>) {
    loop {
        let word = shim.next().await;
        if let Some(watching) = &watching {
            watching.changed();
        }
        if word == Word::Gone {
            break;
        }
    }
    shim.reap().await;
}

/// Watches all of this instance's containers that run and that nobody watches.
pub(crate) async fn adopt_all(
    engine: &Arc<Engine>,
    instance: &InstanceId,
) -> Result<(), DriverError> {
    let tried = format!("look for the containers of instance {instance}");
    let of = instance.clone();
    let found = engine
        .blocking(&tried, move |engine| {
            let keys = engine.home().attempts_of(&of);
            keys.map_err(|error| fault::of_io("look for containers", &error))
        })
        .await?;
    for key in found {
        if let Some(watching) = engine.hub().watch(instance, &key) {
            adopt(engine, watching);
        }
    }
    Ok(())
}

/// Watches a container whose shim nobody listens to; ends by itself where there is none.
pub(crate) fn adopt(engine: &Arc<Engine>, watching: Watching) {
    let dir = engine.home().attempt(watching.instance(), watching.key());
    // Before the first look, so that nothing falls in between.
    let mut bell = engine.bells().listen(dir.path(), RingsFor::End);
    let watched = Arc::downgrade(engine);
    engine.tasks().spawn(async move {
        let tried = format!("look at the container of {}", watching.key());
        loop {
            // The engine is not held while nothing happens: dropping it ends this task.
            let Some(engine) = watched.upgrade() else { return };
            let at = dir.clone();
            let seen = engine.blocking(&tried, move |engine| engine.look(&at)).await;
            drop(engine);
            match seen.map(|seen| seen.map(|seen| seen.life)) {
                Ok(Some(Life::Starting | Life::Running(_))) => {}
                Ok(Some(Life::Created | Life::Ended(_) | Life::Lost(_)) | None) => {
                    watching.changed();
                    return;
                }
                Err(error) => {
                    tracing::warn!(attempt = %watching.key(), %error, "could not look at a container");
                }
            }
            bell.wait().await;
        }
    });
}
