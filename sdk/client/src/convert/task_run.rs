//! Task runs, their attempts, and what they wait for.

use gofer_proto::v1 as pb;

use super::{duration_ms, time};
use crate::model::{
    Attempt, Dependency, Exit, FailureClass, Need, PipelineRef, Reason, TaskRun, TaskRunRef,
    TaskRunState, TaskRunStatus, Time, Waiting, WaitingParent,
};

pub(crate) fn task_run_request(task_run: &TaskRunRef) -> (String, String, u64, String) {
    let (namespace, pipeline, run) = super::run_request(&task_run.run);
    (namespace, pipeline, run, task_run.task.clone())
}

impl From<pb::TaskRun> for TaskRun {
    fn from(wire: pb::TaskRun) -> Self {
        let pipeline = PipelineRef::new(&wire.namespace_id, &wire.pipeline_id);
        Self {
            path: pipeline.run(wire.run_id).task(&wire.task_id).to_string(),
            namespace_id: wire.namespace_id,
            pipeline_id: wire.pipeline_id,
            run_id: wire.run_id,
            task_id: wire.task_id,
            state: TaskRunState::from_wire(wire.state),
            status: wire.status.map(TaskRunStatus::from_wire),
            reason: wire.reason.map(Reason::from_wire),
            reason_text: wire.reason_text,
            next_step: wire.next_step,
            waiting: wire.waiting.map(Into::into),
            attempts: wire.attempts.into_iter().map(Into::into).collect(),
            variables: wire.variables.into_iter().map(Into::into).collect(),
            depends_on: wire
                .depends_on
                .into_iter()
                .map(|d| Dependency { task_id: d.task_id, need: Need::from_wire(d.need) })
                .collect(),
            user_failures: wire.user_failures,
            infra_failures: wire.infra_failures,
            image: wire.image,
            started_at: time(wire.started_ms),
            ended_at: time(wire.ended_ms),
            duration_ms: duration_ms(wire.started_ms, wire.ended_ms),
        }
    }
}

impl From<pb::Attempt> for Attempt {
    fn from(wire: pb::Attempt) -> Self {
        Self {
            number: wire.number,
            queued_at: Time::from_ms(wire.queued_ms),
            pull_started_at: time(wire.pull_started_ms),
            pull_ended_at: time(wire.pull_ended_ms),
            started_at: time(wire.started_ms),
            ended_at: time(wire.ended_ms),
            image: wire.image,
            image_digest: wire.image_digest,
            container_id: wire.container_id,
            exit: wire.exit.map(|exit| Exit {
                code: exit.code,
                signal: exit.signal,
                oom: exit.oom,
            }),
            failure_class: wire.failure_class.map(FailureClass::from_wire),
            failure_text: wire.failure_text,
            log: wire.log.map(Into::into),
        }
    }
}

impl From<pb::WaitingReason> for Waiting {
    fn from(wire: pb::WaitingReason) -> Self {
        use pb::waiting_reason::Reason as Wire;
        match wire.reason {
            Some(Wire::Parents(waiting)) => {
                let parents = waiting.parents.into_iter().map(|parent| WaitingParent {
                    task_id: parent.task_id,
                    state: TaskRunState::from_wire(parent.state_now),
                    status: parent.status_now.map(TaskRunStatus::from_wire),
                    need: Need::from_wire(parent.need),
                });
                Self::Parents { parents: parents.collect() }
            }
            Some(Wire::Slot(slot)) => Self::Slot { position: slot.position, limit: slot.limit },
            Some(Wire::Pull(pull)) => Self::Pull {
                image: pull.image,
                current_bytes: pull.current_bytes,
                total_bytes: pull.total_bytes,
                layers_done: pull.layers_done,
                layers_total: pull.layers_total,
            },
            Some(Wire::Backoff(backoff)) => {
                Self::Backoff { until: Time::from_ms(backoff.until_ms), attempt: backoff.attempt }
            }
            Some(Wire::EngineUnknown(engine)) => {
                Self::EngineUnknown { since: Time::from_ms(engine.since_ms) }
            }
            Some(Wire::Stopping(stop)) => {
                Self::Stopping { since: Time::from_ms(stop.since_ms), forced: stop.forced }
            }
            Some(Wire::Create(_)) => Self::Create,
            None => Self::Unknown,
        }
    }
}
