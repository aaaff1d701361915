//! Stopping: cancels and time limits. A task run that is told to stop remembers why, and that
//! reason decides its outcome, whatever its container says on the way out. A stronger reason
//! replaces a weaker one, never the other way round; asking twice changes nothing.

use crate::history::EntryKind;
use crate::ids::{AttemptNumber, TaskId};

use super::step::{Rejected, Work};
use super::{
    Actor, ActorKind, CancelMark, Effect, Failure, FailureClass, Force, Reason, RunOutcome,
    RunState, RunStatus, Scope, StopCause, TaskOutcome, TaskState, Timer,
};

impl Work {
    pub(super) fn cancel(
        &mut self,
        scope: &Scope,
        force: Force,
        by: Actor,
        reason: String,
    ) -> Result<(), Rejected> {
        if !self.can_be_cancelled(scope)? {
            return Ok(()); // asked again: the same answer as the first time
        }
        let whole_run = *scope == Scope::Run;
        let mark = CancelMark { at: self.now, by, reason, force, whole_run };
        self.mark_cancel(&mark, scope);
        let cause = match mark.by.kind {
            ActorKind::User | ActorKind::Extension => StopCause::UserCancelled,
            ActorKind::System => StopCause::AdminCancelled,
        };
        match scope {
            Scope::Run => self.stop_all(cause, force),
            Scope::Task(task) => self.stop_task(task, cause, force),
        }
        if self.run.state == RunState::Pending && whole_run {
            self.set_run_outcome(None, Some(mark.clone()), cancelled_run(&mark));
        }
        Ok(())
    }

    /// False where it ended by a cancel already.
    fn can_be_cancelled(&self, scope: &Scope) -> Result<bool, Rejected> {
        let RunState::Complete { outcome, .. } = &self.run.state else {
            return match scope {
                Scope::Run => Ok(true),
                Scope::Task(task) => self.task_can_be_cancelled(task),
            };
        };
        match (scope, outcome.status) {
            (Scope::Task(task), _) => self.task_can_be_cancelled(task),
            (Scope::Run, RunStatus::Cancelled) => Ok(false),
            (Scope::Run, status @ (RunStatus::Successful | RunStatus::Failed)) => {
                Err(Rejected::RunComplete { run: self.run.spec.key.run, status })
            }
        }
    }

    /// False where the task run was cancelled before.
    fn task_can_be_cancelled(&self, task: &TaskId) -> Result<bool, Rejected> {
        let run = self.run.task(task).ok_or_else(|| Rejected::NoSuchTask { task: task.clone() })?;
        match run.outcome() {
            None => Ok(true),
            Some(TaskOutcome::Cancelled { .. }) => Ok(false),
            Some(
                outcome @ (TaskOutcome::Succeeded
                | TaskOutcome::Failed { .. }
                | TaskOutcome::Skipped(_)
                | TaskOutcome::SkippedByTimeout),
            ) => Err(Rejected::TaskComplete { task: task.clone(), status: outcome.status() }),
        }
    }

    /// Notes the cancel in the run, unless a stronger one stands there.
    fn mark_cancel(&mut self, mark: &CancelMark, scope: &Scope) {
        let told = match (&mut self.run.state, scope) {
            (RunState::Running { cancel, .. }, _) => {
                let stronger = cancel
                    .as_ref()
                    .is_none_or(|old| (old.whole_run, old.force) < (mark.whole_run, mark.force));
                if stronger {
                    *cancel = Some(mark.clone());
                }
                stronger
            }
            (RunState::Pending, _) => true,
            (RunState::Complete { .. }, _) => false,
        };
        let task = match scope {
            Scope::Run => None,
            Scope::Task(task) => Some(task.clone()),
        };
        if told || task.is_some() {
            let text = if mark.reason.is_empty() {
                format!("{} asked to cancel", mark.by)
            } else {
                format!("{} asked to cancel: {}", mark.by, mark.reason)
            };
            let entry = crate::history::Entry::new(
                EntryKind::RunCancelRequested,
                self.subject(task.as_ref(), None),
                text,
            );
            self.emitted.push(entry);
        }
    }

    fn stop_all(&mut self, cause: StopCause, force: Force) {
        let tasks: Vec<TaskId> = self.run.tasks.iter().map(|run| run.task.clone()).collect();
        for task in &tasks {
            self.stop_task(task, cause, force);
        }
    }

