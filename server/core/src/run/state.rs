//! The state of a run. What it runs ([`RunSpec`]) never changes; where it is ([`RunState`],
//! [`TaskState`]) are enums whose variants hold only what is true in them; what was
//! ([`Attempt`]) is a list that grows.
//!
//! Task runs sit behind `Arc`s: a step copies the pointers and replaces those it changes, so that a
//! run of a thousand tasks steps cheaply and the store sees by pointer which rows to write.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptKey, AttemptNumber, RunKey, RunUid, TaskId, Version};
use crate::log::LogSummary;
use crate::pipeline::{PipelineConfig, TaskConfig};
use crate::ports::driver::{Exit, Handle};
use crate::time::Timestamp;

use super::{Actor, FailureClass, Force, PullTimes, RunOutcome, TaskOutcome};

/// What a run runs: fixed when the run is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Its name: namespace, pipeline, number.
    pub key: RunKey,
    /// Its unique id over all time.
    pub uid: RunUid,
    /// The version that it is pinned to.
    pub version: Version,
    /// A snapshot of that version, so that history never breaks.
    pub config: Arc<PipelineConfig>,
    /// The run's own variables, placeholders unresolved.
    pub variables: BTreeMap<String, String>,
    /// Who started it.
    pub initiator: Actor,
    /// Why, in the caller's words; may be empty.
    pub reason: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// The run that this one repeats.
    pub retry_of: Option<u64>,
    /// The server's rules at that time.
    pub policy: RunPolicy,
}

/// The server's rules for a run, fixed when the run is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPolicy {
    /// Time between SIGTERM and SIGKILL, in milliseconds.
    pub stop_grace_ms: u64,
    /// Infrastructure failures that one task run may survive.
    pub infra_retries: u32,
    /// Wait after the first infrastructure failure, in milliseconds; doubles with each.
    pub infra_delay_ms: u64,
    /// Ceiling for every task's time limit, in milliseconds; none for no ceiling.
    pub task_timeout_ms_max: Option<u64>,
    /// Most runs of the pipeline at once: the smaller of the config's and the server's; none for no limit.
    pub parallelism: Option<u32>,
}

impl Default for RunPolicy {
    fn default() -> Self {
        Self {
            stop_grace_ms: 5 * 60 * 1000,
            infra_retries: 3,
            infra_delay_ms: 1000,
            task_timeout_ms_max: None,
            parallelism: None,
        }
    }
}

/// A run: what it runs, where it is, and its task runs in the config's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What it runs.
    pub spec: Arc<RunSpec>,
    /// Where it is.
    pub state: RunState,
    /// Its task runs, one for each task of the config, in its order.
    pub tasks: Vec<Arc<TaskRun>>,
    /// How many steps were committed; grows by one with each.
    pub generation: u64,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Accepted, waits for a slot.
    Pending,
    /// Has a slot.
    Running {
        /// Since when.
        started: Timestamp,
        /// The accepted cancel of the run or of a task run, the strongest one.
        cancel: Option<CancelMark>,
        /// Whether the run's time limit ran out.
        timed_out: bool,
    },
    /// Ended. Containers may still wait to be collected.
    Complete {
        /// When it got its slot; none where it never did.
        started: Option<Timestamp>,
        /// When it ended.
        ended: Timestamp,
        /// How.
        outcome: RunOutcome,
        /// The accepted cancel.
        cancel: Option<CancelMark>,
    },
}

/// An accepted cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelMark {
    /// When it was accepted.
    pub at: Timestamp,
    /// Who asked.
    pub by: Actor,
    /// Why, in the caller's words; may be empty.
    pub reason: String,
    /// Whether it kills at once.
    pub force: Force,
    /// Whether it covers the whole run.
    pub whole_run: bool,
}

/// One task of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRun {
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub state: TaskState,
    /// Its container starts so far, oldest first; numbered from 1.
    pub attempts: Vec<Attempt>,
    /// Failures that count against the task's retries.
    pub user_failures: u32,
    /// Failures that count against the infrastructure budget.
    pub infra_failures: u32,
}

/// Where a task run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for parents, or for the run's slot.
    Waiting,
    /// Waits before the next attempt.
    Backoff {
        /// The attempt that comes next.
        attempt: AttemptNumber,
        /// Until when.
        until: Timestamp,
    },
    /// Its container is being pulled for, created or started.
    Starting {
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// Its container runs.
    Running {
        /// The attempt.
        attempt: AttemptNumber,
        /// Since when.
        since: Timestamp,
    },
    /// It was told to stop; the reason for stopping wins over whatever the container says.
    Stopping {
        /// The attempt.
        attempt: AttemptNumber,
        /// Why.
        because: StopCause,
        /// Whether SIGKILL was ordered.
        force: Force,
        /// When SIGKILL follows.
        kill_at: Timestamp,
        /// When the container started; none where it had not yet.
        since: Option<Timestamp>,
    },
    /// Ended.
    Complete {
        /// When.
        ended: Timestamp,
        /// How.
        outcome: TaskOutcome,
    },
}

