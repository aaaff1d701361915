//! What several nouns share.

use serde::Serialize;

use super::words;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items at most. `None`: the server's default.
    pub limit: Option<u32>,
    /// Where to go on: [`Page::next`] of the page before. `None`: at the beginning.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the page after this one. `None`: this is the last.
    pub next: Option<String>,
    /// How many items there are over all pages.
    pub total: u64,
}

/// A variable as it holds for a run or a task run, placeholders unresolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Name.
    pub key: String,
    /// Value as it was written.
    pub value: String,
    /// Who set it.
    pub source: VariableSource,
}

words! {
    /// Who set a variable, strongest first.
    VariableSource is gofer_proto::v1::VariableSource {
        /// The task in the pipeline config.
        PipelineConfig = "PIPELINE_CONFIG",
        /// The caller who started the run.
        Run = "RUN",
        /// Gofer itself.
        System = "SYSTEM",
    }
}

/// Who caused something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initiator {
    /// What sort of caller.
    pub kind: InitiatorKind,
    /// Name of the caller as the server knows it.
    pub name: String,
    /// Why, in the caller's own words; may be empty.
    pub reason: String,
}

words! {
    /// What sort of caller.
    InitiatorKind is gofer_proto::v1::InitiatorKind {
        /// A person or a script.
        User = "USER",
        /// An extension.
        Extension = "EXTENSION",
        /// Gofer itself.
        System = "SYSTEM",
    }
}

words! {
    /// Why a run or a task run did not end well.
    Reason is gofer_proto::v1::Reason {
        /// The container ended with an exit code other than 0.
        AbnormalExit = "ABNORMAL_EXIT",
        /// The container engine could not do what was asked.
        SchedulerError = "SCHEDULER_ERROR",
        /// Something that had to hold did not.
        FailedPrecondition = "FAILED_PRECONDITION",
        /// A caller cancelled it.
        UserCancelled = "USER_CANCELLED",
        /// An operator cancelled it.
        AdminCancelled = "ADMIN_CANCELLED",
        /// It took longer than its time limit.
        TimedOut = "TIMED_OUT",
        /// It used more memory than it may.
        OutOfMemory = "OUT_OF_MEMORY",
        /// The image could not be fetched or used.
        ImageError = "IMAGE_ERROR",
        /// The engine, or the container in it, is gone.
        EngineLost = "ENGINE_LOST",
    }
}

/// What a deletion took with it or, for a dry run, would take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeletionReport {
    /// Pipelines.
    pub pipelines: u64,
    /// Versions of pipelines.
    pub versions: u64,
    /// Deployments.
    pub deployments: u64,
    /// Runs.
    pub runs: u64,
    /// How many of the runs were not complete and are cancelled.
    pub active_runs: u64,
    /// Bytes of logs.
    pub log_bytes: u64,
}
