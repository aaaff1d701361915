//! What must hold: some of it always, the rest once chaos is over and everything had its time.

use gofer_core::ids::AttemptKey;
use gofer_core::run::{FailureClass, Run, RunState, RunStatus, TaskOutcome, TaskRun, TaskStatus};

use super::World;

impl World {
    /// Holds at every moment.
    pub(crate) fn check_now(&self) {
        let holding = self.holding_slots();
        assert!(
            holding.len() <= self.limit as usize,
            "{holding:?} hold slots, {} are allowed",
            self.limit
        );
        for (key, n_starts) in &self.containers.starts {
            assert!(*n_starts <= 1, "the container of {key} was started {n_starts} times");
        }
    }

    /// Holds when everything had the time to settle.
    pub(crate) fn check_settled(&self, seed: u64) {
        for run in self.disk.values() {
            assert!(run.is_settled(), "seed {seed}: run {} did not settle: {run:#?}", run.spec.key);
            self.check_run(seed, run);
        }
        let left: Vec<_> = self.containers.there.keys().map(ToString::to_string).collect();
        assert!(left.is_empty(), "seed {seed}: containers are left: {left:?}");
        self.check_cancels(seed);
    }

    fn check_run(&self, seed: u64, run: &Run) {
        let RunState::Complete { outcome, .. } = &run.state else { return };
        let statuses: Vec<_> =
            run.tasks.iter().filter_map(|t| t.outcome().map(TaskOutcome::status)).collect();
        assert_eq!(
            statuses.len(),
            run.tasks.len(),
            "seed {seed}: a task run of {} has no outcome",
            run.spec.key
        );
        if outcome.status == RunStatus::Successful {
            let bad =
                statuses.iter().any(|s| matches!(s, TaskStatus::Failed | TaskStatus::Cancelled));
            assert!(!bad, "seed {seed}: {} is SUCCESSFUL with {statuses:?}", run.spec.key);
        }
        for task in &run.tasks {
            self.check_task(seed, run, task);
        }
    }

    fn check_task(&self, seed: u64, run: &Run, task: &TaskRun) {
        let name = format!("seed {seed}: task `{}` of {}", task.task, run.spec.key);
        if task.outcome() == Some(&TaskOutcome::Succeeded) {
            let last = task
                .attempts
                .last()
                .unwrap_or_else(|| panic!("{name} succeeded without an attempt"));
            let key: AttemptKey = run.attempt_key(&task.task, last.number);
            let end = self.containers.ends.get(&key);
            let truly = end.is_some_and(|exit| exit.code == 0 && !exit.interrupted);
            assert!(truly, "{name} succeeded, but its container ended {end:?}");
        }
        let by_user = |class: FailureClass| {
            matches!(class, FailureClass::User | FailureClass::Timeout | FailureClass::Oom)
        };
        let n_user = task
            .attempts
            .iter()
            .filter_map(|a| a.failure.as_ref())
            .filter(|f| by_user(f.class))
            .count();
        assert!(
            task.user_failures as usize <= n_user,
            "{name} used {} retries for {n_user} failures of its own",
            task.user_failures
        );
        for attempt in &task.attempts {
            let key = run.attempt_key(&task.task, attempt.number);
            let interrupted = self.containers.ends.get(&key).is_some_and(|exit| exit.interrupted);
            let blamed =
                attempt.failure.as_ref().is_some_and(|failure| failure.class == FailureClass::User);
            assert!(
                !(interrupted && blamed),
                "{name}: attempt {} was the engine's fault",
                attempt.number
            );
        }
    }

    fn check_cancels(&self, seed: u64) {
        for (id, task) in &self.promised_cancels {
            let Some(run) = self.disk.get(id) else { continue };
            let RunState::Complete { outcome, .. } = &run.state else { continue };
            assert_eq!(outcome.status, RunStatus::Cancelled, "seed {seed}: run {id} was cancelled");
            let task_run =
                task.as_ref().and_then(|name| run.tasks.iter().find(|t| t.task.as_str() == name));
            if let Some(status) = task_run.and_then(|t| t.outcome().map(TaskOutcome::status)) {
                assert_eq!(
                    status,
                    TaskStatus::Cancelled,
                    "seed {seed}: {task:?} of run {id} was cancelled"
                );
            }
        }
    }
}
