//! Deployments: the act that makes a version live.

use serde::Serialize;

use super::{Initiator, Time, words};

/// One change of the live version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// Namespace of the pipeline.
    pub namespace_id: String,
    /// The pipeline.
    pub pipeline_id: String,
    /// 1, 2, 3 and so on within the pipeline.
    pub id: u64,
    /// The version that was live before. `None`: none was.
    pub from_version: Option<u64>,
    /// The version that it makes live.
    pub to_version: u64,
    /// How new runs pass from one version to the other.
    pub strategy: DeploymentStrategy,
    /// Whether it is still going on.
    pub state: DeploymentState,
    /// How it ended. `None` until it did.
    pub status: Option<DeploymentStatus>,
    /// When it began.
    pub started_at: Time,
    /// When it ended. `None` until it did.
    pub ended_at: Option<Time>,
    /// Who deployed.
    pub initiator: Initiator,
    /// Why, or why it failed, in the server's words; may be empty.
    pub reason: String,
}

words! {
    /// How new runs pass from the old version to the new one.
    DeploymentStrategy is gofer_proto::v1::DeploymentStrategy {
        /// All at once.
        Immediate = "IMMEDIATE",
    }
}

words! {
    /// Whether a deployment is still going on.
    DeploymentState is gofer_proto::v1::DeploymentState {
        /// It is.
        Running = "RUNNING",
        /// It has ended.
        Complete = "COMPLETE",
    }
}

words! {
    /// How a deployment ended.
    DeploymentStatus is gofer_proto::v1::DeploymentStatus {
        /// The new version is live.
        Successful = "SUCCESSFUL",
        /// The version from before is live.
        Failed = "FAILED",
    }
}

/// What came of deploying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployed {
    /// The deployment that made the version live.
    pub deployment: Deployment,
    /// Whether the live version changed.
    pub changed: bool,
}
