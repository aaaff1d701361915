//! Events: what happened, numbered.

use serde::Serialize;

use super::{Reason, Time, words};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its number, ascending over the whole server.
    pub seq: u64,
    /// When.
    pub time: Time,
    /// What.
    pub kind: EventKind,
    /// The namespace that it is about. `None`: none.
    pub namespace_id: Option<String>,
    /// The pipeline that it is about. `None`: none.
    pub pipeline_id: Option<String>,
    /// The version that it is about. `None`: none.
    pub version: Option<u64>,
    /// The run that it is about. `None`: none.
    pub run_id: Option<u64>,
    /// The task that it is about. `None`: none.
    pub task_id: Option<String>,
    /// The attempt that it is about. `None`: none.
    pub attempt: Option<u32>,
    /// How the subject ended. `None` unless something ended.
    pub status: Option<&'static str>,
    /// Why it did not end well. `None` when it did, or nothing ended.
    pub reason: Option<Reason>,
    /// The event in one sentence.
    pub text: String,
}

/// A part of the list of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The events.
    pub items: Vec<Event>,
    /// Number to go on with. `None`: there is nothing more now.
    pub next_seq: Option<u64>,
}

words! {
    /// What an event tells of.
    EventKind is gofer_proto::v1::EventKind {
        /// A namespace was made.
        NamespaceCreated = "NAMESPACE_CREATED",
        /// A namespace changed.
        NamespaceUpdated = "NAMESPACE_UPDATED",
        /// A namespace was deleted.
        NamespaceDeleted = "NAMESPACE_DELETED",
        /// A new version was registered.
        PipelineRegistered = "PIPELINE_REGISTERED",
        /// A pipeline takes runs again.
        PipelineEnabled = "PIPELINE_ENABLED",
        /// A pipeline takes no runs.
        PipelineDisabled = "PIPELINE_DISABLED",
        /// A pipeline was deleted.
        PipelineDeleted = "PIPELINE_DELETED",
        /// New runs are refused by the whole server, or accepted again.
        IngressChanged = "INGRESS_CHANGED",
        /// A version was removed, by a caller or because there were more than are kept.
        VersionDeleted = "VERSION_DELETED",
        /// A deployment ended.
        DeploymentCompleted = "DEPLOYMENT_COMPLETED",
        /// A run was accepted.
        RunCreated = "RUN_CREATED",
        /// A run became RUNNING.
        RunStarted = "RUN_STARTED",
        /// A cancel was accepted.
        RunCancelRequested = "RUN_CANCEL_REQUESTED",
        /// A run ended.
        RunCompleted = "RUN_COMPLETED",
        /// A container started.
        TaskRunStarted = "TASK_RUN_STARTED",
        /// An attempt failed, and another one follows.
        TaskRunRetried = "TASK_RUN_RETRIED",
        /// A task run ended.
        TaskRunCompleted = "TASK_RUN_COMPLETED",
        /// The logs of a run were removed.
        LogsExpired = "LOGS_EXPIRED",
        /// The engine stopped answering.
        EngineLost = "ENGINE_LOST",
        /// The engine answers again.
        EngineBack = "ENGINE_BACK",
    }
}
