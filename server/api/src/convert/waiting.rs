//! Reasons for waiting on the wire.

use gofer_core::run::{Force, ParentWait, Run, RunState, TaskRun, TaskState, WaitingReason};
use gofer_proto::v1 as pb;
use pb::waiting_reason::Reason;

use super::common;

pub(crate) fn waiting(run: &Run, reason: &WaitingReason) -> pb::WaitingReason {
    let reason = match reason {
        WaitingReason::Parents(parents) => Reason::Parents(pb::WaitingForParents {
            parents: parents.iter().map(|wait| parent(run, wait)).collect(),
        }),
        WaitingReason::Slot { position, limit } => Reason::Slot(pb::WaitingForSlot {
            position: u32::try_from(*position).unwrap_or(u32::MAX),
            limit: *limit,
        }),
        WaitingReason::Pull { image, current_bytes, total_bytes } => {
            let known = *total_bytes > 0;
            Reason::Pull(pb::WaitingForPull {
                image: image.clone(),
                current_bytes: known.then_some(*current_bytes),
                total_bytes: known.then_some(*total_bytes),
                layers_done: None,
                layers_total: None,
            })
        }
        WaitingReason::Create => Reason::Create(pb::WaitingForCreate {}),
        WaitingReason::Backoff { attempt, until } => {
            Reason::Backoff(pb::WaitingForBackoff { until_ms: until.as_ms(), attempt: *attempt })
        }
        WaitingReason::EngineUnknown { since } => {
            Reason::EngineUnknown(pb::WaitingForEngine { since_ms: since.as_ms() })
        }
        WaitingReason::Stopping { kill_at, force } => {
            let grace_ms = i64::try_from(run.spec.policy.stop_grace_ms).unwrap_or(i64::MAX);
            Reason::Stopping(pb::WaitingForStop {
                since_ms: kill_at.as_ms().saturating_sub(grace_ms),
                forced: *force == Force::Kill,
            })
        }
    };
    pb::WaitingReason { reason: Some(reason) }
}

fn parent(run: &Run, wait: &ParentWait) -> pb::WaitingParent {
    let state =
        run.task(&wait.parent).map_or(pb::TaskRunState::Waiting, |task| task_state(run, task));
    pb::WaitingParent {
        task_id: wait.parent.to_string(),
        state_now: state.into(),
        status_now: wait.status.map(|status| common::task_status(status).into()),
        need: common::need(wait.need).into(),
    }
}

/// The shown state of a task run: a stop shows as the state that it found.
pub(crate) fn task_state(run: &Run, task: &TaskRun) -> pb::TaskRunState {
    match &task.state {
        TaskState::Waiting => pb::TaskRunState::Waiting,
        TaskState::Backoff { .. } | TaskState::Starting { .. } => pb::TaskRunState::Processing,
        TaskState::Stopping { since: None, .. } => pb::TaskRunState::Processing,
        TaskState::Running { .. } | TaskState::Stopping { since: Some(_), .. } => {
            pb::TaskRunState::Running
        }
        // A task run that was cancelled before the run had a slot is complete all the same.
        TaskState::Complete { .. } => {
            debug_assert!(!matches!(run.state, RunState::Pending) || task.attempts.is_empty());
            pb::TaskRunState::Complete
        }
    }
}
