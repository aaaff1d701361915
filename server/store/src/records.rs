//! What goes into the store's operations and what comes out: plain values, owned, without a trace
//! of SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gofer_core::history::{Entry, EntryKind};
use gofer_core::ids::{
    DeploymentId, EventSeq, NamespaceId, PipelineKey, RunId, RunKey, RunUid, Version,
};
use gofer_core::pipeline::{ConfigState, Origin, PipelineConfig};
use gofer_core::run::{Actor, Run, RunPolicy, RunState, RunStatus};
use gofer_core::time::Timestamp;

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceRecord {
    /// Its id.
    pub id: NamespaceId,
    /// A name for people; the id where none was given.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Whether its deletion has begun.
    pub deleting: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When name or description last changed.
    pub updated: Timestamp,
}

/// What to change in a namespace; none leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamespaceChange {
    /// The new name; an empty one makes the id serve.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
}

/// A pipeline, without the config of any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineRecord {
    /// Its key.
    pub key: PipelineKey,
    /// A name for people, from the live version or, when none is live, from the newest.
    pub name: String,
    /// What it is for, from the same version.
    pub description: String,
    /// Whether it takes new runs.
    pub enabled: bool,
    /// Whether its deletion, or its namespace's, has begun.
    pub deleting: bool,
    /// The version that new runs use.
    pub live: Option<Version>,
    /// The version registered last that is still there; none where all were deleted by hand.
    pub newest: Option<Version>,
    /// When its first version was registered.
    pub created: Timestamp,
    /// When it last changed (version, deployment, switch).
    pub updated: Timestamp,
    /// The run that was started last.
    pub last_run: Option<RunSummary>,
}

/// One version of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRecord {
    /// The pipeline.
    pub key: PipelineKey,
    /// The version.
    pub version: Version,
    /// Where it stands.
    pub state: ConfigState,
    /// Content hash.
    pub hash: String,
    /// When it was registered.
    pub registered: Timestamp,
    /// When another version took its place; none unless DEPRECATED.
    pub deprecated: Option<Timestamp>,
    /// How it came about.
    pub origin: Origin,
    /// Who registered it.
    pub registered_by: Actor,
    /// What was registered. Shared: the store keeps decoded configs for a while.
    pub config: Arc<PipelineConfig>,
}

/// How new runs pass from the old version to the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeploymentStrategy {
    /// All at once, in one transaction.
    Immediate,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeploymentStatus {
    /// The new version is live.
    Successful,
    /// The version from before is live.
    Failed,
}

/// One change of the live version. It is COMPLETE once `ended` is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRecord {
    /// The pipeline.
    pub key: PipelineKey,
    /// Its number in the pipeline.
    pub deployment: DeploymentId,
    /// The version that was live before.
    pub from: Option<Version>,
    /// The version that it makes live.
    pub to: Version,
    /// How.
    pub strategy: DeploymentStrategy,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended; there exactly when `ended` is.
    pub status: Option<DeploymentStatus>,
    /// Who deployed.
    pub by: Actor,
    /// Why, in the caller's words; may be empty.
    pub reason: String,
    /// What the server has to say about it, for example that it was a rollback; may be empty.
    pub text: String,
}

/// How far a run is, without the details of [`RunState`]: what lists are filtered by.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateKind {
    /// Accepted, waits for a slot.
    Pending,
    /// Has a slot.
    Running,
    /// Ended.
    Complete,
}

impl From<&RunState> for StateKind {
    fn from(state: &RunState) -> Self {
        match state {
            RunState::Pending => Self::Pending,
            RunState::Running { .. } => Self::Running,
            RunState::Complete { .. } => Self::Complete,
        }
    }
}

/// A run without its config and its task runs, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its key.
    pub key: RunKey,
    /// Its unique id.
    pub uid: RunUid,
    /// The version that it is pinned to.
    pub version: Version,
    /// Where it is: times, outcome, cancel.
    pub state: RunState,
    /// The run's own variables, placeholders unresolved.
    pub variables: BTreeMap<String, String>,
    /// Who started it.
    pub initiator: Actor,
    /// Why, in the caller's words; may be empty.
    pub reason: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// The run that it repeats.
    pub retry_of: Option<RunId>,
    /// How many steps were committed.
    pub generation: u64,
    /// Whether its logs were removed.
    pub logs_removed: bool,
}

/// A history entry with its number and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRecord {
    /// Its number.
    pub seq: EventSeq,
    /// When.
    pub time: Timestamp,
    /// What.
    pub entry: Entry,
}

