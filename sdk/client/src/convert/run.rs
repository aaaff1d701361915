//! Runs.

use gofer_proto::v1 as pb;

use super::{duration_ms, time};
use crate::model::{
    PipelineRef, Reason, Run, RunCancel, RunRef, RunState, RunStatus, RunSummary, Time,
};

pub(crate) fn run_request(run: &RunRef) -> (String, String, u64) {
    (run.pipeline.namespace.clone(), run.pipeline.pipeline.clone(), run.run)
}

impl From<pb::Run> for Run {
    fn from(wire: pb::Run) -> Self {
        Self {
            path: PipelineRef::new(&wire.namespace_id, &wire.pipeline_id).run(wire.id).to_string(),
            namespace_id: wire.namespace_id,
            pipeline_id: wire.pipeline_id,
            id: wire.id,
            uid: wire.uid,
            version: wire.version,
            state: RunState::from_wire(wire.state),
            status: wire.status.map(RunStatus::from_wire),
            reason: wire.reason.map(Reason::from_wire),
            reason_text: wire.reason_text,
            next_step: wire.next_step,
            waiting: wire.waiting.map(Into::into),
            initiator: wire.initiator.into(),
            created_at: Time::from_ms(wire.created_ms),
            started_at: time(wire.started_ms),
            ended_at: time(wire.ended_ms),
            duration_ms: duration_ms(wire.started_ms, wire.ended_ms),
            variables: wire.variables.into_iter().map(Into::into).collect(),
            retry_of: wire.retry_of,
            cancel: wire.cancel.map(|cancel| RunCancel {
                requested_at: Time::from_ms(cancel.requested_ms),
                by: cancel.by,
                reason: cancel.reason,
                forced: cancel.forced,
            }),
            generation: wire.generation,
            task_runs: wire.task_runs.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<pb::RunSummary> for RunSummary {
    fn from(wire: pb::RunSummary) -> Self {
        Self {
            id: wire.id,
            state: RunState::from_wire(wire.state),
            status: wire.status.map(RunStatus::from_wire),
            reason: wire.reason.map(Reason::from_wire),
            created_at: Time::from_ms(wire.created_ms),
            started_at: time(wire.started_ms),
            ended_at: time(wire.ended_ms),
        }
    }
}
