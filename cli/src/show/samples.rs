//! Things to render in tests.

use gofer_client::model::{
    Attempt, Dependency, Deployment, DeploymentState, DeploymentStatus, DeploymentStrategy,
    EngineInfo, EngineState, Event, EventKind, Exit, FailureClass, Image, Initiator, InitiatorKind,
    LogInfo, LogState, Namespace, Need, Origin, OriginKind, Pipeline, PipelineConfig, PipelineSpec,
    PipelineState, Reason, Run, RunState, RunStatus, RunSummary, SystemInfo, TaskRun, TaskRunState,
    TaskRunStatus, Time, Variable, VariableSource,
};

const START_MS: i64 = 1_764_031_830_000;

fn at(ms: i64) -> Time {
    Time::from_ms(START_MS + ms)
}

pub(crate) fn initiator() -> Initiator {
    Initiator { kind: InitiatorKind::User, name: "ann".into(), reason: String::new() }
}

pub(crate) fn namespace() -> Namespace {
    Namespace {
        id: "default".into(),
        name: "Default".into(),
        description: String::new(),
        created_at: at(0),
        updated_at: at(0),
    }
}

pub(crate) fn image() -> Image {
    Image {
        id: format!("sha256:{}", "0123456789abcdef".repeat(4)),
        names: vec!["app:1".into(), "app:latest".into()],
        size_bytes: 2_126_336,
        created_at: Some(at(-3_600_000)),
    }
}

/// A run that is going on.
pub(crate) fn run() -> Run {
    Run {
        path: "default:simple/3".into(),
        namespace_id: "default".into(),
        pipeline_id: "simple".into(),
        id: 3,
        uid: "01J".into(),
        version: 2,
        state: RunState::Running,
        status: None,
        reason: None,
        reason_text: None,
        next_step: None,
        waiting: None,
        initiator: initiator(),
        created_at: at(-500),
        started_at: Some(at(0)),
        ended_at: None,
        duration_ms: None,
        variables: vec![],
        retry_of: None,
        cancel: None,
        generation: 4,
        task_runs: vec![],
    }
}

/// A run that failed by its task `build`.
pub(crate) fn failed_run() -> Run {
    let build = TaskRun {
        reason: Some(Reason::AbnormalExit),
        reason_text: Some("exit code 3".into()),
        started_at: Some(at(0)),
        duration_ms: Some(2_500),
        attempts: full_task().attempts,
        ..task("build", TaskRunStatus::Failed)
    };
    let deploy = TaskRun {
        depends_on: vec![Dependency { task_id: "build".into(), need: Need::Success }],
        reason: Some(Reason::FailedPrecondition),
        reason_text: Some("parent `build` ended FAILED, SUCCESS was needed".into()),
        ..task("deploy", TaskRunStatus::Skipped)
    };
    Run {
        state: RunState::Complete,
        status: Some(RunStatus::Failed),
        reason: Some(Reason::AbnormalExit),
        reason_text: Some("task `build` ended with exit code 3".into()),
        next_step: Some("read the log of `build`".into()),
        ended_at: Some(at(2_500)),
        duration_ms: Some(2_500),
        task_runs: vec![build, deploy],
        ..run()
    }
}

/// A complete task run.
pub(crate) fn task(id: &str, status: TaskRunStatus) -> TaskRun {
    TaskRun {
        path: format!("default:simple/3/{id}"),
        namespace_id: "default".into(),
        pipeline_id: "simple".into(),
        run_id: 3,
        task_id: id.into(),
        state: TaskRunState::Complete,
        status: Some(status),
        reason: None,
        reason_text: None,
        next_step: None,
        waiting: None,
        attempts: vec![],
        variables: vec![],
        depends_on: vec![],
        user_failures: 0,
        infra_failures: 0,
        image: "ubuntu:24.04".into(),
        started_at: None,
        ended_at: None,
        duration_ms: None,
    }
}

/// A task run with everything that one can have.
pub(crate) fn full_task() -> TaskRun {
    let log = LogInfo { state: LogState::Sealed, bytes: 10, lines: 2 };
    let attempt = Attempt {
        number: 1,
        queued_at: at(0),
        pull_started_at: None,
        pull_ended_at: None,
        started_at: Some(at(10)),
        ended_at: Some(at(20)),
        image: "ubuntu:24.04".into(),
        image_digest: Some("sha256:00".into()),
        container_id: Some("c1".into()),
        exit: Some(Exit { code: Some(3), signal: None, oom: false }),
        failure_class: Some(FailureClass::User),
        failure_text: Some("exit code 3".into()),
        log: Some(log),
    };
    let variable = Variable { key: "A".into(), value: "1".into(), source: VariableSource::Run };
    TaskRun {
        attempts: vec![attempt],
        variables: vec![variable],
        ..task("build", TaskRunStatus::Failed)
    }
}

pub(crate) fn pipeline() -> Pipeline {
    let last = RunSummary {
        id: 3,
        state: RunState::Running,
        status: None,
        reason: None,
        created_at: at(0),
        started_at: None,
        ended_at: None,
    };
    Pipeline {
        path: "default:simple".into(),
        namespace_id: "default".into(),
        id: "simple".into(),
        name: "Simple".into(),
        description: "A small one.".into(),
        state: PipelineState::Active,
        live_version: Some(2),
        newest_version: 2,
        created_at: at(0),
        updated_at: at(0),
        last_run: Some(last),
    }
}

pub(crate) fn config() -> PipelineConfig {
    PipelineConfig {
        namespace_id: "default".into(),
        pipeline_id: "simple".into(),
        version: 2,
        state: gofer_client::model::ConfigState::Live,
        content_hash: "00ff".into(),
        registered_at: at(0),
        deprecated_at: None,
        origin: Origin { kind: OriginKind::Up, git_commit: None, git_dirty: None, author: None },
        config: Some(PipelineSpec { id: "simple".into(), ..PipelineSpec::default() }),
    }
}

pub(crate) fn deployment() -> Deployment {
    Deployment {
        namespace_id: "default".into(),
        pipeline_id: "simple".into(),
        id: 2,
        from_version: Some(1),
        to_version: 2,
        strategy: DeploymentStrategy::Immediate,
        state: DeploymentState::Complete,
        status: Some(DeploymentStatus::Successful),
        started_at: at(0),
        ended_at: Some(at(3)),
        initiator: initiator(),
        reason: String::new(),
    }
}

pub(crate) fn event() -> Event {
    Event {
        seq: 7,
        time: at(0),
        kind: EventKind::RunCreated,
        namespace_id: Some("default".into()),
        pipeline_id: Some("simple".into()),
        version: None,
        run_id: Some(3),
        task_id: None,
        attempt: None,
        status: None,
        reason: None,
        text: "run 3 was accepted".into(),
    }
}

pub(crate) fn info() -> SystemInfo {
    let engine = EngineInfo {
        kind: "docker".into(),
        version: Some("28.2".into()),
        state: EngineState::Up,
        since: at(0),
        reason: "Docker answers".to_owned(),
    };
    SystemInfo {
        version: "0.1.0".into(),
        commit: None,
        instance_id: "01J".into(),
        engine: Some(engine),
        started_at: at(0),
        data_dir: "/var/lib/gofer".into(),
        ingress_enabled: true,
        dev_mode: true,
    }
}
