//! What the engine knows against what we know. The event stream wakes those who watch; from time
//! to time, and whenever the stream comes back, the containers with this instance's label are
//! listed, and those that no unfinished attempt claims are removed. Nothing else is ever touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use gofer_core::ids::AttemptKey;
use gofer_core::ports::driver::{DriverError, EngineEvent, Listed};
use gofer_core::problem::Problem;

use crate::engine::{Engine, Shared};
use crate::engine_state::{is_unreachable, wait_of};
use crate::limits::{RECONCILE_EVERY, RETRY_MS};
use crate::tasks::TaskKind;

/// Starts the reading of events and the regular comparison.
pub(crate) fn spawn(shared: &Arc<Shared>) {
    let for_events = Arc::clone(shared);
    shared.tasks.spawn(TaskKind::Background, "engine events", async move {
        let stop = for_events.tasks.stop(TaskKind::Background).clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = read_events(&for_events) => {}
        }
    });
    let for_listing = Arc::clone(shared);
    shared.tasks.spawn(TaskKind::Background, "reconcile", async move {
        let stop = for_listing.tasks.stop(TaskKind::Background).clone();
        tokio::select! {
            // In the middle too: an engine that is slow to answer must not hold the server up, and
            // what was not removed is found again.
            () = stop.cancelled() => {}
            () = reconcile_for_ever(&for_listing) => {}
        }
    });
}

/// Compares containers with runs, from time to time.
async fn reconcile_for_ever(shared: &Arc<Shared>) {
    loop {
        if let Err(error) = reconcile(shared).await {
            tracing::warn!(%error, "could not compare containers with runs");
        }
        tokio::time::sleep(RECONCILE_EVERY).await;
    }
}

/// Reads the engine's events for ever; after each loss everything must be looked at.
async fn read_events(shared: &Arc<Shared>) {
    let mut n_tries = 0;
    loop {
        let mut events = shared.driver.events(&shared.instance);
        while let Some(event) = events.next().await {
            match event {
                Ok(EngineEvent::Connected) => {
                    shared.engine_is_up();
                    shared.looks.look_at_all();
                }
                Ok(EngineEvent::Changed(key)) => {
                    n_tries = 0;
                    shared.looks.look_at(&key);
                }
                Err(error) => {
                    wait_after(shared, &error, n_tries).await;
                    break;
                }
            }
        }
        n_tries += 1;
    }
}

/// An engine that does not answer is waited for; one that refuses is asked less and less often.
async fn wait_after(shared: &Arc<Shared>, error: &DriverError, n_tries: u32) {
    if is_unreachable(error) {
        shared.engine_is_unknown(error);
        shared.engine.back_off(n_tries).await;
    } else {
        tracing::warn!(%error, "the engine's events ended; opening them again");
        tokio::time::sleep(wait_of(n_tries)).await;
    }
}

/// Removes containers of ours that no unfinished attempt claims. Returns how many.
async fn reconcile(shared: &Arc<Shared>) -> Result<u64, Problem> {
    let listed = match shared.driver.list(&shared.instance).await {
        Ok(listed) => listed,
        Err(error) => return Err(Problem::unavailable(error.message, RETRY_MS)),
    };
    if listed.is_empty() {
        return Ok(0);
    }
    // Read after the listing: a container that is in the list belongs to an attempt that was
    // committed before it was made, so its claim is seen here.
    let claimed = claimed_attempts(shared).await?;
    let mut n_removed = 0;
    for Listed { handle, .. } in listed {
        if claimed.contains(&handle.key) {
            continue;
        }
        tracing::info!(container = %handle.key, "removing a container of ours that no run knows");
        match shared.driver.remove(&handle).await {
            Ok(()) => n_removed += 1,
            Err(error) => {
                tracing::warn!(container = %handle.key, %error, "could not remove a container");
            }
        }
    }
    Ok(n_removed)
}

async fn claimed_attempts(shared: &Arc<Shared>) -> Result<BTreeSet<AttemptKey>, Problem> {
    let runs = shared.readers.read(gofer_store::Reader::active_runs).await?;
    let mut claimed = BTreeSet::new();
    for run in &runs {
        for task in &run.tasks {
            let open = task.attempts.iter().filter(|attempt| attempt.collected.is_none());
            claimed.extend(open.map(|attempt| run.attempt_key(&task.task, attempt.number)));
        }
    }
    Ok(claimed)
}

impl Engine {
    /// Compares containers with runs now and removes what nobody claims. Returns how many.
    ///
    /// # Errors
    /// Unavailable where the container engine does not answer.
    pub async fn reconcile(&self) -> Result<u64, Problem> {
        let shared = Arc::clone(&self.shared);
        self.detached("reconcile", async move { reconcile(&shared).await }).await
    }
}
