//! What follows from an end: the next attempt or the outcome of a task run, the children that may
//! start or must be skipped, and, when nothing is left, the outcome of the run.

use crate::history::{Ended, EntryKind};
use crate::ids::{AttemptNumber, TaskId};

use super::step::Work;
use super::{
    Attempt, Effect, FailureClass, Reason, RunOutcome, RunSpec, RunState, RunStatus, StartFailure,
    TaskOutcome, TaskState, TaskStatus, Timer, Verdict, judge,
};

/// The infrastructure budget's wait doubles with each failure, up to this.
const INFRA_DELAY_MS_MAX: u64 = 60_000;

impl RunSpec {
    /// The time limit of one attempt of a task: the task's own under the server's ceiling, in
    /// milliseconds.
    #[must_use]
    pub fn task_timeout_ms(&self, task: &TaskId) -> Option<u64> {
        let own = self.config.task(task).and_then(|config| config.timeout_ms);
        match (own, self.policy.task_timeout_ms_max) {
            (Some(own), Some(ceiling)) => Some(own.min(ceiling)),
            (own, ceiling) => own.or(ceiling),
        }
    }
}

impl Work {
    /// Starts and skips tasks until nothing moves, then ends the run if all task runs have ended.
    pub(super) fn settle(&mut self) {
        if !matches!(self.run.state, RunState::Running { .. }) {
            return;
        }
        while self.start_or_skip() {}
        if self.run.tasks.iter().all(|task| task.outcome().is_some()) {
            self.complete_run();
        }
    }

    /// One pass over the waiting task runs; true where a skip may have decided others.
    fn start_or_skip(&mut self) -> bool {
        let spec = self.run.spec.clone();
        let mut skipped = false;
        for config in &spec.config.tasks {
            let waiting =
                self.run.task(&config.id).is_some_and(|run| run.state == TaskState::Waiting);
            if !waiting {
                continue;
            }
            let verdict = judge(&config.depends_on, |dependency| {
                self.run.task(&dependency.parent)?.outcome().map(TaskOutcome::status)
            });
            match verdict {
                Verdict::Wait => {}
                Verdict::Start => self.start_attempt(&config.id, 1),
                Verdict::Skip(unfit) => {
                    self.complete_task(&config.id, TaskOutcome::Skipped(unfit));
                    skipped = true;
                }
            }
        }
        skipped
    }

    fn start_attempt(&mut self, task: &TaskId, number: AttemptNumber) {
        let now = self.now;
        self.change(task, |run| {
            run.attempts.push(Attempt::new(number, now));
            run.state = TaskState::Starting { attempt: number };
        });
        self.effects.push(Effect::EnsureContainer { task: task.clone(), attempt: number });
    }

    pub(super) fn backoff_over(&mut self, task: &TaskId, number: AttemptNumber) {
        let due = matches!(
            self.run.task(task).map(|run| &run.state),
            Some(TaskState::Backoff { attempt, .. }) if *attempt == number
        );
        if due {
            self.start_attempt(task, number);
        }
    }

    pub(super) fn succeeded(&mut self, task: &TaskId) {
        self.complete_task(task, TaskOutcome::Succeeded);
    }

    /// An attempt that could not be started: final, or one more from the infrastructure budget.
    pub(super) fn could_not_start(&mut self, task: &TaskId, failure: &StartFailure) {
        if failure.retryable {
            self.attempt_failed(task, failure.class, failure.text.clone());
            return;
        }
        let reason = match failure.class {
            FailureClass::Image => Reason::ImageError,
            FailureClass::Config if failure.exit_code.is_some() => Reason::AbnormalExit,
            FailureClass::Config => Reason::FailedPrecondition,
            FailureClass::User
            | FailureClass::Timeout
            | FailureClass::Cancelled
            | FailureClass::Oom
            | FailureClass::Capacity
            | FailureClass::Engine => Reason::SchedulerError,
        };
        self.complete_task(task, TaskOutcome::Failed { reason, text: failure.text.clone() });
    }

    /// An attempt that failed: one more while its budget lasts, else the task run has failed.
    pub(super) fn attempt_failed(&mut self, task: &TaskId, class: FailureClass, text: String) {
        let wait_ms = match class {
            FailureClass::User | FailureClass::Timeout | FailureClass::Oom => self.user_wait(task),
            FailureClass::Cancelled
            | FailureClass::Image
            | FailureClass::Config
            | FailureClass::Capacity
            | FailureClass::Engine => self.infra_wait(task),
        };
        match wait_ms {
            Some(wait_ms) => self.back_off(task, wait_ms, &text),
            None => {
                self.complete_task(task, TaskOutcome::Failed { reason: reason_of(class), text });
            }
        }
    }

    /// Takes one from the task's retries; the wait in milliseconds while some are left.
    fn user_wait(&mut self, task: &TaskId) -> Option<u64> {
        let retries = self.run.spec.config.task(task)?.retries;
        self.change(task, |run| run.user_failures += 1);
        let failures = self.run.task(task)?.user_failures;
        (failures <= retries.count).then(|| retries.wait_ms(failures))
    }

