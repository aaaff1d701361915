//! Task runs and their attempts.

use serde::Serialize;

use super::{LogInfo, Need, PipelineRef, Reason, TaskRunRef, Time, Variable, Waiting, words};

/// One task of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskRun {
    /// Its path, `namespace:pipeline/run/task`.
    #[serde(rename = "ref")]
    pub path: String,
    /// Namespace of the pipeline.
    pub namespace_id: String,
    /// The pipeline.
    pub pipeline_id: String,
    /// Id of the run within the pipeline.
    pub run_id: u64,
    /// The task.
    pub task_id: String,
    /// How far it is.
    pub state: TaskRunState,
    /// How it ended. `None` until it did.
    pub status: Option<TaskRunStatus>,
    /// Why it did not end well. `None` when it did, and until it ends.
    pub reason: Option<Reason>,
    /// What happened, in one sentence. `None` when there is no reason.
    pub reason_text: Option<String>,
    /// What to do about it, in one sentence. `None` when there is no reason.
    pub next_step: Option<String>,
    /// What it waits for. `None`: it does not.
    pub waiting: Option<Waiting>,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The environment of its container, placeholders unresolved.
    pub variables: Vec<Variable>,
    /// Its parents, and how they must end.
    pub depends_on: Vec<Dependency>,
    /// Attempts that failed by the task's own doing.
    pub user_failures: u32,
    /// Attempts that failed by no fault of the task.
    pub infra_failures: u32,
    /// The image as the config names it.
    pub image: String,
    /// When its first container started. `None` until then.
    pub started_at: Option<Time>,
    /// When it became COMPLETE. `None` until then.
    pub ended_at: Option<Time>,
    /// From start to end, in milliseconds. `None` until it is COMPLETE, and when it never started.
    pub duration_ms: Option<u64>,
}

impl TaskRun {
    /// Its reference.
    #[must_use]
    pub fn reference(&self) -> TaskRunRef {
        PipelineRef::new(&self.namespace_id, &self.pipeline_id).run(self.run_id).task(&self.task_id)
    }
}

words! {
    /// How far a task run is.
    TaskRunState is gofer_proto::v1::TaskRunState {
        /// It waits for its parents.
        Waiting = "WAITING",
        /// Slot, image and container are on their way.
        Processing = "PROCESSING",
        /// Its container runs.
        Running = "RUNNING",
        /// It has ended.
        Complete = "COMPLETE",
    }
}

words! {
    /// How a task run ended.
    TaskRunStatus is gofer_proto::v1::TaskRunStatus {
        /// Exit code 0.
        Successful = "SUCCESSFUL",
        /// Its last attempt failed, or it could not start.
        Failed = "FAILED",
        /// It was cancelled.
        Cancelled = "CANCELLED",
        /// A parent did not end as it needs.
        Skipped = "SKIPPED",
    }
}

/// A parent, and how it must end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// The parent.
    pub task_id: String,
    /// How it must end.
    pub need: Need,
}

/// One start of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// 1, 2, 3 and so on.
    pub number: u32,
    /// When it was decided on.
    pub queued_at: Time,
    /// When the image began to be fetched. `None`: it was not.
    pub pull_started_at: Option<Time>,
    /// When the image was there. `None`: not fetched, or not yet.
    pub pull_ended_at: Option<Time>,
    /// When the container started. `None`: it did not.
    pub started_at: Option<Time>,
    /// When the attempt ended. `None` until then.
    pub ended_at: Option<Time>,
    /// The image as the config names it.
    pub image: String,
    /// The exact image that ran. `None` until known.
    pub image_digest: Option<String>,
    /// The engine's id of the container. `None` until there is one.
    pub container_id: Option<String>,
    /// How the container ended. `None` until it did, and when that cannot be known.
    pub exit: Option<Exit>,
    /// Whose failure it was. `None`: it did not fail.
    pub failure_class: Option<FailureClass>,
    /// What failed, in one sentence. `None`: it did not fail.
    pub failure_text: Option<String>,
    /// Its log.
    pub log: Option<LogInfo>,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// Exit code. `None` when a signal ended it.
    pub code: Option<i32>,
    /// Signal. `None` when none ended it.
    pub signal: Option<i32>,
    /// Whether it was ended for using too much memory.
    pub oom: bool,
}

words! {
    /// Whose failure an attempt was.
    FailureClass is gofer_proto::v1::FailureClass {
        /// The program in the container.
        User = "USER",
        /// A time limit.
        Timeout = "TIMEOUT",
        /// A cancel.
        Cancelled = "CANCELLED",
        /// Too much memory.
        Oom = "OOM",
        /// The image.
        Image = "IMAGE",
        /// The config.
        Config = "CONFIG",
        /// No room.
        Capacity = "CAPACITY",
        /// The engine.
        Engine = "ENGINE",
    }
}