    /// Stops one task run, or makes a stop that is under way stronger.
    fn stop_task(&mut self, task: &TaskId, cause: StopCause, force: Force) {
        let Some(state) = self.run.task(task).map(|run| run.state.clone()) else { return };
        match state {
            TaskState::Waiting => {
                let outcome = if cause == StopCause::RunTimedOut {
                    TaskOutcome::SkippedByTimeout
                } else {
                    stop_outcome(cause)
                };
                self.complete_task(task, outcome);
            }
            TaskState::Backoff { .. } => self.complete_task(task, stop_outcome(cause)),
            TaskState::Starting { attempt } => self.begin_stop(task, attempt, (cause, force), None),
            TaskState::Running { attempt, since } => {
                self.begin_stop(task, attempt, (cause, force), Some(since));
            }
            TaskState::Stopping { attempt, because, force: old, kill_at, since } => {
                let stronger = force > old;
                let (because, force) = (because.max(cause), old.max(force));
                self.change(task, |run| {
                    run.state = TaskState::Stopping { attempt, because, force, kill_at, since };
                });
                if stronger {
                    self.order_stop(task, attempt, force);
                }
            }
            TaskState::Complete { .. } => {}
        }
    }

    fn begin_stop(
        &mut self,
        task: &TaskId,
        attempt: AttemptNumber,
        (because, force): (StopCause, Force),
        since: Option<crate::time::Timestamp>,
    ) {
        let kill_at = self.now.plus_ms(self.run.spec.policy.stop_grace_ms);
        self.change(task, |run| {
            run.state = TaskState::Stopping { attempt, because, force, kill_at, since };
        });
        self.order_stop(task, attempt, force);
        if force == Force::Grace {
            self.arm(Timer::Grace { task: task.clone(), attempt }, kill_at);
        }
    }

    pub(super) fn order_stop(&mut self, task: &TaskId, attempt: AttemptNumber, force: Force) {
        let task = task.clone();
        self.effects.push(match force {
            Force::Grace => Effect::StopContainer { task, attempt },
            Force::Kill => Effect::KillContainer { task, attempt },
        });
    }

    /// The container of a task run that was told to stop is gone.
    pub(super) fn stopped(&mut self, task: &TaskId, attempt: AttemptNumber, because: StopCause) {
        let (class, text) = match because {
            StopCause::TaskTimedOut => (FailureClass::Timeout, self.task_limit_text(task)),
            StopCause::RunTimedOut => {
                (FailureClass::Timeout, "the run's time limit ran out".to_owned())
            }
            StopCause::UserCancelled | StopCause::AdminCancelled => {
                (FailureClass::Cancelled, "stopped by a cancel".to_owned())
            }
        };
        self.change(task, |run| {
            if let Some(record) = run.attempt_mut(attempt) {
                record.failure = Some(Failure { class, text: text.clone() });
            }
        });
        match because {
            StopCause::TaskTimedOut => self.attempt_failed(task, FailureClass::Timeout, text),
            StopCause::RunTimedOut | StopCause::UserCancelled | StopCause::AdminCancelled => {
                self.complete_task(task, stop_outcome(because));
            }
        }
    }

    fn task_limit_text(&self, task: &TaskId) -> String {
        let limit = self.run.spec.task_timeout_ms(task).unwrap_or_default();
        format!("its time limit of {limit} ms ran out")
    }

    pub(super) fn task_timed_out(&mut self, task: &TaskId, attempt: AttemptNumber) {
        if let Some(TaskState::Running { since, .. }) = self.current_state(task, attempt) {
            self.begin_stop(task, attempt, (StopCause::TaskTimedOut, Force::Grace), Some(since));
        }
    }

    pub(super) fn grace_over(&mut self, task: &TaskId, attempt: AttemptNumber) {
        let Some(state) = self.current_state(task, attempt) else { return };
        if let TaskState::Stopping { because, force: Force::Grace, kill_at, since, .. } = state {
            let force = Force::Kill;
            self.change(task, |run| {
                run.state = TaskState::Stopping { attempt, because, force, kill_at, since };
            });
            self.effects.push(Effect::KillContainer { task: task.clone(), attempt });
        }
    }

    pub(super) fn run_timed_out(&mut self) {
        if let RunState::Running { timed_out: timed_out @ false, .. } = &mut self.run.state {
            *timed_out = true;
            self.stop_all(StopCause::RunTimedOut, Force::Grace);
        }
    }
}

/// The outcome of a task run that was stopped for good.
fn stop_outcome(because: StopCause) -> TaskOutcome {
    match because {
        StopCause::UserCancelled => TaskOutcome::Cancelled { reason: Reason::UserCancelled },
        StopCause::AdminCancelled => TaskOutcome::Cancelled { reason: Reason::AdminCancelled },
        StopCause::RunTimedOut | StopCause::TaskTimedOut => TaskOutcome::Failed {
            reason: Reason::TimedOut,
            text: "stopped because the run's time limit ran out".to_owned(),
        },
    }
}

/// The outcome of a run that was cancelled.
pub(super) fn cancelled_run(mark: &CancelMark) -> RunOutcome {
    let reason = match mark.by.kind {
        ActorKind::User | ActorKind::Extension => Reason::UserCancelled,
        ActorKind::System => Reason::AdminCancelled,
    };
    let text = if mark.reason.is_empty() {
        format!("cancelled by {}", mark.by)
    } else {
        format!("cancelled by {}: {}", mark.by, mark.reason)
    };
    RunOutcome { status: RunStatus::Cancelled, reason: Some(reason), text }
}
