//! One step of a run: a state and an event give the next state, orders to the world, and entries
//! for the history. A pure function; the working copy is its only moving part.

use std::sync::Arc;

use crate::history::{Entry, EntryKind, Subject};
use crate::ids::{AttemptNumber, TaskId};
use crate::log::LogSummary;
use crate::ports::driver::{Exit, Handle};
use crate::time::Timestamp;

use super::outcome::FailureClass;
use super::{
    Effect, Event, Fact, Failure, PullTimes, Request, Run, RunState, StartFailure, TaskRun,
    TaskState, Timer,
};

/// What a step gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The state to commit. Equal to the old one, generation included, where nothing changed.
    pub next: Run,
    /// What to do once `next` is committed.
    pub effects: Vec<Effect>,
    /// What to write into the history with `next`.
    pub emitted: Vec<Entry>,
}

/// Why a request was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The run has ended.
    #[error("run {run} has ended already ({status:?})")]
    RunComplete {
        /// The run's number.
        run: u64,
        /// How it ended.
        status: super::RunStatus,
    },
    /// The task run has ended.
    #[error("task run `{task}` has ended already ({status:?})")]
    TaskComplete {
        /// The task.
        task: TaskId,
        /// How it ended.
        status: super::TaskStatus,
    },
    /// There is no such task in the run.
    #[error("the run has no task `{task}`")]
    NoSuchTask {
        /// The task.
        task: TaskId,
    },
}

impl Run {
    /// Takes in one event at the time `now`.
    ///
    /// # Errors
    /// [`Rejected`] for a request that the state does not allow. Facts are never rejected.
    pub fn step(&self, event: Event, now: Timestamp) -> Result<Step, Rejected> {
        let mut work = Work::new(self, now);
        match event {
            Event::Request(Request::Cancel { scope, force, by, reason }) => {
                work.cancel(&scope, force, by, reason)?;
            }
            Event::Fact(fact) => work.absorb(fact),
        }
        work.settle();
        Ok(work.finish(self))
    }
}

/// The working copy of one step.
pub(super) struct Work {
    pub(super) run: Run,
    pub(super) now: Timestamp,
    pub(super) effects: Vec<Effect>,
    pub(super) emitted: Vec<Entry>,
}

impl Work {
    fn new(run: &Run, now: Timestamp) -> Self {
        Self { run: run.clone(), now, effects: Vec::new(), emitted: Vec::new() }
    }

    fn finish(mut self, before: &Run) -> Step {
        let changed =
            self.run.state != before.state || self.run.changed_since(before).next().is_some();
        if changed {
            self.run.generation += 1;
        } else {
            self.emitted.clear(); // history tells of changes only
        }
        Step { next: self.run, effects: self.effects, emitted: self.emitted }
    }

    fn absorb(&mut self, fact: Fact) {
        match fact {
            Fact::Admitted => self.admitted(),
            Fact::Started { task, attempt, container, digest, pull, at } => {
                self.started(&task, attempt, Start { container, digest, pull, at });
            }
            Fact::StartFailed { task, attempt, failure } => {
                self.start_failed(&task, attempt, &failure);
            }
            Fact::Exited { task, attempt, container, exit } => {
                self.exited(&task, attempt, container, exit);
            }
            Fact::Vanished { task, attempt } => self.vanished(&task, attempt),
            Fact::TimerFired(timer) => self.timer_fired(&timer),
            Fact::Collected { task, attempt, log } => self.collected(&task, attempt, log),
        }
    }

    fn admitted(&mut self) {
        if self.run.state != RunState::Pending {
            return;
        }
        self.run.state = RunState::Running { started: self.now, cancel: None, timed_out: false };
        if let Some(limit) = self.run.spec.config.timeout_ms {
            self.arm(Timer::RunTimeout, self.now.plus_ms(limit));
        }
        self.tell_run(EntryKind::RunStarted, "got its slot");
    }

