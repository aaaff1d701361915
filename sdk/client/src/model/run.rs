//! Runs.

use serde::Serialize;

use super::{Initiator, PipelineRef, Reason, RunRef, TaskRun, Time, Variable, Waiting, words};

/// One execution of one version of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its path, `namespace:pipeline/run`.
    #[serde(rename = "ref")]
    pub path: String,
    /// Namespace of the pipeline.
    pub namespace_id: String,
    /// The pipeline.
    pub pipeline_id: String,
    /// 1, 2, 3 and so on within the pipeline.
    pub id: u64,
    /// Unique for ever.
    pub uid: String,
    /// The version that it runs.
    pub version: u64,
    /// How far it is.
    pub state: RunState,
    /// How it ended. `None` until it did.
    pub status: Option<RunStatus>,
    /// Why it did not end well. `None` when it did, and until it ends.
    pub reason: Option<Reason>,
    /// What happened, in one sentence. `None` when there is no reason.
    pub reason_text: Option<String>,
    /// What to do about it, in one sentence. `None` when there is no reason.
    pub next_step: Option<String>,
    /// What the run as a whole waits for. `None`: it does not.
    pub waiting: Option<Waiting>,
    /// Who started it.
    pub initiator: Initiator,
    /// When it was accepted.
    pub created_at: Time,
    /// When it became RUNNING. `None` until then.
    pub started_at: Option<Time>,
    /// When it became COMPLETE. `None` until then.
    pub ended_at: Option<Time>,
    /// How long it ran, in milliseconds. `None` until it is COMPLETE, and when it never ran.
    pub duration_ms: Option<u64>,
    /// The variables that it was started with.
    pub variables: Vec<Variable>,
    /// Id of the run that this one tries again. `None`: none.
    pub retry_of: Option<u64>,
    /// The cancel that was accepted. `None`: none was asked for.
    pub cancel: Option<RunCancel>,
    /// Grows with every stored change.
    pub generation: u64,
    /// Its task runs, in the order of the config. Empty in lists.
    pub task_runs: Vec<TaskRun>,
}

impl Run {
    /// Its reference.
    #[must_use]
    pub fn reference(&self) -> RunRef {
        PipelineRef::new(&self.namespace_id, &self.pipeline_id).run(self.id)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == RunState::Complete
    }
}

words! {
    /// How far a run is.
    RunState is gofer_proto::v1::RunState {
        /// Accepted; it waits for its turn.
        Pending = "PENDING",
        /// Its task runs go on.
        Running = "RUNNING",
        /// It has ended.
        Complete = "COMPLETE",
    }
}

words! {
    /// How a run ended.
    RunStatus is gofer_proto::v1::RunStatus {
        /// No task run failed.
        Successful = "SUCCESSFUL",
        /// At least one task run failed.
        Failed = "FAILED",
        /// A cancel was accepted before it ended.
        Cancelled = "CANCELLED",
    }
}

/// The cancel of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunCancel {
    /// When it was accepted.
    pub requested_at: Time,
    /// Name of the caller.
    pub by: String,
    /// Why, in the caller's words; may be empty.
    pub reason: String,
    /// Whether containers are killed at once.
    pub forced: bool,
}

/// The head of a run, for lists of other things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Its id within the pipeline.
    pub id: u64,
    /// How far it is.
    pub state: RunState,
    /// How it ended. `None` until it did.
    pub status: Option<RunStatus>,
    /// Why it did not end well. `None` when it did, and until it ends.
    pub reason: Option<Reason>,
    /// When it was accepted.
    pub created_at: Time,
    /// When it became RUNNING. `None` until then.
    pub started_at: Option<Time>,
    /// When it became COMPLETE. `None` until then.
    pub ended_at: Option<Time>,
}

/// What came of starting a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The run.
    pub run: Run,
    /// Whether it is the run of an earlier call with the same idempotency key.
    pub existing: bool,
}
