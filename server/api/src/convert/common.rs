//! What several nouns share: reasons, initiators, variables, pages, namespaces.

use gofer_core::pipeline::Need;
use gofer_core::run::{Actor, ActorKind, Reason, RunStatus, TaskStatus};
use gofer_core::variables::{Variable, VariableSource};
use gofer_engine::records::{DeletionReport, NamespaceRecord, Page};
use gofer_proto::sdk::v1 as sdk;
use gofer_proto::v1 as pb;

pub(crate) fn reason(reason: Reason) -> pb::Reason {
    match reason {
        Reason::AbnormalExit => pb::Reason::AbnormalExit,
        Reason::SchedulerError => pb::Reason::SchedulerError,
        Reason::FailedPrecondition => pb::Reason::FailedPrecondition,
        Reason::UserCancelled => pb::Reason::UserCancelled,
        Reason::AdminCancelled => pb::Reason::AdminCancelled,
        Reason::TimedOut => pb::Reason::TimedOut,
        Reason::OutOfMemory => pb::Reason::OutOfMemory,
        Reason::ImageError => pb::Reason::ImageError,
        Reason::EngineLost => pb::Reason::EngineLost,
    }
}

pub(crate) fn run_status(status: RunStatus) -> pb::RunStatus {
    match status {
        RunStatus::Successful => pb::RunStatus::Successful,
        RunStatus::Failed => pb::RunStatus::Failed,
        RunStatus::Cancelled => pb::RunStatus::Cancelled,
    }
}

pub(crate) fn task_status(status: TaskStatus) -> pb::TaskRunStatus {
    match status {
        TaskStatus::Successful => pb::TaskRunStatus::Successful,
        TaskStatus::Failed => pb::TaskRunStatus::Failed,
        TaskStatus::Cancelled => pb::TaskRunStatus::Cancelled,
        TaskStatus::Skipped => pb::TaskRunStatus::Skipped,
    }
}

pub(crate) fn need(need: Need) -> sdk::RequiredStatus {
    match need {
        Need::Any => sdk::RequiredStatus::Any,
        Need::Success => sdk::RequiredStatus::Success,
        Need::Failure => sdk::RequiredStatus::Failure,
    }
}

pub(crate) fn initiator(actor: &Actor, reason: &str) -> pb::Initiator {
    let kind = match actor.kind {
        ActorKind::User => pb::InitiatorKind::User,
        ActorKind::Extension => pb::InitiatorKind::Extension,
        ActorKind::System => pb::InitiatorKind::System,
    };
    pb::Initiator { kind: kind.into(), name: actor.name.clone(), reason: reason.to_owned() }
}

pub(crate) fn variable(variable: Variable) -> pb::Variable {
    let source = match variable.source {
        VariableSource::PipelineConfig => pb::VariableSource::PipelineConfig,
        VariableSource::Run => pb::VariableSource::Run,
        VariableSource::System => pb::VariableSource::System,
    };
    pb::Variable { key: variable.key, value: variable.value, source: source.into() }
}

pub(crate) fn page_info<T>(page: &Page<T>) -> pb::PageInfo {
    pb::PageInfo { next_cursor: page.next_cursor.clone(), total: page.total }
}

pub(crate) fn deletion_report(report: DeletionReport) -> pb::DeletionReport {
    pb::DeletionReport {
        pipelines: report.n_pipelines,
        versions: report.n_versions,
        deployments: report.n_deployments,
        runs: report.n_runs,
        active_runs: report.n_active_runs,
        log_bytes: report.log_bytes,
    }
}

pub(crate) fn namespace(record: NamespaceRecord) -> pb::Namespace {
    pb::Namespace {
        id: record.id.to_string(),
        name: record.name,
        description: record.description,
        created_ms: record.created.as_ms(),
        updated_ms: record.updated.as_ms(),
    }
}
