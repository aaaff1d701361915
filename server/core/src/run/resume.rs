//! What a restarted server does for a loaded run: the orders that are not known to be done.

use super::{Effect, Force, Run, RunState, TaskRun, TaskState, Timer};

impl Run {
    /// The orders that a server gives for a run that it just loaded. They have all been given
    /// before, or should have been; each is harmless twice.
    #[must_use]
    pub fn resume(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        match &self.state {
            RunState::Pending => {}
            RunState::Running { started, .. } => {
                if let Some(limit) = self.spec.config.timeout_ms {
                    let at = started.plus_ms(limit);
                    effects.push(Effect::ArmTimer { timer: Timer::RunTimeout, at });
                }
            }
            RunState::Complete { .. } => effects.push(Effect::ReleaseSlot),
        }
        for run in &self.tasks {
            self.resume_task(run, &mut effects);
        }
        effects
    }

    fn resume_task(&self, run: &TaskRun, effects: &mut Vec<Effect>) {
        let task = run.task.clone();
        match &run.state {
            TaskState::Waiting | TaskState::Complete { .. } => {}
            TaskState::Backoff { attempt, until } => {
                let timer = Timer::Backoff { task, attempt: *attempt };
                effects.push(Effect::ArmTimer { timer, at: *until });
            }
            TaskState::Starting { attempt } => {
                effects.push(Effect::EnsureContainer { task, attempt: *attempt });
            }
            TaskState::Running { attempt, since } => {
                effects.push(Effect::WatchContainer { task: task.clone(), attempt: *attempt });
                if let Some(limit) = self.spec.task_timeout_ms(&run.task) {
                    let timer = Timer::TaskTimeout { task, attempt: *attempt };
                    effects.push(Effect::ArmTimer { timer, at: since.plus_ms(limit) });
                }
            }
            // Without the watch nobody would tell of the end: the run would hang for ever.
            TaskState::Stopping { attempt, force, kill_at, .. } => {
                let attempt = *attempt;
                effects.push(Effect::WatchContainer { task: task.clone(), attempt });
                match force {
                    Force::Kill => effects.push(Effect::KillContainer { task, attempt }),
                    Force::Grace => {
                        effects.push(Effect::StopContainer { task: task.clone(), attempt });
                        let timer = Timer::Grace { task, attempt };
                        effects.push(Effect::ArmTimer { timer, at: *kill_at });
                    }
                }
            }
        }
        for attempt in run.uncollected() {
            effects
                .push(Effect::CollectContainer { task: run.task.clone(), attempt: attempt.number });
        }
    }
}
