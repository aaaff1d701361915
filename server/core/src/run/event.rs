//! What comes in: requests, which may be rejected, and facts, which are always absorbed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptNumber, TaskId};
use crate::log::LogSummary;
use crate::ports::driver::{Exit, Handle};
use crate::time::Timestamp;

use super::{FailureClass, Timer};

/// Something for the machine to take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A wish, which may be rejected.
    Request(Request),
    /// Something that is true, which cannot be.
    Fact(Fact),
}

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Stop the run, or one task run of it.
    Cancel {
        /// How much of it.
        scope: Scope,
        /// Whether to kill at once.
        force: Force,
        /// Who asked.
        by: Actor,
        /// Why, in the caller's words; may be empty.
        reason: String,
    },
}

/// How much a cancel covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// The whole run.
    Run,
    /// One task run.
    Task(TaskId),
}

/// Whether a cancel waits for the container to end by itself after SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Force {
    /// SIGTERM, the grace time, then SIGKILL.
    Grace,
    /// SIGKILL now.
    Kill,
}

/// What kind of caller somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ActorKind {
    /// A person or a program acting for one.
    User,
    /// An extension.
    Extension,
    /// The server itself, or its operator.
    System,
}

/// Who did or asked something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// Its name, from the call's credentials.
    pub name: String,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Something that is true of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The run has a slot.
    Admitted,
    /// The attempt's container runs.
    Started {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
        /// The container.
        container: Handle,
        /// Digest of the image that it was made from, where the registry gave one.
        digest: Option<String>,
        /// When the pull began and ended, where there was one.
        pull: Option<PullTimes>,
        /// When the engine says that it started.
        at: Timestamp,
    },
    /// The attempt's container could not be started.
    StartFailed {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
        /// Why.
        failure: StartFailure,
    },
    /// The attempt's container ended.
    Exited {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
        /// The container.
        container: Handle,
        /// How.
        exit: Exit,
    },
    /// The engine answered that the attempt's container does not exist.
    Vanished {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// A timer that was armed has run out.
    TimerFired(Timer),
    /// The attempt's log is stored to its end and its container removed.
    Collected {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
        /// The log.
        log: LogSummary,
    },
}

/// When a pull began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullTimes {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}

/// Why a container could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartFailure {
    /// Whose failure: [`FailureClass::Image`], `Config`, `Capacity` or `Engine`.
    pub class: FailureClass,
    /// What happened, as a sentence.
    pub text: String,
    /// Whether another attempt may go better.
    pub retryable: bool,
    /// The code a shell would give, where a command could not be started (126, 127).
    pub exit_code: Option<i32>,
}
