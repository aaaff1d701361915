//! After the end: the rest of the log is stored, the log is sealed, then the container is removed.
//! In this order, so that a crash at any point loses no byte: as long as the container is there,
//! its log can be read again from where the stored one ends.

use gofer_core::log::{LogState, LogSummary};
use gofer_core::ports::driver::{Handle, Observed};
use gofer_core::run::Fact;

use super::attempt::Attempt;
use crate::failpoint;
use crate::limits::FULL_BACKOFF;
use crate::logs::{Ending, Rest};

impl Attempt {
    pub(super) async fn collect(&mut self) {
        let container = self.what_is_left().await;
        let log = self.store_log(container.as_ref()).await;
        failpoint::hit("log.sealed");
        if let Some(handle) = container {
            self.remove(&handle).await;
        }
        failpoint::hit("attempt.removed");
        let (task, attempt) = self.names();
        self.tell(Fact::Collected { task, attempt, log }).await;
    }

    async fn what_is_left(&self) -> Option<Handle> {
        match self.inspect().await {
            Observed::Created(handle)
            | Observed::Running { handle, .. }
            | Observed::Exited { handle, .. } => Some(handle),
            Observed::Absent => None,
        }
    }

    async fn store_log(&mut self, container: Option<&Handle>) -> LogSummary {
        if let Some(pump) = self.pump.take() {
            pump.wait_for_the_end().await;
        }
        let path = self.shared.logs.path(&self.key.uid, self.position, self.key.attempt);
        let rest = Rest { shared: &self.shared, key: &self.key, path };
        let ending = match container {
            Some(handle) => Ending::ReadFrom(handle),
            None => Ending::EngineHasNone,
        };
        let summary = loop {
            match rest.store(ending).await {
                Ok(summary) => break summary,
                // The container keeps the rest: nothing but this log waits for room.
                Err(error) if error.is_no_space() => tokio::time::sleep(FULL_BACKOFF).await,
                Err(error) => {
                    tracing::error!(attempt = %self.key, %error, "the end of a log could not be stored");
                    break LogSummary { state: LogState::Truncated, bytes: 0, lines: 0 };
                }
            }
        };
        self.shared.logs.board.close(&self.key);
        summary
    }

    async fn remove(&self, handle: &Handle) {
        let removed = self.patiently(|driver| {
            let handle = handle.clone();
            async move { driver.remove(&handle).await }
        });
        if let Err(error) = removed.await {
            // Reconcile will find it: it carries our label and nobody knows it any more.
            tracing::warn!(attempt = %self.key, %error, "could not remove a container; reconcile will");
        }
    }
}
