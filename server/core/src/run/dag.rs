//! The table that decides whether a task may start:
//!
//! | need    | satisfied by a parent that ended  |
//! |---------|-----------------------------------|
//! | ANY     | SUCCESSFUL, FAILED, SKIPPED       |
//! | SUCCESS | SUCCESSFUL                        |
//! | FAILURE | FAILED                            |
//!
//! A CANCELLED parent satisfies nothing. A failed parent stops only what needs its success.

use crate::pipeline::{Dependency, Need};

use super::{TaskStatus, UnfitParent};

/// Whether a task may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A parent has not ended.
    Wait,
    /// Every parent ended as needed.
    Start,
    /// A parent ended otherwise.
    Skip(UnfitParent),
}

/// Says whether a parent that ended with `status` satisfies `need`.
pub(super) fn satisfies(need: Need, status: TaskStatus) -> bool {
    match (need, status) {
        (Need::Any, TaskStatus::Successful | TaskStatus::Failed | TaskStatus::Skipped)
        | (Need::Success, TaskStatus::Successful)
        | (Need::Failure, TaskStatus::Failed) => true,
        (Need::Any, TaskStatus::Cancelled)
        | (Need::Success, TaskStatus::Failed | TaskStatus::Cancelled | TaskStatus::Skipped)
        | (Need::Failure, TaskStatus::Successful | TaskStatus::Cancelled | TaskStatus::Skipped) => {
            false
        }
    }
}

/// Judges a task by its parents; `status_of` gives a parent's status once it has ended. The first
/// parent, in the author's order, that does not fit decides, also while others still run.
pub fn judge(
    parents: &[Dependency],
    status_of: impl Fn(&Dependency) -> Option<TaskStatus>,
) -> Verdict {
    let mut verdict = Verdict::Start;
    for dependency in parents {
        match status_of(dependency) {
            None => verdict = Verdict::Wait,
            Some(status) if satisfies(dependency.need, status) => {}
            Some(status) => {
                let parent = dependency.parent.clone();
                return Verdict::Skip(UnfitParent { parent, status, need: dependency.need });
            }
        }
    }
    verdict
}
