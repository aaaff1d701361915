//! Plain values, as a user sees them. They serialise to the JSON that scripts parse: keys in
//! snake_case and all of them always there, `null` for none; enum words in upper case; points in time
//! as RFC 3339 in UTC with milliseconds, lengths of time as whole milliseconds in keys ending in `_ms`.
//! New keys may be added; nothing else may change without a new schema name.

mod common;
mod deployment;
mod event;
mod image;
mod log;
mod namespace;
mod pipeline;
mod reference;
mod run;
mod spec;
mod system;
mod task_run;
mod time;
mod waiting;
mod words;

pub use common::{
    DeletionReport, Initiator, InitiatorKind, Page, PageRequest, Reason, Variable, VariableSource,
};
pub use deployment::{Deployed, Deployment, DeploymentState, DeploymentStatus, DeploymentStrategy};
pub use event::{Event, EventKind, EventPage};
pub use image::{Image, PrunedImages, PullProgress, PulledImage};
pub use log::{
    LogEnd, LogEndReason, LogFrame, LogGap, LogInfo, LogPage, LogState, LogStream, RunLogFrame,
};
pub use namespace::Namespace;
pub use pipeline::{
    ConfigState, Origin, OriginKind, Pipeline, PipelineConfig, PipelineState, Registered,
};
pub use reference::{PipelineRef, RunRef, TaskRunRef};
pub use run::{Run, RunCancel, RunState, RunStatus, RunSummary, Started};
pub use spec::{
    DependencySpec, Need, PipelineSpec, Place, PullPolicy, RegistryAuthSpec, RetriesSpec, TaskSpec,
    VariableSpec,
};
pub use system::{EngineInfo, EngineState, Ingress, SystemInfo};
pub use task_run::{Attempt, Dependency, Exit, FailureClass, TaskRun, TaskRunState, TaskRunStatus};
pub use time::Time;
pub use waiting::{Waiting, WaitingParent};
pub(crate) use words::words;
