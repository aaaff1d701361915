//! The only place that spawns. Every task has a name and a kind. Shutdown goes through the kinds in
//! stages, each told to stop when the one before has ended, and knows by name who did not come home:
//!
//! ```text
//!  calls ─> owners of runs ─> attempts ─> pumps of logs ─> background
//! ```
//!
//! So a call that is being carried out still finds the owner it asks, an owner commits what its
//! attempts have brought, and a log is copied until nobody watches its container any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a task is for, in the order in which shutdown stops them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskKind {
    /// A call of a client that must be finished though the client may go away.
    Call,
    /// The owner of a run, or the dispatcher.
    Owner,
    /// Work for one attempt: its container.
    Attempt,
    /// The copying of a log.
    Pump,
    /// Reconcile, expiry, the engine's events.
    Background,
}

impl TaskKind {
    const ALL: [Self; 5] = [Self::Call, Self::Owner, Self::Attempt, Self::Pump, Self::Background];
}

/// All tasks of one kind.
#[derive(Debug, Clone, Default)]
struct Stage {
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Spawns and keeps count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    calls: Stage,
    owners: Stage,
    attempts: Stage,
    pumps: Stage,
    background: Stage,
    names: Arc<Mutex<BTreeMap<(TaskKind, String), usize>>>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Told when the server begins to stop: no new work from now on.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        self.stop(TaskKind::Call)
    }

    /// Told when tasks of this kind are to let go of what is under way and return.
    pub(crate) fn stop(&self, kind: TaskKind) -> &CancellationToken {
        &self.stage(kind).stop
    }

    pub(crate) fn spawn<F>(&self, kind: TaskKind, name: impl Into<String>, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let key = (kind, name.into());
        self.count(&key, 1);
        let tasks = self.clone();
        self.stage(kind).tracker.spawn(async move {
            work.await;
            tasks.count(&key, -1);
        });
    }

    /// Tells all to stop, kind after kind, and waits for them. Calls may take half of the time: they
    /// are what somebody waits for, and what is left must do for the rest. Returns the names of those
    /// that did not end.
    pub(crate) async fn shut_down(&self, limit: Duration) -> Vec<String> {
        let begun = Instant::now();
        for kind in TaskKind::ALL {
            let share = if kind == TaskKind::Call { limit / 2 } else { limit };
            let stage = self.stage(kind);
            stage.stop.cancel();
            stage.tracker.close();
            if tokio::time::timeout_at(begun + share, stage.tracker.wait()).await.is_err() {
                tracing::warn!(?kind, "some tasks did not end in time");
            }
        }
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.keys().map(|(kind, name)| format!("{kind:?} {name}")).collect()
    }

    fn stage(&self, kind: TaskKind) -> &Stage {
        match kind {
            TaskKind::Call => &self.calls,
            TaskKind::Owner => &self.owners,
            TaskKind::Attempt => &self.attempts,
            TaskKind::Pump => &self.pumps,
            TaskKind::Background => &self.background,
        }
    }

    fn count(&self, key: &(TaskKind, String), change: isize) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let n = names.entry(key.clone()).or_insert(0);
        *n = n.saturating_add_signed(change);
        if *n == 0 {
            names.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spawns one task of each kind, last kind first, that takes its time to end and then writes its
    /// kind down.
    fn spawn_all(tasks: &Tasks, ends: &Arc<Mutex<Vec<TaskKind>>>) {
        for kind in TaskKind::ALL.into_iter().rev() {
            let (stop, ends) = (tasks.stop(kind).clone(), Arc::clone(ends));
            tasks.spawn(kind, "test", async move {
                stop.cancelled().await;
                tokio::time::sleep(Duration::from_millis(10)).await;
                ends.lock().unwrap().push(kind);
            });
        }
    }

    #[tokio::test]
    async fn each_kind_ends_before_the_next_is_told_to_stop() {
        let (tasks, ends) = (Tasks::new(), Arc::default());
        spawn_all(&tasks, &ends);
        assert_eq!(tasks.shut_down(Duration::from_secs(30)).await, Vec::<String>::new());
        assert_eq!(*ends.lock().unwrap(), TaskKind::ALL);
    }

    #[tokio::test]
    async fn a_call_that_does_not_end_takes_half_of_the_time_and_is_named() {
        let (tasks, ends) = (Tasks::new(), Arc::default());
        spawn_all(&tasks, &ends);
        tasks.spawn(TaskKind::Call, "stuck", std::future::pending());
        // The others end within the other half, of which they need a small part.
        assert_eq!(tasks.shut_down(Duration::from_secs(2)).await, ["Call stuck"]);
        assert_eq!(*ends.lock().unwrap(), TaskKind::ALL);
    }
}
