//! Deployments.

use gofer_proto::v1 as pb;

use super::time;
use crate::model::{Deployment, DeploymentState, DeploymentStatus, DeploymentStrategy, Time};

impl From<pb::Deployment> for Deployment {
    fn from(wire: pb::Deployment) -> Self {
        Self {
            namespace_id: wire.namespace_id,
            pipeline_id: wire.pipeline_id,
            id: wire.id,
            from_version: wire.from_version,
            to_version: wire.to_version,
            strategy: DeploymentStrategy::from_wire(wire.strategy),
            state: DeploymentState::from_wire(wire.state),
            status: wire.status.map(DeploymentStatus::from_wire),
            started_at: Time::from_ms(wire.started_ms),
            ended_at: time(wire.ended_ms),
            initiator: wire.initiator.into(),
            reason: wire.reason,
        }
    }
}
