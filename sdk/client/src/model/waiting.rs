//! What a run or a task run waits for.

use serde::Serialize;

use super::{Need, TaskRunState, TaskRunStatus, Time};

/// What is waited for. In JSON the key `kind` tells which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Waiting {
    /// Parents that are not complete.
    Parents {
        /// Those parents, in the order of the config.
        parents: Vec<WaitingParent>,
    },
    /// One of a limited number of slots.
    Slot {
        /// Place in the queue; 1 is next.
        position: u32,
        /// How many may go on at once.
        limit: u32,
    },
    /// An image that is fetched.
    Pull {
        /// The image.
        image: String,
        /// Bytes so far. `None`: the engine does not tell.
        current_bytes: Option<u64>,
        /// Bytes in all. `None`: the engine does not tell.
        total_bytes: Option<u64>,
        /// Layers so far. `None`: the engine does not tell.
        layers_done: Option<u32>,
        /// Layers in all. `None`: the engine does not tell.
        layers_total: Option<u32>,
    },
    /// The time of the next attempt.
    Backoff {
        /// When the wait ends.
        until: Time,
        /// The attempt that comes then.
        attempt: u32,
    },
    /// The container engine, which does not answer.
    EngineUnknown {
        /// When it answered last.
        since: Time,
    },
    /// Containers that are to stop.
    Stopping {
        /// When they were told to.
        since: Time,
        /// Whether they are killed.
        forced: bool,
    },
    /// Its container to be created and started.
    Create,
    /// Something that this client does not know.
    Unknown,
}

/// A parent that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingParent {
    /// The parent.
    pub task_id: String,
    /// How far it is.
    pub state: TaskRunState,
    /// How it ended. `None` until it did.
    pub status: Option<TaskRunStatus>,
    /// How it must end.
    pub need: Need,
}
