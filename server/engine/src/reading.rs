//! A run as it is shown: its state, and why it or its task runs wait. What the run machine cannot
//! know, the queue's place, a pull's progress and an engine that does not answer, is added here.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_core::ids::{RunKey, TaskId};
use gofer_core::problem::Problem;
use gofer_core::run::{Run, RunState, TaskRun, TaskState, WaitingReason};
use gofer_core::variables::Variable;
use gofer_store::{Reader, StoreError};
use tokio::sync::watch;

use crate::engine::{Engine, Shared};
use crate::engine_state::EngineState;
use crate::runs::{LiveAttempt, RunWatch};

/// A run with the reasons for which it and its task runs wait.
#[derive(Debug, Clone)]
pub struct RunView {
    /// The run.
    pub run: Arc<Run>,
    /// Why the run waits.
    pub waiting: Option<WaitingReason>,
    /// Why its task runs wait, by task.
    pub tasks_waiting: BTreeMap<TaskId, WaitingReason>,
}

impl Engine {
    /// A run as it is now.
    ///
    /// # Errors
    /// NotFound.
    pub async fn run(&self, key: &RunKey) -> Result<RunView, Problem> {
        let live = self.shared.dispatch.peek(key).await.map(|handle| handle.watch());
        let (run, board) = match live {
            Some(watch) => (Arc::clone(&watch.run.borrow()), watch.live.borrow().clone()),
            None => (Arc::new(self.shared.stored_run(key).await?), BTreeMap::new()),
        };
        Ok(self.view(run, &board).await)
    }

    /// A watch on a run: its committed states as they come, and the progress of its attempts.
    ///
    /// # Errors
    /// NotFound.
    pub async fn watch_run(&self, key: &RunKey) -> Result<RunWatch, Problem> {
        Ok(self.shared.dispatch.find(key).await?.watch())
    }

    /// Adds the reasons for waiting to a run's state.
    pub async fn view(&self, run: Arc<Run>, board: &BTreeMap<TaskId, LiveAttempt>) -> RunView {
        let waiting = match &run.state {
            RunState::Pending => self.shared.waits_for_slot(&run).await,
            RunState::Running { .. } | RunState::Complete { .. } => None,
        };
        let state = self.shared.engine.get();
        let tasks_waiting = run
            .tasks
            .iter()
            .filter_map(|task| {
                Some((task.task.clone(), task_waits_for(&run, task, board, &state)?))
            })
            .collect();
        RunView { run, waiting, tasks_waiting }
    }

    /// The variables of a task run with their sources, as its latest attempt has or had them.
    #[must_use]
    pub fn task_variables(&self, run: &Run, task: &TaskRun) -> Vec<Variable> {
        let Some(config) = run.spec.config.task(&task.task) else { return Vec::new() };
        let attempt = task.attempts.last().map_or(1, |attempt| attempt.number);
        self.shared.task_variables(&run.spec, config, attempt)
    }

    /// Reads from the store.
    ///
    /// # Errors
    /// What the read says.
    pub async fn read<T, R>(&self, read: R) -> Result<T, Problem>
    where
        T: Send + 'static,
        R: FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    {
        self.shared.readers.read(read).await
    }

    /// Told whenever a queue has moved, which may be another place for a run that waits.
    #[must_use]
    pub fn queue_moves(&self) -> watch::Receiver<u64> {
        self.shared.dispatch.moves()
    }

    /// Told whenever the container engine is lost or back.
    #[must_use]
    pub fn engine_changes(&self) -> watch::Receiver<EngineState> {
        self.shared.engine.subscribe()
    }

    /// Told whenever the history has grown.
    #[must_use]
    pub fn history_growth(&self) -> watch::Receiver<u64> {
        self.shared.feed.subscribe()
    }
}

impl Shared {
    async fn waits_for_slot(&self, run: &Run) -> Option<WaitingReason> {
        let place = self.dispatch.place(&run.spec.key).await?;
        Some(WaitingReason::Slot { position: place.position, limit: place.limit })
    }
}

fn task_waits_for(
    run: &Run,
    task: &TaskRun,
    board: &BTreeMap<TaskId, LiveAttempt>,
    state: &EngineState,
) -> Option<WaitingReason> {
    let under_way = matches!(
        task.state,
        TaskState::Starting { .. } | TaskState::Running { .. } | TaskState::Stopping { .. }
    );
    if let (true, EngineState::Unknown { since, .. }) = (under_way, state) {
        return Some(WaitingReason::EngineUnknown { since: *since });
    }
    match (board.get(&task.task), &task.state) {
        (Some(LiveAttempt::Pulling { image, progress }), TaskState::Starting { .. }) => {
            Some(WaitingReason::Pull {
                image: image.clone(),
                current_bytes: progress.current_bytes,
                total_bytes: progress.total_bytes,
            })
        }
        (_, _any_other) => run.task_waits_for(task),
    }
}