/// Why a task run is being stopped, weakest first: a stronger cause replaces a weaker one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// The attempt's own time limit; may be retried.
    TaskTimedOut,
    /// The run's time limit.
    RunTimedOut,
    /// A user cancelled it.
    UserCancelled,
    /// An operator or the system cancelled it.
    AdminCancelled,
}

/// One container start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: AttemptNumber,
    /// When it was ordered.
    pub queued: Timestamp,
    /// When its pull began and ended.
    pub pull: Option<PullTimes>,
    /// When its container started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The exact image.
    pub digest: Option<String>,
    /// The container.
    pub container: Option<Handle>,
    /// How the container ended.
    pub exit: Option<Exit>,
    /// Why it was not a success.
    pub failure: Option<Failure>,
    /// The log, once it is stored whole and the container removed.
    pub collected: Option<LogSummary>,
}

/// Why an attempt was not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose failure.
    pub class: FailureClass,
    /// What happened, as a sentence.
    pub text: String,
}

impl Run {
    /// A run that was just accepted.
    #[must_use]
    pub fn new(spec: Arc<RunSpec>) -> Self {
        let tasks = spec.config.tasks.iter().map(|task| Arc::new(TaskRun::new(&task.id))).collect();
        Self { spec, state: RunState::Pending, tasks, generation: 0 }
    }

    /// The task run of that task.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&TaskRun> {
        self.tasks.iter().find(|task| task.task == *id).map(AsRef::as_ref)
    }

    /// Each task's config with its run, in the config's order.
    pub fn tasks_with_config(&self) -> impl Iterator<Item = (&TaskConfig, &TaskRun)> {
        self.spec.config.tasks.iter().zip(self.tasks.iter().map(AsRef::as_ref))
    }

    /// The key of one attempt of this run.
    #[must_use]
    pub fn attempt_key(&self, task: &TaskId, attempt: AttemptNumber) -> AttemptKey {
        AttemptKey { uid: self.spec.uid.clone(), task: task.clone(), attempt }
    }

    /// Whether the run has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, RunState::Complete { .. })
    }

    /// Whether nothing is left to do: ended, and every container collected.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_complete() && self.tasks.iter().all(|task| task.uncollected().next().is_none())
    }

    /// The task runs that differ from those in `before`, with their place in the config.
    pub fn changed_since<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (usize, &'a TaskRun)> {
        let pairs = self.tasks.iter().zip(&before.tasks).enumerate();
        pairs
            .filter(|(_, (now, then))| !Arc::ptr_eq(now, then))
            .map(|(ix, (now, _))| (ix, now.as_ref()))
    }
}

impl TaskRun {
    /// A task run that waits.
    #[must_use]
    pub fn new(task: &TaskId) -> Self {
        Self {
            task: task.clone(),
            state: TaskState::Waiting,
            attempts: Vec::new(),
            user_failures: 0,
            infra_failures: 0,
        }
    }

    /// The outcome, once there is one.
    #[must_use]
    pub fn outcome(&self) -> Option<&TaskOutcome> {
        match &self.state {
            TaskState::Complete { outcome, .. } => Some(outcome),
            TaskState::Waiting
            | TaskState::Backoff { .. }
            | TaskState::Starting { .. }
            | TaskState::Running { .. }
            | TaskState::Stopping { .. } => None,
        }
    }

    /// The attempt that is under way.
    #[must_use]
    pub fn current(&self) -> Option<AttemptNumber> {
        match &self.state {
            TaskState::Starting { attempt }
            | TaskState::Running { attempt, .. }
            | TaskState::Stopping { attempt, .. } => Some(*attempt),
            TaskState::Waiting | TaskState::Backoff { .. } | TaskState::Complete { .. } => None,
        }
    }

    /// Attempts that have ended and whose container was not collected yet.
    pub fn uncollected(&self) -> impl Iterator<Item = &Attempt> {
        let current = self.current();
        self.attempts.iter().filter(move |a| a.collected.is_none() && Some(a.number) != current)
    }

    /// The attempt of that number.
    #[must_use]
    pub fn attempt(&self, number: AttemptNumber) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.number == number)
    }

    /// The same, to be changed.
    pub(super) fn attempt_mut(&mut self, number: AttemptNumber) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.number == number)
    }
}

impl Attempt {
    /// An attempt that was just ordered.
    pub(super) fn new(number: AttemptNumber, queued: Timestamp) -> Self {
        Self {
            number,
            queued,
            pull: None,
            started: None,
            ended: None,
            digest: None,
            container: None,
            exit: None,
            failure: None,
            collected: None,
        }
    }
}