    /// Takes one from the infrastructure budget; the wait in milliseconds while some is left.
    fn infra_wait(&mut self, task: &TaskId) -> Option<u64> {
        let policy = self.run.spec.policy;
        self.change(task, |run| run.infra_failures += 1);
        let failures = self.run.task(task)?.infra_failures;
        let doubled = policy.infra_delay_ms.saturating_mul(1 << (failures - 1).min(16));
        (failures <= policy.infra_retries).then_some(doubled.min(INFRA_DELAY_MS_MAX))
    }

    fn back_off(&mut self, task: &TaskId, wait_ms: u64, text: &str) {
        let last = self.run.task(task).and_then(|run| run.attempts.last()).map_or(0, |a| a.number);
        let attempt = last + 1;
        self.tell_task(
            EntryKind::TaskRunRetried,
            task,
            Some(attempt),
            format!("{text}; another attempt follows"),
        );
        if wait_ms == 0 {
            self.start_attempt(task, attempt);
            return;
        }
        let until = self.now.plus_ms(wait_ms);
        self.change(task, |run| run.state = TaskState::Backoff { attempt, until });
        self.arm(Timer::Backoff { task: task.clone(), attempt }, until);
    }

    pub(super) fn complete_task(&mut self, task: &TaskId, outcome: TaskOutcome) {
        let mut entry = crate::history::Entry::new(
            EntryKind::TaskRunCompleted,
            self.subject(Some(task), None),
            outcome.text(),
        );
        entry.ended = Some(Ended::from(outcome.status()));
        entry.reason = outcome.reason();
        self.emitted.push(entry);
        let ended = self.now;
        self.change(task, |run| run.state = TaskState::Complete { ended, outcome });
    }

    fn complete_run(&mut self) {
        let RunState::Running { started, cancel, timed_out } = self.run.state.clone() else {
            return;
        };
        let outcome = self.tally(cancel.as_ref(), timed_out);
        self.set_run_outcome(Some(started), cancel, outcome);
    }

    /// Sets the run's outcome, once: tells the history and gives the slot back.
    pub(super) fn set_run_outcome(
        &mut self,
        started: Option<crate::time::Timestamp>,
        cancel: Option<super::CancelMark>,
        outcome: RunOutcome,
    ) {
        let mut entry = crate::history::Entry::new(
            EntryKind::RunCompleted,
            self.subject(None, None),
            outcome.text.clone(),
        );
        entry.ended = Some(Ended::from(outcome.status));
        entry.reason = outcome.reason;
        self.emitted.push(entry);
        self.run.state = RunState::Complete { started, ended: self.now, outcome, cancel };
        self.effects.push(Effect::ReleaseSlot);
    }

    /// An accepted cancel makes CANCELLED, always; otherwise any FAILED makes FAILED.
    fn tally(&self, cancel: Option<&super::CancelMark>, timed_out: bool) -> RunOutcome {
        if let Some(mark) = cancel {
            return super::stop::cancelled_run(mark);
        }
        let cancelled = self.run.tasks.iter().find_map(|run| match run.outcome() {
            Some(TaskOutcome::Cancelled { reason }) => Some((&run.task, *reason)),
            Some(
                TaskOutcome::Succeeded
                | TaskOutcome::Failed { .. }
                | TaskOutcome::Skipped(_)
                | TaskOutcome::SkippedByTimeout,
            )
            | None => None,
        });
        if let Some((task, reason)) = cancelled {
            let text = format!("task `{task}` was cancelled");
            return RunOutcome { status: RunStatus::Cancelled, reason: Some(reason), text };
        }
        self.tally_without_cancel(timed_out)
    }

    fn tally_without_cancel(&self, timed_out: bool) -> RunOutcome {
        if timed_out {
            let text = "the run's time limit ran out".to_owned();
            return RunOutcome { status: RunStatus::Failed, reason: Some(Reason::TimedOut), text };
        }
        let failed = self.run.tasks.iter().find_map(|run| match run.outcome() {
            Some(outcome @ TaskOutcome::Failed { reason, .. }) => {
                Some((&run.task, *reason, outcome.text()))
            }
            Some(
                TaskOutcome::Succeeded
                | TaskOutcome::Cancelled { .. }
                | TaskOutcome::Skipped(_)
                | TaskOutcome::SkippedByTimeout,
            )
            | None => None,
        });
        match failed {
            Some((task, reason, text)) => RunOutcome {
                status: RunStatus::Failed,
                reason: Some(reason),
                text: format!("task `{task}` failed: {text}"),
            },
            None => {
                let n_done = self.count(TaskStatus::Successful);
                let text = format!("{n_done} of {} task runs successful", self.run.tasks.len());
                RunOutcome { status: RunStatus::Successful, reason: None, text }
            }
        }
    }

    fn count(&self, status: TaskStatus) -> usize {
        let statuses =
            self.run.tasks.iter().filter_map(|run| run.outcome().map(TaskOutcome::status));
        statuses.filter(|s| *s == status).count()
    }
}

/// The reason of a task run whose last attempt failed with this class.
fn reason_of(class: FailureClass) -> Reason {
    match class {
        FailureClass::User => Reason::AbnormalExit,
        FailureClass::Timeout => Reason::TimedOut,
        FailureClass::Cancelled => Reason::UserCancelled,
        FailureClass::Oom => Reason::OutOfMemory,
        FailureClass::Image => Reason::ImageError,
        FailureClass::Config => Reason::FailedPrecondition,
        FailureClass::Capacity => Reason::SchedulerError,
        FailureClass::Engine => Reason::EngineLost,
    }
}
