//! Pipelines and their versions.

use serde::Serialize;

use super::{PipelineRef, PipelineSpec, RunSummary, Time, words};

/// A pipeline, without the config of any version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pipeline {
    /// Its path, `namespace:pipeline`.
    #[serde(rename = "ref")]
    pub path: String,
    /// Its namespace.
    pub namespace_id: String,
    /// Its id, which never changes.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Whether it takes new runs.
    pub state: PipelineState,
    /// The version that new runs use. `None`: nothing is deployed.
    pub live_version: Option<u64>,
    /// The version registered last.
    pub newest_version: u64,
    /// When its first version was registered.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// The run started last. `None`: it never ran, or no run is kept.
    pub last_run: Option<RunSummary>,
}

impl Pipeline {
    /// Its reference.
    #[must_use]
    pub fn reference(&self) -> PipelineRef {
        PipelineRef::new(&self.namespace_id, &self.id)
    }
}

words! {
    /// Whether a pipeline takes new runs.
    PipelineState is gofer_proto::v1::PipelineState {
        /// It does.
        Active = "ACTIVE",
        /// It refuses them.
        Disabled = "DISABLED",
    }
}

/// One version of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineConfig {
    /// Its namespace.
    pub namespace_id: String,
    /// Its pipeline.
    pub pipeline_id: String,
    /// 1, 2, 3 and so on within the pipeline.
    pub version: u64,
    /// Where it stands.
    pub state: ConfigState,
    /// Hash of what was registered; equal configs have equal hashes.
    pub content_hash: String,
    /// When it was registered.
    pub registered_at: Time,
    /// When another version took its place. `None` unless deprecated.
    pub deprecated_at: Option<Time>,
    /// How it came about.
    pub origin: Origin,
    /// What was registered. `None` in lists.
    pub config: Option<PipelineSpec>,
}

words! {
    /// Where a version stands.
    ConfigState is gofer_proto::v1::PipelineConfigState {
        /// It was never deployed.
        Unreleased = "UNRELEASED",
        /// New runs use it.
        Live = "LIVE",
        /// It was live.
        Deprecated = "DEPRECATED",
    }
}

/// How a version came about, as its client told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// What the client was doing.
    pub kind: OriginKind,
    /// Commit that the program was built from. `None`: not in a git work tree.
    pub git_commit: Option<String>,
    /// Whether there were changes on top of that commit. `None`: not in a git work tree.
    pub git_dirty: Option<bool>,
    /// Who wrote it. `None`: unknown.
    pub author: Option<String>,
}

words! {
    /// What a client was doing when it registered a version.
    OriginKind is gofer_proto::v1::OriginKind {
        /// `gofer up`.
        Up = "UP",
        /// `gofer up --watch`.
        Watch = "WATCH",
        /// Any other caller.
        Api = "API",
    }
}

/// What came of registering a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Registered {
    /// The version that holds the config: the new one, or the newest when nothing changed.
    pub version: u64,
    /// Whether a new version was made.
    pub changed: bool,
    /// Whether the pipeline itself was made.
    pub created_pipeline: bool,
}