    fn started(&mut self, task: &TaskId, attempt: AttemptNumber, start: Start) {
        let at = self.within_attempt(task, attempt, start.at);
        let start = Start { at, ..start };
        match self.current_state(task, attempt) {
            Some(TaskState::Starting { .. }) => {
                self.record_start(task, attempt, start);
                self.change(task, |run| run.state = TaskState::Running { attempt, since: at });
                self.arm_task_timeout(task, attempt, at);
                self.tell_task(EntryKind::TaskRunStarted, task, Some(attempt), "container started");
            }
            Some(TaskState::Stopping { because, force, kill_at, since: None, .. }) => {
                // It came up after it was told to stop: the order must be given again.
                self.record_start(task, attempt, start);
                self.change(task, |run| {
                    run.state =
                        TaskState::Stopping { attempt, because, force, kill_at, since: Some(at) };
                });
                self.order_stop(task, attempt, force);
            }
            Some(
                TaskState::Waiting
                | TaskState::Backoff { .. }
                | TaskState::Running { .. }
                | TaskState::Stopping { .. }
                | TaskState::Complete { .. },
            )
            | None => {}
        }
    }

    fn record_start(&mut self, task: &TaskId, attempt: AttemptNumber, start: Start) {
        self.change_attempt(task, attempt, |record| {
            record.started = Some(start.at);
            record.container = Some(start.container);
            record.digest = start.digest;
            record.pull = start.pull;
        });
    }

    /// A time by the engine's clock, brought between the attempt's order and now by ours: the engine
    /// may be another machine, and its clock must not move a time limit.
    fn within_attempt(&self, task: &TaskId, attempt: AttemptNumber, at: Timestamp) -> Timestamp {
        let queued = self.run.task(task).and_then(|run| run.attempt(attempt)).map(|a| a.queued);
        let at = at.min(self.now);
        queued.map_or(at, |queued| at.max(queued))
    }

    fn start_failed(&mut self, task: &TaskId, attempt: AttemptNumber, failure: &StartFailure) {
        let Some(state) = self.current_state(task, attempt) else { return };
        if let Some(code) = failure.exit_code {
            let ended_ms = self.now.as_ms();
            let exit = Exit { code, oom: false, interrupted: false, started_ms: None, ended_ms };
            self.change_attempt(task, attempt, |record| record.exit = Some(exit));
        }
        self.close_attempt(task, attempt, Some((failure.class, failure.text.clone())));
        match state {
            TaskState::Stopping { because, .. } => self.stopped(task, attempt, because),
            TaskState::Starting { .. }
            | TaskState::Running { .. }
            | TaskState::Waiting
            | TaskState::Backoff { .. }
            | TaskState::Complete { .. } => self.could_not_start(task, failure),
        }
    }

    fn exited(&mut self, task: &TaskId, attempt: AttemptNumber, container: Handle, exit: Exit) {
        let Some(state) = self.current_state(task, attempt) else { return };
        let verdict = classify(&exit);
        let started = exit.started_ms.map(Timestamp::from_ms);
        let started = started.map(|at| self.within_attempt(task, attempt, at));
        let ended = self.within_attempt(task, attempt, Timestamp::from_ms(exit.ended_ms));
        self.change_attempt(task, attempt, |record| {
            record.started = record.started.or(started);
            // An engine's times may be apart by less than their precision.
            record.ended = Some(record.started.map_or(ended, |started| ended.max(started)));
            record.container = Some(container);
            record.exit = Some(exit);
        });
        self.close_attempt(task, attempt, verdict.clone());
        match state {
            // The reason for stopping wins over the exit code: the stop was accepted first.
            TaskState::Stopping { because, .. } => self.stopped(task, attempt, because),
            TaskState::Starting { .. }
            | TaskState::Running { .. }
            | TaskState::Waiting
            | TaskState::Backoff { .. }
            | TaskState::Complete { .. } => match verdict {
                None => self.succeeded(task),
                Some((class, text)) => self.attempt_failed(task, class, text),
            },
        }
    }

    fn vanished(&mut self, task: &TaskId, attempt: AttemptNumber) {
        let Some(state) = self.current_state(task, attempt) else { return };
        let text = "its container vanished from the engine".to_owned();
        self.close_attempt(task, attempt, Some((FailureClass::Engine, text.clone())));
        match state {
            TaskState::Stopping { because, .. } => self.stopped(task, attempt, because),
            TaskState::Starting { .. }
            | TaskState::Running { .. }
            | TaskState::Waiting
            | TaskState::Backoff { .. }
            | TaskState::Complete { .. } => self.attempt_failed(task, FailureClass::Engine, text),
        }
    }

