//! The watch on a run: a whole snapshot, then what changed, numbered by the run's generation. A
//! client that reads slowly gets fewer and larger changes, never a gap: each message brings it
//! from the state that it was sent before to the newest one.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_core::ids::{RunKey, TaskId};
use gofer_core::problem::Kind;
use gofer_core::run::Run;
use gofer_engine::{Engine, EngineState, RunView, RunWatch};
use gofer_proto::v1 as pb;
use pb::watch_run_response::Item;
use tokio::sync::watch;

use crate::convert::{runs, task_runs};
use crate::stream::{Answers, Broken, Feeder, fed_by};

/// The watch of one run as a stream of answers.
pub(super) fn run(engine: Engine, key: RunKey, watch: RunWatch) -> Answers<pb::WatchRunResponse> {
    let (queue, container_engine) = (engine.queue_moves(), engine.engine_changes());
    fed_by(|feeder| {
        Watching { engine, key, watch, queue, container_engine, sent: None, feeder }.feed()
    })
}

struct Watching {
    engine: Engine,
    key: RunKey,
    watch: RunWatch,
    /// Moves of the queue, and losses of the container engine: they change what a run waits for.
    queue: watch::Receiver<u64>,
    container_engine: watch::Receiver<EngineState>,
    /// What the client knows: the view that it was sent last.
    sent: Option<RunView>,
    feeder: Feeder<pb::WatchRunResponse>,
}

impl Watching {
    async fn feed(mut self) -> Result<(), Broken> {
        loop {
            let run = Arc::clone(&self.watch.run.borrow_and_update());
            let board = self.watch.live.borrow_and_update().clone();
            self.queue.mark_unchanged();
            self.container_engine.mark_unchanged();
            let view = self.engine.view(run, &board).await;
            let complete = view.run.is_complete();
            self.send_newest(view).await?;
            if complete {
                return self.end(pb::RunWatchEndReason::RunComplete).await;
            }
            if !self.wait().await? {
                return Ok(());
            }
        }
    }

    /// Waits for something new; false where the stream has been ended.
    async fn wait(&mut self) -> Result<bool, Broken> {
        let changed = tokio::select! {
            () = self.engine.stopping() => {
                self.end(pb::RunWatchEndReason::ServerStopping).await?;
                return Ok(false);
            }
            changed = self.watch.run.changed() => changed,
            changed = self.watch.live.changed() => changed,
            changed = self.queue.changed(), if self.is_queued() => changed,
            changed = self.container_engine.changed() => changed,
        };
        if changed.is_ok() {
            return Ok(true);
        }
        // The owner has ended: the run is settled, or gone.
        match self.engine.watch_run(&self.key).await {
            Ok(watch) => {
                self.watch = watch;
                Ok(true)
            }
            Err(problem) if problem.kind == Kind::NotFound => {
                self.end(pb::RunWatchEndReason::RunDeleted).await?;
                Ok(false)
            }
            Err(problem) => Err(problem.into()),
        }
    }

    fn is_queued(&self) -> bool {
        self.sent.as_ref().is_some_and(|view| view.waiting.is_some())
    }

    async fn send_newest(&mut self, view: RunView) -> Result<(), Broken> {
        let item = match &self.sent {
            None => Item::Snapshot(runs::run(&self.engine, &view)),
            Some(sent) => {
                let task_runs = self.changed_tasks(sent, &view);
                let same_run = sent.run.state == view.run.state && sent.waiting == view.waiting;
                if same_run && task_runs.is_empty() {
                    return Ok(());
                }
                Item::Change(pb::RunChange { run: Some(runs::without_tasks(&view)), task_runs })
            }
        };
        let generation = view.run.generation;
        self.sent = Some(view);
        self.send(generation, item).await
    }

    fn changed_tasks(&self, sent: &RunView, view: &RunView) -> Vec<pb::TaskRun> {
        let differs = |before: &Run, task: &TaskId| {
            before.task(task) != view.run.task(task) || waits(sent, task) != waits(view, task)
        };
        let tasks = view.run.tasks.iter();
        tasks
            .filter(|task| differs(&sent.run, &task.task))
            .map(|task| task_runs::task_run(&self.engine, view, task))
            .collect()
    }

    async fn end(&mut self, reason: pb::RunWatchEndReason) -> Result<(), Broken> {
        let generation = self.sent.as_ref().map_or(0, |view| view.run.generation);
        self.send(generation, Item::End(pb::RunWatchEnd { reason: reason.into() })).await
    }

    async fn send(&self, generation: u64, item: Item) -> Result<(), Broken> {
        let instance_id = self.engine.instance().to_string();
        let message = pb::WatchRunResponse { instance_id, generation, item: Some(item) };
        Ok(self.feeder.send(message).await?)
    }
}

fn waits<'a>(view: &'a RunView, task: &TaskId) -> Option<&'a gofer_core::run::WaitingReason> {
    let waiting: &BTreeMap<_, _> = &view.tasks_waiting;
    waiting.get(task)
}
