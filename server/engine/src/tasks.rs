//! The only place that spawns. Every task has a name and a kind; shutdown waits for the kinds in
//! their order and knows by name who did not come home.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a task is for, in the order in which shutdown waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskKind {
    /// A call of a client that must be finished though the client may go away.
    Call,
    /// The owner of a run, or the dispatcher.
    Owner,
    /// Work for one attempt: its container, its log.
    Attempt,
    /// Reconcile, expiry, the engine's events.
    Background,
}

/// Spawns and keeps count.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    names: Arc<Mutex<BTreeMap<(TaskKind, String), usize>>>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), names: Arc::default() }
    }

    /// Told when the server stops: let go of what is under way and return.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) fn spawn<F>(&self, kind: TaskKind, name: impl Into<String>, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let key = (kind, name.into());
        self.count(&key, 1);
        let tasks = self.clone();
        self.tracker.spawn(async move {
            work.await;
            tasks.count(&key, -1);
        });
    }

    /// Tells all to stop and waits for them. Returns the names of those that did not end in time.
    pub(crate) async fn shut_down(&self, limit: Duration) -> Vec<String> {
        self.stop.cancel();
        self.tracker.close();
        match tokio::time::timeout(limit, self.tracker.wait()).await {
            Ok(()) => Vec::new(),
            Err(_elapsed) => {
                let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                names.keys().map(|(kind, name)| format!("{kind:?} {name}")).collect()
            }
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
