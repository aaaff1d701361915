//! What goes out: orders to the world. Each is harmless twice, and each is given again by
//! [`Run::resume`](super::Run::resume) until a fact says that it is done.

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptNumber, TaskId};
use crate::time::Timestamp;

/// An order to the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// Make the image available, create and start the container if that has not been done, then
    /// watch it. Answered by Started, StartFailed, Exited or Vanished.
    EnsureContainer {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// Tell of the container's end. Answered by Exited or Vanished.
    WatchContainer {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// Abort a pull that is under way, send SIGTERM to a container that runs, remove one that was
    /// never started. The watch tells of the end.
    StopContainer {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// As StopContainer, with SIGKILL.
    KillContainer {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// Store the rest of the log, then remove the container. Answered by Collected.
    CollectContainer {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// Tell when `at` has come. Answered by TimerFired.
    ArmTimer {
        /// Which timer.
        timer: Timer,
        /// When.
        at: Timestamp,
    },
    /// The run needs its slot no longer.
    ReleaseSlot,
}

/// What a timer is for. A timer that is no longer wanted may fire; it is absorbed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// The wait before the next attempt is over.
    Backoff {
        /// The task.
        task: TaskId,
        /// The attempt that may start.
        attempt: AttemptNumber,
    },
    /// The attempt's time limit.
    TaskTimeout {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// The grace time after SIGTERM.
    Grace {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// The run's time limit.
    RunTimeout,
}