/// Which runs of a namespace a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    /// The namespace.
    pub namespace: NamespaceId,
    /// Only of this pipeline of it.
    pub pipeline: Option<gofer_core::ids::PipelineId>,
    /// Only in one of these states; empty for any.
    pub states: BTreeSet<StateKind>,
    /// Only ended in one of these ways; empty for any, or not ended.
    pub statuses: BTreeSet<RunStatus>,
    /// Only created then or later.
    pub since: Option<Timestamp>,
}

/// Which history entries are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryFilter {
    /// Only of one of these namespaces; none for all, entries without a namespace included.
    pub namespaces: Option<BTreeSet<NamespaceId>>,
    /// Only of this pipeline, in whatever namespaces the line above lets pass.
    pub pipeline: Option<gofer_core::ids::PipelineId>,
    /// Only of these kinds; empty for all.
    pub kinds: BTreeSet<EntryKind>,
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From old to new.
    OldestFirst,
    /// From new to old.
    NewestFirst,
}

/// What a deletion takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletionReport {
    /// Pipelines.
    pub n_pipelines: u64,
    /// Versions.
    pub n_versions: u64,
    /// Deployments.
    pub n_deployments: u64,
    /// Runs.
    pub n_runs: u64,
    /// Runs of those that have not ended.
    pub n_active_runs: u64,
    /// Bytes of stored logs.
    pub log_bytes: u64,
}

/// Deletions that were begun and not finished: what a restarted server goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnfinishedDeletions {
    /// Namespaces.
    pub namespaces: Vec<NamespaceId>,
    /// Pipelines, those in such namespaces included.
    pub pipelines: Vec<PipelineKey>,
}

/// How far a job that works in bounded portions has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "where there is more to do, the call must be made again, in a job of its own"]
pub enum Progress {
    /// Call again: a longer portion would hold up everybody else's transitions.
    More,
    /// Nothing is left.
    Done,
}

/// A version to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The namespace; the pipeline's id stands in the config.
    pub namespace: NamespaceId,
    /// The checked config.
    pub config: PipelineConfig,
    /// Its content hash.
    pub content_hash: String,
    /// How it came about.
    pub origin: Origin,
    /// Who registers it.
    pub by: Actor,
}

/// What a registration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The version that holds the config: a new one or, where nothing changed, the newest.
    pub version: Version,
    /// Whether a version was made.
    pub changed: bool,
    /// Whether the pipeline was made.
    pub created_pipeline: bool,
}

/// A version to make live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployOrder {
    /// The pipeline.
    pub key: PipelineKey,
    /// The version.
    pub version: Version,
    /// Only if this version is live now, else Conflict.
    pub base: Option<Version>,
    /// Most versions to keep; older deprecated ones are pruned. 0 keeps all.
    pub version_limit: u32,
    /// Who deploys.
    pub by: Actor,
    /// Why, in the caller's words; may be empty.
    pub reason: String,
}

/// An order to make the version live that was live before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackOrder {
    /// The pipeline.
    pub key: PipelineKey,
    /// Only if this version is live now, else Conflict.
    pub base: Option<Version>,
    /// Most versions to keep; older deprecated ones are pruned. 0 keeps all.
    pub version_limit: u32,
    /// Who rolls back.
    pub by: Actor,
    /// Why, in the caller's words; may be empty.
    pub reason: String,
}

/// What a deployment did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The deployment that made the version live: a new one or, where nothing changed, the former.
    pub deployment: DeploymentRecord,
    /// Whether the live version changed.
    pub changed: bool,
    /// Versions that the version limit removed, oldest first.
    pub pruned: Vec<Version>,
}

/// A run to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRun {
    /// The pipeline.
    pub key: PipelineKey,
    /// The version; none for the live one.
    pub version: Option<Version>,
    /// The run's own variables.
    pub variables: BTreeMap<String, String>,
    /// A second order with the same text, for the same pipeline, gives the run of the first.
    pub idempotency_key: Option<String>,
    /// Who starts it.
    pub initiator: Actor,
    /// Why, in the caller's words; may be empty.
    pub reason: String,
    /// The run that it repeats. It runs that run's version and config, even where the version was
    /// pruned; `version` is then left out of account. Its variables are not copied.
    pub retry_of: Option<RunId>,
    /// Its unique id; must be fresh.
    pub uid: RunUid,
    /// The server's rules; `parallelism` in it is filled in by the store.
    pub policy: RunPolicy,
    /// The server's limit on runs of one pipeline at once; 0 for none.
    pub server_parallelism: u32,
}

/// What a start did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The run.
    pub run: Run,
    /// Whether it is the run of an earlier order with the same idempotency key.
    pub existing: bool,
}
