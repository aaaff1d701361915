//! What grows old is removed: logs of runs that enough later runs of their pipeline have followed,
//! and history past its retention.

use std::sync::Arc;

use gofer_core::ids::PipelineKey;
use gofer_core::problem::Problem;
use tokio::sync::mpsc;

use crate::engine::Shared;
use crate::limits::{DISPATCH_INBOX_MAX, PRUNE_EVERY};
use crate::tasks::TaskKind;

/// Told when runs end.
#[derive(Debug, Clone)]
pub(crate) struct Expiry {
    ended: mpsc::Sender<PipelineKey>,
}

impl Expiry {
    pub(crate) fn new() -> (Self, mpsc::Receiver<PipelineKey>) {
        let (ended, ended_runs) = mpsc::channel(DISPATCH_INBOX_MAX);
        (Self { ended }, ended_runs)
    }

    /// A run of that pipeline is settled. Where the inbox is full this is let go: the next run's
    /// end removes what this one would have.
    pub(crate) fn run_ended(&self, pipeline: &PipelineKey) {
        if self.ended.try_send(pipeline.clone()).is_err() {
            tracing::debug!(%pipeline, "expiry is busy; the next run's end will do");
        }
    }
}

/// Starts the removal of old things.
pub(crate) fn spawn(shared: &Arc<Shared>, mut ended_runs: mpsc::Receiver<PipelineKey>) {
    let shared_by_task = Arc::clone(shared);
    shared.tasks.spawn(TaskKind::Background, "expiry", async move {
        let stop = shared_by_task.tasks.stop(TaskKind::Background).clone();
        let mut prune = tokio::time::interval(PRUNE_EVERY); // the first tick comes at once
        prune.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let work = tokio::select! {
                () = stop.cancelled() => return,
                Some(pipeline) = ended_runs.recv() => expire_logs(&shared_by_task, pipeline).await,
                _tick = prune.tick() => prune_history(&shared_by_task).await,
            };
            if let Err(problem) = work {
                tracing::warn!(%problem, "could not remove what is old");
            }
        }
    });
}

/// Removes the logs of a pipeline's runs that enough later ones have followed. The mark comes
/// after the files: a crash in between removes the rest the next time.
async fn expire_logs(shared: &Arc<Shared>, pipeline: PipelineKey) -> Result<(), Problem> {
    let keep = shared.config.task_run_log_expiry;
    let expired = shared.readers.read(move |reader| reader.expired_logs(&pipeline, keep)).await?;
    if expired.is_empty() {
        return Ok(());
    }
    for (_, uid) in &expired {
        shared.logs.remove_run(uid).await?;
    }
    let (uids, now) =
        (expired.into_iter().map(|(_, uid)| uid).collect::<Vec<_>>(), shared.clock.now());
    shared.writer.call(move |tx| tx.mark_logs_removed(&uids, now)).await?;
    shared.feed.grew();
    Ok(())
}

async fn prune_history(shared: &Arc<Shared>) -> Result<(), Problem> {
    let age_ms = i64::try_from(shared.config.event_log_retention_ms).unwrap_or(i64::MAX);
    let now = shared.clock.now();
    let before = gofer_core::time::Timestamp::from_ms(now.as_ms().saturating_sub(age_ms));
    loop {
        let progress = shared.writer.call(move |tx| tx.prune_history(before, now)).await?;
        if progress == gofer_store::Progress::Done || shared.tasks.stopping().is_cancelled() {
            return Ok(());
        }
    }
}
