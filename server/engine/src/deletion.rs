//! The end of a pipeline or a namespace: marked as being deleted, runs killed, containers and logs
//! gone, rows gone. The mark is on disk first, so a server that dies in the middle goes on at its
//! next start; every part may be done twice.

use std::sync::Arc;

use gofer_core::ids::{NamespaceId, PipelineKey};
use gofer_core::problem::{Kind, Problem};
use gofer_core::run::{Actor, ActorKind, Force, Run};
use gofer_store::Progress;

use crate::engine::{Engine, Shared};
use crate::failpoint;
use crate::limits::{DELETE_AGAIN_AFTER, RETRY_MS};
use crate::tasks::TaskKind;

impl Engine {
    /// Deletes a pipeline with all its runs, containers and logs. Answers when it is gone.
    ///
    /// # Errors
    /// NotFound.
    pub async fn delete_pipeline(&self, key: PipelineKey) -> Result<(), Problem> {
        let shared = Arc::clone(&self.shared);
        self.detached("delete pipeline", async move {
            let (begun, now) = (key.clone(), shared.clock.now());
            shared.writer.call(move |tx| tx.begin_delete_pipeline(&begun, now)).await?;
            failpoint::hit("deletion.begun");
            finish_pipeline(&shared, key).await
        })
        .await
    }

    /// Deletes a namespace with all its pipelines. Answers when it is gone.
    ///
    /// # Errors
    /// NotFound.
    pub async fn delete_namespace(&self, id: NamespaceId) -> Result<(), Problem> {
        let shared = Arc::clone(&self.shared);
        self.detached("delete namespace", async move {
            let (begun, now) = (id.clone(), shared.clock.now());
            let pipelines =
                shared.writer.call(move |tx| tx.begin_delete_namespace(&begun, now)).await?;
            failpoint::hit("deletion.begun");
            finish_namespace(&shared, id, pipelines).await
        })
        .await
    }
}

/// Goes on with deletions that an earlier server began.
pub(crate) async fn take_up(shared: &Arc<Shared>) -> Result<(), Problem> {
    let unfinished = shared.readers.read(gofer_store::Reader::unfinished_deletions).await?;
    if unfinished.namespaces.is_empty() && unfinished.pipelines.is_empty() {
        return Ok(());
    }
    let shared_by_task = Arc::clone(shared);
    shared.tasks.spawn(TaskKind::Background, "unfinished deletions", async move {
        let stop = shared_by_task.tasks.stop(TaskKind::Background).clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = finish_all(&shared_by_task, unfinished) => {}
        }
    });
    Ok(())
}

async fn finish_all(shared: &Arc<Shared>, unfinished: gofer_store::UnfinishedDeletions) {
    let (inside, alone): (Vec<_>, Vec<_>) = unfinished
        .pipelines
        .into_iter()
        .partition(|key| unfinished.namespaces.contains(&key.namespace));
    for key in alone {
        if let Err(problem) = finish_pipeline(shared, key.clone()).await {
            tracing::error!(pipeline = %key, %problem, "could not finish a deletion");
        }
    }
    for id in unfinished.namespaces {
        let pipelines = inside.iter().filter(|key| key.namespace == id).cloned().collect();
        if let Err(problem) = finish_namespace(shared, id.clone(), pipelines).await {
            tracing::error!(namespace = %id, %problem, "could not finish a deletion");
        }
    }
}

async fn finish_namespace(
    shared: &Arc<Shared>,
    id: NamespaceId,
    pipelines: Vec<PipelineKey>,
) -> Result<(), Problem> {
    for key in pipelines {
        finish_pipeline(shared, key).await?;
    }
    loop {
        let (gone, now) = (id.clone(), shared.clock.now());
        match shared.writer.call(move |tx| tx.finish_delete_namespace(&gone, now)).await {
            Ok(Progress::More) => {}
            Ok(Progress::Done) => break,
            Err(problem) => wait_out(shared, problem).await?,
        }
    }
    shared.feed.grew();
    Ok(())
}

/// Deletes what a pipeline holds, however often a full disk or a busy store gets in the way: a
/// deletion that was begun is hidden from everybody, so nobody else would go on with it.
async fn finish_pipeline(shared: &Arc<Shared>, key: PipelineKey) -> Result<(), Problem> {
    loop {
        match try_to_finish(shared, key.clone()).await {
            Ok(()) => return Ok(()),
            Err(problem) => wait_out(shared, problem).await?,
        }
    }
}

/// Waits before another try; gives the problem back where none would help.
async fn wait_out(shared: &Arc<Shared>, problem: Problem) -> Result<(), Problem> {
    let passes =
        matches!(problem.kind, Kind::Full | Kind::Internal | Kind::Unavailable | Kind::Conflict);
    if !passes || shared.tasks.stopping().is_cancelled() {
        return Err(problem);
    }
    tracing::warn!(%problem, "a deletion is held up; trying again");
    tokio::time::sleep(DELETE_AGAIN_AFTER).await;
    Ok(())
}

async fn try_to_finish(shared: &Arc<Shared>, key: PipelineKey) -> Result<(), Problem> {
    let by = Actor { kind: ActorKind::System, name: "gofer".to_owned() };
    shared.cancel_all(&key, Force::Kill, &by, "the pipeline is being deleted").await?;
    failpoint::hit("deletion.runs_cancelled");
    wait_until_settled(shared, &key).await?;
    remove_logs(shared, &key).await?;
    failpoint::hit("deletion.logs_removed");
    loop {
        let (gone, now) = (key.clone(), shared.clock.now());
        let progress = shared.writer.call(move |tx| tx.finish_delete_pipeline(&gone, now)).await?;
        if progress == Progress::Done {
            break;
        }
    }
    shared.feed.grew();
    Ok(())
}

/// Waits until every container of the pipeline's runs is collected.
async fn wait_until_settled(shared: &Arc<Shared>, key: &PipelineKey) -> Result<(), Problem> {
    let wanted = key.clone();
    let active = shared.readers.read(move |reader| reader.active_runs_of(&wanted)).await?;
    for run in active {
        let handle = match shared.dispatch.find(&run).await {
            Ok(handle) => handle,
            Err(problem) if problem.kind == Kind::NotFound => continue,
            Err(problem) => return Err(problem),
        };
        let mut watch = handle.watch().run;
        let settled = tokio::select! {
            // The owner ends when the run is settled.
            settled = watch.wait_for(|run: &Arc<Run>| run.is_settled()) => settled.is_ok(),
            () = shared.tasks.stopping().cancelled() => false,
        };
        if !settled && shared.tasks.stopping().is_cancelled() {
            let message =
                "the server is shutting down; it goes on with the deletion when it is back";
            return Err(Problem::unavailable(message, RETRY_MS));
        }
    }
    Ok(())
}

async fn remove_logs(shared: &Arc<Shared>, key: &PipelineKey) -> Result<(), Problem> {
    for run in shared.runs_of(key, std::collections::BTreeSet::new()).await? {
        shared.logs.remove_run(&run.uid).await?;
    }
    Ok(())
}
