//! Task runs and their attempts on the wire.

use gofer_core::log::{LogState, LogSummary};
use gofer_core::ports::driver::Exit;
use gofer_core::run::{Attempt, FailureClass, Reason, TaskRun, TaskState};
use gofer_core::time::Timestamp;
use gofer_engine::{Engine, RunView};
use gofer_proto::v1 as pb;

use super::{common, logs, waiting};

pub(crate) fn task_run(engine: &Engine, view: &RunView, task: &TaskRun) -> pb::TaskRun {
    let run = &view.run;
    let config = run.spec.config.task(&task.task);
    let key = &run.spec.key;
    let outcome = task.outcome();
    let ended = match &task.state {
        TaskState::Complete { ended, .. } => Some(ended.as_ms()),
        TaskState::Waiting
        | TaskState::Backoff { .. }
        | TaskState::Starting { .. }
        | TaskState::Running { .. }
        | TaskState::Stopping { .. } => None,
    };
    let image = config.map(|config| config.image.clone()).unwrap_or_default();
    pb::TaskRun {
        namespace_id: key.pipeline.namespace.to_string(),
        pipeline_id: key.pipeline.pipeline.to_string(),
        run_id: key.run,
        task_id: task.task.to_string(),
        state: waiting::task_state(run, task).into(),
        status: outcome.map(|outcome| common::task_status(outcome.status()).into()),
        reason: outcome.and_then(|o| o.reason()).map(|reason| common::reason(reason).into()),
        reason_text: outcome.filter(|o| o.reason().is_some()).map(|outcome| outcome.text()),
        next_step: outcome.and_then(|o| o.reason()).map(Reason::next_step).map(str::to_owned),
        waiting: view.tasks_waiting.get(&task.task).map(|reason| waiting::waiting(run, reason)),
        attempts: task.attempts.iter().map(|made| attempt(made, &image, task)).collect(),
        variables: engine.task_variables(run, task).into_iter().map(common::variable).collect(),
        depends_on: config.map(|config| dependencies(&config.depends_on)).unwrap_or_default(),
        user_failures: task.user_failures,
        infra_failures: task.infra_failures,
        image,
        started_ms: task.attempts.iter().find_map(|made| made.started).map(Timestamp::as_ms),
        ended_ms: ended,
    }
}

fn dependencies(parents: &[gofer_core::pipeline::Dependency]) -> Vec<pb::Dependency> {
    let parents = parents.iter();
    parents
        .map(|dependency| pb::Dependency {
            task_id: dependency.parent.to_string(),
            need: common::need(dependency.need).into(),
        })
        .collect()
}

fn attempt(attempt: &Attempt, image: &str, task: &TaskRun) -> pb::Attempt {
    let under_way = task.current() == Some(attempt.number);
    let state =
        if under_way || attempt.started.is_some() { LogState::Open } else { LogState::None };
    let log = attempt.collected.unwrap_or(LogSummary { state, bytes: 0, lines: 0 });
    pb::Attempt {
        number: attempt.number,
        queued_ms: attempt.queued.as_ms(),
        pull_started_ms: attempt.pull.map(|pull| pull.began.as_ms()),
        pull_ended_ms: attempt.pull.map(|pull| pull.ended.as_ms()),
        started_ms: attempt.started.map(Timestamp::as_ms),
        ended_ms: attempt.ended.map(Timestamp::as_ms),
        image: image.to_owned(),
        image_digest: attempt.digest.clone(),
        container_id: attempt.container.as_ref().map(|handle| handle.id.clone()),
        exit: attempt.exit.as_ref().map(exit),
        failure_class: attempt.failure.as_ref().map(|failure| class(failure.class).into()),
        failure_text: attempt.failure.as_ref().map(|failure| failure.text.clone()),
        log: Some(logs::info(log)),
    }
}

fn exit(exit: &Exit) -> pb::Exit {
    pb::Exit { code: Some(exit.code), signal: exit.signal(), oom: exit.oom }
}

fn class(class: FailureClass) -> pb::FailureClass {
    match class {
        FailureClass::User => pb::FailureClass::User,
        FailureClass::Timeout => pb::FailureClass::Timeout,
        FailureClass::Cancelled => pb::FailureClass::Cancelled,
        FailureClass::Oom => pb::FailureClass::Oom,
        FailureClass::Image => pb::FailureClass::Image,
        FailureClass::Config => pb::FailureClass::Config,
        FailureClass::Capacity => pb::FailureClass::Capacity,
        FailureClass::Engine => pb::FailureClass::Engine,
    }
}
