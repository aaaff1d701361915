//! Runs on the wire, from a live view and from a stored summary.

use gofer_core::ids::RunKey;
use gofer_core::run::{CancelMark, Force, Reason, RunOutcome, RunState, RunStatus};
use gofer_core::time::Timestamp;
use gofer_core::variables::{Variable, VariableSource};
use gofer_engine::records::{RunSummary, StateKind};
use gofer_engine::{Engine, RunView};
use gofer_proto::v1 as pb;

use super::{common, task_runs, waiting};

/// A run with its task runs.
pub(crate) fn run(engine: &Engine, view: &RunView) -> pb::Run {
    let mut message = without_tasks(view);
    message.task_runs =
        view.run.tasks.iter().map(|task| task_runs::task_run(engine, view, task)).collect();
    message
}

/// A run without its task runs.
pub(crate) fn without_tasks(view: &RunView) -> pb::Run {
    let run = &view.run;
    let spec = &run.spec;
    let mut message = base(&spec.key, &run.state);
    message.uid = spec.uid.to_string();
    message.version = spec.version;
    message.waiting = view.waiting.as_ref().map(|reason| waiting::waiting(run, reason));
    message.initiator = Some(common::initiator(&spec.initiator, &spec.reason));
    message.created_ms = spec.created.as_ms();
    message.variables = variables(&spec.variables);
    message.retry_of = spec.retry_of;
    message.generation = run.generation;
    message
}

/// A run of a list.
pub(crate) fn listed(summary: &RunSummary) -> pb::Run {
    let mut message = base(&summary.key, &summary.state);
    message.uid = summary.uid.to_string();
    message.version = summary.version;
    message.initiator = Some(common::initiator(&summary.initiator, &summary.reason));
    message.created_ms = summary.created.as_ms();
    message.variables = variables(&summary.variables);
    message.retry_of = summary.retry_of;
    message.generation = summary.generation;
    message
}

/// A run as its pipeline shows it.
pub(crate) fn brief(summary: &RunSummary) -> pb::RunSummary {
    let message = base(&summary.key, &summary.state);
    pb::RunSummary {
        id: message.id,
        state: message.state,
        status: message.status,
        reason: message.reason,
        created_ms: summary.created.as_ms(),
        started_ms: message.started_ms,
        ended_ms: message.ended_ms,
    }
}

/// What follows from a run's name and state.
fn base(key: &RunKey, state: &RunState) -> pb::Run {
    let mut message = pb::Run {
        namespace_id: key.pipeline.namespace.to_string(),
        pipeline_id: key.pipeline.pipeline.to_string(),
        id: key.run,
        ..pb::Run::default()
    };
    match state {
        RunState::Pending => message.state = pb::RunState::Pending.into(),
        RunState::Running { started, cancel, .. } => {
            message.state = pb::RunState::Running.into();
            message.started_ms = Some(started.as_ms());
            message.cancel = cancel.as_ref().map(cancel_mark);
        }
        RunState::Complete { started, ended, outcome, cancel } => {
            message.state = pb::RunState::Complete.into();
            message.started_ms = started.map(Timestamp::as_ms);
            message.ended_ms = Some(ended.as_ms());
            message.cancel = cancel.as_ref().map(cancel_mark);
            set_outcome(&mut message, outcome);
        }
    }
    message
}

fn set_outcome(message: &mut pb::Run, outcome: &RunOutcome) {
    message.status = Some(common::run_status(outcome.status).into());
    message.reason = outcome.reason.map(|reason| common::reason(reason).into());
    message.reason_text = outcome.reason.map(|_| outcome.text.clone());
    message.next_step = outcome.reason.map(Reason::next_step).map(str::to_owned);
}

fn cancel_mark(mark: &CancelMark) -> pb::RunCancel {
    pb::RunCancel {
        requested_ms: mark.at.as_ms(),
        by: mark.by.name.clone(),
        reason: mark.reason.clone(),
        forced: mark.force == Force::Kill,
    }
}

fn variables(own: &std::collections::BTreeMap<String, String>) -> Vec<pb::Variable> {
    let own = own.iter().map(|(key, value)| Variable {
        key: key.clone(),
        value: value.clone(),
        source: VariableSource::Run,
    });
    own.map(common::variable).collect()
}

pub(crate) fn parse_state(number: i32) -> Option<StateKind> {
    match pb::RunState::try_from(number) {
        Ok(pb::RunState::Pending) => Some(StateKind::Pending),
        Ok(pb::RunState::Running) => Some(StateKind::Running),
        Ok(pb::RunState::Complete) => Some(StateKind::Complete),
        Ok(pb::RunState::Unspecified) | Err(_) => None,
    }
}

pub(crate) fn parse_status(number: i32) -> Option<RunStatus> {
    match pb::RunStatus::try_from(number) {
        Ok(pb::RunStatus::Successful) => Some(RunStatus::Successful),
        Ok(pb::RunStatus::Failed) => Some(RunStatus::Failed),
        Ok(pb::RunStatus::Cancelled) => Some(RunStatus::Cancelled),
        Ok(pb::RunStatus::Unspecified) | Err(_) => None,
    }
}
