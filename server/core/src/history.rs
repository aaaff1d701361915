//! What happened, as the history keeps it: an [`Entry`] is written in the transaction that it
//! describes, so the history can be trusted by whoever follows it.

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptNumber, NamespaceId, PipelineId, RunId, TaskId, Version};
use crate::run::{Reason, RunStatus, TaskStatus};

/// The kind of a change. Words are stable: programs filter by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryKind {
    /// A namespace was made.
    NamespaceCreated,
    /// A namespace's name or description changed.
    NamespaceUpdated,
    /// A namespace and all in it is gone.
    NamespaceDeleted,
    /// A new version of a pipeline was registered.
    PipelineRegistered,
    /// A pipeline takes new runs again.
    PipelineEnabled,
    /// A pipeline refuses new runs.
    PipelineDisabled,
    /// A pipeline and all its runs are gone.
    PipelineDeleted,
    /// A version was removed, by hand or by the version limit.
    VersionDeleted,
    /// A version went live.
    DeploymentCompleted,
    /// A run was accepted and waits for its slot.
    RunCreated,
    /// A run got its slot.
    RunStarted,
    /// A cancel was accepted.
    RunCancelRequested,
    /// A run ended.
    RunCompleted,
    /// A container of a task run started.
    TaskRunStarted,
    /// An attempt failed and another will follow.
    TaskRunRetried,
    /// A task run ended.
    TaskRunCompleted,
    /// Logs of an old run were removed.
    LogsExpired,
    /// The engine stopped answering.
    EngineLost,
    /// The engine answers again.
    EngineBack,
    /// New runs are refused, or accepted again.
    IngressChanged,
}

/// How something ended, for entries that tell of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Ended {
    /// As wished.
    Successful,
    /// Not as wished.
    Failed,
    /// By a cancel.
    Cancelled,
    /// Never started, by the DAG.
    Skipped,
}

impl From<RunStatus> for Ended {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Successful => Self::Successful,
            RunStatus::Failed => Self::Failed,
            RunStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<TaskStatus> for Ended {
    fn from(status: TaskStatus) -> Self {
        match status {
            TaskStatus::Successful => Self::Successful,
            TaskStatus::Failed => Self::Failed,
            TaskStatus::Cancelled => Self::Cancelled,
            TaskStatus::Skipped => Self::Skipped,
        }
    }
}

/// What a change was about. Fields are there as far as they apply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subject {
    /// The namespace.
    pub namespace: Option<NamespaceId>,
    /// The pipeline in it.
    pub pipeline: Option<PipelineId>,
    /// The version of the pipeline.
    pub version: Option<Version>,
    /// The run of the pipeline.
    pub run: Option<RunId>,
    /// The task of the run.
    pub task: Option<TaskId>,
    /// The attempt of the task.
    pub attempt: Option<AttemptNumber>,
}

/// One change, before the store gives it its number and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: EntryKind,
    /// What it was about.
    pub subject: Subject,
    /// How it ended, for an end.
    pub ended: Option<Ended>,
    /// Why, where there is a reason.
    pub reason: Option<Reason>,
    /// One sentence for people.
    pub text: String,
}

impl Entry {
    /// An entry without an end or a reason.
    pub fn new(kind: EntryKind, subject: Subject, text: impl Into<String>) -> Self {
        Self { kind, subject, ended: None, reason: None, text: text.into() }
    }
}
