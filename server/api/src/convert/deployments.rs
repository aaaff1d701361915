//! Deployments on the wire.

use gofer_engine::records::{DeploymentRecord, DeploymentStatus, DeploymentStrategy};
use gofer_proto::v1 as pb;

use super::common;

pub(crate) fn deployment(record: &DeploymentRecord) -> pb::Deployment {
    let strategy = match record.strategy {
        DeploymentStrategy::Immediate => pb::DeploymentStrategy::Immediate,
    };
    let state = match record.ended {
        Some(_) => pb::DeploymentState::Complete,
        None => pb::DeploymentState::Running,
    };
    let status = record.status.map(|status| match status {
        DeploymentStatus::Successful => pb::DeploymentStatus::Successful.into(),
        DeploymentStatus::Failed => pb::DeploymentStatus::Failed.into(),
    });
    pb::Deployment {
        namespace_id: record.key.namespace.to_string(),
        pipeline_id: record.key.pipeline.to_string(),
        id: record.deployment,
        from_version: record.from,
        to_version: record.to,
        strategy: strategy.into(),
        state: state.into(),
        status,
        started_ms: record.started.as_ms(),
        ended_ms: record.ended.map(gofer_core::time::Timestamp::as_ms),
        initiator: Some(common::initiator(&record.by, &record.reason)),
        reason: record.text.clone(),
    }
}
