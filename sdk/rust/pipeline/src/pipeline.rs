//! The builder of a pipeline: it holds the tasks in the order of their declaration. Checks happen
//! when a [`Plan`] is made of it.

use std::process::ExitCode;

use gofer_proto::sdk::v1 as pb;

use crate::fault::{Slip, code};
use crate::finish::finish_all;
use crate::parents::TaskHandle;
use crate::place::here;
use crate::plan::Plan;
use crate::task::Task;
use crate::units;

/// A graph of tasks under a name: what a team runs.
#[must_use = "a pipeline does nothing until it is finished"]
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The message without its tasks.
    pub(crate) message: pb::Pipeline,
    pub(crate) tasks: Vec<Task>,
    pub(crate) slips: Vec<Slip>,
}

impl Pipeline {
    /// A pipeline without tasks. The id has 3 to 32 letters, digits and underscores and is unique
    /// within its namespace; the name is free text for people, or empty to take the id.
    #[track_caller]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        let (id, name) = (id.into(), name.into());
        let name = if name.is_empty() { id.clone() } else { name };
        let source = Some(here());
        let message = pb::Pipeline { id, name, source, ..pb::Pipeline::default() };
        Self { message, tasks: Vec::new(), slips: Vec::new() }
    }

    /// What the pipeline is for, for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.message.description = description.into();
        self
    }

    /// How many runs may go on at once. 0 is as if it was not called: only the server's limit holds.
    pub fn parallelism(mut self, n_runs_max: u32) -> Self {
        self.message.parallelism = Some(n_runs_max).filter(|n| *n > 0);
        self
    }

    /// How long one run may take, from its start: a duration such as `"30m"` or `"1h30m"`, with the
    /// units ms, s, m, h, d. Without this call there is no limit.
    #[track_caller]
    pub fn timeout(mut self, timeout: impl AsRef<str>) -> Self {
        let place = here();
        self.message.timeout_ms = units::timeout_ms(timeout.as_ref())
            .map_err(|bad| self.slips.push(Slip::of(code::TIMEOUT, "timeout", &bad, place)))
            .ok();
        self
    }

    /// Adds tasks, after those that it has already.
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = Task>) -> Self {
        self.tasks.extend(tasks);
        self
    }

    /// Adds one task, and gives a handle by which later tasks name it as a parent.
    ///
    /// ```
    /// use gofer_sdk::{Pipeline, Task};
    ///
    /// let mut pipeline = Pipeline::new("release", "Release");
    /// let build = pipeline.task(Task::new("build", "alpine:3"));
    /// pipeline.task(Task::new("publish", "alpine:3").on_success(&build));
    /// assert!(pipeline.plan().is_valid());
    /// ```
    pub fn task(&mut self, task: Task) -> TaskHandle {
        let handle = TaskHandle::new(task.id());
        self.tasks.push(task);
        handle
    }

    /// The plan of this pipeline alone, checked: for tests and for looking at.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan::of(vec![self.clone()])
    }

    /// Hands the pipeline over, as the last thing that `main` does: [`finish_all`] with one pipeline.
    #[must_use = "return it from main, it tells whether there are faults"]
    pub fn finish(self) -> ExitCode {
        finish_all([self])
    }
}
