//! How far each open log has come. A level: who looks late sees the newest, and only that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gofer_core::ids::AttemptKey;
use gofer_logs::Progress;
use tokio::sync::watch;

/// Progress of every log that has a writer in this process; none before its first frame.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    logs: Arc<Mutex<BTreeMap<AttemptKey, watch::Sender<Option<Progress>>>>>,
    /// Grows when a log gets a writer: wakes those who wait for one.
    opened: watch::Sender<u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self { logs: Arc::default(), opened: watch::Sender::new(0) }
    }
}

impl Board {
    /// Says how far a log has come.
    pub(crate) fn publish(&self, key: &AttemptKey, progress: Progress) {
        let mut logs = self.lock();
        if let Some(log) = logs.get(key) {
            log.send_replace(Some(progress));
            return;
        }
        logs.insert(key.clone(), watch::Sender::new(Some(progress)));
        drop(logs);
        self.opened.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Told when any log gets a writer.
    pub(crate) fn openings(&self) -> watch::Receiver<u64> {
        self.opened.subscribe()
    }

    /// The log is closed: its file says all there is. Those who follow see the channel close.
    pub(crate) fn close(&self, key: &AttemptKey) {
        self.lock().remove(key);
    }

    /// Told of a log's progress; none where it has no writer here.
    pub(crate) fn subscribe(&self, key: &AttemptKey) -> Option<watch::Receiver<Option<Progress>>> {
        self.lock().get(key).map(watch::Sender::subscribe)
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<AttemptKey, watch::Sender<Option<Progress>>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