    fn timer_fired(&mut self, timer: &Timer) {
        match timer {
            Timer::Backoff { task, attempt } => self.backoff_over(task, *attempt),
            Timer::TaskTimeout { task, attempt } => self.task_timed_out(task, *attempt),
            Timer::Grace { task, attempt } => self.grace_over(task, *attempt),
            Timer::RunTimeout => self.run_timed_out(),
        }
    }

    fn collected(&mut self, task: &TaskId, attempt: AttemptNumber, log: LogSummary) {
        let known = self.run.task(task).and_then(|run| run.attempt(attempt));
        if known.is_some_and(|record| record.collected.is_none()) {
            self.change_attempt(task, attempt, |record| record.collected = Some(log));
        }
    }

    /// Ends an attempt: what was its failure, and the order to collect its container.
    fn close_attempt(
        &mut self,
        task: &TaskId,
        attempt: AttemptNumber,
        failure: Option<(FailureClass, String)>,
    ) {
        let now = self.now;
        self.change_attempt(task, attempt, |record| {
            record.ended = record.ended.or(Some(now));
            record.failure = failure.map(|(class, text)| Failure { class, text });
        });
        self.effects.push(Effect::CollectContainer { task: task.clone(), attempt });
    }

    /// The state of a task run, if `attempt` is the one under way.
    pub(super) fn current_state(&self, task: &TaskId, attempt: AttemptNumber) -> Option<TaskState> {
        let run = self.run.task(task)?;
        (run.current() == Some(attempt)).then(|| run.state.clone())
    }

    /// Changes one task run; the others keep their pointers.
    pub(super) fn change(&mut self, task: &TaskId, change: impl FnOnce(&mut TaskRun)) {
        if let Some(slot) = self.run.tasks.iter_mut().find(|run| run.task == *task) {
            let mut copy = TaskRun::clone(slot);
            change(&mut copy);
            if copy != **slot {
                *slot = Arc::new(copy);
            }
        }
    }

    fn change_attempt(
        &mut self,
        task: &TaskId,
        attempt: AttemptNumber,
        change: impl FnOnce(&mut super::Attempt),
    ) {
        self.change(task, |run| {
            if let Some(record) = run.attempt_mut(attempt) {
                change(record);
            }
        });
    }

    pub(super) fn arm(&mut self, timer: Timer, at: Timestamp) {
        self.effects.push(Effect::ArmTimer { timer, at });
    }

    fn arm_task_timeout(&mut self, task: &TaskId, attempt: AttemptNumber, since: Timestamp) {
        if let Some(limit) = self.run.spec.task_timeout_ms(task) {
            self.arm(Timer::TaskTimeout { task: task.clone(), attempt }, since.plus_ms(limit));
        }
    }

    pub(super) fn subject(&self, task: Option<&TaskId>, attempt: Option<AttemptNumber>) -> Subject {
        let key = &self.run.spec.key;
        Subject {
            namespace: Some(key.pipeline.namespace.clone()),
            pipeline: Some(key.pipeline.pipeline.clone()),
            version: Some(self.run.spec.version),
            run: Some(key.run),
            task: task.cloned(),
            attempt,
        }
    }

    pub(super) fn tell_run(&mut self, kind: EntryKind, text: impl Into<String>) {
        let entry = Entry::new(kind, self.subject(None, None), text);
        self.emitted.push(entry);
    }

    pub(super) fn tell_task(
        &mut self,
        kind: EntryKind,
        task: &TaskId,
        attempt: Option<AttemptNumber>,
        text: impl Into<String>,
    ) {
        let entry = Entry::new(kind, self.subject(Some(task), attempt), text);
        self.emitted.push(entry);
    }
}

/// What is known of a container that came up.
struct Start {
    container: Handle,
    digest: Option<String>,
    pull: Option<PullTimes>,
    at: Timestamp,
}

/// Whose failure an exit is; none for a success.
fn classify(exit: &Exit) -> Option<(FailureClass, String)> {
    if exit.interrupted {
        let text = format!("the engine went down under its container (code {})", exit.code);
        return Some((FailureClass::Engine, text));
    }
    if exit.oom && exit.code != 0 {
        let text = format!("killed for want of memory (code {})", exit.code);
        return Some((FailureClass::Oom, text));
    }
    match (exit.code, exit.signal()) {
        (0, _) => None,
        (code, Some(signal)) => {
            Some((FailureClass::User, format!("exited with code {code} (signal {signal})")))
        }
        (code, None) => Some((FailureClass::User, format!("exited with code {code}"))),
    }
}
