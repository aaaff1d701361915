//! Events.

use gofer_proto::v1 as pb;

use crate::model::{DeploymentStatus, Event, EventKind, Reason, RunStatus, TaskRunStatus, Time};

impl From<pb::Event> for Event {
    fn from(wire: pb::Event) -> Self {
        use pb::event::Status;
        let status = wire.status.map(|status| match status {
            Status::RunStatus(n) => RunStatus::from_wire(n).word(),
            Status::TaskRunStatus(n) => TaskRunStatus::from_wire(n).word(),
            Status::DeploymentStatus(n) => DeploymentStatus::from_wire(n).word(),
        });
        Self {
            seq: wire.seq,
            time: Time::from_ms(wire.time_ms),
            kind: EventKind::from_wire(wire.kind),
            namespace_id: wire.namespace_id,
            pipeline_id: wire.pipeline_id,
            version: wire.version,
            run_id: wire.run_id,
            task_id: wire.task_id,
            attempt: wire.attempt,
            status,
            reason: wire.reason.map(Reason::from_wire),
            text: wire.text,
        }
    }
}
