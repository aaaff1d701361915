//! The history on the wire.

use gofer_core::history::{Ended, EntryKind};
use gofer_core::problem::Problem;
use gofer_core::run::{RunStatus, TaskStatus};
use gofer_engine::records::EntryRecord;
use gofer_proto::v1 as pb;

use super::common;
use crate::parse;

pub(crate) fn event(record: EntryRecord) -> pb::Event {
    let entry = record.entry;
    pb::Event {
        seq: record.seq,
        time_ms: record.time.as_ms(),
        kind: kind(entry.kind).into(),
        namespace_id: entry.subject.namespace.map(Into::into),
        pipeline_id: entry.subject.pipeline.map(Into::into),
        version: entry.subject.version,
        run_id: entry.subject.run,
        task_id: entry.subject.task.map(Into::into),
        attempt: entry.subject.attempt,
        status: entry.ended.and_then(|ended| status(entry.kind, ended)),
        reason: entry.reason.map(|reason| common::reason(reason).into()),
        text: entry.text,
    }
}

/// The end that an entry tells of; the kinds that tell of none have no status.
fn status(kind: EntryKind, ended: Ended) -> Option<pb::event::Status> {
    if kind == EntryKind::RunCompleted {
        let status = match ended {
            Ended::Successful => RunStatus::Successful,
            Ended::Failed | Ended::Skipped => RunStatus::Failed,
            Ended::Cancelled => RunStatus::Cancelled,
        };
        return Some(pb::event::Status::RunStatus(common::run_status(status).into()));
    }
    if kind == EntryKind::TaskRunCompleted {
        let status = match ended {
            Ended::Successful => TaskStatus::Successful,
            Ended::Failed => TaskStatus::Failed,
            Ended::Cancelled => TaskStatus::Cancelled,
            Ended::Skipped => TaskStatus::Skipped,
        };
        return Some(pb::event::Status::TaskRunStatus(common::task_status(status).into()));
    }
    let status = match ended {
        Ended::Successful => pb::DeploymentStatus::Successful,
        Ended::Failed | Ended::Cancelled | Ended::Skipped => pb::DeploymentStatus::Failed,
    };
    let wire = pb::event::Status::DeploymentStatus(status.into());
    (kind == EntryKind::DeploymentCompleted).then_some(wire)
}

/// Every kind with its word on the wire.
const KINDS: [(EntryKind, pb::EventKind); 20] = [
    (EntryKind::NamespaceCreated, pb::EventKind::NamespaceCreated),
    (EntryKind::NamespaceUpdated, pb::EventKind::NamespaceUpdated),
    (EntryKind::NamespaceDeleted, pb::EventKind::NamespaceDeleted),
    (EntryKind::PipelineRegistered, pb::EventKind::PipelineRegistered),
    (EntryKind::PipelineEnabled, pb::EventKind::PipelineEnabled),
    (EntryKind::PipelineDisabled, pb::EventKind::PipelineDisabled),
    (EntryKind::PipelineDeleted, pb::EventKind::PipelineDeleted),
    (EntryKind::VersionDeleted, pb::EventKind::VersionDeleted),
    (EntryKind::DeploymentCompleted, pb::EventKind::DeploymentCompleted),
    (EntryKind::RunCreated, pb::EventKind::RunCreated),
    (EntryKind::RunStarted, pb::EventKind::RunStarted),
    (EntryKind::RunCancelRequested, pb::EventKind::RunCancelRequested),
    (EntryKind::RunCompleted, pb::EventKind::RunCompleted),
    (EntryKind::TaskRunStarted, pb::EventKind::TaskRunStarted),
    (EntryKind::TaskRunRetried, pb::EventKind::TaskRunRetried),
    (EntryKind::TaskRunCompleted, pb::EventKind::TaskRunCompleted),
    (EntryKind::LogsExpired, pb::EventKind::LogsExpired),
    (EntryKind::EngineLost, pb::EventKind::EngineLost),
    (EntryKind::EngineBack, pb::EventKind::EngineBack),
    (EntryKind::IngressChanged, pb::EventKind::IngressChanged),
];

fn kind(kind: EntryKind) -> pb::EventKind {
    let known = KINDS.iter().find(|(ours, _)| *ours == kind);
    known.map_or(pb::EventKind::Unspecified, |(_, wire)| *wire)
}

/// The kinds of a filter.
pub(crate) fn kinds(numbers: &[i32]) -> Result<std::collections::BTreeSet<EntryKind>, Problem> {
    let known = |number: i32| {
        let wire = pb::EventKind::try_from(number).ok()?;
        KINDS.iter().find(|(_, other)| *other == wire).map(|(ours, _)| *ours)
    };
    numbers.iter().map(|number| parse::word("kinds", *number, known(*number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_on_the_wire_is_one_of_ours_and_back() {
        for number in 1..=64 {
            let Ok(wire) = pb::EventKind::try_from(number) else { continue };
            let ours = kinds(&[number]).unwrap_or_else(|_| panic!("{wire:?} has no kind of ours"));
            assert_eq!(ours.into_iter().map(kind).collect::<Vec<_>>(), [wire]);
        }
    }
}
