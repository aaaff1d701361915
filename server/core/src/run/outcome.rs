//! How runs and task runs end. One outcome each, set once, with one meaning; nobody has to infer
//! "cancelled" from an exit code.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::TaskId;
use crate::pipeline::Need;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// No task run failed and no cancel was accepted.
    Successful,
    /// At least one task run failed.
    Failed,
    /// A cancel was accepted.
    Cancelled,
}

/// How a task run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// Its container exited with 0.
    Successful,
    /// It failed and no retry is left.
    Failed,
    /// A cancel was accepted before its end was known.
    Cancelled,
    /// It never started, because of what became of a parent or of the run.
    Skipped,
}

/// Why something did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The container exited with another code than 0.
    AbnormalExit,
    /// The engine could not start the container.
    SchedulerError,
    /// A parent, a setting or a placeholder was not as needed.
    FailedPrecondition,
    /// A user cancelled it.
    UserCancelled,
    /// An operator or the system cancelled it.
    AdminCancelled,
    /// Its time limit, or the run's, ran out.
    TimedOut,
    /// It was killed for want of memory.
    OutOfMemory,
    /// Its image could not be had.
    ImageError,
    /// Its container vanished, or the engine went down under it, more often than allowed.
    EngineLost,
}

impl Reason {
    /// What to do about it, as a sentence.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        match self {
            Self::AbnormalExit => "read the task's log; its last lines usually name the cause",
            Self::SchedulerError => "look at the engine's own log, then retry the run",
            Self::FailedPrecondition => "see what was needed and mend it, then retry the run",
            Self::UserCancelled | Self::AdminCancelled => "retry the run if it is still wanted",
            Self::TimedOut => "raise the timeout, or find out from the log what took so long",
            Self::OutOfMemory => "raise the task's memory limit, or make the task use less",
            Self::ImageError => {
                "check the image's name, the registry's credentials, and that the engine reaches the registry; \
                 an image can also be loaded by hand: `docker load`, or `gofer image import`"
            }
            Self::EngineLost => {
                "check that the engine is up and nobody removes its containers, then retry the run"
            }
        }
    }
}

/// Whose failure an attempt's end is. User failures use the task's retries, infrastructure
/// failures a budget of their own; the rest is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureClass {
    /// The exit code was not 0.
    User,
    /// The attempt's own time limit ran out.
    Timeout,
    /// It was stopped by a cancel.
    Cancelled,
    /// It ran out of memory.
    Oom,
    /// The image could not be had.
    Image,
    /// Its settings could not be honoured.
    Config,
    /// The engine had no room.
    Capacity,
    /// The engine failed, or went down under it.
    Engine,
}

/// The parent that did not fit, in a SKIPPED task run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfitParent {
    /// The parent.
    pub parent: TaskId,
    /// How it ended.
    pub status: TaskStatus,
    /// What was needed.
    pub need: Need,
}

/// How a task run ended, with what can be said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskOutcome {
    /// Its container exited with 0.
    Succeeded,
    /// It failed for good.
    Failed {
        /// Why.
        reason: Reason,
        /// What happened, as a sentence.
        text: String,
    },
    /// A cancel was accepted.
    Cancelled {
        /// Who cancelled: [`Reason::UserCancelled`] or [`Reason::AdminCancelled`].
        reason: Reason,
    },
    /// It never started because a parent did not fit.
    Skipped(UnfitParent),
    /// It never started because the run's time was over.
    SkippedByTimeout,
}

impl TaskOutcome {
    /// The status.
    #[must_use]
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Succeeded => TaskStatus::Successful,
            Self::Failed { .. } => TaskStatus::Failed,
            Self::Cancelled { .. } => TaskStatus::Cancelled,
            Self::Skipped(_) | Self::SkippedByTimeout => TaskStatus::Skipped,
        }
    }

    /// The reason; none for a success.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Succeeded => None,
            Self::Failed { reason, .. } | Self::Cancelled { reason } => Some(*reason),
            Self::Skipped(_) => Some(Reason::FailedPrecondition),
            Self::SkippedByTimeout => Some(Reason::TimedOut),
        }
    }

    /// What happened, as a sentence.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Succeeded => "exited with code 0".to_owned(),
            Self::Failed { text, .. } => text.clone(),
            Self::Cancelled { reason: Reason::AdminCancelled } => {
                "cancelled by an operator".to_owned()
            }
            Self::Cancelled { .. } => "cancelled by a user".to_owned(),
            Self::Skipped(unfit) => unfit.to_string(),
            Self::SkippedByTimeout => {
                "the run's time limit ran out before it could start".to_owned()
            }
        }
    }
}

impl fmt::Display for UnfitParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            TaskStatus::Successful => "SUCCESSFUL",
            TaskStatus::Failed => "FAILED",
            TaskStatus::Cancelled => "CANCELLED",
            TaskStatus::Skipped => "SKIPPED",
        };
        let need = match self.need {
            Need::Any => "ANY",
            Need::Success => "SUCCESS",
            Need::Failure => "FAILURE",
        };
        write!(f, "parent `{}` ended {status}, {need} was needed", self.parent)
    }
}

/// How a run ended, with what can be said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// The status.
    pub status: RunStatus,
    /// Why; none for a success.
    pub reason: Option<Reason>,
    /// What happened, as a sentence.
    pub text: String,
}
