//! A run as it is shown: its state, and why it or its task runs wait. What the run machine cannot
//! know, the queue's place, a pull's progress and an engine that does not answer, is added here.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_core::ids::{NamespaceId, PipelineKey, RunKey, TaskId, Version};
use gofer_core::problem::Problem;
use gofer_core::run::{Run, RunState, TaskRun, TaskState, WaitingReason};
use gofer_core::variables::Variable;
use gofer_store::{
    DeployOrder, Deployed, NamespaceChange, NamespaceRecord, Reader, Registered, Registration,
    RollbackOrder, StoreError, Tx,
};
use tokio::sync::watch;

use crate::engine::{Engine, Shared};
use crate::engine_state::EngineState;
use crate::failpoint;
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

    /// Told whenever the history has grown.
    #[must_use]
    pub fn history_growth(&self) -> watch::Receiver<u64> {
        self.shared.feed.subscribe()
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// AlreadyExists.
    pub async fn create_namespace(
        &self,
        id: NamespaceId,
        name: String,
        description: String,
    ) -> Result<NamespaceRecord, Problem> {
        self.change("create namespace", move |tx, now| {
            tx.create_namespace(&id, &name, &description, now)
        })
        .await
    }

    /// Changes a namespace's name or description.
    ///
    /// # Errors
    /// NotFound.
    pub async fn update_namespace(
        &self,
        id: NamespaceId,
        change: NamespaceChange,
    ) -> Result<NamespaceRecord, Problem> {
        self.change("update namespace", move |tx, now| tx.update_namespace(&id, &change, now)).await
    }

    /// Registers a version of a pipeline; with `Rehearse` says what that would do.
    ///
    /// # Errors
    /// NotFound for the namespace.
    pub async fn register(
        &self,
        registration: Registration,
        mode: Mode,
    ) -> Result<Registered, Problem> {
        let work = move |tx: &Tx<'_>, now| tx.register(&registration, now);
        self.change_or_rehearse("register", mode, work).await
    }

    /// Makes a version live; with `Rehearse` says what that would do.
    ///
    /// # Errors
    /// NotFound; Conflict where another version is live than the order says.
    pub async fn deploy(&self, order: DeployOrder, mode: Mode) -> Result<Deployed, Problem> {
        let work = move |tx: &Tx<'_>, now| tx.deploy(&order, now);
        let deployed = self.change_or_rehearse("deploy", mode, work).await;
        failpoint::hit("deploy.committed");
        deployed
    }

    /// Makes the version live that was live before; with `Rehearse` says what that would do.
    ///
    /// # Errors
    /// NotFound; Rejected where there is none; Conflict.
    pub async fn rollback(&self, order: RollbackOrder, mode: Mode) -> Result<Deployed, Problem> {
        let work = move |tx: &Tx<'_>, now| tx.rollback(&order, now);
        self.change_or_rehearse("roll back", mode, work).await
    }

    /// Lets a pipeline take new runs, or makes it refuse them. True where that changed anything.
    ///
    /// # Errors
    /// NotFound.
    pub async fn set_pipeline_enabled(
        &self,
        key: PipelineKey,
        enabled: bool,
    ) -> Result<bool, Problem> {
        self.change("switch pipeline", move |tx, now| tx.set_pipeline_enabled(&key, enabled, now))
            .await
    }

    /// Removes a version; with `Rehearse` says whether it could be.
    ///
    /// # Errors
    /// NotFound; Rejected where it is live.
    pub async fn delete_config(
        &self,
        key: PipelineKey,
        version: Version,
        mode: Mode,
    ) -> Result<(), Problem> {
        let work = move |tx: &Tx<'_>, now| tx.delete_config(&key, version, now);
        self.change_or_rehearse("delete version", mode, work).await
    }

    /// Opens or shuts the door for new runs. True where that changed anything.
    ///
    /// # Errors
    /// Full, Internal.
    pub async fn set_ingress(&self, open: bool) -> Result<bool, Problem> {
        self.change("switch ingress", move |tx, now| tx.set_ingress(open, now)).await
    }

    async fn change_or_rehearse<T, W>(
        &self,
        name: &'static str,
        mode: Mode,
        work: W,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>, gofer_core::time::Timestamp) -> Result<T, StoreError> + Send + 'static,
    {
        match mode {
            Mode::Do => self.change(name, work).await,
            Mode::Rehearse => {
                let now = self.shared.clock.now();
                self.shared.writer.rehearse(move |tx| work(tx, now)).await
            }
        }
    }

    /// Commits a change though the caller may go away, and tells the followers of the history.
    async fn change<T, W>(&self, name: &'static str, work: W) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>, gofer_core::time::Timestamp) -> Result<T, StoreError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        self.detached(name, async move {
            let now = shared.clock.now();
            let changed = shared.writer.call(move |tx| work(tx, now)).await;
            shared.feed.grew();
            changed
        })
        .await
    }
}

/// Whether something is done or only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    Do,
    /// Say what it would do, and keep nothing.
    Rehearse,
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
