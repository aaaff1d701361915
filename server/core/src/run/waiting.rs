//! Why something waits, typed, so that API, command line and screen can all say it. The machine
//! knows of parents, back-off and stops; the queue's place is known to admission, a pull's
//! progress and an engine that does not answer to the engine crate.

use crate::ids::{AttemptNumber, TaskId};
use crate::pipeline::Need;
use crate::time::Timestamp;

use super::{Force, Run, RunState, TaskOutcome, TaskRun, TaskState, TaskStatus};

/// Why a run or a task run waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingReason {
    /// For parents that have not ended.
    Parents(Vec<ParentWait>),
    /// For a slot of its pipeline.
    Slot {
        /// Place in the queue; 1 is next.
        position: u64,
        /// Most runs of the pipeline at once.
        limit: u32,
    },
    /// For the image.
    Pull {
        /// The image reference.
        image: String,
        /// Bytes fetched so far.
        current_bytes: u64,
        /// Bytes in all, as far as known.
        total_bytes: u64,
    },
    /// For the container to be created and started.
    Create,
    /// Before the next attempt.
    Backoff {
        /// The attempt that comes next.
        attempt: AttemptNumber,
        /// Until when.
        until: Timestamp,
    },
    /// For an engine that does not answer.
    EngineUnknown {
        /// Since when.
        since: Timestamp,
    },
    /// For a container that was told to stop.
    Stopping {
        /// When SIGKILL follows, or followed.
        kill_at: Timestamp,
        /// Whether SIGKILL was ordered.
        force: Force,
    },
}

/// A parent that a task run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentWait {
    /// The parent.
    pub parent: TaskId,
    /// What is needed of it.
    pub need: Need,
    /// How it ended, if it did.
    pub status: Option<TaskStatus>,
}

impl Run {
    /// Why a task run waits, as far as the machine knows; none where it does not wait.
    #[must_use]
    pub fn task_waits_for(&self, task: &TaskRun) -> Option<WaitingReason> {
        match &task.state {
            TaskState::Waiting => self.parents_of(task),
            TaskState::Backoff { attempt, until } => {
                Some(WaitingReason::Backoff { attempt: *attempt, until: *until })
            }
            TaskState::Starting { .. } => Some(WaitingReason::Create),
            TaskState::Stopping { kill_at, force, .. } => {
                Some(WaitingReason::Stopping { kill_at: *kill_at, force: *force })
            }
            TaskState::Running { .. } | TaskState::Complete { .. } => None,
        }
    }

    fn parents_of(&self, task: &TaskRun) -> Option<WaitingReason> {
        if self.state == RunState::Pending {
            return None; // the whole run waits, and says for what
        }
        let config = self.spec.config.task(&task.task)?;
        let parents = config.depends_on.iter().map(|dependency| ParentWait {
            parent: dependency.parent.clone(),
            need: dependency.need,
            status: self
                .task(&dependency.parent)
                .and_then(TaskRun::outcome)
                .map(TaskOutcome::status),
        });
        Some(WaitingReason::Parents(parents.collect()))
    }
}
